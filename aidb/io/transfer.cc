#include "aidb/io/transfer.h"

#include <algorithm>
#include <utility>

#include "aidb/base/canary.h"

namespace aidb::io {
namespace {

// The file's own errors name the operation and the path already.
std::string AtOffset(uint64_t offset) { return "at offset " + std::to_string(offset); }

std::string At(std::string_view verb, const File& file, uint64_t offset) {
  return std::string(verb) + " " + std::string(file.path()) + " " + AtOffset(offset);
}

std::string TemporaryOf(std::string_view directory, std::string_view name) {
  return JoinPath(directory, name) + ".tmp";
}

}  // namespace

Result<size_t> ReadUpTo(const File& file, uint64_t offset, std::span<std::byte> out) {
  size_t done = 0;
  while (done < out.size()) {
    Result<size_t> got = file.Read(offset + done, out.subspan(done));
    if (!got.ok()) return std::move(got).status().Annotate(AtOffset(offset + done));
    if (*got == 0) break;
    done += *got;
  }
  return done;
}

Status ReadExact(const File& file, uint64_t offset, std::span<std::byte> out) {
  AIDB_ASSIGN_OR_RETURN(const size_t got, ReadUpTo(file, offset, out));
  if (got == out.size()) return {};
  return Corruption(At("read", file, offset) + ": the file ends " +
                    std::to_string(out.size() - got) + " bytes too early");
}

Status WriteFully(File& file, uint64_t offset, std::span<const std::byte> first,
                  std::span<const std::byte> second) {
  const size_t size = first.size() + second.size();
  size_t done = 0;
  int idle_rounds = 0;
  while (done < size) {
    const size_t in_first = std::min(done, first.size());
    Result<size_t> wrote =
        file.Write(offset + done, first.subspan(in_first), second.subspan(done - in_first));
    if (!wrote.ok()) return std::move(wrote).status().Annotate(AtOffset(offset + done));
    done += *wrote;
    idle_rounds = *wrote == 0 ? idle_rounds + 1 : 0;
    if (idle_rounds == kRoundsWithoutProgressMax) {
      return IoError(At("write", file, offset + done) + ": no progress in " +
                     std::to_string(kRoundsWithoutProgressMax) + " rounds");
    }
  }
  return {};
}

Result<std::string> ReadWhole(FileSystem& files, std::string_view path, uint64_t size_bytes_max) {
  AIDB_ASSIGN_OR_RETURN(const auto file, files.Open(path, OpenMode::kRead));
  AIDB_ASSIGN_OR_RETURN(const uint64_t size, file->Size());
  if (size > size_bytes_max) {
    return ResourceExhausted(std::string(path) + " has " + std::to_string(size) +
                             " bytes; at most " + std::to_string(size_bytes_max) +
                             " are expected of it");
  }
  std::string content(size, '\0');
  AIDB_RETURN_IF_ERROR(ReadExact(*file, 0, std::as_writable_bytes(std::span(content))));
  return content;
}

Status ReplaceFile(FileSystem& files, std::string_view directory, std::string_view name,
                   std::string_view content) {
  AIDB_RETURN_IF_ERROR(WriteReplacement(files, directory, name, content));
  return RenameReplacement(files, directory, name);
}

Status WriteReplacement(FileSystem& files, std::string_view directory, std::string_view name,
                        std::string_view content) {
  const std::string temporary = TemporaryOf(directory, name);
  AIDB_ASSIGN_OR_RETURN(const bool left_over, files.Exists(temporary));
  if (left_over) AIDB_RETURN_IF_ERROR(files.Remove(temporary));
  AIDB_ASSIGN_OR_RETURN(const auto file, files.Open(temporary, OpenMode::kCreateNew));
  AIDB_RETURN_IF_ERROR(WriteFully(*file, 0, std::as_bytes(std::span(content))));
  AIDB_RETURN_IF_ERROR(file->SyncAll());
  return file->Close();
}

Status RenameReplacement(FileSystem& files, std::string_view directory, std::string_view name) {
  AIDB_RETURN_IF_ERROR(files.Rename(TemporaryOf(directory, name), JoinPath(directory, name)));
  if (AIDB_CANARY_HIT(kCurrentNameNotSynced) && name == "CURRENT") return {};
  return files.SyncDirectory(directory);
}

}  // namespace aidb::io

#include "aidb/journal/quarantine.h"

#include <algorithm>
#include <utility>

#include "aidb/io/transfer.h"

namespace aidb::journal {
namespace {

Result<uint64_t> BytesIn(io::FileSystem& files, std::string_view directory) {
  AIDB_ASSIGN_OR_RETURN(const auto names, files.List(directory));
  uint64_t total = 0;
  for (const std::string& name : names) {
    AIDB_ASSIGN_OR_RETURN(const auto file,
                          files.Open(io::JoinPath(directory, name), io::OpenMode::kRead));
    AIDB_ASSIGN_OR_RETURN(const uint64_t size, file->Size());
    total += size;
  }
  return total;
}

Status Copy(const io::File& from, uint64_t offset, uint64_t end, io::File& to) {
  std::string buffer;
  for (uint64_t at = offset; at < end;) {
    buffer.resize(std::min<uint64_t>(end - at, uint64_t{1} << 20));
    AIDB_ASSIGN_OR_RETURN(const size_t got,
                          io::ReadUpTo(from, at, std::as_writable_bytes(std::span(buffer))));
    if (got == 0) break;
    AIDB_RETURN_IF_ERROR(
        io::WriteFully(to, at - offset, std::as_bytes(std::span(buffer).first(got))));
    at += got;
  }
  return to.SyncAll();
}

}  // namespace

Result<std::string> KeepInQuarantine(io::FileSystem& files, std::string_view directory,
                                     std::string_view name, const io::File& file, uint64_t offset,
                                     uint64_t end) {
  const std::string place = io::JoinPath(directory, kQuarantineName);
  AIDB_RETURN_IF_ERROR(files.CreateDirectory(place));
  AIDB_RETURN_IF_ERROR(files.SyncDirectory(directory));
  const std::string path = io::JoinPath(place, std::string(name) + "." + std::to_string(offset));
  AIDB_ASSIGN_OR_RETURN(const bool exists, files.Exists(path));
  if (exists) AIDB_RETURN_IF_ERROR(files.Remove(path));
  AIDB_ASSIGN_OR_RETURN(const uint64_t held, BytesIn(files, place));
  if (end - offset > kQuarantineBytesMax - std::min(held, kQuarantineBytesMax)) {
    return ResourceExhausted(place + " holds " + std::to_string(held) + " bytes and would take " +
                             std::to_string(end - offset) + " more, above its limit of " +
                             std::to_string(kQuarantineBytesMax) +
                             ": look at what recovery has kept there, move it away, open again");
  }
  AIDB_ASSIGN_OR_RETURN(const auto copy, files.Open(path, io::OpenMode::kCreateNew));
  AIDB_RETURN_IF_ERROR(Copy(file, offset, end, *copy));
  AIDB_RETURN_IF_ERROR(copy->Close());
  AIDB_RETURN_IF_ERROR(files.SyncDirectory(place));
  return path;
}

}  // namespace aidb::journal

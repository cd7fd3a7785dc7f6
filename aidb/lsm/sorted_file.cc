#include "aidb/lsm/sorted_file.h"

#include <algorithm>
#include <cstddef>
#include <memory>
#include <utility>

#include "aidb/base/canary.h"
#include "aidb/base/crc32c.h"
#include "aidb/io/transfer.h"
#include "aidb/lsm/block_cache.h"
#include "aidb/lsm/file_names.h"
#include "aidb/lsm/repair_command.h"
#include "aidb/lsm/sorted_files.h"
#include "aidb/lsm/table_format.h"
#include "aidb/lsm/table_reader.h"

namespace aidb::lsm {
namespace {

constexpr uint64_t kCacheBytes = uint64_t{1} << 20;
constexpr uint64_t kCopyBytes = uint64_t{1} << 20;

// A table of a store would be repaired; this one has to be made again.
Status OfFile(Status status, const std::string& path) {
  if (status.code() != StatusCode::kCorruption) return status;
  std::string message(status.message());
  const std::string command = RepairCommand(io::ParentOf(path));
  if (const size_t at = message.find(command); at != std::string::npos) {
    message.erase(at, command.size());
  }
  return Corruption(std::move(message));
}

// An open sorted file.
//
// Lifetime: the reader borrows the cache.
struct Opened {
  std::unique_ptr<BlockCache> cache;
  std::shared_ptr<TableReader> table;
};

Result<Opened> Open(io::FileSystem& files, const std::string& path) {
  AIDB_ASSIGN_OR_RETURN(auto file, files.Open(path, io::OpenMode::kRead));
  AIDB_ASSIGN_OR_RETURN(TableFacts facts, TableReader::ReadFacts(*file));
  if (facts.lowest != facts.highest) {
    return InvalidArgument(path + ": holds the sequences " +
                           std::to_string(ToNumber(facts.lowest)) + " to " +
                           std::to_string(ToNumber(facts.highest)) +
                           "; a file to be ingested has one for all. It is a table of a store: "
                           "export the store");
  }
  if (facts.operands > 0) {
    return InvalidArgument(path +
                           ": holds merges that need what lies below them. It is a table of a "
                           "store: export the store");
  }
  facts.ingested = true;
  auto cache = std::make_unique<BlockCache>(kCacheBytes);
  AIDB_ASSIGN_OR_RETURN(auto table, TableReader::Open(std::move(file), std::move(facts), *cache));
  return Opened{std::move(cache), std::move(table)};
}

Result<SortedFile> Verify(io::FileSystem& files, const std::string& path) {
  AIDB_ASSIGN_OR_RETURN(const Opened opened, Open(files, path));
  AIDB_RETURN_IF_ERROR(opened.table->Check());
  AIDB_ASSIGN_OR_RETURN(const TableProperties properties, opened.table->ReadProperties());
  return SortedFile{
      .path = path, .facts = opened.table->facts(), .expires = properties.expiry_highest_ms > 0};
}

std::string Keys(const TableFacts& facts) {
  return KeyText(facts.first_key) + " to " + KeyText(facts.last_key);
}

Status CheckApart(const std::vector<SortedFile>& sorted) {
  for (size_t i = 1; i < sorted.size(); ++i) {
    const SortedFile& before = sorted[i - 1];
    const SortedFile& after = sorted[i];
    if (before.facts.last_key < after.facts.first_key) continue;
    return InvalidArgument(before.path + " and " + after.path +
                           ": share keys; the first has those from " + Keys(before.facts) +
                           ", the second those from " + Keys(after.facts) +
                           ". Ingest one after the other");
  }
  return {};
}

// The copy has the checksum that was verified.
Status Copy(io::FileSystem& files, const SortedFile& file, io::File& to) {
  AIDB_ASSIGN_OR_RETURN(const auto from, files.Open(file.path, io::OpenMode::kRead));
  std::vector<std::byte> piece(kCopyBytes);
  uint32_t crc = 0;
  const uint64_t size = file.facts.size_bytes;
  for (uint64_t at = 0; at < size; at += piece.size()) {
    const auto part = std::span(piece).first(std::min<uint64_t>(piece.size(), size - at));
    AIDB_RETURN_IF_ERROR(io::ReadExact(*from, at, part));
    crc = ExtendCrc32c(crc, AsView(part));
    AIDB_RETURN_IF_ERROR(io::WriteFully(to, at, part));
  }
  AIDB_ASSIGN_OR_RETURN(const uint64_t size_now, from->Size());
  if (crc == file.facts.crc && size_now == size) return {};
  return InvalidArgument(file.path + ": was changed while it was ingested");
}

// That it is the file that was verified, and not another that has taken its name since.
Status CheckLinked(io::FileSystem& files, const SortedFile& file, const std::string& target) {
  AIDB_ASSIGN_OR_RETURN(auto linked, files.Open(target, io::OpenMode::kRead));
  BlockCache cache(kCacheBytes);
  auto table = TableReader::Open(std::move(linked), file.facts, cache);
  if (table.ok()) return {};
  if (table.status().code() != StatusCode::kCorruption) return std::move(table).status();
  return InvalidArgument(file.path + ": was changed while it was ingested");
}

Status FinishLink(io::FileSystem& files, const SortedFile& file, const std::string& target) {
  AIDB_RETURN_IF_ERROR(CheckLinked(files, file, target));
  if (AIDB_CANARY_HIT(kIngestNotSynced)) return {};
  AIDB_ASSIGN_OR_RETURN(const auto linked, files.Open(target, io::OpenMode::kRead));
  return linked->SyncAll();
}

class SortedFiles final : public kv::SortedFileSource {
 public:
  explicit SortedFiles(io::FileSystem& files) : files_(files) {}

  Result<std::vector<kv::IngestedFile>> Verify(std::span<const std::string> paths) override {
    AIDB_ASSIGN_OR_RETURN(const std::vector<SortedFile> sorted, VerifySortedFiles(files_, paths));
    std::vector<kv::IngestedFile> verified;
    for (const SortedFile& file : sorted) verified.push_back(DescriptionOf(file));
    return verified;
  }

  Status Read(const kv::IngestedFile& file, const Visit& visit) override {
    auto opened = Open(files_, file.path);
    if (!opened.ok()) return OfFile(std::move(opened).status(), file.path);
    const TableReader& table = *opened->table;
    if (table.facts().crc != file.crc) {
      return InvalidArgument(file.path + ": was changed while it was ingested");
    }
    if (table.range_deletes() != nullptr) {
      for (const RangeDeleteFragment& range : table.range_deletes()->deletes().fragments()) {
        AIDB_RETURN_IF_ERROR(
            visit({.kind = OpKind::kDeleteRange, .key = range.begin, .value = range.end}));
      }
    }
    const auto entries = table.NewCursor(CacheFill::kPassBy);
    for (entries->SeekToFirst(); entries->valid(); entries->Next()) {
      const Entry& entry = entries->entry();
      AIDB_RETURN_IF_ERROR(visit({.kind = entry.kind,
                                  .key = entry.key,
                                  .value = entry.value,
                                  .expires_at_ms = entry.expires_at_ms}));
    }
    return OfFile(entries->status(), file.path);
  }

 private:
  io::FileSystem& files_;
};

}  // namespace

kv::IngestedFile DescriptionOf(const SortedFile& file) {
  return {.path = file.path,
          .size_bytes = file.facts.size_bytes,
          .crc = file.facts.crc,
          .entries = file.facts.entries,
          .range_deletes = file.facts.range_deletes,
          .first_key = file.facts.first_key,
          .last_key = file.facts.last_key};
}

Result<std::vector<SortedFile>> VerifySortedFiles(io::FileSystem& files,
                                                  std::span<const std::string> paths) {
  AIDB_RETURN_IF_ERROR(kv::CheckIngestCount(paths.size()));
  std::vector<SortedFile> sorted;
  for (const std::string& path : paths) {
    auto verified = Verify(files, path);
    if (!verified.ok()) return OfFile(std::move(verified).status(), path);
    sorted.push_back(*std::move(verified));
  }
  std::ranges::sort(sorted, [](const SortedFile& a, const SortedFile& b) {
    return a.facts.first_key != b.facts.first_key ? a.facts.first_key < b.facts.first_key
                                                  : a.facts.last_key < b.facts.last_key;
  });
  AIDB_RETURN_IF_ERROR(CheckApart(sorted));
  return sorted;
}

Status PlaceSortedFile(io::FileSystem& files, const SortedFile& file, std::string_view directory,
                       uint64_t number, Placing placing) {
  const std::string target = io::JoinPath(directory, TableName(number));
  // There is no link on another file system, perhaps, or of a file of another user.
  if (placing == Placing::kLinkIfItCanBe && files.Link(file.path, target).ok()) {
    return FinishLink(files, file, target);
  }
  AIDB_ASSIGN_OR_RETURN(const auto to, files.Open(target, io::OpenMode::kCreateNew));
  AIDB_RETURN_IF_ERROR(Copy(files, file, *to));
  if (AIDB_CANARY_HIT(kIngestNotSynced)) return {};
  return to->SyncAll();
}

std::unique_ptr<kv::SortedFileSource> NewSortedFileSource(io::FileSystem& files) {
  return std::make_unique<SortedFiles>(files);
}

}  // namespace aidb::lsm

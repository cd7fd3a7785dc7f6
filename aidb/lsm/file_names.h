#pragma once

// The names of a store's files. Whatever has another name is not ours: it is left alone.
//
//   000012.log       write-ahead log           CURRENT     names the manifest in force
//   000013.sst       table                     LOCK        held while the store is open
//   MANIFEST-000014  manifest                  JOURNAL     identity of the log
//   quarantine       directory: what recovery  ring        the log's shared memory
//                    cut or set aside          <any>.tmp   of one of these: not yet renamed
//
// Numbers have at least six digits and no further leading zeros, so each file has one name.

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "aidb/base/result.h"
#include "aidb/io/file_system.h"

namespace aidb::lsm {

enum class FileKind : uint8_t {
  kLog,
  kTable,
  kManifest,
  kCurrent,
  kLock,
  kJournal,
  kRing,
  kQuarantine,
  kTemporary,
};

struct FileName {
  FileKind kind{};
  uint64_t number = 0;  // Of logs, tables and manifests; for kTemporary, of what it becomes.

  bool operator==(const FileName&) const = default;
};

inline constexpr std::string_view kCurrentName = "CURRENT";
inline constexpr std::string_view kTemporarySuffix = ".tmp";

// Nullopt when it is none of ours.
std::optional<FileName> ParseFileName(std::string_view name);

std::string LogName(uint64_t number);
std::string TableName(uint64_t number);
std::string ManifestName(uint64_t number);

// Larger than the number of any of our files in `directory`; at least 1.
Result<uint64_t> NextNumberFree(const io::FileSystem& files, std::string_view directory);

// Hands out numbers for new logs, tables, manifests and runs, each once.
//
// Thread safety: any thread may call any method.
class FileNumbers {
 public:
  explicit FileNumbers(uint64_t next) : next_(next) {}

  uint64_t Take() { return next_.fetch_add(1, std::memory_order_relaxed); }
  // What Take would give: larger than any number handed out.
  uint64_t next() const { return next_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> next_;  // Relaxed: the numbers order nothing.
};

}  // namespace aidb::lsm

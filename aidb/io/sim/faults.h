#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "aidb/base/clock.h"
#include "aidb/base/random.h"

namespace aidb::io {

enum class FileCall : unsigned char {
  kOpen,
  kRead,
  kWrite,
  kSync,  // SyncData and SyncAll.
  kTruncate,
  kAllocate,
  kSize,
  kClose,
  kExists,
  kList,
  kCreateDirectory,
  kRename,
  kRemove,
  kLink,
  kSyncDirectory,
  kLock,
  kFreeBytes,
  kOpenRegion,
};
std::string_view FileCallName(FileCall call);

// One operation of the simulated file system, as callbacks see it.
struct SimOperation {
  uint64_t number = 0;  // From 1; the same number is the same operation in each run of a seed.
  FileCall call = FileCall::kOpen;
  std::string_view path;
  uint64_t offset = 0;
  uint64_t size = 0;
};

enum class Fault : unsigned char {
  kError,           // kIoError, nothing done. A sync fails as kSyncKeepsCache.
  kErrorAfterPart,  // kIoError, part of a write done; any other effect done whole.
  kNoSpace,         // kResourceExhausted, nothing done. At a sync: thin storage gave out.
  kTooManyFiles,    // kResourceExhausted, nothing done.
  kShort,           // Reads and writes move only a part.
  kStall,           // Takes `stall` longer.
  kSyncKeepsCache,  // After-failure behaviour A (see SyncFailure).
  kSyncDropsCache,  // B.
  kSyncLies,        // C: says ok, and nothing is durable.
  kReadFlipsBit,
  kReadStale,      // The bytes of before the last sync.
  kReadMisplaced,  // The bytes of another 512-byte sector of the file.
};

inline constexpr size_t kFaultKinds = static_cast<size_t>(Fault::kReadMisplaced) + 1;

// Which calls fail, and how.
struct FaultRule {
  static constexpr uint64_t kForEver = ~uint64_t{0};

  FileCall call = FileCall::kWrite;
  Fault fault = Fault::kError;
  std::string path_contains{};  // Empty: every file.
  uint64_t skip = 0;            // So many matching calls pass first.
  uint64_t times = 1;
  uint32_t one_in = 1;
  Duration stall{};  // kStall only.
};

// The faults of a run. The first rule that matches and draws decides.
//
// Thread safety: none.
class FaultPlan {
 public:
  static constexpr size_t kRulesMax = 64;

  struct Drawn {
    Fault fault;
    Duration stall;
  };

  void Add(FaultRule rule);
  // The disk is healthy from now on.
  void Clear() { rules_.clear(); }
  std::optional<Drawn> Draw(FileCall call, std::string_view path, Rng& rng);
  // How often a rule decided: a campaign whose faults never hit proves nothing.
  uint64_t hits() const;
  uint64_t hits(Fault fault) const { return hits_[static_cast<size_t>(fault)]; }

 private:
  std::vector<FaultRule> rules_;
  std::array<uint64_t, kFaultKinds> hits_{};
};

}  // namespace aidb::io

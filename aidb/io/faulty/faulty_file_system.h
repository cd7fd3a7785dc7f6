#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "aidb/base/sync.h"
#include "aidb/io/file_system.h"

namespace aidb::io {

// The calls that can fail: every method of FileSystem and of File that returns an outcome.
// What happens inside a SharedRegion is memory, not a call.
enum class CallKind : unsigned char {
  kOpen,
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
  kRead,
  kWrite,
  kSyncData,
  kSyncAll,
  kTruncate,
  kAllocate,
  kSize,
  kClose,
};
inline constexpr size_t kCallKindCount = 19;

// "open", "sync directory", …
std::string_view CallKindName(CallKind kind);

enum class FaultEffect : unsigned char {
  kErrorBefore,  // Nothing happens and the call fails. (Close: the descriptor is gone all the
                 // same.)
  kErrorAfter,   // It happens, and the call says that it failed.
  kErrorPartly,  // A read or write moves `byte_count` bytes, then fails. Others: kErrorBefore.
  kShortCount,   // A write moves at most `byte_count` bytes and succeeds, a read at least one (0
                 // would mean the end of the file). Other calls are not harmed.
  kSyncLost,     // A sync fails and does nothing, and so does every later sync of that path, but
                 // those say ok: what ext4, XFS and btrfs do. Others: kErrorBefore.
};

enum class FaultRepeat : unsigned char {
  kOnce,
  kForEver,  // This call and every later one that matches.
};

struct CallFault {
  FaultEffect effect = FaultEffect::kErrorBefore;
  StatusCode code = StatusCode::kIoError;
  FaultRepeat repeat = FaultRepeat::kOnce;
  size_t byte_count = 0;
};

// Passes every call on to another file system, counts it, and fails those it was told to.
//
//   for (uint64_t n = 1;; ++n) {                 // Fail the n-th call, for all n:
//     FaultyFileSystem files(real);
//     files.FailAt(n, {});
//     const Status status = ReplaceFile(files, dir, "CURRENT", "new");
//     if (files.fault_count() == 0) break;       // There is no n-th call.
//     … old or new is there, whole …
//   }
//
// Injected errors read "injected fault at call 17: write data/000042.log".
//
// Thread safety: any thread may call any method.
// Lifetime: borrows `base`; both outlive every File opened here.
class FaultyFileSystem final : public FileSystem {
 public:
  explicit FaultyFileSystem(FileSystem& base) : base_(base) {}

  // Fails the n-th call since construction (the first is 1), which must still lie ahead:
  // FailAt(call_count() + 1, …) is the next one.
  void FailAt(uint64_t n, CallFault fault) AIDB_EXCLUDES(mu_);
  // Fails the n-th call from now on (the next is 1) that is of this kind and whose path, or either
  // of whose two paths, contains `path_part`. When several rules hit one call the oldest decides.
  void FailMatching(CallKind kind, std::string_view path_part, uint64_t n, CallFault fault)
      AIDB_EXCLUDES(mu_);
  // Every later call of this kind whose path contains `path_part` waits, before it is counted,
  // until Release or Heal: a disk that answers late.
  void HoldMatching(CallKind kind, std::string_view path_part) AIDB_EXCLUDES(mu_);
  // Returns when at least one call waits.
  void WaitUntilHeld() const AIDB_EXCLUDES(mu_);
  // Lets the calls go on that are held, and holds no more.
  void Release() AIDB_EXCLUDES(mu_);
  // Release; and forgets all rules and failed syncs, as a restart with a healthy disk does. Counts
  // stay.
  void Heal() AIDB_EXCLUDES(mu_);

  uint64_t call_count() const AIDB_EXCLUDES(mu_);
  uint64_t call_count(CallKind kind) const AIDB_EXCLUDES(mu_);
  // Calls that a rule hit.
  uint64_t fault_count() const AIDB_EXCLUDES(mu_);
  // Syncs of a path after one of its syncs had failed: house rule 4 says this stays 0. The memory
  // of it follows a rename and ends when the path is created anew.
  uint64_t syncs_after_failure() const AIDB_EXCLUDES(mu_);

  Result<std::unique_ptr<File>> Open(std::string_view path, OpenMode mode) override;
  Result<bool> Exists(std::string_view path) const override;
  Result<std::vector<std::string>> List(std::string_view directory) const override;
  Status CreateDirectory(std::string_view path) override;
  Status Rename(std::string_view from, std::string_view to) override;
  Status Remove(std::string_view path) override;
  Status Link(std::string_view from, std::string_view to) override;
  Status SyncDirectory(std::string_view path) override;
  Result<std::unique_ptr<DirectoryLock>> Lock(std::string_view path, LockMode mode) override;
  Result<uint64_t> FreeBytes(std::string_view path) const override;
  Result<std::unique_ptr<SharedRegion>> OpenRegion(std::string_view path,
                                                   uint64_t size_bytes) override;
  RegionSupport RegionSupportAt(std::string_view path) const override {
    return base_.RegionSupportAt(path);
  }
  std::string BootId() const override { return base_.BootId(); }

 private:
  class FaultyFile;

  struct Call {
    CallKind kind;
    std::string_view path;
    std::string_view second_path = {};
  };
  struct Rule {
    std::optional<CallKind> kind;  // None: any call.
    std::string path_part;
    uint64_t n;  // Hits when `seen` gets here.
    CallFault fault;
    uint64_t seen = 0;

    bool Matches(const Call& call) const;
  };
  struct Hold {
    CallKind kind;
    std::string path_part;

    bool Matches(const Call& call) const;
  };
  // What a rule does to one call.
  struct Hit {
    CallFault fault;
    Status error;
  };

  // Counts the call and asks the rules.
  std::optional<Hit> Count(const Call& call) const AIDB_EXCLUDES(mu_);
  bool Held(const Call& call) const AIDB_REQUIRES(mu_);
  // Counts the call, then runs it, or not, as the rules say.
  template <typename Operation>
  auto Run(const Call& call, Operation operation) const -> decltype(operation());
  // The two ends of every sync: true when an earlier one was lost, so that this one only says ok.
  bool BeginSync(const std::string& path) const AIDB_EXCLUDES(mu_);
  void EndFailedSync(const std::string& path, FaultEffect effect) const AIDB_EXCLUDES(mu_);
  void ForgetFailedSync(std::string_view path) AIDB_EXCLUDES(mu_);
  void MoveFailedSync(std::string_view from, std::string_view to) AIDB_EXCLUDES(mu_);

  FileSystem& base_;
  mutable Mutex mu_;
  mutable CondVar held_cv_;  // A call begins to wait, or may go on.
  mutable std::vector<Rule> rules_ AIDB_GUARDED_BY(mu_);
  std::vector<Hold> holds_ AIDB_GUARDED_BY(mu_);
  mutable uint64_t calls_held_ AIDB_GUARDED_BY(mu_) = 0;  // Now.
  mutable uint64_t call_count_ AIDB_GUARDED_BY(mu_) = 0;
  mutable std::array<uint64_t, kCallKindCount> calls_by_kind_ AIDB_GUARDED_BY(mu_) = {};
  mutable uint64_t fault_count_ AIDB_GUARDED_BY(mu_) = 0;
  mutable uint64_t syncs_after_failure_ AIDB_GUARDED_BY(mu_) = 0;
  // How the first sync of a path failed; kSyncLost makes the later ones lie.
  mutable std::map<std::string, FaultEffect, std::less<>> failed_syncs_ AIDB_GUARDED_BY(mu_);
};

}  // namespace aidb::io

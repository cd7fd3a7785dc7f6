#pragma once

// A process's view of a SimDisk: handles, page cache, latency, faults, and the bookkeeping of
// what the process may not do.

#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "aidb/base/random.h"
#include "aidb/io/file_system.h"
#include "aidb/io/sim/disk.h"
#include "aidb/io/sim/faults.h"
#include "aidb/io/sim/scheduler.h"
#include "aidb/io/sim/trace.h"

namespace aidb::io {

struct SimFileSystemOptions {
  uint64_t capacity_bytes = SimDisk::kUnlimited;
  uint64_t open_files_max = 1 << 20;
  // One read or write in this many moves only a part; 0: none.
  uint32_t short_transfer_one_in = 16;
  // A call takes between nothing and twice this, in virtual time.
  Duration read_latency = std::chrono::microseconds(2);
  Duration write_latency = std::chrono::microseconds(3);
  Duration sync_latency = std::chrono::microseconds(100);
  // One call in this many stalls for up to stall_max; 0: none.
  uint32_t stall_one_in = 0;
  Duration stall_max = std::chrono::seconds(60);
  // At one call in this many the kernel writes back half of each region's pages.
  uint32_t region_write_back_one_in = 64;
  RegionSupport region_support = RegionSupport::kTrusted;
  // The world is killed in front of this operation; 0: never.
  uint64_t kill_at_operation = 0;
};

// Thread safety: none; its users are fibers.
// Lifetime: borrows the scheduler and the trace; outlives all files, regions and locks it gave.
class SimFileSystem final : public FileSystem {
 public:
  enum class Phase : unsigned char { kBefore, kAfter };
  using OnOperation = std::function<void(const SimOperation&, Phase)>;

  SimFileSystem(SimDisk disk, const SimFileSystemOptions& options, uint64_t seed,
                SimScheduler& scheduler, SimTrace& trace);
  ~SimFileSystem() override;

  // The disk at this instant, regions' memory included.
  SimDisk Snapshot();
  // From now on every call answers kUnavailable and changes nothing.
  void Detach() { detached_ = true; }

  FaultPlan& faults() { return faults_; }
  void set_capacity(uint64_t bytes) { capacity_bytes_ = bytes; }
  uint64_t operations() const { return operations_; }
  // Called in front of and behind each operation, on the fiber that makes it, with the
  // scheduler paused. It may clone the disk, run another world, or kill this one; it may not
  // use this file system except for Snapshot.
  void set_on_operation(OnOperation callback) { on_operation_ = std::move(callback); }
  // What the code did that no code of ours may do, in order: a sync after a failed sync, a
  // rename across directories, a handle used after Close.
  const std::vector<std::string>& rule_violations() const { return violations_; }
  // Whether the sync of anything has failed: the cache may have dropped what it covered.
  bool sync_has_failed() const { return !failed_.empty(); }

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
  RegionSupport RegionSupportAt(std::string_view path) const override;
  std::string BootId() const override;

 private:
  class OpenFile;
  class HeldLock;
  class MappedRegion;
  struct RegionMemory;

  // One open file description.
  struct Handle {
    InodeId inode;
    OpenMode mode;
    std::string path;
    bool open = true;
    bool error_to_report = false;  // A sync on another description failed.
    bool must_not_sync = false;    // House rule 4: this one, or an earlier one, learned of it.
  };
  // An operation between its two callbacks.
  struct Call {
    SimOperation operation;
    SimScheduler::From from;
    std::optional<FaultPlan::Drawn> fault;

    bool Has(Fault fault_kind) const { return fault && fault->fault == fault_kind; }
  };

  // Every operation goes: Begin, its effect, End. Begin fails with the faults that stand in
  // front of the effect, and in a dead world.
  Result<Call> Begin(FileCall call, std::string_view path, uint64_t offset = 0, uint64_t size = 0,
                     SimScheduler::From from = SimScheduler::From::kCall) const;
  void Finish(const Call& call, bool ok) const;
  template <typename Outcome>
  Outcome End(const Call& call, Outcome outcome) const {
    if (call.Has(Fault::kErrorAfterPart) && outcome.ok()) outcome = Outcome(Injected(call));
    Finish(call, outcome.ok());
    return outcome;
  }
  Status Delay(const Call& call) const;
  static Status DrawnError(const Call& call);
  static Status Injected(const Call& call);
  void Notify(const SimOperation& operation, Phase phase) const;
  void Violation(std::string what) { violations_.push_back(std::move(what)); }

  Result<size_t> Read(const Handle& handle, uint64_t offset, std::span<std::byte> out);
  size_t ReadNow(const Call& call, const Handle& handle, uint64_t offset, std::span<std::byte> out);
  Result<size_t> Write(Handle& handle, uint64_t offset, std::span<const std::byte> first,
                       std::span<const std::byte> second);
  Result<size_t> WriteNow(const Call& call, Handle& handle, uint64_t offset,
                          std::span<const std::byte> bytes);
  Status Sync(Handle& handle);
  Status SyncNow(const Call& call, Handle& handle, uint64_t up_to);
  Status RefuseSync(const Call& call, InodeId inode, uint64_t up_to);
  Status Truncate(Handle& handle, uint64_t size);
  Status Allocate(Handle& handle, uint64_t size);
  Result<uint64_t> Size(const Handle& handle);
  Status Close(Handle& handle, SimScheduler::From from);
  Result<std::unique_ptr<File>> OpenNow(std::string_view path, OpenMode mode);
  Status RenameNow(std::string_view from, std::string_view to);
  Status RemoveNow(std::string_view path);
  Status LinkNow(std::string_view from, std::string_view to);
  Result<std::unique_ptr<SharedRegion>> OpenRegionNow(std::string_view path, uint64_t size_bytes);
  void Unmap(const std::shared_ptr<RegionMemory>& memory);
  void StoreRegions() const;
  std::vector<InodeId> OpenInodes() const;
  uint64_t FreeNow() const;

  const SimFileSystemOptions options_;
  SimScheduler& scheduler_;
  SimTrace& trace_;
  OnOperation on_operation_;
  uint64_t capacity_bytes_;
  // Changed by const calls too: dice, faults used up, and the kernel's own write-back.
  mutable Rng rng_;
  mutable FaultPlan faults_;
  mutable uint64_t operations_ = 0;
  mutable SimDisk disk_;
  bool detached_ = false;
  std::vector<Handle*> handles_;
  std::vector<std::shared_ptr<RegionMemory>> regions_;
  std::vector<std::pair<std::string, LockMode>> locks_;
  std::set<InodeId> failed_;  // A sync of these failed in this process.
  std::vector<std::string> violations_;
};

}  // namespace aidb::io

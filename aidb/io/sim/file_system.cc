#include "aidb/io/sim/file_system.h"

#include <algorithm>
#include <utility>

#include "aidb/base/check.h"
#include "aidb/base/hash.h"
#include "aidb/io/sim/open_file.h"

namespace aidb::io {
namespace {

Status NotThere(std::string_view verb, std::string_view path) {
  return InvalidArgument(std::string(verb) + " " + std::string(path) + ": no such file");
}

}  // namespace

SimFileSystem::SimFileSystem(SimDisk disk, const SimFileSystemOptions& options, uint64_t seed,
                             SimScheduler& scheduler, SimTrace& trace)
    : options_(options),
      scheduler_(scheduler),
      trace_(trace),
      capacity_bytes_(options.capacity_bytes),
      rng_(seed),
      disk_(std::move(disk)) {}

SimFileSystem::~SimFileSystem() = default;

SimDisk SimFileSystem::Snapshot() {
  StoreRegions();
  return disk_;
}

void SimFileSystem::StoreRegions() const {
  for (const auto& region : regions_) disk_.StoreRegion(region->inode, region->bytes());
}

// ---- The frame of every operation ---------------------------------------------------------

Result<SimFileSystem::Call> SimFileSystem::Begin(FileCall kind, std::string_view path,
                                                 uint64_t offset, uint64_t size,
                                                 SimScheduler::From from) const {
  scheduler_.Point(from);
  if (detached_) return Unavailable("the simulated process is dead");
  Call call{.operation = {++operations_, kind, path, offset, size}, .from = from, .fault = {}};
  trace_.Add(static_cast<uint64_t>(kind));
  trace_.Add(Hash64(path));
  trace_.Add(offset);
  trace_.Add(size);
  if (!regions_.empty() && options_.region_write_back_one_in > 0 &&
      rng_.OneIn(options_.region_write_back_one_in)) {
    StoreRegions();
    for (const auto& region : regions_) disk_.WriteBackRegion(region->inode, rng_);
  }
  if (call.operation.number == options_.kill_at_operation) scheduler_.Kill();
  Notify(call.operation, Phase::kBefore);
  if (scheduler_.dead()) {
    scheduler_.Point(from);
    return Unavailable("the simulated process is dead");
  }
  call.fault = faults_.Draw(kind, path, rng_);
  if (Status error = DrawnError(call); !error.ok()) {
    Finish(call, false);
    return error;
  }
  // A destructor does not sleep: it could not be unwound from there.
  if (from == SimScheduler::From::kCall) AIDB_RETURN_IF_ERROR(Delay(call));
  return call;
}

Status SimFileSystem::Injected(const Call& call) {
  return IoError(std::string(FileCallName(call.operation.call)) + " " +
                 std::string(call.operation.path) + ": input/output error (injected)");
}

Status SimFileSystem::DrawnError(const Call& call) {
  const bool is_sync =
      call.operation.call == FileCall::kSync || call.operation.call == FileCall::kSyncDirectory;
  if (!call.fault || is_sync) return {};  // A sync that fails has an effect.
  const std::string what = std::string(FileCallName(call.operation.call)) + " " +
                           std::string(call.operation.path) + ": ";
  switch (call.fault->fault) {
    case Fault::kError:
      return Injected(call);
    case Fault::kNoSpace:
      return ResourceExhausted(what + "no space left on device (injected)");
    case Fault::kTooManyFiles:
      return ResourceExhausted(what + "too many open files (injected)");
    default:
      return {};  // Part of the effect.
  }
}

Status SimFileSystem::Delay(const Call& call) const {
  Duration usual = options_.write_latency;
  if (call.operation.call == FileCall::kRead) usual = options_.read_latency;
  if (call.operation.call == FileCall::kSync || call.operation.call == FileCall::kSyncDirectory) {
    usual = options_.sync_latency;
  }
  Duration delay(rng_.Below(2 * static_cast<uint64_t>(usual.count()) + 1));
  if (call.Has(Fault::kStall)) delay += call.fault->stall;
  if (options_.stall_one_in > 0 && rng_.OneIn(options_.stall_one_in)) {
    delay += Duration(rng_.Below(static_cast<uint64_t>(options_.stall_max.count()) + 1));
  }
  scheduler_.SleepFor(delay);
  if (detached_) return Unavailable("the simulated process is dead");
  return {};
}

void SimFileSystem::Finish(const Call& call, bool ok) const {
  trace_.Add(ok ? 1 : 0);
  Notify(call.operation, Phase::kAfter);
  if (scheduler_.dead()) scheduler_.Point(call.from);
}

void SimFileSystem::Notify(const SimOperation& operation, Phase phase) const {
  if (!on_operation_ || scheduler_.paused()) return;
  const SimScheduler::Pause pause(scheduler_);
  on_operation_(operation, phase);
}

std::vector<InodeId> SimFileSystem::OpenInodes() const {
  std::vector<InodeId> inodes;
  for (const Handle* handle : handles_) inodes.push_back(handle->inode);
  for (const auto& region : regions_) inodes.push_back(region->inode);
  return inodes;
}

uint64_t SimFileSystem::FreeNow() const {
  if (capacity_bytes_ == SimDisk::kUnlimited) return SimDisk::kUnlimited;
  const uint64_t used = disk_.UsedBytes(OpenInodes());
  return used < capacity_bytes_ ? capacity_bytes_ - used : 0;
}

// ---- Names --------------------------------------------------------------------------------

Result<std::unique_ptr<File>> SimFileSystem::Open(std::string_view path, OpenMode mode) {
  AIDB_ASSIGN_OR_RETURN(const Call call, Begin(FileCall::kOpen, path));
  return End(call, OpenNow(path, mode));
}

Result<std::unique_ptr<File>> SimFileSystem::OpenNow(std::string_view path, OpenMode mode) {
  if (handles_.size() >= options_.open_files_max) {
    return ResourceExhausted("open " + std::string(path) + ": too many open files");
  }
  const std::optional<SimDisk::Place> place = disk_.FindPlace(path);
  if (!place) return NotThere("open", path);
  std::optional<InodeId> inode = disk_.Find(path);
  if (mode == OpenMode::kCreateNew) {
    if (inode) return InvalidArgument("create " + std::string(path) + ": it exists");
    inode = disk_.Create(*place, false);
  } else if (!inode) {
    return NotThere("open", path);
  }
  if (disk_.Get(*inode).is_directory) {
    return InvalidArgument("open " + std::string(path) + ": it is a directory");
  }
  // Memory pressure may have come since: a failed sync's bytes are then gone from the cache.
  if (disk_.Get(*inode).cache_diverged && rng_.OneIn(2)) disk_.EvictCache(*inode);
  Handle handle{.inode = *inode, .mode = mode, .path = std::string(path)};
  handle.must_not_sync = failed_.contains(*inode);
  return std::unique_ptr<File>(std::make_unique<OpenFile>(*this, std::move(handle)));
}

Result<bool> SimFileSystem::Exists(std::string_view path) const {
  AIDB_ASSIGN_OR_RETURN(const Call call, Begin(FileCall::kExists, path));
  return End(call, Result<bool>(disk_.Find(path).has_value()));
}

Result<std::vector<std::string>> SimFileSystem::List(std::string_view directory) const {
  AIDB_ASSIGN_OR_RETURN(const Call call, Begin(FileCall::kList, directory));
  const std::optional<InodeId> inode = disk_.Find(directory);
  if (!inode || !disk_.Get(*inode).is_directory) {
    return End(call, Result<std::vector<std::string>>(NotThere("list", directory)));
  }
  std::vector<std::string> names;
  for (const auto& [name, entry] : disk_.Get(*inode).entries) names.push_back(name);
  return End(call, Result<std::vector<std::string>>(std::move(names)));
}

Status SimFileSystem::CreateDirectory(std::string_view path) {
  AIDB_ASSIGN_OR_RETURN(const Call call, Begin(FileCall::kCreateDirectory, path));
  if (const std::optional<InodeId> inode = disk_.Find(path)) {
    if (disk_.Get(*inode).is_directory) return End(call, Status());
    return End(call, InvalidArgument("mkdir " + std::string(path) + ": it is a file"));
  }
  const std::optional<SimDisk::Place> place = disk_.FindPlace(path);
  if (!place) return End(call, NotThere("mkdir", path));
  disk_.Create(*place, true);
  return End(call, Status());
}

Status SimFileSystem::Rename(std::string_view from, std::string_view to) {
  AIDB_ASSIGN_OR_RETURN(const Call call, Begin(FileCall::kRename, from));
  return End(call, RenameNow(from, to));
}

Status SimFileSystem::RenameNow(std::string_view from, std::string_view to) {
  const std::optional<SimDisk::Place> source = disk_.FindPlace(from);
  const std::optional<SimDisk::Place> target = disk_.FindPlace(to);
  if (!source || !target || !disk_.Find(from)) return NotThere("rename", from);
  if (source->directory != target->directory) {
    Violation("rename across directories: " + std::string(from) + " to " + std::string(to));
    return InvalidArgument("rename " + std::string(from) + " to " + std::string(to) +
                           ": another directory");
  }
  if (source->name != target->name) disk_.Rename(*source, *target);
  return {};
}

Status SimFileSystem::Remove(std::string_view path) {
  AIDB_ASSIGN_OR_RETURN(const Call call, Begin(FileCall::kRemove, path));
  return End(call, RemoveNow(path));
}

Status SimFileSystem::RemoveNow(std::string_view path) {
  const std::optional<SimDisk::Place> place = disk_.FindPlace(path);
  const std::optional<InodeId> inode = disk_.Find(path);
  if (!place || !inode) return NotThere("remove", path);
  if (!disk_.Get(*inode).entries.empty()) {
    return InvalidArgument("remove " + std::string(path) + ": the directory is not empty");
  }
  disk_.Remove(*place);
  return {};
}

Status SimFileSystem::Link(std::string_view from, std::string_view to) {
  AIDB_ASSIGN_OR_RETURN(const Call call, Begin(FileCall::kLink, from));
  return End(call, LinkNow(from, to));
}

Status SimFileSystem::LinkNow(std::string_view from, std::string_view to) {
  const std::optional<InodeId> inode = disk_.Find(from);
  const std::optional<SimDisk::Place> place = disk_.FindPlace(to);
  if (!inode || !place || disk_.Get(*inode).is_directory) return NotThere("link", from);
  if (disk_.Find(to)) return InvalidArgument("link " + std::string(to) + ": it exists");
  disk_.Add(*place, *inode);
  return {};
}

Status SimFileSystem::SyncDirectory(std::string_view path) {
  const uint64_t up_to = disk_.sequence();
  AIDB_ASSIGN_OR_RETURN(const Call call, Begin(FileCall::kSyncDirectory, path));
  const std::optional<InodeId> inode = disk_.Find(path);
  if (!inode || !disk_.Get(*inode).is_directory) {
    return End(call, NotThere("sync directory", path));
  }
  if (failed_.contains(*inode)) {
    Violation("sync after a failed sync: directory " + std::string(path));
  }
  if (call.Has(Fault::kSyncLies)) return End(call, Status());
  if (const Status refused = RefuseSync(call, *inode, up_to); !refused.ok()) {
    return End(call, IoError(std::string(refused.message())));
  }
  disk_.CompleteSync(*inode, up_to);
  disk_.Collect(OpenInodes());
  return End(call, Status());
}

Result<std::unique_ptr<DirectoryLock>> SimFileSystem::Lock(std::string_view path, LockMode mode) {
  AIDB_ASSIGN_OR_RETURN(const Call call, Begin(FileCall::kLock, path));
  using Outcome = Result<std::unique_ptr<DirectoryLock>>;
  const std::optional<SimDisk::Place> place = disk_.FindPlace(path);
  if (!place) return End(call, Outcome(NotThere("lock", path)));
  for (const auto& [held, held_mode] : locks_) {
    if (held != path) continue;
    if (mode == LockMode::kShared && held_mode == LockMode::kShared) continue;
    const bool for_reading = held_mode == LockMode::kShared;
    return End(call,
               Outcome(Unavailable(std::string(path) + (for_reading ? ": already open for reading"
                                                                    : ": already open by pid 1"))));
  }
  if (!disk_.Find(path)) disk_.Create(*place, false);
  locks_.emplace_back(path, mode);
  return End(call, Outcome(std::make_unique<HeldLock>(*this, locks_.back())));
}

Result<uint64_t> SimFileSystem::FreeBytes(std::string_view path) const {
  AIDB_ASSIGN_OR_RETURN(const Call call, Begin(FileCall::kFreeBytes, path));
  return End(call, Result<uint64_t>(FreeNow()));
}

// ---- Regions --------------------------------------------------------------------------------

Result<std::unique_ptr<SharedRegion>> SimFileSystem::OpenRegion(std::string_view path,
                                                                uint64_t size_bytes) {
  AIDB_ASSIGN_OR_RETURN(const Call call, Begin(FileCall::kOpenRegion, path, 0, size_bytes));
  return End(call, OpenRegionNow(path, size_bytes));
}

Result<std::unique_ptr<SharedRegion>> SimFileSystem::OpenRegionNow(std::string_view path,
                                                                   uint64_t size_bytes) {
  if (size_bytes == 0 || size_bytes % SimContent::kPageBytes != 0) {
    return InvalidArgument("map " + std::string(path) + ": not a number of whole pages");
  }
  if (options_.region_support == RegionSupport::kRefused) {
    return Unavailable("map " + std::string(path) + ": not on this file system");
  }
  const std::optional<SimDisk::Place> place = disk_.FindPlace(path);
  if (!place) return NotThere("map", path);
  std::optional<InodeId> inode = disk_.Find(path);
  const uint64_t size_now = inode ? disk_.Get(*inode).cache.size() : 0;
  if (size_now < size_bytes && size_bytes - size_now > FreeNow()) {
    return ResourceExhausted("map " + std::string(path) + ": no space left");
  }
  for (const auto& region : regions_) {
    if (region->inode != inode) continue;
    if (region->bytes().size() != size_bytes) {
      return InvalidArgument("map " + std::string(path) + ": in use with another size");
    }
    return std::unique_ptr<SharedRegion>(std::make_unique<MappedRegion>(*this, region));
  }
  if (!inode) inode = disk_.Create(*place, false);
  const SimDisk::Inode& file = disk_.Get(*inode);
  if (!file.is_region || file.cache.size() != size_bytes) disk_.FormatRegion(*inode, size_bytes);
  auto memory = std::make_shared<RegionMemory>();
  memory->inode = *inode;
  memory->pages.resize(size_bytes / SimContent::kPageBytes);
  disk_.Get(*inode).cache.Read(0, memory->bytes());
  regions_.push_back(memory);
  return std::unique_ptr<SharedRegion>(std::make_unique<MappedRegion>(*this, std::move(memory)));
}

void SimFileSystem::Unmap(const std::shared_ptr<RegionMemory>& memory) {
  if (!detached_) disk_.StoreRegion(memory->inode, memory->bytes());
  if (memory.use_count() > 2) return;  // Another mapping, this one, and regions_.
  regions_.erase(std::find(regions_.begin(), regions_.end(), memory));
}

RegionSupport SimFileSystem::RegionSupportAt(std::string_view /*path*/) const {
  return options_.region_support;
}

std::string SimFileSystem::BootId() const {
  return "simulated-boot-" + std::to_string(disk_.boot());
}

}  // namespace aidb::io

#include "aidb/io/faulty/faulty_file_system.h"

#include <algorithm>
#include <utility>

#include "aidb/base/check.h"

namespace aidb::io {
namespace {

constexpr std::array<std::string_view, kCallKindCount> kNames = {
    "open",  "exists",         "list",     "create directory", "rename",      "remove",
    "link",  "sync directory", "lock",     "free bytes",       "open region", "read",
    "write", "sync data",      "sync all", "truncate",         "allocate",    "size",
    "close",
};

// How many of `size` bytes a fault lets through.
size_t Allowed(const CallFault& fault, size_t size) {
  switch (fault.effect) {
    case FaultEffect::kErrorBefore:
    case FaultEffect::kSyncLost:
      return 0;
    case FaultEffect::kErrorAfter:
      return size;
    case FaultEffect::kErrorPartly:
    case FaultEffect::kShortCount:
      return std::min(fault.byte_count, size);
  }
  return 0;
}

}  // namespace

std::string_view CallKindName(CallKind kind) { return kNames[static_cast<size_t>(kind)]; }

// Forwards to a file of the base, through the rules of its owner.
class FaultyFileSystem::FaultyFile final : public File {
 public:
  FaultyFile(const FaultyFileSystem& owner, std::unique_ptr<File> base)
      : owner_(owner), base_(std::move(base)), path_(base_->path()) {}

  Result<size_t> Read(uint64_t offset, std::span<std::byte> out) const override {
    const std::optional<Hit> hit = owner_.Count({CallKind::kRead, path_});
    if (!hit) return base_->Read(offset, out);
    const bool is_short = hit->fault.effect == FaultEffect::kShortCount;
    const size_t least = is_short ? std::min<size_t>(1, out.size()) : 0;
    auto got = base_->Read(offset, out.first(std::max(least, Allowed(hit->fault, out.size()))));
    if (is_short || !got.ok()) return got;
    return hit->error;
  }

  Result<size_t> Write(uint64_t offset, std::span<const std::byte> first,
                       std::span<const std::byte> second) override {
    const std::optional<Hit> hit = owner_.Count({CallKind::kWrite, path_});
    if (!hit) return base_->Write(offset, first, second);
    const size_t allowed = Allowed(hit->fault, first.size() + second.size());
    const size_t in_first = std::min(allowed, first.size());
    auto wrote = base_->Write(offset, first.first(in_first), second.first(allowed - in_first));
    if (hit->fault.effect == FaultEffect::kShortCount || !wrote.ok()) return wrote;
    return hit->error;
  }

  Status SyncData() override {
    return Sync(CallKind::kSyncData, [this] { return base_->SyncData(); });
  }
  Status SyncAll() override {
    return Sync(CallKind::kSyncAll, [this] { return base_->SyncAll(); });
  }
  Status Truncate(uint64_t size) override {
    return owner_.Run({CallKind::kTruncate, path_}, [&] { return base_->Truncate(size); });
  }
  Status Allocate(uint64_t size) override {
    return owner_.Run({CallKind::kAllocate, path_}, [&] { return base_->Allocate(size); });
  }
  Result<uint64_t> Size() const override {
    return owner_.Run({CallKind::kSize, path_}, [&] { return base_->Size(); });
  }
  Status Close() override {
    const std::optional<Hit> hit = owner_.Count({CallKind::kClose, path_});
    Status closed = base_->Close();
    if (!hit || hit->fault.effect == FaultEffect::kShortCount || !closed.ok()) return closed;
    return hit->error;
  }
  std::string_view path() const override { return path_; }

 private:
  template <typename Operation>
  Status Sync(CallKind kind, Operation sync) {
    const std::optional<Hit> hit = owner_.Count({kind, path_});
    const bool lost = owner_.BeginSync(path_);
    const FaultEffect effect = hit ? hit->fault.effect : FaultEffect::kShortCount;
    const bool harmless = effect == FaultEffect::kShortCount;
    if (lost && harmless) return {};
    if (harmless || effect == FaultEffect::kErrorAfter) {
      Status synced = sync();
      if (!synced.ok()) owner_.EndFailedSync(path_, effect);
      if (harmless || !synced.ok()) return synced;
    }
    owner_.EndFailedSync(path_, effect);
    return hit->error;
  }

  const FaultyFileSystem& owner_;
  const std::unique_ptr<File> base_;
  const std::string path_;
};

bool FaultyFileSystem::Rule::Matches(const Call& call) const {
  if (!kind) return true;
  return *kind == call.kind && (call.path.find(path_part) != std::string_view::npos ||
                                call.second_path.find(path_part) != std::string_view::npos);
}

void FaultyFileSystem::FailAt(uint64_t n, CallFault fault) {
  const MutexLock lock(mu_);
  AIDB_CHECK(n > call_count_);
  rules_.push_back({.kind = std::nullopt, .path_part = "", .n = n - call_count_, .fault = fault});
}

void FaultyFileSystem::FailMatching(CallKind kind, std::string_view path_part, uint64_t n,
                                    CallFault fault) {
  const MutexLock lock(mu_);
  AIDB_CHECK(n > 0);
  rules_.push_back({.kind = kind, .path_part = std::string(path_part), .n = n, .fault = fault});
}

bool FaultyFileSystem::Hold::Matches(const Call& call) const {
  return kind == call.kind && call.path.find(path_part) != std::string_view::npos;
}

void FaultyFileSystem::HoldMatching(CallKind kind, std::string_view path_part) {
  const MutexLock lock(mu_);
  holds_.push_back({.kind = kind, .path_part = std::string(path_part)});
}

void FaultyFileSystem::WaitUntilHeld() const {
  const MutexLock lock(mu_);
  while (calls_held_ == 0) held_cv_.Wait(mu_);
}

bool FaultyFileSystem::Held(const Call& call) const {
  return std::ranges::any_of(holds_, [&](const Hold& hold) { return hold.Matches(call); });
}

void FaultyFileSystem::Release() {
  const MutexLock lock(mu_);
  holds_.clear();
  held_cv_.NotifyAll();
}

void FaultyFileSystem::Heal() {
  Release();
  const MutexLock lock(mu_);
  rules_.clear();
  failed_syncs_.clear();
}

uint64_t FaultyFileSystem::call_count() const {
  const MutexLock lock(mu_);
  return call_count_;
}

uint64_t FaultyFileSystem::call_count(CallKind kind) const {
  const MutexLock lock(mu_);
  return calls_by_kind_[static_cast<size_t>(kind)];
}

uint64_t FaultyFileSystem::fault_count() const {
  const MutexLock lock(mu_);
  return fault_count_;
}

uint64_t FaultyFileSystem::syncs_after_failure() const {
  const MutexLock lock(mu_);
  return syncs_after_failure_;
}

std::optional<FaultyFileSystem::Hit> FaultyFileSystem::Count(const Call& call) const {
  const MutexLock lock(mu_);
  while (Held(call)) {
    ++calls_held_;
    held_cv_.NotifyAll();
    held_cv_.Wait(mu_);
    --calls_held_;
  }
  ++call_count_;
  ++calls_by_kind_[static_cast<size_t>(call.kind)];
  const Rule* hit = nullptr;
  for (Rule& rule : rules_) {
    if (!rule.Matches(call)) continue;
    ++rule.seen;  // Also when an older rule hits: each rule counts for itself.
    const bool hits =
        rule.fault.repeat == FaultRepeat::kForEver ? rule.seen >= rule.n : rule.seen == rule.n;
    if (hits && hit == nullptr) hit = &rule;
  }
  if (hit == nullptr) return std::nullopt;
  ++fault_count_;
  std::string message = "injected fault at call " + std::to_string(call_count_) + ": ";
  message.append(CallKindName(call.kind)).append(" ").append(call.path);
  if (!call.second_path.empty()) message.append(" to ").append(call.second_path);
  return Hit{hit->fault, Status(hit->fault.code, std::move(message))};
}

template <typename Operation>
auto FaultyFileSystem::Run(const Call& call, Operation operation) const -> decltype(operation()) {
  std::optional<Hit> hit = Count(call);
  if (!hit || hit->fault.effect == FaultEffect::kShortCount) return operation();
  if (hit->fault.effect == FaultEffect::kErrorAfter) {
    auto outcome = operation();
    if (!outcome.ok()) return outcome;
  }
  return std::move(hit->error);
}

bool FaultyFileSystem::BeginSync(const std::string& path) const {
  const MutexLock lock(mu_);
  const auto failed = failed_syncs_.find(path);
  if (failed == failed_syncs_.end()) return false;
  ++syncs_after_failure_;
  return failed->second == FaultEffect::kSyncLost;
}

void FaultyFileSystem::EndFailedSync(const std::string& path, FaultEffect effect) const {
  const MutexLock lock(mu_);
  failed_syncs_.emplace(path, effect);
}

void FaultyFileSystem::ForgetFailedSync(std::string_view path) {
  const MutexLock lock(mu_);
  failed_syncs_.erase(std::string(path));
}

void FaultyFileSystem::MoveFailedSync(std::string_view from, std::string_view to) {
  const MutexLock lock(mu_);
  failed_syncs_.erase(std::string(to));
  const auto failed = failed_syncs_.find(from);
  if (failed != failed_syncs_.end()) failed_syncs_.emplace(to, failed->second);
}

Result<std::unique_ptr<File>> FaultyFileSystem::Open(std::string_view path, OpenMode mode) {
  return Run({CallKind::kOpen, path}, [&]() -> Result<std::unique_ptr<File>> {
    AIDB_ASSIGN_OR_RETURN(auto file, base_.Open(path, mode));
    if (mode == OpenMode::kCreateNew) ForgetFailedSync(path);
    return std::make_unique<FaultyFile>(*this, std::move(file));
  });
}

Result<bool> FaultyFileSystem::Exists(std::string_view path) const {
  return Run({CallKind::kExists, path}, [&] { return base_.Exists(path); });
}

Result<std::vector<std::string>> FaultyFileSystem::List(std::string_view directory) const {
  return Run({CallKind::kList, directory}, [&] { return base_.List(directory); });
}

Status FaultyFileSystem::CreateDirectory(std::string_view path) {
  return Run({CallKind::kCreateDirectory, path}, [&]() -> Status {
    AIDB_ASSIGN_OR_RETURN(const bool exists, base_.Exists(path));
    AIDB_RETURN_IF_ERROR(base_.CreateDirectory(path));
    if (!exists) ForgetFailedSync(path);
    return {};
  });
}

Status FaultyFileSystem::Rename(std::string_view from, std::string_view to) {
  return Run({CallKind::kRename, from, to}, [&] {
    Status renamed = base_.Rename(from, to);
    if (renamed.ok()) MoveFailedSync(from, to);
    return renamed;
  });
}

Status FaultyFileSystem::Remove(std::string_view path) {
  return Run({CallKind::kRemove, path}, [&] { return base_.Remove(path); });
}

Status FaultyFileSystem::Link(std::string_view from, std::string_view to) {
  return Run({CallKind::kLink, from, to}, [&] { return base_.Link(from, to); });
}

Status FaultyFileSystem::SyncDirectory(std::string_view path) {
  const std::string name(path);
  if (BeginSync(name)) return {};
  Status status = Run({CallKind::kSyncDirectory, path}, [&] { return base_.SyncDirectory(path); });
  if (status.code() == StatusCode::kIoError) EndFailedSync(name, FaultEffect::kErrorBefore);
  return status;
}

Result<std::unique_ptr<DirectoryLock>> FaultyFileSystem::Lock(std::string_view path,
                                                              LockMode mode) {
  return Run({CallKind::kLock, path}, [&] { return base_.Lock(path, mode); });
}

Result<uint64_t> FaultyFileSystem::FreeBytes(std::string_view path) const {
  return Run({CallKind::kFreeBytes, path}, [&] { return base_.FreeBytes(path); });
}

Result<std::unique_ptr<SharedRegion>> FaultyFileSystem::OpenRegion(std::string_view path,
                                                                   uint64_t size_bytes) {
  return Run({CallKind::kOpenRegion, path}, [&] { return base_.OpenRegion(path, size_bytes); });
}

}  // namespace aidb::io

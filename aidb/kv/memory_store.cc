#include "aidb/kv/memory_store.h"

#include <algorithm>
#include <deque>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "aidb/base/sync.h"

namespace aidb::kv {
namespace {

using Value = std::shared_ptr<const std::string>;  // Null: deleted.

// One state of a key, from its sequence to that of the next version.
struct Version {
  Sequence sequence;
  Value value;
};
using Versions = std::vector<Version>;  // Oldest first, never empty.
using Entries = std::map<std::string, Versions, std::less<>>;

const Value& VisibleAt(const Versions& versions, Sequence sequence) {
  static const Value kAbsent;
  for (auto version = versions.rbegin(); version != versions.rend(); ++version) {
    if (version->sequence <= sequence) return version->value;
  }
  return kAbsent;
}

uint64_t CostOf(std::string_view key, const Value& value) {
  return key.size() + (value ? value->size() : 0) + MemoryStore::kVersionOverheadBytes;
}

Status Closed() { return Unavailable("memory store: closed"); }

}  // namespace

// All state, behind one mutex; every method is one step that others see whole.
class MemoryStore::Core {
 public:
  explicit Core(const Options& options) : options_(options) {}

  // `unchanged` null: no condition.
  Result<Sequence> Write(const Precondition* unchanged, const WriteBatch& batch) AIDB_EXCLUDES(mu_);
  // Values by key, in order, at one sequence.
  Result<std::vector<Value>> Read(std::span<const std::string_view> keys, const Snapshot* snapshot)
      AIDB_EXCLUDES(mu_);
  // The sequence a read works at: the snapshot's, else the newest. Held until Release.
  Result<Sequence> Hold(const Snapshot* snapshot) AIDB_EXCLUDES(mu_);
  // The newest sequence, held until Release; also when closed.
  Sequence HoldNewest() AIDB_EXCLUDES(mu_);
  void Release(Sequence sequence) AIDB_EXCLUDES(mu_);

  struct Found {
    std::string key;
    Value value;
  };
  // The first key in `range` at or above `key` that is present at `sequence`; with `inclusive`
  // false, above it.
  Result<std::optional<Found>> AtOrAbove(std::string_view key, bool inclusive,
                                         const ScanRange& range, Sequence sequence)
      AIDB_EXCLUDES(mu_);
  // The last present key in `range` below `key` (nullopt: below the end of the range); with
  // `inclusive`, at or below it.
  Result<std::optional<Found>> AtOrBelow(std::optional<std::string_view> key, bool inclusive,
                                         const ScanRange& range, Sequence sequence)
      AIDB_EXCLUDES(mu_);

  Status CheckOpen() AIDB_EXCLUDES(mu_);
  void Close() AIDB_EXCLUDES(mu_);
  StoreStats Stats() AIDB_EXCLUDES(mu_);

 private:
  // A version that is dead once no live sequence is below `superseded_at`.
  struct Superseded {
    Sequence superseded_at;
    Entries::iterator entry;
  };

  Result<Sequence> SequenceFor(const Snapshot* snapshot) const AIDB_REQUIRES(mu_);
  Status CheckUnchanged(const Precondition& unchanged) const AIDB_REQUIRES(mu_);
  Status CheckFits(const WriteBatch& batch) const AIDB_REQUIRES(mu_);
  void Apply(std::string_view key, Value value) AIDB_REQUIRES(mu_);
  void DropDeadVersions() AIDB_REQUIRES(mu_);

  const Options options_;
  Mutex mu_;
  Entries entries_ AIDB_GUARDED_BY(mu_);
  // By rising sequence. An entry leaves the map only when its last version, a delete, is the
  // front here, so no iterator in the queue dangles.
  std::deque<Superseded> superseded_ AIDB_GUARDED_BY(mu_);
  std::multiset<Sequence> held_ AIDB_GUARDED_BY(mu_);  // By snapshots and iterators.
  Sequence newest_ AIDB_GUARDED_BY(mu_) = kSequenceNone;
  uint64_t used_bytes_ AIDB_GUARDED_BY(mu_) = 0;
  StoreStats counts_ AIDB_GUARDED_BY(mu_);  // Its counters only.
  bool closed_ AIDB_GUARDED_BY(mu_) = false;
};

// Keeps the versions of one sequence alive; the state of a snapshot.
class MemoryStore::HeldSequence final : public SnapshotState {
 public:
  HeldSequence(std::shared_ptr<Core> core, Sequence sequence)
      : core_(std::move(core)), sequence_(sequence) {}
  ~HeldSequence() override { core_->Release(sequence_); }
  HeldSequence(const HeldSequence&) = delete;
  HeldSequence& operator=(const HeldSequence&) = delete;

  Sequence sequence() const override { return sequence_; }
  const void* owner() const override { return core_.get(); }
  Core& core() const { return *core_; }

 private:
  const std::shared_ptr<Core> core_;
  const Sequence sequence_;
};

Result<Sequence> MemoryStore::Core::Write(const Precondition* unchanged, const WriteBatch& batch) {
  AIDB_RETURN_IF_ERROR(batch.Validate(options_.batch_bytes_max));
  const MutexLock lock(mu_);
  if (closed_) return Closed();
  if (unchanged != nullptr) AIDB_RETURN_IF_ERROR(CheckUnchanged(*unchanged));
  if (batch.empty()) return newest_;
  AIDB_RETURN_IF_ERROR(CheckFits(batch));

  WriteBatch::Reader operations = batch.operations_reader();
  while (true) {
    const auto next = operations.Next();
    AIDB_CHECK(next.ok());  // A WriteBatch holds what its own methods encoded.
    if (!*next) break;
    const WriteBatch::Operation& operation = **next;
    Apply(operation.key, operation.kind == OpKind::kPut
                             ? std::make_shared<const std::string>(operation.value)
                             : Value());
  }
  ++counts_.writes;
  counts_.bytes_written_by_user += batch.size_bytes();
  DropDeadVersions();
  return newest_;
}

Status MemoryStore::Core::CheckUnchanged(const Precondition& unchanged) const {
  if (unchanged.since == nullptr) return InvalidArgument("precondition without a snapshot");
  AIDB_RETURN_IF_ERROR(SequenceFor(unchanged.since).status());
  const Sequence since = unchanged.since->sequence();
  for (const std::string& key : unchanged.keys) {
    const auto entry = entries_.find(key);
    if (entry != entries_.end() && entry->second.back().sequence > since) {
      return Conflict("key \"" + key + "\" was written since the snapshot");
    }
  }
  for (const ScanRange& range : unchanged.ranges) {
    for (auto entry = entries_.lower_bound(range.lower);
         entry != entries_.end() && range.Contains(entry->first); ++entry) {
      if (entry->second.back().sequence > since) {
        return Conflict("key \"" + entry->first + "\" was written since the snapshot");
      }
    }
  }
  return {};
}

Status MemoryStore::Core::CheckFits(const WriteBatch& batch) const {
  uint64_t cost = 0;
  bool deletes_only = true;
  WriteBatch::Reader operations = batch.operations_reader();
  for (auto next = operations.Next(); next.ok() && *next; next = operations.Next()) {
    cost += (*next)->key.size() + (*next)->value.size() + kVersionOverheadBytes;
    if ((*next)->kind == OpKind::kPut) deletes_only = false;
  }
  const uint64_t reserve = deletes_only ? 0 : options_.memory_bytes / 16;
  const uint64_t limit = options_.memory_bytes - reserve;
  if (used_bytes_ <= limit && cost <= limit - used_bytes_) return {};
  return ResourceExhausted("memory store: a batch that needs " + std::to_string(cost) +
                           " bytes; of " + std::to_string(limit) + " allowed by memory_bytes " +
                           std::to_string(used_bytes_) + " are in use");
}

void MemoryStore::Core::Apply(std::string_view key, Value value) {
  newest_ = newest_ + 1;
  used_bytes_ += CostOf(key, value);
  const bool deletes = value == nullptr;
  const auto [entry, is_new] = entries_.try_emplace(std::string(key));
  entry->second.push_back({newest_, std::move(value)});
  if (!is_new || deletes) superseded_.push_back({newest_, entry});
}

void MemoryStore::Core::DropDeadVersions() {
  const Sequence oldest_live = held_.empty() ? newest_ : *held_.begin();
  while (!superseded_.empty() && superseded_.front().superseded_at <= oldest_live) {
    const auto [superseded_at, entry] = superseded_.front();
    superseded_.pop_front();
    Versions& versions = entry->second;
    while (versions.front().sequence < superseded_at) {
      used_bytes_ -= CostOf(entry->first, versions.front().value);
      versions.erase(versions.begin());
    }
    if (versions.size() == 1 && versions.front().value == nullptr) {
      used_bytes_ -= CostOf(entry->first, nullptr);
      entries_.erase(entry);
    }
  }
}

Result<Sequence> MemoryStore::Core::SequenceFor(const Snapshot* snapshot) const {
  if (closed_) return Closed();
  if (snapshot == nullptr) return newest_;
  if (snapshot->state().owner() != this) {
    return InvalidArgument("memory store: the snapshot belongs to another store");
  }
  return snapshot->sequence();
}

Result<std::vector<Value>> MemoryStore::Core::Read(std::span<const std::string_view> keys,
                                                   const Snapshot* snapshot) {
  const MutexLock lock(mu_);
  AIDB_ASSIGN_OR_RETURN(const Sequence sequence, SequenceFor(snapshot));
  counts_.gets += keys.size();
  std::vector<Value> values;
  values.reserve(keys.size());
  for (const std::string_view key : keys) {
    const auto entry = entries_.find(key);
    values.push_back(entry == entries_.end() ? Value() : VisibleAt(entry->second, sequence));
  }
  return values;
}

Result<Sequence> MemoryStore::Core::Hold(const Snapshot* snapshot) {
  const MutexLock lock(mu_);
  AIDB_ASSIGN_OR_RETURN(const Sequence sequence, SequenceFor(snapshot));
  ++counts_.scans;
  held_.insert(sequence);
  return sequence;
}

Sequence MemoryStore::Core::HoldNewest() {
  const MutexLock lock(mu_);
  held_.insert(newest_);
  return newest_;
}

void MemoryStore::Core::Release(Sequence sequence) {
  const MutexLock lock(mu_);
  held_.erase(held_.find(sequence));
  DropDeadVersions();
}

Result<std::optional<MemoryStore::Core::Found>> MemoryStore::Core::AtOrAbove(std::string_view key,
                                                                             bool inclusive,
                                                                             const ScanRange& range,
                                                                             Sequence sequence) {
  const MutexLock lock(mu_);
  if (closed_) return Closed();
  auto entry = inclusive ? entries_.lower_bound(key) : entries_.upper_bound(key);
  for (; entry != entries_.end() && range.Contains(entry->first); ++entry) {
    const Value& value = VisibleAt(entry->second, sequence);
    if (value != nullptr) return std::optional(Found{entry->first, value});
  }
  return std::optional<Found>();
}

Result<std::optional<MemoryStore::Core::Found>> MemoryStore::Core::AtOrBelow(
    std::optional<std::string_view> key, bool inclusive, const ScanRange& range,
    Sequence sequence) {
  const MutexLock lock(mu_);
  if (closed_) return Closed();
  auto entry = entries_.end();
  if (key) entry = inclusive ? entries_.upper_bound(*key) : entries_.lower_bound(*key);
  while (entry != entries_.begin()) {
    --entry;
    if (!range.Contains(entry->first)) break;
    const Value& value = VisibleAt(entry->second, sequence);
    if (value != nullptr) return std::optional(Found{entry->first, value});
  }
  return std::optional<Found>();
}

Status MemoryStore::Core::CheckOpen() {
  const MutexLock lock(mu_);
  return closed_ ? Closed() : Status();
}

void MemoryStore::Core::Close() {
  const MutexLock lock(mu_);
  closed_ = true;
}

StoreStats MemoryStore::Core::Stats() {
  const MutexLock lock(mu_);
  StoreStats stats = counts_;
  stats.backend = "memory";
  stats.durability = "none: everything is lost with the process";
  stats.sequence = newest_;
  stats.snapshots = held_.size();
  stats.memtable_bytes = used_bytes_;
  stats.memtable_count = 1;
  return stats;
}

// Looks its position up at every move: slow, and right whatever was written in between.
class MemoryStore::MemoryCursor final : public Cursor {
 public:
  MemoryCursor(std::unique_ptr<const HeldSequence> held, ScanRange range)
      : held_(std::move(held)), range_(std::move(range)) {}

  bool Valid() const override { return here_.has_value(); }
  void SeekToFirst() override { Seek(range_.lower); }
  void SeekToLast() override { MoveDown(std::nullopt, kExclusive); }
  void Seek(std::string_view key) override {
    MoveUp(std::max<std::string_view>(key, range_.lower), kInclusive);
  }
  void SeekForPrev(std::string_view key) override {
    if (range_.upper && key >= *range_.upper) return SeekToLast();
    MoveDown(key, kInclusive);
  }
  void Next() override { MoveUp(std::string(here_->key), kExclusive); }
  void Prev() override { MoveDown(std::string(here_->key), kExclusive); }
  std::string_view key() const override { return here_->key; }
  std::string_view value() const override { return *here_->value; }
  Status status() const override { return status_; }

 private:
  static constexpr bool kInclusive = true;
  static constexpr bool kExclusive = false;

  void MoveUp(std::string_view from, bool inclusive) {
    if (range_.empty()) return;
    Arrive(held_->core().AtOrAbove(from, inclusive, range_, held_->sequence()));
  }
  void MoveDown(std::optional<std::string_view> from, bool inclusive) {
    if (range_.empty()) return;
    if (!from && range_.upper) from = *range_.upper;
    Arrive(held_->core().AtOrBelow(from, inclusive, range_, held_->sequence()));
  }
  void Arrive(Result<std::optional<Core::Found>> found) {
    status_ = found.status();
    here_ = found.ok() ? *std::move(found) : std::nullopt;
  }

  const std::unique_ptr<const HeldSequence> held_;
  const ScanRange range_;
  std::optional<Core::Found> here_;
  Status status_;
};

MemoryStore::MemoryStore(std::shared_ptr<Core> core) : core_(std::move(core)) {}

Result<std::unique_ptr<MemoryStore>> MemoryStore::Open(const Options& options) {
  AIDB_RETURN_IF_ERROR(options.Validate());
  static constexpr std::string_view kHonoured[] = {"memory_bytes", "batch_bytes_max",
                                                   "write_wait_ms"};
  AIDB_RETURN_IF_ERROR(options.RefuseAllBut(kHonoured, "memory"));
  if (options.mode == StoreMode::kMustExist || options.mode == StoreMode::kReadOnly) {
    return InvalidArgument(
        "memory store: never there before it is opened; mode must be create "
        "if missing or must be new");
  }
  return std::unique_ptr<MemoryStore>(new MemoryStore(std::make_shared<Core>(options)));
}

MemoryStore::~MemoryStore() { core_->Close(); }

Result<Sequence> MemoryStore::Write(WriteBatch batch, const WriteOptions& /*options*/) {
  return core_->Write(nullptr, batch);
}

Result<Sequence> MemoryStore::WriteIf(const Precondition& unchanged, WriteBatch batch,
                                      const WriteOptions& /*options*/) {
  return core_->Write(&unchanged, batch);
}

Result<std::optional<PinnedValue>> MemoryStore::Get(std::string_view key,
                                                    const ReadOptions& options) const {
  return std::move(MultiGet({&key, 1}, options).front());
}

std::vector<Result<std::optional<PinnedValue>>> MemoryStore::MultiGet(
    std::span<const std::string_view> keys, const ReadOptions& options) const {
  std::vector<Result<std::optional<PinnedValue>>> answers;
  answers.reserve(keys.size());
  const auto refuse_all = [&](const Status& error) {
    for (size_t i = 0; i < keys.size(); ++i) answers.emplace_back(error);
  };
  if (keys.size() > kMultiGetKeysMax) {
    refuse_all(MultiGetTooLarge(keys.size()));
    return answers;
  }
  const Result<std::vector<Value>> values = core_->Read(keys, options.snapshot);
  if (!values.ok()) {
    refuse_all(values.status());
    return answers;
  }
  for (const Value& value : *values) {
    std::optional<PinnedValue> answer;
    if (value != nullptr) answer.emplace(std::string_view(*value), ValuePin::Keep(value));
    answers.emplace_back(std::move(answer));
  }
  return answers;
}

Iterator MemoryStore::Scan(const ScanOptions& options) const {
  const Result<Sequence> sequence = core_->Hold(options.snapshot);
  if (!sequence.ok()) return FailedIterator(sequence.status());
  return Iterator(std::make_unique<MemoryCursor>(
                      std::make_unique<const HeldSequence>(core_, *sequence), RangeOf(options)),
                  options.order);
}

Snapshot MemoryStore::TakeSnapshot() const {
  const Sequence sequence = core_->HoldNewest();
  return Snapshot(std::make_unique<const HeldSequence>(core_, sequence));
}

Status MemoryStore::Sync() { return core_->CheckOpen(); }
Status MemoryStore::Flush() { return core_->CheckOpen(); }
StoreStats MemoryStore::Stats() const { return core_->Stats(); }

Status MemoryStore::Close() {
  core_->Close();
  return {};
}

}  // namespace aidb::kv

#include "aidb/kv/memory_store.h"

#include <algorithm>
#include <compare>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "aidb/base/sync.h"
#include "aidb/kv/expiry_clock.h"
#include "aidb/kv/memory_updates.h"
#include "aidb/kv/range_delete.h"

namespace aidb::kv {
namespace {

struct Stored {
  std::string bytes;
  std::optional<uint64_t> expires_at_ms;
};
using Value = std::shared_ptr<const Stored>;  // Null: deleted.

// One state of a key, from its sequence to that of the next version.
struct Version {
  Sequence sequence;
  Value value;
};
using Versions = std::vector<Version>;  // Oldest first, never empty.
using Entries = std::map<std::string, Versions, std::less<>>;

// What a read works at. Of two moments the later one has neither the smaller sequence nor the
// earlier time.
struct Moment {
  Sequence sequence;
  uint64_t now_ms;

  auto operator<=>(const Moment&) const = default;
};

bool Expired(const Value& value, uint64_t now_ms) {
  return value != nullptr && value->expires_at_ms && *value->expires_at_ms <= now_ms;
}

const Value& VisibleAt(const Versions& versions, const Moment& at) {
  static const Value kAbsent;
  for (auto version = versions.rbegin(); version != versions.rend(); ++version) {
    if (version->sequence > at.sequence) continue;
    return Expired(version->value, at.now_ms) ? kAbsent : version->value;
  }
  return kAbsent;
}

std::optional<PinnedValue> Pinned(const Value& value) {
  if (value == nullptr) return std::nullopt;
  PinnedValue pinned(value->bytes, ValuePin::Keep(value));
  if (value->expires_at_ms) pinned.set_expires_at_ms(*value->expires_at_ms);
  return pinned;
}

uint64_t OverheadOf(bool expires) {
  return MemoryStore::kVersionOverheadBytes + (expires ? MemoryStore::kExpiryOverheadBytes : 0);
}

uint64_t CostOf(std::string_view key, const Value& value) {
  if (value == nullptr) return key.size() + OverheadOf(false);
  return key.size() + value->bytes.size() + OverheadOf(value->expires_at_ms.has_value());
}

Status Closed() { return Unavailable("memory store: closed"); }

}  // namespace

// All state, behind one mutex; every method is one step that others see whole.
class MemoryStore::Core {
 public:
  Core(const Options& options, const Clock& clock, const MergeFunction* merge)
      : options_(options),
        clock_(clock),
        merger_(merge),
        updates_(std::make_shared<MemoryUpdates>(clock, options.memory_bytes / 16)) {}

  // `unchanged` null: no condition.
  Result<Sequence> Write(const Precondition* unchanged, const WriteBatch& batch) AIDB_EXCLUDES(mu_);
  // Values by key, in order, at one moment.
  Result<std::vector<Value>> Read(std::span<const std::string_view> keys, const Snapshot* snapshot)
      AIDB_EXCLUDES(mu_);
  // The moment a read works at: the snapshot's, else this one. Held until Release.
  Result<Moment> Hold(const Snapshot* snapshot) AIDB_EXCLUDES(mu_);
  // This moment, held until Release; also when closed.
  Moment HoldNewest() AIDB_EXCLUDES(mu_);
  void Release(const Moment& moment) AIDB_EXCLUDES(mu_);

  struct Found {
    std::string key;
    Value value;
  };
  // The first key in `range` at or above `key` that is present at `moment`; with `inclusive`
  // false, above it.
  Result<std::optional<Found>> AtOrAbove(std::string_view key, bool inclusive,
                                         const ScanRange& range, const Moment& moment)
      AIDB_EXCLUDES(mu_);
  // The last present key in `range` below `key` (nullopt: below the end of the range); with
  // `inclusive`, at or below it.
  Result<std::optional<Found>> AtOrBelow(std::optional<std::string_view> key, bool inclusive,
                                         const ScanRange& range, const Moment& moment)
      AIDB_EXCLUDES(mu_);

  Result<Updates> UpdatesSince(Sequence from, const UpdateOptions& options) AIDB_EXCLUDES(mu_);
  Status CheckOpen() AIDB_EXCLUDES(mu_);
  void Close() AIDB_EXCLUDES(mu_);
  StoreStats Stats() AIDB_EXCLUDES(mu_);

 private:
  // A version that is dead once no live sequence is below `superseded_at`.
  struct Superseded {
    Sequence superseded_at;
    Entries::iterator entry;
  };

  Moment Newest() const AIDB_REQUIRES(mu_);
  Result<Moment> MomentFor(const Snapshot* snapshot) const AIDB_REQUIRES(mu_);
  Status CheckUnchanged(const Precondition& unchanged) const AIDB_REQUIRES(mu_);
  Result<WriteBatch> WithEnds(const WriteBatch& batch) const AIDB_REQUIRES(mu_);
  Result<WriteBatch> Folded(const WriteBatch& batch) const AIDB_REQUIRES(mu_);
  Result<Sequence> WriteFolded(const WriteBatch& batch) AIDB_REQUIRES(mu_);
  Status CheckFits(const WriteBatch& batch) const AIDB_REQUIRES(mu_);
  uint64_t CostOfDeleteRange(const WriteBatch::Operation& range,
                             std::set<std::string_view>& put) const AIDB_REQUIRES(mu_);
  void Apply(std::string_view key, Value value) AIDB_REQUIRES(mu_);
  void ApplyDeleteRange(std::string_view begin, std::string_view end) AIDB_REQUIRES(mu_);
  // The next version of a key, of the newest sequence.
  void Add(Entries::iterator entry, bool is_new, Value value) AIDB_REQUIRES(mu_);
  void DropDeadVersions() AIDB_REQUIRES(mu_);
  void DropExpired(const Moment& oldest_live) AIDB_REQUIRES(mu_);
  // Takes the oldest version off an entry.
  void DropOldest(Entries::iterator entry) AIDB_REQUIRES(mu_);

  const Options options_;
  const ExpiryClock clock_;
  const Merger merger_;
  const std::shared_ptr<MemoryUpdates> updates_;
  Mutex mu_;
  Entries entries_ AIDB_GUARDED_BY(mu_);
  // By rising sequence. An entry leaves the map only when its last version, a delete, is the
  // front here, so no iterator in the queue dangles.
  std::deque<Superseded> superseded_ AIDB_GUARDED_BY(mu_);
  // The entry of each version that expires, by when it does.
  std::multimap<uint64_t, Entries::iterator> expiring_ AIDB_GUARDED_BY(mu_);
  std::multiset<Moment> held_ AIDB_GUARDED_BY(mu_);  // By snapshots and iterators.
  Sequence newest_ AIDB_GUARDED_BY(mu_) = kSequenceNone;
  uint64_t used_bytes_ AIDB_GUARDED_BY(mu_) = 0;
  StoreStats counts_ AIDB_GUARDED_BY(mu_);  // Its counters only.
  bool closed_ AIDB_GUARDED_BY(mu_) = false;
};

// Keeps the versions of one moment alive; the state of a snapshot.
class MemoryStore::HeldMoment final : public SnapshotState {
 public:
  HeldMoment(std::shared_ptr<Core> core, const Moment& moment)
      : core_(std::move(core)), moment_(moment) {}
  ~HeldMoment() override { core_->Release(moment_); }
  HeldMoment(const HeldMoment&) = delete;
  HeldMoment& operator=(const HeldMoment&) = delete;

  Sequence sequence() const override { return moment_.sequence; }
  uint64_t now_ms() const override { return moment_.now_ms; }
  const void* owner() const override { return core_.get(); }
  const Moment& moment() const { return moment_; }
  Core& core() const { return *core_; }

 private:
  const std::shared_ptr<Core> core_;
  const Moment moment_;
};

Result<Sequence> MemoryStore::Core::Write(const Precondition* unchanged, const WriteBatch& batch) {
  AIDB_RETURN_IF_ERROR(batch.Validate(options_.batch_bytes_max));
  const MutexLock lock(mu_);
  if (closed_) return Closed();
  if (unchanged != nullptr) AIDB_RETURN_IF_ERROR(CheckUnchanged(*unchanged));
  if (batch.empty()) return newest_;
  if (!batch.has_merge() && !batch.has_open_range()) return WriteFolded(batch);
  WriteBatch folded = batch;
  if (batch.has_open_range()) {
    AIDB_ASSIGN_OR_RETURN(folded, WithEnds(batch));
  }
  if (batch.has_merge()) {
    AIDB_ASSIGN_OR_RETURN(folded, Folded(folded));
  }
  return WriteFolded(folded);
}

Result<WriteBatch> MemoryStore::Core::WithEnds(const WriteBatch& batch) const {
  std::optional<std::string> last;
  if (!entries_.empty()) last = entries_.rbegin()->first;
  return CloseRanges(batch, options_.batch_bytes_max, [&] { return last; });
}

Result<WriteBatch> MemoryStore::Core::Folded(const WriteBatch& batch) const {
  const Moment now = Newest();
  // The lambda runs under mu_, which the analysis cannot know.
  const Entries* const entries = &entries_;
  return FoldMerges(batch, merger_, clock_.NowMs(), options_.batch_bytes_max,
                    [&](std::string_view key) -> Result<std::optional<PinnedValue>> {
                      const auto entry = entries->find(key);
                      if (entry == entries->end()) return std::optional<PinnedValue>();
                      return Pinned(VisibleAt(entry->second, now));
                    });
}

Result<Sequence> MemoryStore::Core::WriteFolded(const WriteBatch& batch) {
  DropDeadVersions();  // What has expired makes room.
  AIDB_RETURN_IF_ERROR(CheckFits(batch));

  WriteBatch::Reader operations = batch.operations_reader();
  while (true) {
    const auto next = operations.Next();
    AIDB_CHECK(next.ok());  // A WriteBatch holds what its own methods encoded.
    if (!*next) break;
    const WriteBatch::Operation& operation = **next;
    if (operation.kind == OpKind::kDeleteRange) {
      ApplyDeleteRange(operation.key, operation.value);
      continue;
    }
    Value value;
    if (operation.kind != OpKind::kDelete) {
      Stored stored{.bytes = std::string(operation.value), .expires_at_ms = std::nullopt};
      if (Expires(operation.kind)) stored.expires_at_ms = operation.expires_at_ms;
      value = std::make_shared<const Stored>(std::move(stored));
    }
    Apply(operation.key, std::move(value));
  }
  if (updates_->wanted()) {
    const Sequence first{ToNumber(newest_) + 1 - batch.count()};
    updates_->Add(first, batch.count(), batch.operations());
  }
  ++counts_.writes;
  counts_.bytes_written_by_user += batch.size_bytes();
  DropDeadVersions();
  return newest_;
}

Status MemoryStore::Core::CheckUnchanged(const Precondition& unchanged) const {
  if (unchanged.since == nullptr) return InvalidArgument("precondition without a snapshot");
  AIDB_RETURN_IF_ERROR(MomentFor(unchanged.since).status());
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
  // Keys that the batch has put so far, for the sake of its range deletes.
  std::set<std::string_view> put;
  for (auto next = operations.Next(); next.ok() && *next; next = operations.Next()) {
    const WriteBatch::Operation& operation = **next;
    if (operation.kind == OpKind::kDeleteRange) {
      cost += CostOfDeleteRange(operation, put);
      continue;
    }
    cost += operation.key.size() + operation.value.size() + OverheadOf(Expires(operation.kind));
    if (operation.kind == OpKind::kDelete) continue;
    deletes_only = false;
    if (batch.range_deletes() > 0) put.insert(operation.key);
  }
  const uint64_t reserve = deletes_only ? 0 : options_.memory_bytes / 16;
  const uint64_t limit = options_.memory_bytes - reserve;
  if (used_bytes_ <= limit && cost <= limit - used_bytes_) return {};
  return ResourceExhausted("memory store: a batch that needs " + std::to_string(cost) +
                           " bytes; of " + std::to_string(limit) + " allowed by memory_bytes " +
                           std::to_string(used_bytes_) + " are in use");
}

// A delete of each key that is there; where nobody may see what they held, they are gone, with
// their keys, when the batch is written.
uint64_t MemoryStore::Core::CostOfDeleteRange(const WriteBatch::Operation& range,
                                              std::set<std::string_view>& put) const {
  if (held_.empty()) return 0;
  uint64_t cost = 0;
  for (auto entry = entries_.lower_bound(range.key);
       entry != entries_.end() && entry->first < range.value; ++entry) {
    if (entry->second.back().value != nullptr) cost += CostOf(entry->first, nullptr);
  }
  const auto begin = put.lower_bound(range.key);
  const auto end = put.lower_bound(range.value);
  for (auto key = begin; key != end; ++key) cost += CostOf(*key, nullptr);
  put.erase(begin, end);
  return cost;
}

void MemoryStore::Core::Apply(std::string_view key, Value value) {
  newest_ = newest_ + 1;
  const auto [entry, is_new] = entries_.try_emplace(std::string(key));
  Add(entry, is_new, std::move(value));
}

// One operation: all of these deletes have one sequence.
void MemoryStore::Core::ApplyDeleteRange(std::string_view begin, std::string_view end) {
  newest_ = newest_ + 1;
  for (auto entry = entries_.lower_bound(begin); entry != entries_.end() && entry->first < end;
       ++entry) {
    if (entry->second.back().value != nullptr) Add(entry, false, nullptr);
  }
}

void MemoryStore::Core::Add(Entries::iterator entry, bool is_new, Value value) {
  used_bytes_ += CostOf(entry->first, value);
  const bool deletes = value == nullptr;
  if (value != nullptr && value->expires_at_ms) expiring_.emplace(*value->expires_at_ms, entry);
  entry->second.push_back({newest_, std::move(value)});
  if (!is_new || deletes) superseded_.push_back({newest_, entry});
}

void MemoryStore::Core::DropOldest(Entries::iterator entry) {
  const Value& value = entry->second.front().value;
  used_bytes_ -= CostOf(entry->first, value);
  if (value != nullptr && value->expires_at_ms) {
    auto [place, end] = expiring_.equal_range(*value->expires_at_ms);
    while (place != end && place->second != entry) ++place;
    AIDB_CHECK(place != end);
    expiring_.erase(place);
  }
  entry->second.erase(entry->second.begin());
}

void MemoryStore::Core::DropDeadVersions() {
  const Moment oldest_live = held_.empty() ? Newest() : *held_.begin();
  while (!superseded_.empty() && superseded_.front().superseded_at <= oldest_live.sequence) {
    const auto [superseded_at, entry] = superseded_.front();
    superseded_.pop_front();
    Versions& versions = entry->second;
    while (versions.front().sequence < superseded_at) DropOldest(entry);
    if (versions.size() == 1 && versions.front().value == nullptr) {
      DropOldest(entry);
      entries_.erase(entry);
    }
  }
  DropExpired(oldest_live);
}

// An entry with other versions beside the expired one waits for superseded_, and those behind it
// wait as well. One without has no place in superseded_: as long as it has one, the version that
// was superseded is there, too.
void MemoryStore::Core::DropExpired(const Moment& oldest_live) {
  while (!expiring_.empty() && expiring_.begin()->first <= oldest_live.now_ms) {
    const Entries::iterator entry = expiring_.begin()->second;
    if (entry->second.size() > 1) return;
    DropOldest(entry);
    entries_.erase(entry);
  }
}

Moment MemoryStore::Core::Newest() const {
  // Without a value that expires the time does not matter; after Close the clock may be gone.
  return {newest_, expiring_.empty() || closed_ ? clock_.highest_ms() : clock_.NowMs()};
}

Result<Moment> MemoryStore::Core::MomentFor(const Snapshot* snapshot) const {
  if (closed_) return Closed();
  if (snapshot == nullptr) return Newest();
  if (snapshot->state().owner() != this) {
    return InvalidArgument("memory store: the snapshot belongs to another store");
  }
  return static_cast<const HeldMoment&>(snapshot->state()).moment();
}

Result<std::vector<Value>> MemoryStore::Core::Read(std::span<const std::string_view> keys,
                                                   const Snapshot* snapshot) {
  const MutexLock lock(mu_);
  AIDB_ASSIGN_OR_RETURN(const Moment moment, MomentFor(snapshot));
  counts_.gets += keys.size();
  std::vector<Value> values;
  values.reserve(keys.size());
  for (const std::string_view key : keys) {
    const auto entry = entries_.find(key);
    values.push_back(entry == entries_.end() ? Value() : VisibleAt(entry->second, moment));
  }
  return values;
}

Result<Moment> MemoryStore::Core::Hold(const Snapshot* snapshot) {
  const MutexLock lock(mu_);
  AIDB_ASSIGN_OR_RETURN(const Moment moment, MomentFor(snapshot));
  ++counts_.scans;
  held_.insert(moment);
  return moment;
}

Moment MemoryStore::Core::HoldNewest() {
  const MutexLock lock(mu_);
  return *held_.insert({newest_, closed_ ? clock_.highest_ms() : clock_.NowMs()});
}

void MemoryStore::Core::Release(const Moment& moment) {
  const MutexLock lock(mu_);
  held_.erase(held_.find(moment));
  DropDeadVersions();
}

Result<std::optional<MemoryStore::Core::Found>> MemoryStore::Core::AtOrAbove(std::string_view key,
                                                                             bool inclusive,
                                                                             const ScanRange& range,
                                                                             const Moment& moment) {
  const MutexLock lock(mu_);
  if (closed_) return Closed();
  auto entry = inclusive ? entries_.lower_bound(key) : entries_.upper_bound(key);
  for (; entry != entries_.end() && range.Contains(entry->first); ++entry) {
    const Value& value = VisibleAt(entry->second, moment);
    if (value != nullptr) return std::optional(Found{entry->first, value});
  }
  return std::optional<Found>();
}

Result<std::optional<MemoryStore::Core::Found>> MemoryStore::Core::AtOrBelow(
    std::optional<std::string_view> key, bool inclusive, const ScanRange& range,
    const Moment& moment) {
  const MutexLock lock(mu_);
  if (closed_) return Closed();
  auto entry = entries_.end();
  if (key) entry = inclusive ? entries_.upper_bound(*key) : entries_.lower_bound(*key);
  while (entry != entries_.begin()) {
    --entry;
    if (!range.Contains(entry->first)) break;
    const Value& value = VisibleAt(entry->second, moment);
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
  updates_->Close();
}

Result<Updates> MemoryStore::Core::UpdatesSince(Sequence from, const UpdateOptions& options) {
  const MutexLock lock(mu_);
  if (closed_) return Closed();
  return updates_->Follow(from, newest_, options);
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
  MemoryCursor(std::unique_ptr<const HeldMoment> held, ScanRange range)
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
  std::string_view value() const override { return here_->value->bytes; }
  Status status() const override { return status_; }

 private:
  static constexpr bool kInclusive = true;
  static constexpr bool kExclusive = false;

  void MoveUp(std::string_view from, bool inclusive) {
    if (range_.empty()) return;
    Arrive(held_->core().AtOrAbove(from, inclusive, range_, held_->moment()));
  }
  void MoveDown(std::optional<std::string_view> from, bool inclusive) {
    if (range_.empty()) return;
    if (!from && range_.upper) from = *range_.upper;
    Arrive(held_->core().AtOrBelow(from, inclusive, range_, held_->moment()));
  }
  void Arrive(Result<std::optional<Core::Found>> found) {
    status_ = found.status();
    here_ = found.ok() ? *std::move(found) : std::nullopt;
  }

  const std::unique_ptr<const HeldMoment> held_;
  const ScanRange range_;
  std::optional<Core::Found> here_;
  Status status_;
};

MemoryStore::MemoryStore(std::shared_ptr<Core> core) : core_(std::move(core)) {}

Result<std::unique_ptr<MemoryStore>> MemoryStore::Open(const Options& options, const Clock& clock,
                                                       const MergeFunction* merge) {
  AIDB_RETURN_IF_ERROR(options.Validate());
  static constexpr std::string_view kHonoured[] = {"memory_bytes", "batch_bytes_max",
                                                   "write_wait_ms"};
  AIDB_RETURN_IF_ERROR(options.RefuseAllBut(kHonoured, "memory"));
  if (options.mode == StoreMode::kMustExist || options.mode == StoreMode::kReadOnly) {
    return InvalidArgument(
        "memory store: never there before it is opened; mode must be create "
        "if missing or must be new");
  }
  return std::unique_ptr<MemoryStore>(
      new MemoryStore(std::make_shared<Core>(options, clock, merge)));
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
    answers.emplace_back(Pinned(value));
  }
  return answers;
}

Iterator MemoryStore::Scan(const ScanOptions& options) const {
  const Result<Moment> moment = core_->Hold(options.snapshot);
  if (!moment.ok()) return FailedIterator(moment.status());
  return Iterator(std::make_unique<MemoryCursor>(std::make_unique<const HeldMoment>(core_, *moment),
                                                 RangeOf(options)),
                  options.order);
}

Snapshot MemoryStore::TakeSnapshot() const {
  const Moment moment = core_->HoldNewest();
  return Snapshot(std::make_unique<const HeldMoment>(core_, moment));
}

Status MemoryStore::Sync() { return core_->CheckOpen(); }
Status MemoryStore::Flush() { return core_->CheckOpen(); }
Status MemoryStore::Compact(const ScanRange& /*range*/) { return core_->CheckOpen(); }
Result<Updates> MemoryStore::UpdatesSince(Sequence from, const UpdateOptions& options) {
  return core_->UpdatesSince(from, options);
}
StoreStats MemoryStore::Stats() const { return core_->Stats(); }

Status MemoryStore::Close() {
  core_->Close();
  return {};
}

}  // namespace aidb::kv

// Reads, snapshots and conditional writes of the native engine.

#include <algorithm>
#include <utility>

#include "aidb/base/canary.h"
#include "aidb/base/escape.h"
#include "aidb/lsm/engine.h"
#include "aidb/lsm/level_cursor.h"
#include "aidb/lsm/merging_cursor.h"
#include "aidb/lsm/run_range_deletes.h"
#include "aidb/lsm/table_cursor.h"
#include "aidb/lsm/uncovered_cursor.h"
#include "aidb/lsm/visible_cursor.h"

namespace aidb::lsm {
namespace {

constexpr size_t kKeyCharactersShown = 64;

// One run of a version, for LevelCursor.
//
// Lifetime: borrows both.
class RunTables {
 public:
  using Slot = std::optional<TableCursor>;

  RunTables(const Run& run, TableCache& cache, CacheFill fill)
      : run_(run), cache_(cache), fill_(fill) {}

  size_t count() const { return run_.tables().size(); }
  size_t IndexFor(std::string_view key) const { return run_.IndexFor(key); }
  Status Open(size_t table, Slot& slot) const {
    AIDB_ASSIGN_OR_RETURN(const auto reader, cache_.Open(*run_.tables()[table]));
    slot.emplace(reader->shared_from_this(), fill_);
    return {};
  }

 private:
  const Run& run_;
  TableCache& cache_;
  const CacheFill fill_;
};

// Ends the walk with kUnavailable at the first move after Close; what stands there stays
// readable.
class HandleCursor final : public kv::Cursor {
 public:
  HandleCursor(std::unique_ptr<EntryCursor> entries, const Moment& at, KeyRange range,
               std::shared_ptr<const ReadState> state, std::shared_ptr<const HandleCore> core,
               kv::Merger merger)
      : core_(std::move(core)),
        cursor_(std::move(entries), at.sequence, at.now_ms, std::move(range), std::move(state),
                VisibleCursor::DeleteRunReport(), merger) {}

  bool Valid() const override { return !ended_ && cursor_.Valid(); }
  void SeekToFirst() override {
    if (Open()) cursor_.SeekToFirst();
  }
  void SeekToLast() override {
    if (Open()) cursor_.SeekToLast();
  }
  void Seek(std::string_view key) override {
    if (Open()) cursor_.Seek(key);
  }
  void SeekForPrev(std::string_view key) override {
    if (Open()) cursor_.SeekForPrev(key);
  }
  void Next() override {
    if (Open()) cursor_.Next();
  }
  void Prev() override {
    if (Open()) cursor_.Prev();
  }
  std::string_view key() const override { return cursor_.key(); }
  std::string_view value() const override { return cursor_.value(); }
  Status status() const override { return ended_ ? Closed() : cursor_.status(); }

 private:
  bool Open() {
    ended_ = ended_ || core_->closed.load(std::memory_order_acquire);
    return !ended_;
  }

  const std::shared_ptr<const HandleCore> core_;  // First: the cursor reads through it.
  VisibleCursor cursor_;
  bool ended_ = false;
};

// A copy of a small value costs less than a count that all readers of the memtable share.
kv::PinnedValue PinInMemtable(std::string_view value, const std::shared_ptr<Memtable>& memtable) {
  constexpr size_t kCopiedBytesMax = 1024;
  if (value.size() <= kCopiedBytesMax) return kv::PinnedValue(std::string(value));
  return {value, kv::ValuePin::Keep(memtable)};
}

}  // namespace

class Engine::SnapshotHandle final : public kv::SnapshotState {
 public:
  SnapshotHandle(std::shared_ptr<HandleCore> core, const Moment& moment)
      : core_(std::move(core)), moment_(moment) {}
  ~SnapshotHandle() override { core_->snapshots.Remove(moment_); }
  Sequence sequence() const override { return moment_.sequence; }
  uint64_t now_ms() const override { return moment_.now_ms; }
  const void* owner() const override { return core_.get(); }

 private:
  const std::shared_ptr<HandleCore> core_;
  const Moment moment_;
};

Sequence Engine::VisibleSequence() const {
  return journal_ != nullptr ? Sequence{ToNumber(journal_->published_id())} : read_only_sequence_;
}

Result<Engine::View> Engine::TakeView(const kv::Snapshot* snapshot) const {
  View view;
  if (snapshot != nullptr) {
    if (snapshot->state().owner() != core_.get()) {
      return InvalidArgument("the snapshot belongs to another store");
    }
    view.state = states_.Newest();
    view.sequence = snapshot->sequence();
    view.now_ms = snapshot->now_ms();
    return view;
  }
  // The sequence is read while this state is the newest: were it read before, a flush in between
  // could have dropped the versions it sees; were it read after, a newer memtable could hold
  // them. While the call is inside, no other state can come to lie at the same address.
  do {
    view.state = states_.Newest();
    view.sequence = VisibleSequence();
  } while (view.state != states_.Newest());
  return view;
}

Result<Engine::SharedView> Engine::TakeSharedView(const kv::Snapshot* snapshot) const {
  const CallPass pass(reads_);
  if (!pass) return Closed();
  AIDB_ASSIGN_OR_RETURN(const View view, TakeView(snapshot));
  return SharedView{view.state->shared_from_this(), view.sequence, view.now_ms};
}

kv::Snapshot Engine::TakeSnapshot() const {
  const Moment moment = core_->snapshots.Add(
      [this] { return Moment{.sequence = VisibleSequence(), .now_ms = core_->clock.NowMs()}; });
  return kv::Snapshot(std::make_unique<SnapshotHandle>(core_, moment));
}

std::optional<Engine::Found> Engine::FindIn(const LoggedMemtable& memtable, const HashedKey& key,
                                            Sequence at) {
  const std::optional<Memtable::Found> hit = memtable.table->Get(key, at);
  if (!hit) return std::nullopt;
  return Found{hit->kind, hit->sequence, PinInMemtable(hit->value, memtable.table),
               hit->expires_at_ms};
}

void Engine::Count(const ReadCounters& counters) const {
  if (counters.filter_useful > 0) counters_.filter_useful.Increment(counters.filter_useful);
  if (counters.filter_false > 0) counters_.filter_false.Increment(counters.filter_false);
}

Result<std::optional<Engine::Found>> Engine::Find(const ReadState& state, const HashedKey& key,
                                                  Sequence at, OperandChain* operands) const {
  // Whether the search goes on, in the same source, below an operand.
  const auto goes_on = [&](const Found& found) {
    if (found.kind != OpKind::kMerge || operands == nullptr) [[likely]]
      return false;
    operands->Add(found.value.view());
    at = Sequence{ToNumber(found.sequence) - 1};
    return true;
  };
  std::optional<Found> found;
  while ((found = FindIn(state.active, key, at))) {
    if (!goes_on(*found)) return found;
  }
  for (const LoggedMemtable& memtable : state.sealed) {
    while ((found = FindIn(memtable, key, at))) {
      if (!goes_on(*found)) return found;
    }
  }
  ReadCounters counters;
  Status status;
  state.version->ForEachTableFor(key.bytes, [&](int /*level*/, const TableFile& file) {
    const auto reader = core_->tables.Open(file);
    if (!reader.ok()) {
      status = reader.status();
      return false;
    }
    do {
      found.reset();
      auto hit = (*reader)->Get(key, at, &counters);
      if (!hit.ok()) {
        status = std::move(hit).status();
        return false;
      }
      if (!hit->has_value()) return true;
      found = FoundIn(**std::move(hit));
    } while (goes_on(*found));
    return false;
  });
  Count(counters);
  AIDB_RETURN_IF_ERROR(status);
  return found;
}

std::optional<kv::PinnedValue> Engine::ValueOf(std::optional<Found> found,
                                               std::optional<uint64_t>& now_ms) const {
  if (!found || found->kind == OpKind::kDelete) return std::nullopt;
  if (kv::Expires(found->kind)) {
    if (!now_ms) now_ms = core_->clock.NowMs();
    if (!HoldsValue(found->kind, found->expires_at_ms, *now_ms)) return std::nullopt;
    found->value.set_expires_at_ms(found->expires_at_ms);
  }
  return std::move(found->value);
}

Result<std::optional<kv::PinnedValue>> Engine::Read(const ReadState& state, const HashedKey& key,
                                                    Sequence at,
                                                    std::optional<uint64_t>& now_ms) const {
  OperandChain operands;
  AIDB_ASSIGN_OR_RETURN(std::optional<Found> found, Find(state, key, at, &operands));
  if (operands.empty()) [[likely]]
    return ValueOf(std::move(found), now_ms);
  const bool holds = found && found->kind != OpKind::kDelete;
  AIDB_ASSIGN_OR_RETURN(
      std::string value,
      operands.FoldOnto(merger_, key.bytes,
                        holds ? std::optional(found->value.view()) : std::nullopt));
  // What lies on a value that expires expires with it.
  Found folded{holds ? found->kind : OpKind::kPut, at, kv::PinnedValue(std::move(value)),
               holds ? found->expires_at_ms : 0};
  return ValueOf(std::move(folded), now_ms);
}

Result<std::optional<kv::PinnedValue>> Engine::Get(std::string_view key,
                                                   const kv::ReadOptions& options) const {
  const CallPass pass(reads_);
  if (!pass) return Closed();
  AIDB_ASSIGN_OR_RETURN(View view, TakeView(options.snapshot));
  counters_.gets.Increment();
  return Read(*view.state, key, view.sequence, view.now_ms);
}

std::unique_ptr<EntryCursor> Engine::NewStateCursor(const ReadState& state,
                                                    const kv::ScanRange& range, CacheFill fill,
                                                    std::optional<Sequence> at) const {
  std::vector<std::unique_ptr<EntryCursor>> children;
  // Of range deletes, newest first.
  std::vector<std::shared_ptr<RangeDeleteSource>> sources;
  const auto add = [&](std::unique_ptr<EntryCursor> entries,
                       std::shared_ptr<RangeDeleteSource> own) {
    const OwnRanges has = own != nullptr ? OwnRanges::kLast : OwnRanges::kNone;
    if (own != nullptr) sources.push_back(std::move(own));
    if (entries == nullptr) return;
    children.push_back(NewUncoveredCursor(std::move(entries), sources, has, range));
  };
  const auto add_memtable = [&](const Memtable& table) {
    const RangeDeletes deletes = table.range_deletes();
    // What comes into an empty memtable from now on is newer than the read.
    add(table.entries() > 0 ? table.NewCursor() : nullptr,
        at && !deletes.empty() ? NewRangeDeleteSource(deletes, *at) : nullptr);
  };
  add_memtable(*state.active.table);
  for (const LoggedMemtable& memtable : state.sealed) add_memtable(*memtable.table);
  for (int level = 0; level < kLevels; ++level) {
    for (const Run& run : state.version->runs(level)) {
      // A run wholly outside the range is left out: no table of it is opened.
      const size_t first = run.IndexFor(range.lower);
      if (first == run.tables().size()) continue;
      if (range.upper && run.tables()[first]->facts().first_key >= *range.upper) continue;
      const auto deletes = run.range_delete_tables();
      add(std::make_unique<LevelCursor<RunTables>>(RunTables(run, core_->tables, fill)),
          at && !deletes.empty() ? std::make_shared<RunRangeDeletes>(deletes, core_->tables, *at)
                                 : nullptr);
    }
  }
  return NewMergingCursor(std::move(children));
}

kv::Iterator Engine::Scan(const kv::ScanOptions& options) const {
  // The first step is taken here, and may take long: flushes wait for reads_.
  const CallPass pass(calls_);
  if (!pass) return kv::FailedIterator(Closed());
  const auto view = TakeSharedView(options.snapshot);
  if (!view.ok()) return kv::FailedIterator(view.status());
  counters_.scans.Increment();
  kv::ScanRange range = kv::RangeOf(options);
  if (range.empty()) return kv::FailedIterator(Status());
  auto entries =
      NewStateCursor(*view->state, range,
                     options.fill_cache ? CacheFill::kFill : CacheFill::kPassBy, view->sequence);
  // Read behind the sequence: what that shows was written when the flag was set.
  const uint64_t now_ms = view->now_ms ? *view->now_ms : core_->NowMs();
  return {std::make_unique<HandleCursor>(std::move(entries), Moment{view->sequence, now_ms},
                                         KeyRange{std::move(range.lower), std::move(range.upper)},
                                         view->state, core_, merger_),
          options.order};
}

namespace {

Status Changed(std::string_view key) {
  return Conflict("key '" + EscapeForMessage(key, kKeyCharactersShown) +
                  "' was written by another; retry the transaction");
}

}  // namespace

Status Engine::CheckUnchanged(const kv::Precondition& unchanged) const {
  if (unchanged.since == nullptr || unchanged.since->state().owner() != core_.get()) {
    return InvalidArgument("the precondition needs a live snapshot of this store");
  }
  const Sequence since = unchanged.since->sequence();
  const std::shared_ptr<const ReadState> state = CurrentState();
  if (AIDB_CANARY_HIT(kConditionUnchecked)) return {};
  for (const std::string& key : unchanged.keys) {
    AIDB_ASSIGN_OR_RETURN(const std::optional<Found> newest, Find(*state, key, kv::kSequenceMax));
    if (newest && newest->sequence > since) return Changed(key);
  }
  for (const kv::ScanRange& range : unchanged.ranges) {
    if (range.empty()) continue;
    AIDB_RETURN_IF_ERROR(CheckRangeUnchanged(*state, range, since));
  }
  return {};
}

Status Engine::CheckRangeUnchanged(const ReadState& state, const kv::ScanRange& range,
                                   Sequence since) const {
  AIDB_ASSIGN_OR_RETURN(const std::optional<std::string> deleted,
                        FirstRangeDeleted(state, range, since));
  if (deleted) return Changed(*deleted);
  const auto entries = NewStateCursor(state, range, CacheFill::kPassBy, std::nullopt);
  entries->Seek(range.lower, kv::kSequenceMax);
  for (; entries->valid() && range.Contains(entries->entry().key); entries->Next()) {
    if (entries->entry().sequence > since) return Changed(entries->entry().key);
  }
  return entries->status();
}

Result<std::optional<std::string>> Engine::FirstRangeDeleted(const ReadState& state,
                                                             const kv::ScanRange& range,
                                                             Sequence since) const {
  std::vector<const Memtable*> memtables{state.active.table.get()};
  for (const LoggedMemtable& memtable : state.sealed) memtables.push_back(memtable.table.get());
  for (const Memtable* const memtable : memtables) {
    const auto first = memtable->range_deletes().FirstAbove(since, range.lower, range.upper);
    if (first) return std::optional(std::string(*first));
  }
  for (int level = 0; level < kLevels; ++level) {
    for (const Run& run : state.version->runs(level)) {
      AIDB_ASSIGN_OR_RETURN(std::optional<std::string> first,
                            FirstDeletedAbove(run, core_->tables, range, since));
      if (first) return first;
    }
  }
  return std::optional<std::string>();
}

Result<Sequence> Engine::WriteIf(const kv::Precondition& unchanged, kv::WriteBatch batch,
                                 const kv::WriteOptions& options) {
  const CallPass pass(calls_);
  if (!pass) return Closed();
  AIDB_RETURN_IF_ERROR(CheckWritable());
  AIDB_RETURN_IF_ERROR(batch.Validate(options_.batch_bytes_max));
  Delay(batch.size_bytes());
  const Instant deadline = WriteDeadline();
  Sequence last{};
  {
    MutexLock lock(write_mu_);
    AIDB_RETURN_IF_ERROR(CheckUnchanged(unchanged));
    if (batch.empty()) return VisibleSequence();
    if (batch.has_merge() || batch.has_open_range()) {
      AIDB_ASSIGN_OR_RETURN(batch, Folded(std::move(batch), deadline));
    }
    AIDB_ASSIGN_OR_RETURN(last, WriteLocked(batch, deadline, options));
  }
  if (options.sync) AIDB_RETURN_IF_ERROR(WaitDurable(last));
  return last;
}

// Of the files that are there; one that goes meanwhile does not count.
uint64_t Engine::LogBytes() const {
  uint64_t total = 0;
  const auto names = env_.files.List(directory_);
  if (!names.ok()) return 0;
  for (const std::string& name : *names) {
    if (!NumberOf(name)) continue;
    const auto file = env_.files.Open(io::JoinPath(directory_, name), io::OpenMode::kRead);
    if (!file.ok()) continue;
    const auto size = (*file)->Size();
    if (size.ok()) total += *size;
  }
  return total;
}

kv::StoreStats Engine::Stats() const {
  kv::StoreStats stats;
  stats.backend = "native";
  const std::shared_ptr<const ReadState> state = CurrentState();
  stats.sequence = VisibleSequence();
  stats.durable_sequence = stats.sequence;
  stats.durability = "opened read-only";
  if (journal_ != nullptr) {
    stats.durable_sequence = Sequence{ToNumber(journal_->durable_id())};
    const std::string window =
        options_.sync_interval_ms > 0
            ? "at most " + std::to_string(2 * options_.sync_interval_ms) + " ms of writes"
            : "what the kernel has not written back";
    stats.durability =
        "killed process: nothing; power cut: nothing of synced writes, else " + window;
  }
  stats.snapshots = core_->snapshots.size();
  stats.writes = counters_.writes.Value();
  stats.gets = counters_.gets.Value();
  stats.scans = counters_.scans.Value();
  stats.bytes_written_by_user = counters_.user_bytes.Value();
  stats.flushes = counters_.flushes.load(std::memory_order_relaxed);
  stats.compactions = counters_.compactions.load(std::memory_order_relaxed);
  stats.write_delays = counters_.delays.load(std::memory_order_relaxed);
  stats.write_delay_us = counters_.delay_us.load(std::memory_order_relaxed);
  stats.write_pressure = controller_.pressure();
  stats.write_pressure_reason = controller_.reason();
  stats.filter_useful = counters_.filter_useful.Value();
  stats.filter_false = counters_.filter_false.Value();

  stats.memtable_bytes = state->active.table->memory_bytes();
  for (const LoggedMemtable& memtable : state->sealed) {
    stats.memtable_bytes += memtable.table->memory_bytes();
  }
  stats.memtable_count = 1 + state->sealed.size();
  const BlockCacheStats cache = core_->blocks.Stats();
  stats.cache_bytes = cache.cached_bytes + cache.charged_bytes;
  for (size_t kind = 0; kind < cache.hits.size(); ++kind) {
    stats.cache_hits += cache.hits[kind];
    stats.cache_misses += cache.misses[kind];
  }
  AddLevelStats(*state->version, stats);
  stats.log_bytes = LogBytes();
  if (journal_ != nullptr) {
    const journal::JournalStats log = journal_->stats();
    stats.updates_from = Sequence{ToNumber(journal_->oldest_id()) - 1};
    stats.update_feeds = log.tails;
    stats.update_lag_bytes = log.tail_lag_bytes;
  }
  stats.damaged = damage_.In(*state->version);
  if (scrub_ != nullptr) {
    const Scrub::Progress scrubbed = scrub_->progress();
    stats.scrub_rounds = scrubbed.rounds;
    stats.scrub_bytes = scrubbed.bytes;
  }
  MutexLock lock(work_mu_);
  const Status& trouble = flush_trouble_.ok() ? compaction_trouble_ : flush_trouble_;
  stats.background_error = std::string((failure_.ok() ? trouble : failure_).message());
  if (stats.background_error.empty()) {
    stats.background_error = std::string(failing_tables_.trouble().message());
  }
  if (stats.background_error.empty() && journal_ != nullptr) {
    stats.background_error = std::string(journal_->health().message());
  }
  return stats;
}

}  // namespace aidb::lsm

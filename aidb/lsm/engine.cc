#include "aidb/lsm/engine.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "aidb/base/canary.h"
#include "aidb/base/check.h"
#include "aidb/kv/range_delete.h"

namespace aidb::lsm {
namespace {

constexpr uint64_t kRingBytesMax = uint64_t{16} << 20;
constexpr uint64_t kRingBytesMin = uint64_t{64} << 10;
// Where nothing syncs by itself, the ring holds what is not yet written, not what is not yet
// durable: 16 writes of the flusher are enough, and every page more is a page written twice.
constexpr uint64_t kRingBytesMaxUnsynced = uint64_t{4} << 20;
constexpr uint64_t kRestPart = 16;  // Of memory_bytes: for iterators and compaction buffers.
constexpr uint64_t kTableBytesMax = uint64_t{32} << 20;
constexpr size_t kTablesMax = 512;  // Open files; the default limit of descriptors is 1,024.

CompactionShape ShapeFor(const kv::Options& options, const MemoryPlan& memory) {
  CompactionShape shape;
  shape.level0_trigger = options.level0_trigger;
  shape.level_base_bytes = options.level_base_bytes;
  shape.level_multiplier = options.level_multiplier;
  shape.level0_bytes = static_cast<uint64_t>(options.level0_trigger) * memory.write_buffer_bytes;
  shape.table_bytes = std::min(memory.write_buffer_bytes, kTableBytesMax);
  return shape;
}

}  // namespace

MemoryPlan MemoryPlan::For(const kv::Options& options) {
  MemoryPlan plan;
  plan.ring_bytes =
      std::clamp(std::bit_floor(options.memory_bytes / 16), kRingBytesMin,
                 options.sync_interval_ms == 0 ? kRingBytesMaxUnsynced : kRingBytesMax);
  plan.write_buffer_bytes =
      options.write_buffer_bytes != 0 ? options.write_buffer_bytes : options.memory_bytes / 8;
  // One active and two sealed memtables, or a large batch alone beside an empty one.
  const uint64_t batch_bytes = Memtable::OptionsFor(options.batch_bytes_max, 1).capacity_bytes +
                               Memtable::EmptyBytesMax(plan.write_buffer_bytes);
  plan.memtable_bytes = std::max(3 * plan.write_buffer_bytes, batch_bytes);
  const uint64_t others = plan.ring_bytes + plan.memtable_bytes + options.memory_bytes / kRestPart;
  const uint64_t left = options.memory_bytes - std::min(options.memory_bytes, others);
  plan.cache_bytes = options.cache_bytes != 0 ? options.cache_bytes : left;
  plan.memtable_bytes += left - std::min(left, plan.cache_bytes);
  return plan;
}

uint64_t MemoryPlan::BudgetFor(uint64_t sealed_bytes) const {
  const uint64_t usual = 3 * write_buffer_bytes;
  return sealed_bytes <= usual ? usual : memtable_bytes;
}

Status MemoryPlan::Check(const kv::Options& options) const {
  const uint64_t rest = options.memory_bytes / kRestPart;
  const uint64_t parts = ring_bytes + memtable_bytes + cache_bytes + rest;
  if (parts <= options.memory_bytes) return {};
  return InvalidArgument("option memory_bytes is " + std::to_string(options.memory_bytes) +
                         "; its parts need " + std::to_string(parts) + ": log ring " +
                         std::to_string(ring_bytes) + ", memtables " +
                         std::to_string(memtable_bytes) + " (3 x write_buffer_bytes " +
                         std::to_string(write_buffer_bytes) + ", or 4/3 of batch_bytes_max " +
                         std::to_string(options.batch_bytes_max) + "), cache_bytes " +
                         std::to_string(cache_bytes) + ", iterators and compaction " +
                         std::to_string(rest) + ". Lower one of these or raise memory_bytes");
}

Engine::Engine(const io::Env& env, std::string directory, const kv::Options& options,
               const kv::MergeFunction* merge)
    : guard_(env.files),
      env_{guard_, env.clock, env.executor, env.random, env.log},
      checkpoint_parents_(env.files),
      directory_(std::move(directory)),
      options_(options),
      memory_(MemoryPlan::For(options)),
      merger_(merge),
      core_(std::make_shared<HandleCore>(env.files, env.clock, directory_, memory_.cache_bytes,
                                         kTablesMax)),
      unused_(std::make_shared<UnusedTables>()),
      shape_(ShapeFor(options, memory_)),
      picker_(shape_),
      damage_(directory_) {}

Engine::~Engine() {
  core_->closed.store(true, std::memory_order_release);
  StopBackground();
  journal_.reset();
}

std::optional<uint64_t> Engine::NumberOf(std::string_view name) const {
  const std::optional<FileName> parsed = ParseFileName(name);
  if (!parsed || parsed->kind != FileKind::kLog) return std::nullopt;
  return parsed->number;
}

MemtableOptions Engine::MemtableOptionsAfter(const Memtable* before) const {
  MemtableOptions options;
  options.capacity_bytes = memory_.write_buffer_bytes;
  if (before != nullptr && before->mean_entry_bytes() > 0) {
    options.expected_entry_bytes = before->mean_entry_bytes();
  }
  return options;
}

Instant Engine::WriteDeadline() const {
  return env_.clock.Now() + std::chrono::milliseconds(options_.write_wait_ms);
}

Status Engine::CheckWritable() const {
  if (core_->closed.load(std::memory_order_acquire)) return Closed();
  if (options_.mode == kv::StoreMode::kReadOnly) {
    return Unavailable("the store was opened read-only; open it in another mode to write");
  }
  if (failed_.load(std::memory_order_acquire)) {
    MutexLock lock(work_mu_);
    return failure_;
  }
  return {};
}

void Engine::Delay(uint64_t bytes) {
  if (!controller_.Slows()) return;
  const Duration delay = controller_.DelayFor(bytes, env_.clock.Now());
  if (delay <= Duration{0}) return;
  env_.clock.SleepFor(delay);
  counters_.delays.fetch_add(1, std::memory_order_relaxed);
  counters_.delay_us.fetch_add(
      static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(delay).count()),
      std::memory_order_relaxed);
}

Result<Sequence> Engine::Write(kv::WriteBatch batch, const kv::WriteOptions& options) {
  const CallPass pass(calls_);
  if (!pass) return Closed();
  AIDB_RETURN_IF_ERROR(CheckWritable());
  AIDB_RETURN_IF_ERROR(batch.Validate(options_.batch_bytes_max));
  if (batch.empty()) return Sequence{ToNumber(journal_->published_id())};
  Delay(batch.size_bytes());
  const Instant deadline = WriteDeadline();  // Waiting for other writers counts.
  Sequence last{};
  {
    MutexLock lock(write_mu_);
    if (batch.has_merge() || batch.has_open_range()) {
      AIDB_ASSIGN_OR_RETURN(batch, Folded(std::move(batch), deadline));
    }
    AIDB_ASSIGN_OR_RETURN(last, WriteLocked(batch, deadline, options));
  }
  if (options.sync && !AIDB_CANARY_HIT(kAckBeforeSync)) AIDB_RETURN_IF_ERROR(WaitDurable(last));
  return last;
}

Status Engine::WaitDurable(Sequence sequence) {
  Status status = journal_->WaitDurable(journal::RecordId{ToNumber(sequence)}, Instant::Never());
  // The write is visible, and kResourceExhausted would say that nothing has happened.
  if (status.code() != StatusCode::kResourceExhausted) return status;
  return IoError(std::string(status.message()));
}

namespace {

// A merge is written as an operand where that spares a read: while its key has no other entry in
// the active memtable, or a few operands of its kind alone. Else the fold begins at hand and ends
// the chain.
bool StaysOperand(const kv::WriteBatch::Operation& merge, const Memtable& active) {
  if (!kv::Merger::IsBounded(merge.merge_operator)) return false;
  if (merge.value.size() > kOperandBytesMax) return false;
  Sequence at = kv::kSequenceMax;
  for (int operands = 0; operands < kMemtableOperandsMax; ++operands) {
    const std::optional<Memtable::Found> found = active.Get(merge.key, at);
    if (!found) return true;
    if (found->kind != OpKind::kMerge) return false;
    if (OperandIn(found->value).op != merge.merge_operator) return false;
    at = Sequence{ToNumber(found->sequence) - 1};
  }
  return false;
}

}  // namespace

// Under the writers' lock nothing comes in between the read and the write of what it gave. The
// batch itself may have the first value that ever expires, so the clock is asked in any case.
Result<kv::WriteBatch> Engine::Folded(kv::WriteBatch batch, Instant deadline) const {
  if (batch.has_open_range()) {
    AIDB_ASSIGN_OR_RETURN(batch, WithEnds(batch));
  }
  if (!batch.has_merge()) return batch;
  const std::shared_ptr<const ReadState> state = CurrentState();
  Sequence sequence = VisibleSequence();
  if (AIDB_CANARY_HIT(kMergeFoldsStale) && sequence > kv::kSequenceNone) {
    sequence = Sequence{ToNumber(sequence) - 1};
  }
  std::optional<uint64_t> now_ms = core_->clock.NowMs();
  const auto read = [&](std::string_view key) -> Result<std::optional<kv::PinnedValue>> {
    if (core_->closed.load(std::memory_order_acquire)) return Closed();
    if (env_.clock.Now() >= deadline) {
      return ResourceExhausted("the merges of a batch were not read in " +
                               std::to_string(options_.write_wait_ms) +
                               " ms; split the batch or raise write_wait_ms");
    }
    return Read(*state, key, sequence, now_ms);
  };
  // What lies below an operand must not expire between the write and the fold (decision 0009).
  const bool expires = core_->expires.load(std::memory_order_acquire) || batch.has_expiry();
  const Memtable& active = *active_;
  const auto stays = [&](const kv::WriteBatch::Operation& merge) {
    return !expires && StaysOperand(merge, active);
  };
  return kv::FoldMerges(batch, merger_, *now_ms, options_.batch_bytes_max, read, stays);
}

// The last entry will do, whether or not somebody can see it.
Result<kv::WriteBatch> Engine::WithEnds(const kv::WriteBatch& batch) const {
  const std::shared_ptr<const ReadState> state = CurrentState();
  const auto last_key = [&]() -> Result<std::optional<std::string>> {
    const auto entries = NewStateCursor(*state, {}, CacheFill::kFill, std::nullopt);
    entries->SeekToLast();
    if (entries->valid()) return std::optional(std::string(entries->entry().key));
    AIDB_RETURN_IF_ERROR(entries->status());
    return std::optional<std::string>();
  };
  return kv::CloseRanges(batch, options_.batch_bytes_max, last_key);
}

Result<Sequence> Engine::WriteLocked(const kv::WriteBatch& batch, Instant deadline,
                                     const kv::WriteOptions& options) {
  AIDB_RETURN_IF_ERROR(CheckWritable());
  AIDB_RETURN_IF_ERROR(MakeRoom(batch, deadline));
  if (batch.has_expiry()) core_->expires.store(true, std::memory_order_release);
  AIDB_ASSIGN_OR_RETURN(
      const journal::Journal::Appended appended,
      journal_->Append({.payload = batch.operations(), .ids = batch.count()}, deadline));

  // Nothing may fail from here to Publish: the record exists.
  {
    Memtable& memtable = *active_;
    MutexLock lock(memtable.write_mutex());
    const Sequence first{ToNumber(appended.first_id)};
    if (batch.range_deletes() > 0) {
      memtable.AddRangeDeletes(RangeDeletesIn(batch.operations(), first));
    }
    kv::WriteBatch::Reader operations = batch.operations_reader();
    std::string operand;
    for (uint64_t id = ToNumber(first); id <= ToNumber(appended.last_id); ++id) {
      const auto operation = operations.Next();
      AIDB_CHECK(operation.ok() && operation->has_value());
      if ((*operation)->kind == OpKind::kDeleteRange) continue;
      memtable.Add(EntryOf(**operation, Sequence{id}, operand));
    }
  }
  using journal::Journal;
  const bool safe = journal_->Publish(
      appended, options.sync ? Journal::Next::kWaitsDurable : Journal::Next::kGoesOn);
  counters_.writes.Increment();
  counters_.user_bytes.Increment(batch.size_bytes());
  if (!safe) {
    return IoError("the write is visible, but would not survive the end of this process: " +
                   std::string(journal_->health().message()));
  }
  return Sequence{ToNumber(appended.last_id)};
}

bool Engine::ActiveFits(const kv::WriteBatch& batch) const {
  MutexLock lock(active_->write_mutex());
  const size_t fragments = active_->range_deletes().fragments().size();
  if (batch.range_deletes() > 0 && fragments >= Memtable::kRangeDeleteFragmentsMax) return false;
  return active_->Fits(batch.size_bytes(), 0, batch.count(), batch.range_deletes());
}

// The memtables stay within memory_.memtable_bytes: a first batch goes into a memtable only when
// all that this one may come to hold is left beside the sealed ones. For a usual memtable it
// always is; a batch that needs a larger one waits until others are flushed, and goes alone.
Status Engine::MakeRoom(const kv::WriteBatch& batch, Instant deadline) {
  while (true) {
    const bool empty = active_->empty();
    const bool fits = ActiveFits(batch);
    if (!empty && fits && active_->memory_bytes() <= memory_.write_buffer_bytes) return {};
    const std::shared_ptr<const ReadState> state = CurrentState();
    if (!empty) {
      if (state->sealed.size() < kSealedMax) {
        AIDB_RETURN_IF_ERROR(Seal(deadline));
      } else {
        AIDB_RETURN_IF_ERROR(WaitForFlush(*state, deadline));
      }
      continue;
    }
    MemtableOptions alone{.capacity_bytes = active_->capacity_bytes()};
    // Beside it stands the empty memtable that follows it.
    uint64_t reserved = alone.capacity_bytes;
    if (!fits) {
      alone = Memtable::OptionsFor(batch.size_bytes(), batch.count(), batch.range_deletes());
      reserved = alone.capacity_bytes + Memtable::EmptyBytesMax(memory_.write_buffer_bytes);
    }
    if (reserved > memory_.memtable_bytes) return TooLarge(batch, reserved);
    if (SealedBytes(*state) + reserved > memory_.memtable_bytes) {
      AIDB_RETURN_IF_ERROR(WaitForFlush(*state, deadline));
      continue;
    }
    if (!fits) ReplaceEmptyActive(alone);
    return {};
  }
}

Status Engine::TooLarge(const kv::WriteBatch& batch, uint64_t memory_bytes) const {
  return InvalidArgument("a batch of " + std::to_string(batch.count()) + " operations with " +
                         std::to_string(batch.size_bytes()) + " bytes takes " +
                         std::to_string(memory_bytes) + " bytes of memory; the memtables have " +
                         std::to_string(memory_.memtable_bytes) +
                         ". Write it in parts (split it) or raise memory_bytes");
}

uint64_t Engine::SealedBytes(const ReadState& state) {
  uint64_t bytes = 0;
  for (const LoggedMemtable& memtable : state.sealed) bytes += memtable.table->memory_bytes();
  return bytes;
}

// A view of the state before misses nothing: what comes now is newer than its sequence.
void Engine::ReplaceEmptyActive(const MemtableOptions& options) {
  const auto table = std::make_shared<Memtable>(options);
  active_ = table.get();
  states_.Change([&](ReadState& next) { next.active.table = table; });
}

// Returns when `seen`, whose memtables leave no room, is no longer the state.
Status Engine::WaitForFlush(const ReadState& seen, Instant deadline) {
  MutexLock lock(work_mu_);
  if (CurrentState().get() != &seen) return {};
  if (!failure_.ok()) return failure_;
  // Trouble is told at once, and again until it is over; the background goes on trying.
  if (flush_trouble_.code() == StatusCode::kResourceExhausted) return flush_trouble_;
  const bool level0_full = Level0Full(seen);
  if (level0_full && !compaction_trouble_.ok()) return Level0Trouble(seen);
  if (core_->closed.load(std::memory_order_acquire)) return Closed();
  if (progress_cv_.WaitUntil(work_mu_, deadline)) return {};
  if (CurrentState().get() != &seen) return {};
  if (level0_full) return Level0Trouble(seen);
  return ResourceExhausted(
      "no memory for the write in " + std::to_string(options_.write_wait_ms) +
      " ms: memtables fill faster than they are flushed" +
      (flush_trouble_.ok() ? "" : " (" + std::string(flush_trouble_.message()) + ")") +
      "; raise memory_bytes or write_wait_ms, or write more slowly");
}

// Ends the active memtable and, with it, the log: a flushed memtable then frees whole logs.
Status Engine::Seal(Instant deadline) {
  AIDB_ASSIGN_OR_RETURN(const uint64_t log_number, journal_->Roll(deadline));
  const auto table = std::make_shared<Memtable>(MemtableOptionsAfter(active_));
  active_ = table.get();
  // The state before holds the same memtables: the flush that follows releases it.
  states_.Change([&](ReadState& next) {
    next.sealed.insert(next.sealed.begin(), next.active);
    next.active = {.table = table, .log_number = log_number};
  });
  UpdateBacklog();
  MutexLock lock(work_mu_);
  work_cv_.NotifyAll();
  return {};
}

Status Engine::Sync() {
  const CallPass pass(calls_);
  if (!pass) return Closed();
  if (journal_ == nullptr) return {};  // Read-only: everything is on the disk.
  return journal_->Flush(Instant::Never());
}

// Whether the memtables sealed before log `floor` are in tables; waits until they are.
Status Engine::WaitFlushed(uint64_t floor, size_t sealed_max) {
  MutexLock lock(work_mu_);
  while (true) {
    std::shared_ptr<const ReadState> state = CurrentState();
    const auto waiting = static_cast<size_t>(
        std::count_if(state->sealed.begin(), state->sealed.end(),
                      [&](const LoggedMemtable& m) { return m.log_number < floor; }));
    if (waiting <= sealed_max) return {};
    if (!failure_.ok()) return failure_;
    // The background tries again; whoever waited learns why it takes longer.
    if (!flush_trouble_.ok()) return flush_trouble_;
    if (!compaction_trouble_.ok() && Level0Full(*state)) return Level0Trouble(*state);
    if (core_->closed.load(std::memory_order_acquire)) return Closed();
    state.reset();  // Else what it alone holds would stay on the disk while this waits.
    progress_cv_.Wait(work_mu_);
  }
}

Status Engine::Flush() {
  const CallPass pass(calls_);
  if (!pass) return Closed();
  if (journal_ == nullptr) return {};  // Read-only: what the log holds stays there.
  AIDB_RETURN_IF_ERROR(CheckWritable());
  const uint64_t last_log = CurrentState()->active.log_number;
  AIDB_RETURN_IF_ERROR(WaitFlushed(UINT64_MAX, kSealedMax - 1));
  {
    MutexLock lock(write_mu_);
    const std::shared_ptr<const ReadState> state = CurrentState();
    // If another one is active, somebody has sealed this call's. Else nobody has sealed any since
    // the wait began, and the room that it found is still there.
    if (state->active.log_number == last_log && !state->active.table->empty()) {
      AIDB_RETURN_IF_ERROR(Seal(WriteDeadline()));
    }
  }
  return WaitFlushed(last_log + 1, 0);
}

}  // namespace aidb::lsm

// Flush, compaction and the removal of unused files.
//
// Order of a flush, and of a compaction alike (every crash in between is harmless):
//   F1 write the tables, each a new file     F4 append the edit to the manifest, synced
//   F2 sync the files                        F5 install the new version
//   F3 sync the directory                    F6 release memtable or inputs
//                                            F7 delete the logs and tables nobody needs
// Before F4 the new tables are orphans and the log replays; after it the log is redundant.

#include <algorithm>
#include <utility>

#include <climits>

#include "aidb/base/canary.h"
#include "aidb/lsm/engine.h"

namespace aidb::lsm {

void Engine::NoteOutcome(JobKind kind, const Status& status) {
  const std::string_view what = kind == JobKind::kFlush ? "flush" : "compaction";
  if (!status.ok()) {
    env_.log.Log(LogLevel::kWarning,
                 std::string(what) + " failed: " + std::string(status.message()));
    // Names may be lost that nobody can make durable any more, of logs as well as of tables.
    if (guard_.sync_failed()) StopWriting(std::string(status.message()));
  }
  MutexLock lock(work_mu_);
  Status& trouble = kind == JobKind::kFlush ? flush_trouble_ : compaction_trouble_;
  trouble = Status(status).Annotate(what);
  int& failures = kind == JobKind::kFlush ? flush_failures_ : compaction_failures_;
  failures = status.ok() ? 0 : std::min(failures, INT_MAX - 1) + 1;
  progress_cv_.NotifyAll();
  if (status.ok()) return;
  work_cv_.NotifyAll();  // A damaged table may have been marked, and others be free for a job.
  const Instant next_try = env_.clock.Now() + RetryDelay(failures);
  while (!Stopping() && work_cv_.WaitUntil(work_mu_, next_try)) {
  }
}

uint64_t Engine::Level0Waiting(const ReadState& state) const {
  return picker_.MovableRuns(*state.version,
                             compaction_trouble_.ok() ? busy_tables_ : BusyTables());
}

bool Engine::Level0Full(const ReadState& state) const {
  return Level0Waiting(state) >=
         static_cast<uint64_t>(options_.level0_trigger) + kLevel0RunsOverMax;
}

Status Engine::Level0Trouble(const ReadState& state) const {
  return ResourceExhausted(
      "level 0 has " + std::to_string(Level0Waiting(state)) +
      " runs, the most it may have, so memtables are not flushed until a compaction ends" +
      (compaction_trouble_.ok() ? "; it lags: write more slowly or raise background_threads"
                                : ": " + std::string(compaction_trouble_.message())));
}

// Whoever waits holds no state: what that one alone still held would stay on the disk.
bool Engine::FlushIsDue() const {
  const std::shared_ptr<const ReadState> state = CurrentState();
  return !state->sealed.empty() && failure_.ok() && !Level0Full(*state);
}

void Engine::FlushMain() {
  while (true) {
    {
      MutexLock lock(work_mu_);
      while (!Stopping() && !FlushIsDue()) work_cv_.Wait(work_mu_);
    }
    if (Stopping()) return;
    const Status status = FlushOldest();
    if (Stopping()) return;
    NoteOutcome(JobKind::kFlush, status);
    RemoveUnused();  // What the state held that the flush began with.
  }
}

TableTarget Engine::TargetFor(int level, uint64_t run) {
  return {.files = env_.files,
          .directory = directory_,
          .numbers = *numbers_,
          .random = env_.random,
          .table = TableOptionsFor(level, run),
          .table_bytes = shape_.table_bytes,
          .grandparents = {},
          .stop = &stopping_,
          .merger = merger_};
}

TableOptions Engine::TableOptionsFor(int level, uint64_t run) const {
  return {.block_bytes = options_.block_bytes,
          .filter_bits_per_key = options_.filter_bits_per_key,
          .compression = options_.compression,
          .level = level,
          .run = run};
}

Status Engine::FlushOldest() {
  const std::shared_ptr<const ReadState> state = CurrentState();
  const LoggedMemtable& oldest = state->sealed.back();
  const uint64_t next_log = state->sealed.size() > 1
                                ? state->sealed[state->sealed.size() - 2].log_number
                                : state->active.log_number;
  const Instant begin = env_.clock.Now();
  const uint64_t run = numbers_->Take();
  std::vector<RangeDelete> range_deletes;
  oldest.table->range_deletes().AppendTo(range_deletes);
  KeepRule rule = KeepRule::ForFlush(core_->snapshots.Collect([this] { return core_->NowMs(); }),
                                     range_deletes);
  const auto entries = oldest.table->NewCursor();
  const std::vector<TableRef> splits = picker_.SplitsForFlush(*state->version);
  TableTarget target = TargetFor(0, run);
  target.grandparents = splits;
  target.aligned_bytes = shape_.table_bytes / kFlushTablesMinPart;
  AIDB_ASSIGN_OR_RETURN(const WrittenTables written, WriteTables(*entries, rule, target));
  const uint64_t joined = RunForFlush(*CurrentState()->version, written.tables, run);
  VersionEdit edit;
  edit.log_floor = next_log;
  edit.last_sequence = oldest.table->highest_sequence();
  for (const TableFacts& facts : written.tables) {
    edit.added.push_back({.level = 0, .run = joined, .facts = facts});
  }
  if (AIDB_CANARY_HIT(kLogDeletedEarly)) RemoveOldLogs(next_log);
  AIDB_RETURN_IF_ERROR(InstallEdit(edit, oldest.table.get()));
  journal_->Retire(next_log);
  counters_.flushes.fetch_add(1, std::memory_order_relaxed);
  counters_.level_written[0].fetch_add(written.bytes_out, std::memory_order_relaxed);
  AfterJob(written.bytes_out, begin);
  RemoveOldLogs(next_log);
  return {};
}

void Engine::AfterJob(uint64_t bytes_written, Instant begin) {
  const Instant end = env_.clock.Now();
  controller_.Drained(bytes_written, end - begin, end);
  UpdateBacklog();
  {
    MutexLock lock(work_mu_);
    work_cv_.NotifyAll();
    progress_cv_.NotifyAll();
  }
  RemoveUnused();
}

void Engine::CompactMain() {
  while (true) {
    std::optional<CompactionJob> job;
    std::shared_ptr<const Version> version;
    {
      MutexLock lock(work_mu_);
      while (!Stopping()) {
        version = CurrentState()->version;
        failing_tables_.TryAgain(env_.clock.Now());
        if (failure_.ok()) job = picker_.Pick(*version, pointers_, BusyOrAwaited());
        if (job) break;
        version.reset();  // Else what it alone holds would stay on the disk while this waits.
        work_cv_.Wait(work_mu_);
      }
      if (Stopping()) return;
      BeginJob(*job);
    }
    const CompactionOutcome outcome = RunJob(*job, *version);
    job.reset();  // Before the files are removed that only the job still holds.
    version.reset();
    if (!Stopping()) {
      NoteOutcome(JobKind::kCompaction, outcome.status);
      RemoveUnused();
    }
  }
}

BusyTables Engine::BusyOrAwaited() const {
  BusyTables taken = busy_tables_;
  for (const auto& [compaction, wanted] : awaited_) taken.BeginAll(wanted);
  return taken;
}

void Engine::BeginJob(const CompactionJob& job) {
  busy_tables_.Begin(job);
  ++jobs_running_;
  work_cv_.NotifyAll();  // Level 0 may have room for a flush now.
}

CompactionOutcome Engine::RunJob(const CompactionJob& job, const Version& version) {
  CompactionOutcome outcome = Merge(job, version);
  MutexLock lock(work_mu_);
  busy_tables_.End(job);
  --jobs_running_;
  if (outcome.status.ok()) pointers_[static_cast<size_t>(job.level)] = job.pointer;
  NoteInputs(job, outcome);
  work_cv_.NotifyAll();
  progress_cv_.NotifyAll();
  return outcome;
}

// By the caller's thread, beside the background: whichever job comes first has the tables.
Status Engine::Compact(const kv::ScanRange& range) {
  const CallPass pass(calls_);
  if (!pass) return Closed();
  AIDB_RETURN_IF_ERROR(CheckWritable());
  if (range.empty()) return {};
  RangeCompaction compaction(picker_, range, VisibleSequence());
  AIDB_RETURN_IF_ERROR(Flush());
  while (true) {
    AIDB_ASSIGN_OR_RETURN(const bool more, RunNextOf(compaction));
    if (!more) return {};
    RemoveUnused();
  }
}

Result<bool> Engine::RunNextOf(RangeCompaction& compaction) {
  RangeCompaction::Step step;
  std::shared_ptr<const Version> version;
  {
    MutexLock lock(work_mu_);
    while (true) {
      if (Stopping()) return Closed();
      AIDB_RETURN_IF_ERROR(failure_);
      version = CurrentState()->version;
      AIDB_ASSIGN_OR_RETURN(step, compaction.Next(*version, busy_tables_));
      if (step.done()) return false;
      if (step.job) break;
      version.reset();
      awaited_[&compaction].Begin(*step.wait_for);
      step = {};
      progress_cv_.Wait(work_mu_);
      awaited_.erase(&compaction);
      work_cv_
          .NotifyAll();  // If what was awaited is not needed any more, the background may go on.
    }
    BeginJob(*step.job);
  }
  CompactionOutcome outcome = RunJob(*step.job, *version);
  if (Stopping()) return Closed();
  if (!outcome.status.ok()) {
    if (guard_.sync_failed()) StopWriting(std::string(outcome.status.message()));
    return std::move(outcome.status).Annotate("compact");
  }
  compaction.Done(*step.job, outcome.edit);
  return true;
}

CompactionOutcome Engine::Merge(const CompactionJob& job, const Version& version) {
  const Instant begin = env_.clock.Now();
  CompactionOutcome outcome;
  if (job.trivial_move) {
    outcome.status = InstallEdit(MoveEdit(job), nullptr);
    if (outcome.status.ok()) AfterJob(0, begin);
    return outcome;
  }
  outcome = RunCompaction(job, version, core_->snapshots.Collect([this] { return core_->NowMs(); }),
                          TableOptionsFor(job.output_level, job.output_run), shape_.table_bytes,
                          {.files = env_.files,
                           .directory = directory_,
                           .numbers = *numbers_,
                           .random = env_.random,
                           .tables = core_->tables,
                           .merger = merger_},
                          stopping_);
  // A damaged input is marked, so that no later job picks it; reads of its other blocks go on.
  if (!outcome.status.ok() && outcome.edit.damaged.empty()) return outcome;
  for (const uint64_t number : outcome.edit.damaged) {
    damage_.Note(number, outcome.status, env_.clock.WallMillis());
  }
  if (Status installed = InstallEdit(outcome.edit, nullptr); !installed.ok()) {
    outcome.status = std::move(installed);
  }
  if (!outcome.status.ok()) return outcome;
  counters_.compactions.fetch_add(1, std::memory_order_relaxed);
  const auto level = static_cast<size_t>(job.output_level);
  counters_.level_read[level].fetch_add(outcome.stats.bytes_in, std::memory_order_relaxed);
  counters_.level_written[level].fetch_add(outcome.stats.bytes_out, std::memory_order_relaxed);
  AfterJob(outcome.stats.bytes_out, begin);
  return outcome;
}

// At whose door the outcome is laid. A full disk and a stop are nobody's fault, and a table that
// is marked as damaged will not be picked again.
void Engine::NoteInputs(const CompactionJob& job, const CompactionOutcome& outcome) {
  if (outcome.status.ok()) {
    for (const CompactionInput& input : job.inputs) {
      failing_tables_.Succeeded(input.table->number());
    }
    return;
  }
  if (outcome.status.code() == StatusCode::kResourceExhausted ||
      outcome.status.code() == StatusCode::kUnavailable || !outcome.edit.damaged.empty()) {
    return;
  }
  std::vector<TableRef> suspects;
  if (outcome.failed_input != nullptr) {
    suspects = {outcome.failed_input};
  } else {
    for (const CompactionInput& input : job.inputs) suspects.push_back(input.table);
  }
  failing_tables_.Failed(suspects, outcome.status, env_.clock.Now());
}

Status Engine::WaitForCompaction() {
  AIDB_RETURN_IF_ERROR(Flush());
  MutexLock lock(work_mu_);
  while (true) {
    if (!failure_.ok()) return failure_;
    if (!compaction_trouble_.ok()) return compaction_trouble_;
    if (Stopping()) return Closed();
    const bool idle =
        jobs_running_ == 0 && !picker_.Pick(*CurrentState()->version, pointers_, busy_tables_);
    if (idle) return {};
    progress_cv_.Wait(work_mu_);
  }
}

void Engine::StopWriting(const std::string& why) {
  const Status stopped =
      Unavailable("writes have stopped, reads go on; reopen the store. The reason: " + why);
  env_.log.Log(LogLevel::kError, stopped.message());
  MutexLock lock(work_mu_);
  if (failure_.ok()) failure_ = stopped;
  failed_.store(true, std::memory_order_release);
  progress_cv_.NotifyAll();
}

std::optional<int64_t> Engine::ClockToKeep() const {
  if (!core_->expires.load(std::memory_order_acquire)) return std::nullopt;
  // At least 1, for 0 says that nothing expires.
  return static_cast<int64_t>(std::max<uint64_t>(core_->clock.highest_ms(), 1));
}

Status Engine::InstallEdit(const VersionEdit& change, const Memtable* flushed) {
  MutexLock lock(manifest_mu_);
  VersionEdit edit = change;
  edit.clock_ms_max = ClockToKeep();
  const std::shared_ptr<const Version> before = CurrentState()->version;
  auto applied = before->Apply(edit);
  if (!applied.ok()) {
    KeepOrRemoveAdded(edit);
    return std::move(applied).status();
  }
  const std::shared_ptr<const Version> after = *std::move(applied);
  if (Status status = manifest_->Append(edit); !status.ok()) {
    KeepOrRemoveAdded(edit);
    status = std::move(status).Annotate("record a change of tables");
    if (status.code() != StatusCode::kResourceExhausted) {  // Else it is tried again.
      StopWriting("the manifest cannot be written. " + std::string(status.message()));
    }
    return status;
  }
  states_.Change([&](ReadState& next) {
    next.version = after;
    if (flushed != nullptr) next.sealed.pop_back();
  });
  before->MarkRemoved(edit);
  RemoveUnnamed(env_.files, directory_, std::exchange(doubtful_, {}));
  return {};
}

Status Engine::MarkDamaged(uint64_t number) {
  if (failed_.load(std::memory_order_acquire)) return {};  // Nothing is written any more.
  const auto unmarked = [&] {
    const std::shared_ptr<const Version> version = CurrentState()->version;
    for (int level = 0; level < kLevels; ++level) {
      const TableFile* table = version->Find(level, number);
      if (table != nullptr) return !table->damaged();
    }
    return false;
  };
  if (!unmarked()) return {};
  VersionEdit edit;
  edit.damaged.push_back(number);
  Status status = InstallEdit(edit, nullptr);
  if (!status.ok() && status.code() == StatusCode::kCorruption && !unmarked()) status = {};
  MutexLock lock(work_mu_);
  work_cv_.NotifyAll();  // Others may be free for a job.
  progress_cv_.NotifyAll();
  return status;
}

// No manifest that a crash can leave in force may name a table that is gone.
void Engine::KeepOrRemoveAdded(const VersionEdit& edit) {
  std::vector<TableFacts> made;
  for (const AddedTable& added : edit.added) {
    const bool moved = std::ranges::any_of(edit.removed, [&](const RemovedTable& removed) {
      return removed.number == added.facts.number;
    });
    if (!moved) made.push_back(added.facts);
  }
  if (manifest_->edit_in_doubt()) {
    doubtful_.insert(doubtful_.end(), made.begin(), made.end());
  } else {
    RemoveUnnamed(env_.files, directory_, made);
  }
}

// First those that only replaced states still hold.
void Engine::RemoveUnused() {
  states_.ReleaseReplaced();
  const std::vector<uint64_t> unused = unused_->Take();
  if (scrub_ != nullptr && !unused.empty()) scrub_->TablesChanged();
  for (const uint64_t number : unused) {
    core_->tables.Evict(number);
    const Status status = env_.files.Remove(io::JoinPath(directory_, TableName(number)));
    // It is an orphan now: the next open removes it.
    if (!status.ok()) env_.log.Log(LogLevel::kWarning, status.message());
  }
}

void Engine::RemoveOldLogs(uint64_t floor) {
  const uint64_t needed = journal_->Release(floor);
  const auto names = env_.files.List(directory_);
  if (!names.ok()) return;
  for (const std::string& name : *names) {
    const std::optional<uint64_t> number = NumberOf(name);
    if (!number || *number >= needed) continue;
    const Status status = env_.files.Remove(io::JoinPath(directory_, name));
    if (!status.ok()) env_.log.Log(LogLevel::kWarning, status.message());
  }
}

void Engine::UpdateBacklog() {
  const std::shared_ptr<const ReadState> state = CurrentState();
  Backlog backlog;
  backlog.state_number = state->number;
  // With those that a job merges just now: it is them that it lags with.
  const uint64_t runs = picker_.MovableRuns(*state->version, {});
  const auto trigger = static_cast<uint64_t>(options_.level0_trigger);
  backlog.runs_over_trigger = runs > trigger ? runs - trigger : 0;
  backlog.debt_bytes = picker_.DebtBytes(*state->version);
  backlog.memtable_bytes = SealedBytes(*state);
  backlog.memtable_budget_bytes = memory_.BudgetFor(backlog.memtable_bytes);
  controller_.SetBacklog(backlog);
}

void Engine::AddLevelStats(const Version& version, kv::StoreStats& stats) const {
  const LevelTargets targets = picker_.Targets(version);
  const std::array<double, kLevels> scores = picker_.Scores(version, {});
  for (int level = 0; level < kLevels; ++level) {
    kv::LevelStats entry;
    entry.level = level;
    entry.tables = version.TableCount(level);
    entry.size_bytes = version.LevelBytes(level);
    const auto index = static_cast<size_t>(level);
    entry.target_bytes = targets.bytes[index];
    entry.score = scores[index];
    entry.bytes_read = counters_.level_read[index].load(std::memory_order_relaxed);
    entry.bytes_written = counters_.level_written[index].load(std::memory_order_relaxed);
    stats.table_bytes += entry.size_bytes;
    stats.levels.push_back(entry);
  }
}

}  // namespace aidb::lsm

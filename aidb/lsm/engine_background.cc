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

#include "aidb/lsm/engine.h"
#include "aidb/lsm/table_builder.h"

namespace aidb::lsm {
namespace {

constexpr Duration kRetryDelay = std::chrono::milliseconds(100);

}  // namespace

void Engine::NoteTrouble(const Status& status, std::string_view what) {
  MutexLock lock(work_mu_);
  if (!status.ok()) {
    env_.log.Log(LogLevel::kWarning,
                 std::string(what) + " failed: " + std::string(status.message()));
  }
  trouble_ = status.ok() ? Status() : Status(status).Annotate(what);
  progress_cv_.NotifyAll();
}

void Engine::FlushMain() {
  while (!Stopping()) {
    {
      MutexLock lock(work_mu_);
      while (!Stopping() && (CurrentState()->sealed.empty() || !failure_.ok())) {
        work_cv_.Wait(work_mu_);
      }
    }
    if (Stopping()) return;
    const Status status = FlushOldest();
    NoteTrouble(status, "flush");
    if (status.ok()) continue;
    MutexLock lock(work_mu_);
    if (!Stopping())
      static_cast<void>(work_cv_.WaitUntil(work_mu_, env_.clock.Now() + kRetryDelay));
  }
}

Status Engine::FlushOldest() {
  const std::shared_ptr<const ReadState> state = CurrentState();
  const LoggedMemtable oldest = state->sealed.back();
  const uint64_t next_log = state->sealed.size() > 1
                                ? state->sealed[state->sealed.size() - 2].log_number
                                : state->active.log_number;
  const Instant begin = env_.clock.Now();
  VersionEdit edit;
  edit.log_floor = next_log;
  edit.last_sequence = oldest.table->highest_sequence();
  uint64_t written = 0;
  if (oldest.table->entries() > 0) {
    AIDB_ASSIGN_OR_RETURN(const TableFacts facts, WriteTable(*oldest.table));
    written = facts.size_bytes;
    edit.added.push_back({.level = 0, .run = facts.number, .facts = facts});
  }
  AIDB_RETURN_IF_ERROR(InstallEdit(edit, oldest.table.get()));
  journal_->Retire(next_log);
  counters_.flushes.fetch_add(1, std::memory_order_relaxed);
  counters_.level_written[0].fetch_add(written, std::memory_order_relaxed);
  const Instant end = env_.clock.Now();
  controller_.Drained(written, end - begin, end);
  UpdateBacklog();
  RemoveOldLogs(next_log);
  RemoveUnused();
  MutexLock lock(work_mu_);
  work_cv_.NotifyAll();  // Level 0 has grown: compaction may have work.
  return {};
}

Result<TableFacts> Engine::WriteTable(const Memtable& memtable) {
  const uint64_t number = numbers_->Take();
  const std::string path = io::JoinPath(directory_, TableName(number));
  AIDB_ASSIGN_OR_RETURN(const auto file, env_.files.Open(path, io::OpenMode::kCreateNew));
  TableBuilder builder(*file, number, env_.random.Next(),
                       {.block_bytes = options_.block_bytes,
                        .filter_bits_per_key = options_.filter_bits_per_key,
                        .compression = options_.compression});
  const auto cursor = memtable.NewCursor();
  for (cursor->SeekToFirst(); cursor->valid(); cursor->Next()) {
    AIDB_RETURN_IF_ERROR(builder.Add(cursor->entry()));
  }
  AIDB_ASSIGN_OR_RETURN(const TableFacts facts, builder.Finish());
  AIDB_RETURN_IF_ERROR(file->SyncAll());
  AIDB_RETURN_IF_ERROR(file->Close());
  AIDB_RETURN_IF_ERROR(env_.files.SyncDirectory(directory_));
  return facts;
}

Status Engine::InstallEdit(const VersionEdit& edit, const Memtable* flushed) {
  MutexLock lock(manifest_mu_);
  const std::shared_ptr<const Version> before = CurrentState()->version;
  AIDB_ASSIGN_OR_RETURN(std::shared_ptr<const Version> after, before->Apply(edit));
  if (Status status = manifest_->Append(edit); !status.ok()) {
    status = std::move(status).Annotate("record a change of tables");
    if (status.code() == StatusCode::kResourceExhausted) return status;  // Tried again.
    const Status stopped = Unavailable(
        "writes have stopped because the manifest cannot be written, reads go on; reopen the "
        "store. " +
        std::string(status.message()));
    env_.log.Log(LogLevel::kError, stopped.message());
    MutexLock work(work_mu_);
    if (failure_.ok()) failure_ = stopped;
    failed_.store(true, std::memory_order_release);
    progress_cv_.NotifyAll();
    return status;
  }
  {
    MutexLock state_lock(state_mu_);
    auto next = std::make_shared<ReadState>(*current_);
    next->version = std::move(after);
    if (flushed != nullptr) next->sealed.pop_back();
    current_ = std::move(next);
  }
  before->MarkRemoved(edit);
  return {};
}

void Engine::RemoveUnused() {
  for (const uint64_t number : unused_->Take()) {
    core_->tables.Evict(number);
    const Status status = env_.files.Remove(io::JoinPath(directory_, TableName(number)));
    // It is an orphan now: the next open removes it.
    if (!status.ok()) env_.log.Log(LogLevel::kWarning, status.message());
  }
}

void Engine::RemoveOldLogs(uint64_t floor) {
  const auto names = env_.files.List(directory_);
  if (!names.ok()) return;
  for (const std::string& name : *names) {
    const std::optional<uint64_t> number = NumberOf(name);
    if (!number || *number >= floor) continue;
    const Status status = env_.files.Remove(io::JoinPath(directory_, name));
    if (!status.ok()) env_.log.Log(LogLevel::kWarning, status.message());
  }
}

void Engine::UpdateBacklog() {
  const std::shared_ptr<const ReadState> state = CurrentState();
  Backlog backlog;
  const uint64_t runs = state->version->runs(0).size();
  const auto trigger = static_cast<uint64_t>(options_.level0_trigger);
  backlog.runs_over_trigger = runs > trigger ? runs - trigger : 0;
  for (const LoggedMemtable& memtable : state->sealed) {
    backlog.memtable_bytes += memtable.table->memory_bytes();
  }
  backlog.memtable_budget_bytes = 3 * memory_.write_buffer_bytes;
  controller_.SetBacklog(backlog);
}

void Engine::CompactMain() {
  MutexLock lock(work_mu_);
  while (!Stopping()) work_cv_.Wait(work_mu_);
}

void Engine::AddLevelStats(const Version& version, kv::StoreStats& stats) const {
  for (int level = 0; level < kLevels; ++level) {
    kv::LevelStats entry;
    entry.level = level;
    entry.tables = version.TableCount(level);
    entry.size_bytes = version.LevelBytes(level);
    const auto index = static_cast<size_t>(level);
    entry.bytes_read = counters_.level_read[index].load(std::memory_order_relaxed);
    entry.bytes_written = counters_.level_written[index].load(std::memory_order_relaxed);
    stats.table_bytes += entry.size_bytes;
    stats.levels.push_back(entry);
  }
}

}  // namespace aidb::lsm

// Checkpoints of the native engine.

#include <algorithm>
#include <utility>

#include "aidb/base/canary.h"
#include "aidb/lsm/checkpoint.h"
#include "aidb/lsm/engine.h"
#include "aidb/lsm/merging_cursor.h"

namespace aidb::lsm {

// The state it looks at keeps its tables from being deleted, as it does for an iterator. A store
// that has stopped writing can be saved this way, too.
Status Engine::Checkpoint(std::string_view directory) {
  const CallPass pass(calls_);
  if (!pass) return Closed();
  if (journal_ == nullptr) return CheckWritable();  // Read-only.
  AIDB_ASSIGN_OR_RETURN(const SharedView view, TakeSharedView(nullptr));
  std::vector<std::unique_ptr<EntryCursor>> newest_first;
  std::vector<RangeDelete> range_deletes;
  const auto add = [&](const Memtable& table) {
    newest_first.push_back(table.NewCursor());
    table.range_deletes().AppendTo(range_deletes, view.sequence);
  };
  if (!AIDB_CANARY_HIT(kCheckpointLacksTail)) add(*view.state->active.table);
  for (const LoggedMemtable& memtable : view.state->sealed) add(*memtable.table);
  const auto newest = NewMergingCursor(std::move(newest_first));
  // Asked behind the view: what it holds that expires has been noted by now.
  int64_t clock_ms_max = ClockToKeep().value_or(0);
  {
    MutexLock lock(manifest_mu_);
    clock_ms_max = std::max(clock_ms_max, manifest_->state().clock_ms_max);
  }
  // The directory's own guard is for the store's files: what fails here does not stop its writes.
  const io::Env env{core_->files, env_.clock, env_.executor, env_.random, env_.log};
  const Status status = WriteCheckpoint({.env = env,
                                         .parents = checkpoint_parents_,
                                         .directory = directory_,
                                         .version = *view.state->version,
                                         .newest = *newest,
                                         .range_deletes = range_deletes,
                                         .sequence = view.sequence,
                                         .clock_ms_max = clock_ms_max,
                                         .numbers = *numbers_,
                                         .table = TableOptionsFor(0, 0),
                                         .table_bytes = shape_.table_bytes,
                                         .merger = merger_,
                                         .stop = stopping_},
                                        directory);
  if (!status.ok() && Stopping()) return Closed();
  return Status(status).Annotate("checkpoint");
}

}  // namespace aidb::lsm

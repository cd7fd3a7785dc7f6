#include "aidb/rocks/sync_latch.h"

namespace aidb::rocks {

Status SyncLatch::Check() const {
  if (!failed_.load(std::memory_order_acquire)) [[likely]]
    return {};
  const MutexLock lock(mu_);
  return Unavailable("stopped after a failed sync; open the store again: " + why_.ToString());
}

Status SyncLatch::Run(const std::function<Status()>& sync) {
  AIDB_RETURN_IF_ERROR(Check());
  Status status = sync();
  if (!status.ok()) Failed(status);
  return status;
}

void SyncLatch::Failed(const Status& why) {
  const MutexLock lock(mu_);
  if (!why_.ok()) return;
  why_ = why;
  failed_.store(true, std::memory_order_release);  // Pairs with the load in Check.
}

}  // namespace aidb::rocks

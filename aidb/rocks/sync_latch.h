#pragma once

#include <atomic>
#include <functional>

#include "aidb/base/status.h"
#include "aidb/base/sync.h"

namespace aidb::rocks {

// Remembers that a sync failed. The kernel may have dropped the pages and call a second sync of
// the same file a success; RocksDB would try it, so we must not let it.
//
// Thread safety: any thread may call any method.
class SyncLatch {
 public:
  // ok until the first failure, then kUnavailable with its text.
  Status Check() const AIDB_EXCLUDES(mu_);
  // Runs `sync` unless an earlier one failed.
  Status Run(const std::function<Status()>& sync) AIDB_EXCLUDES(mu_);
  // For a sync that was part of something else.
  void Failed(const Status& why) AIDB_EXCLUDES(mu_);

 private:
  std::atomic<bool> failed_ = false;  // Set after why_; spares healthy calls the mutex.
  mutable Mutex mu_;
  Status why_ AIDB_GUARDED_BY(mu_);  // The first failure; ok while there is none.
};

}  // namespace aidb::rocks

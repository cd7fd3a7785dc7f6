#pragma once

#include <functional>
#include <memory>

#include "aidb/base/clock.h"
#include "aidb/base/sync.h"
#include "aidb/io/env.h"

namespace aidb::rocks {

// Calls `sync` every interval in a task of its own, until it fails: what could not be synced
// once must not be synced again. The failure is logged.
//
// Thread safety: made and destroyed by one thread.
// Lifetime: borrows what the Env lends and what `sync` holds; the destructor waits for the task.
class IntervalSync {
 public:
  IntervalSync(const io::Env& env, Duration interval, std::function<Status()> sync);
  ~IntervalSync();
  IntervalSync(const IntervalSync&) = delete;
  IntervalSync& operator=(const IntervalSync&) = delete;

 private:
  void Run();
  // False: it is time to end.
  bool WaitForNextTurn() AIDB_EXCLUDES(mu_);

  const Duration interval_;
  const std::function<Status()> sync_;
  Clock& clock_;
  Logger& log_;
  Mutex mu_;
  CondVar wake_;
  bool stop_ AIDB_GUARDED_BY(mu_) = false;
  std::unique_ptr<io::Task> task_;
};

}  // namespace aidb::rocks

#include "aidb/rocks/interval_sync.h"

#include <utility>

namespace aidb::rocks {

IntervalSync::IntervalSync(const io::Env& env, Duration interval, std::function<Status()> sync)
    : interval_(interval), sync_(std::move(sync)), clock_(env.clock), log_(env.log) {
  task_ = env.executor.Start("rocks-sync", [this] { Run(); });
}

IntervalSync::~IntervalSync() {
  {
    const MutexLock lock(mu_);
    stop_ = true;
  }
  wake_.NotifyAll();
  task_->Join();
}

bool IntervalSync::WaitForNextTurn() {
  const Instant turn = clock_.Now() + interval_;
  const MutexLock lock(mu_);
  while (!stop_ && wake_.WaitUntil(mu_, turn)) {
  }
  return !stop_;
}

void IntervalSync::Run() {
  while (WaitForNextTurn()) {
    const Status status = sync_();
    if (status.ok()) continue;
    log_.Log(LogLevel::kError, "rocksdb store: periodic sync ended: " + status.ToString());
    return;
  }
}

}  // namespace aidb::rocks

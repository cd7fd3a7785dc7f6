// Who drives, and who waits for it.
//
// A driver that ends wakes those whose records are durable, each through a lock of its own, for a
// lock that all of them take would be handed from one to the next; and of the rest the first, to
// drive for the others.

#include <algorithm>
#include <utility>

#include "aidb/base/check.h"
#include "aidb/journal/journal.h"

namespace aidb::journal {

// False: the deadline passed first, and someone may still be about to wake it.
bool Journal::Waiter::Sleep(Instant deadline) {
  MutexLock lock(mu);
  while (!woken) {
    if (!cv.WaitUntil(mu, deadline)) return woken;
  }
  return true;
}

void Journal::Waiter::Wake() {
  MutexLock lock(mu);
  woken = true;
  cv.NotifyOne();
}

void Journal::BecomeDriver() {
  while (driving_) driver_cv_.Wait(io_mu_);
  driving_ = true;
}

void Journal::StopDriving() {
  for (Waiter* waiter : StopDrivingForWaiters()) waiter->Wake();
}

// Those the caller must wake: whose records are durable, or will not become so; and one of the
// rest, who drives next.
std::vector<Journal::Waiter*> Journal::StopDrivingForWaiters() {
  driving_ = false;
  driver_cv_.NotifyAll();
  const uint64_t durable = durable_id_.load(std::memory_order_acquire);
  const bool failed = !failure_.ok();
  std::vector<Waiter*> ready;
  std::erase_if(waiters_, [&](Waiter* waiter) {
    const bool done = failed || waiter->id <= durable;
    if (done) ready.push_back(waiter);
    return done;
  });
  if (!waiters_.empty()) {
    ready.push_back(waiters_.front());
    waiters_.erase(waiters_.begin());
  }
  return ready;
}

Status Journal::DriveUnlocked(Goal goal, bool for_group) {
  AIDB_CHECK(!driving_);
  driving_ = true;
  const uint64_t before = stats_.sync_us;
  io_mu_.unlock();
  Status status = Drive(goal);
  NotifyRoom();
  io_mu_.lock();
  if (for_group) group_.End(std::chrono::microseconds(stats_.sync_us - before));
  const std::vector<Waiter*> ready = StopDrivingForWaiters();
  io_mu_.unlock();
  for (Waiter* waiter : ready) waiter->Wake();
  io_mu_.lock();
  return status;
}

// One sync for all who wait for the disk, and for those who are about to.
Status Journal::SyncForGroup() {
  AIDB_CHECK(!driving_);
  const Duration patience = group_.Patience();
  if (patience > Duration{0}) {
    driving_ = gathering_ = true;
    const Instant end = env_.clock.Now() + patience;
    while (!group_.Complete() && group_cv_.WaitUntil(io_mu_, end)) {
    }
    driving_ = gathering_ = false;
  }
  group_.Begin(patience > Duration{0});
  return DriveUnlocked(Goal::kSync, /*for_group=*/true);
}

Status Journal::WaitDurable(RecordId id, Instant deadline) {
  AIDB_CHECK(id <= published_id());
  seen_sync_.store(true, std::memory_order_relaxed);
  const auto durable = [&] { return durable_id_.load(std::memory_order_acquire) >= ToNumber(id); };
  if (durable()) return {};
  const auto published = [&] {
    return options_.directory + ": record " + std::to_string(ToNumber(id)) +
           " is published but not ";
  };
  io_mu_.lock();
  if (group_.Join() && gathering_) group_cv_.NotifyOne();
  Status status;
  while (status.ok() && !durable()) {
    if (!failure_.ok()) {
      status = IoError(published() + "known to be durable: " + std::string(failure_.message()));
    } else if (!driving_) {
      const Status driven = SyncForGroup();
      if (!driven.ok() && !durable()) {
        status =
            Status(driven.code(), published() + "yet durable: " + std::string(driven.message()));
      }
    } else {
      Waiter waiter{.id = ToNumber(id)};
      waiters_.push_back(&waiter);
      io_mu_.unlock();
      const bool woken = waiter.Sleep(deadline);
      if (woken && durable()) return {};
      io_mu_.lock();
      if (woken) continue;
      if (std::erase(waiters_, &waiter) > 0) {
        status = DeadlineExceeded(published() + "yet durable; wait for it again");
      } else {
        io_mu_.unlock();
        waiter.Sleep(Instant::Never());  // Whoever took it from the list wakes it.
        io_mu_.lock();
      }
    }
  }
  if (!status.ok()) flusher_cv_.NotifyOne();  // Publish left the record to us.
  io_mu_.unlock();
  return status;
}

Status Journal::Flush(Instant deadline) { return WaitDurable(published_id(), deadline); }

}  // namespace aidb::journal

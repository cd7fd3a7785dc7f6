#include "aidb/base/sync.h"

#include <chrono>
#include <string>
#include <thread>

#include <gtest/gtest.h>

namespace aidb {
namespace {

Instant SteadyNow() { return {std::chrono::steady_clock::now().time_since_epoch().count()}; }

TEST(Mutex, ExcludesOtherThreads) {
  Mutex mu;
  int count = 0;
  auto work = [&] {
    for (int i = 0; i < 10'000; ++i) {
      MutexLock lock(mu);
      ++count;
    }
  };
  std::thread other(work);
  work();
  other.join();
  EXPECT_EQ(count, 20'000);
}

TEST(CondVar, WakesAWaiter) {
  Mutex mu;
  CondVar cv;
  bool ready = false;
  std::thread other([&] {
    MutexLock lock(mu);
    ready = true;
    cv.NotifyAll();
  });
  {
    MutexLock lock(mu);
    while (!ready) cv.Wait(mu);
  }
  other.join();
  EXPECT_TRUE(ready);
}

TEST(CondVar, GivesUpAtTheDeadline) {
  Mutex mu;
  CondVar cv;
  const Instant deadline = SteadyNow() + std::chrono::milliseconds(1);
  MutexLock lock(mu);
  while (cv.WaitUntil(mu, deadline)) {
  }
  EXPECT_GE(SteadyNow(), deadline);
}

TEST(Mutex, TryLockFailsWhileAnotherThreadHoldsIt) {
  Mutex mu;
  bool taken = true;
  const auto try_it = [&] {
    taken = false;
    if (!mu.try_lock()) return;
    taken = true;
    mu.unlock();
  };
  {
    MutexLock lock(mu);
    std::thread(try_it).join();
    EXPECT_FALSE(taken);
  }
  std::thread(try_it).join();
  EXPECT_TRUE(taken);
}

TEST(CondVar, WakesEveryWaiterWithoutADeadline) {
  Mutex mu;
  CondVar cv;
  bool ready = false;
  int awake = 0;
  const auto wait = [&] {
    MutexLock lock(mu);
    while (!ready) EXPECT_TRUE(cv.WaitUntil(mu, Instant::Never()));
    ++awake;
  };
  std::thread one(wait);
  std::thread two(wait);
  {
    MutexLock lock(mu);
    ready = true;
  }
  cv.NotifyAll();
  one.join();
  two.join();
  EXPECT_EQ(awake, 2);
}

// Writes down what it is asked, in one letter each.
class RecordingHook final : public SyncHook {
 public:
  RecordingHook() { Install(this); }
  ~RecordingHook() override { Install(nullptr); }

  void Lock(SyncWord& mutex) override {
    ++mutex.value;
    calls += 'L';
  }
  bool TryLock(SyncWord& /*mutex*/) override {
    calls += 'T';
    return false;
  }
  void Unlock(SyncWord& mutex) override {
    --mutex.value;
    calls += 'U';
  }
  bool Wait(SyncWord& /*cond*/, SyncWord& mutex, Instant deadline) override {
    EXPECT_EQ(mutex.value, 1u) << "waits under the mutex that was locked";
    calls += deadline == Instant::Never() ? 'W' : 'D';
    return deadline == Instant::Never();
  }
  void Notify(SyncWord& /*cond*/, bool all) override { calls += all ? 'A' : 'N'; }
  void Yield() override { calls += 'Y'; }

  std::string calls;
};

TEST(SyncHook, TakesEveryLockWaitAndWake) {
  Mutex mu;
  CondVar cv;
  RecordingHook hook;
  {
    MutexLock lock(mu);
    cv.Wait(mu);
    EXPECT_TRUE(cv.WaitUntil(mu, Instant::Never()));
    EXPECT_FALSE(cv.WaitUntil(mu, Instant{5}));
  }
  EXPECT_FALSE(mu.try_lock());
  cv.NotifyOne();
  cv.NotifyAll();
  SpinPause();
  EXPECT_EQ(hook.calls, "LWWDUTNAY");
}

TEST(SyncHook, IsOutOfTheWayOnceRemoved) {
  Mutex mu;
  {
    const RecordingHook hook;
    EXPECT_EQ(SyncHook::Current(), &hook);
  }
  EXPECT_EQ(SyncHook::Current(), nullptr);
  MutexLock lock(mu);  // Would stop here for ever, or call a hook that is gone.
  SpinPause();
}

TEST(Instant, AddingStopsAtNever) {
  const Instant late{Instant::Never().ns - 5};
  EXPECT_EQ(late + Duration(4), Instant{Instant::Never().ns - 1});
  EXPECT_EQ(late + Duration(6), Instant::Never());
  EXPECT_LT(Instant{1}, Instant{2});
}

TEST(Instant, NeverStaysNever) {
  EXPECT_EQ(Instant::Never() + std::chrono::hours(1), Instant::Never());
  EXPECT_EQ(Instant{5} + Duration(7), Instant{12});
  EXPECT_EQ(Instant{12} - Instant{5}, Duration(7));
}

}  // namespace
}  // namespace aidb

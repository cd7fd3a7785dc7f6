#include "aidb/base/sync.h"

#include <chrono>
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

TEST(Instant, NeverStaysNever) {
  EXPECT_EQ(Instant::Never() + std::chrono::hours(1), Instant::Never());
  EXPECT_EQ(Instant{5} + Duration(7), Instant{12});
  EXPECT_EQ(Instant{12} - Instant{5}, Duration(7));
}

}  // namespace
}  // namespace aidb

#include "aidb/io/sim/scheduler.h"

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "aidb/base/sync.h"
#include "aidb/io/sim/world.h"

namespace aidb::io {
namespace {

SimOptions Busy() {
  SimOptions options;
  options.scheduler.switch_one_in = 1;
  return options;
}

// A flag that fibers wait for.
struct Flag {
  Mutex mu;
  CondVar cond;
  bool set = false;

  void Set() {
    MutexLock lock(mu);
    set = true;
    cond.NotifyAll();
  }
  void Await() {
    MutexLock lock(mu);
    while (!set) cond.Wait(mu);
  }
};

TEST(SimScheduler, RunsEveryTaskToItsEnd) {
  SimWorld world(1);
  int ended = 0;
  const RunReport report = world.Run([&] {
    std::vector<std::unique_ptr<Task>> tasks;
    for (int i = 0; i < 10; ++i) {
      tasks.push_back(world.env().executor.Start("worker", [&] { ++ended; }));
    }
  });
  EXPECT_TRUE(report.finished());
  EXPECT_EQ(ended, 10);
}

TEST(SimScheduler, TakesDifferentOrdersWithDifferentSeeds) {
  std::set<std::string> orders;
  for (uint64_t seed = 0; seed < 50; ++seed) {
    SimWorld world(seed, {}, Busy());
    std::string order;
    world.Run([&] {
      std::vector<std::unique_ptr<Task>> tasks;
      for (const char letter : {'a', 'b', 'c'}) {
        tasks.push_back(
            world.env().executor.Start("letter", [&order, letter] { order += letter; }));
      }
    });
    orders.insert(order);
  }
  EXPECT_EQ(orders.size(), 6u);
}

TEST(SimScheduler, AMutexExcludesOtherFibers) {
  for (uint64_t seed = 0; seed < 50; ++seed) {
    SimWorld world(seed, {}, Busy());
    Mutex mu;
    int inside = 0;
    int inside_max = 0;
    world.Run([&] {
      std::vector<std::unique_ptr<Task>> tasks;
      for (int i = 0; i < 4; ++i) {
        tasks.push_back(world.env().executor.Start("worker", [&] {
          for (int round = 0; round < 5; ++round) {
            MutexLock lock(mu);
            inside_max = std::max(inside_max, ++inside);
            SpinPause();
            --inside;
          }
        }));
      }
    });
    ASSERT_EQ(inside_max, 1) << "seed " << seed;
  }
}

TEST(SimScheduler, FindsARaceThatNeedsASwitchAtOnePoint) {
  // Without the mutex two increments meet between the read and the write.
  int lost = 0;
  for (uint64_t seed = 0; seed < 20; ++seed) {
    SimWorld world(seed);
    int count = 0;
    world.Run([&] {
      const auto increment = [&] {
        const int before = count;
        SpinPause();
        count = before + 1;
      };
      const auto task = world.env().executor.Start("other", increment);
      increment();
      task->Join();
    });
    if (count == 1) ++lost;
  }
  EXPECT_GT(lost, 0);
}

TEST(SimScheduler, TimeJumpsToTheNextSleeper) {
  SimWorld world(1);
  Duration slept{};
  world.Run([&] {
    const Instant before = world.clock().Now();
    world.clock().SleepFor(std::chrono::hours(3));
    slept = world.clock().Now() - before;
  });
  EXPECT_GE(slept, std::chrono::hours(3));
  EXPECT_LT(slept, std::chrono::hours(3) + std::chrono::milliseconds(1));
}

TEST(SimScheduler, AWaitEndsAtItsDeadline) {
  SimWorld world(1);
  bool in_time = true;
  Instant deadline;
  Instant ended;
  world.Run([&] {
    Mutex mu;
    CondVar cond;
    MutexLock lock(mu);
    deadline = world.clock().Now() + std::chrono::seconds(5);
    in_time = cond.WaitUntil(mu, deadline);
    ended = world.clock().Now();
  });
  EXPECT_FALSE(in_time);
  EXPECT_GE(ended, deadline);
}

TEST(SimScheduler, ASpinnerThatWaitsForASleeperGetsOn) {
  SimWorld world(1);
  bool done = false;
  const RunReport report = world.Run([&] {
    const auto task = world.env().executor.Start("sleeper", [&] {
      world.clock().SleepFor(std::chrono::seconds(1));
      done = true;
    });
    while (!done) SpinPause();
  });
  EXPECT_TRUE(report.finished());
}

TEST(SimScheduler, FindsADeadlockAndNamesWhoWaitsForWhat) {
  int deadlocks = 0;
  for (uint64_t seed = 0; seed < 50; ++seed) {
    SimWorld world(seed, {}, Busy());
    Mutex a;
    Mutex b;
    const RunReport report = world.Run([&] {
      const auto task = world.env().executor.Start("ba", [&] {
        MutexLock first(b);
        MutexLock second(a);
      });
      MutexLock first(a);
      MutexLock second(b);
    });
    if (report.finished()) continue;
    ++deadlocks;
    EXPECT_EQ(report.end, RunEnd::kDeadlock);
    EXPECT_EQ(report.fibers,
              "fiber 0 'main' waits for a mutex held by 'ba'\n"
              "fiber 1 'ba' waits for a mutex held by 'main'\n");
  }
  EXPECT_GT(deadlocks, 0);
  EXPECT_LT(deadlocks, 50);
}

TEST(SimScheduler, FindsALostWakeUp) {
  // The waiter looks at the flag, and only then takes the mutex to wait: a notify in between
  // is lost.
  int lost = 0;
  for (uint64_t seed = 0; seed < 200; ++seed) {
    SimWorld world(seed, {}, Busy());
    Flag flag;
    const RunReport report = world.Run([&] {
      const auto task = world.env().executor.Start("setter", [&] { flag.Set(); });
      flag.mu.lock();
      const bool set = flag.set;
      flag.mu.unlock();
      if (set) return;
      MutexLock lock(flag.mu);
      flag.cond.Wait(flag.mu);
    });
    if (report.finished()) continue;
    ++lost;
    EXPECT_EQ(report.end, RunEnd::kDeadlock);
    EXPECT_EQ(report.fibers, "fiber 0 'main' waits on a condition variable\n");
  }
  EXPECT_GT(lost, 0);
}

TEST(SimScheduler, FindsAWaitWithoutALoopBySpuriousWakeUps) {
  SimOptions options;
  options.scheduler.spurious_wake_one_in = 2;
  int woken_early = 0;
  for (uint64_t seed = 0; seed < 20; ++seed) {
    SimWorld world(seed, {}, options);
    Flag flag;
    world.Run([&] {
      const auto task = world.env().executor.Start("setter", [&] { flag.Set(); });
      MutexLock lock(flag.mu);
      if (!flag.set) flag.cond.Wait(flag.mu);
      if (!flag.set) ++woken_early;
    });
  }
  EXPECT_GT(woken_early, 0);
}

TEST(SimScheduler, StopsAtTheStepLimitAndAtTheTimeLimit) {
  SimOptions options;
  options.scheduler.steps_max = 1000;
  SimWorld spinning(1, {}, options);
  const RunReport spun = spinning.Run([&] {
    for (;;) SpinPause();
  });
  EXPECT_EQ(spun.end, RunEnd::kStepLimit);
  EXPECT_EQ(spun.fibers, "fiber 0 'main' is running\n");

  SimWorld idle(1);
  const RunReport slept = idle.Run([&] {
    for (;;) idle.clock().SleepFor(std::chrono::hours(1));
  });
  EXPECT_EQ(slept.end, RunEnd::kTimeLimit);
}

TEST(SimScheduler, TheTraceIsTheSameForTheSameSeedOnly) {
  const auto trace = [](uint64_t seed) {
    SimWorld world(seed);
    Flag flag;
    world.Run([&] {
      const auto task = world.env().executor.Start("setter", [&] { flag.Set(); });
      flag.Await();
    });
    return world.trace_hash();
  };
  EXPECT_EQ(trace(1), trace(1));
  EXPECT_NE(trace(1), trace(2));
}

TEST(SimScheduler, WorldsNest) {
  SimWorld outer(1);
  Flag flag;
  uint64_t inner_hash = 0;
  const RunReport report = outer.Run([&] {
    const auto task = outer.env().executor.Start("setter", [&] { flag.Set(); });
    SimWorld inner(2);
    Flag inner_flag;
    EXPECT_TRUE(inner
                    .Run([&] {
                      const auto inner_task =
                          inner.env().executor.Start("setter", [&] { inner_flag.Set(); });
                      inner_flag.Await();
                    })
                    .finished());
    inner_hash = inner.trace_hash();
    flag.Await();
  });
  EXPECT_TRUE(report.finished());
  EXPECT_NE(inner_hash, 0u);
}

// ---- Death ------------------------------------------------------------------------------

TEST(SimKill, NoFiberTakesAnotherStep) {
  SimWorld world(1);
  bool went_on = false;
  bool other_went_on = false;
  const RunReport report = world.Run([&] {
    const auto task = world.env().executor.Start("sleeper", [&] {
      world.clock().SleepFor(std::chrono::seconds(1));
      other_went_on = true;
    });
    world.clock().SleepFor(std::chrono::milliseconds(1));
    world.Kill();
    world.clock().SleepFor(Duration(1));
    went_on = true;
  });
  EXPECT_EQ(report.end, RunEnd::kKilled);
  EXPECT_FALSE(went_on);
  EXPECT_FALSE(other_went_on);
  EXPECT_EQ(report.parked_fibers, 0);
}

TEST(SimKill, MayBeTheLastActOfAFiber) {
  SimWorld world(1);
  bool went_on = false;
  const RunReport report = world.Run([&] {
    const auto task = world.env().executor.Start("killer", [&] { world.Kill(); });
    task->Join();
    went_on = true;
  });
  EXPECT_EQ(report.end, RunEnd::kKilled);
  EXPECT_FALSE(went_on);
}

TEST(SimKill, UnwindsEachFiberAndGivesItsMemoryBack) {
  // A leak here is seen by the address sanitizer.
  for (uint64_t seed = 0; seed < 100; ++seed) {
    SimOptions options = Busy();
    options.scheduler.steps_max = 5 + seed;
    SimWorld world(seed, {}, options);
    const RunReport report = world.Run([&] {
      Mutex mu;
      CondVar cond;
      std::string shared(1000, 's');
      std::vector<std::unique_ptr<Task>> tasks;
      for (int i = 0; i < 3; ++i) {
        tasks.push_back(world.env().executor.Start("waiter", [&, i] {
          const std::string mine(1000 + static_cast<size_t>(i), 'm');
          MutexLock lock(mu);
          while (shared != mine) cond.Wait(mu);
        }));
      }
      for (;;) {
        MutexLock lock(mu);
        cond.NotifyAll();
        SpinPause();
      }
    });
    EXPECT_EQ(report.end, RunEnd::kStepLimit);
    EXPECT_EQ(report.parked_fibers, 0);
  }
}

// Stops its worker in its destructor, as every owner of a task must.
class Worker {
 public:
  explicit Worker(Executor& executor) : task_(executor.Start("worker", [this] { Work(); })) {}
  ~Worker() {
    {
      MutexLock lock(mu_);
      stop_ = true;
      cond_.NotifyAll();
    }
    task_->Join();
  }

 private:
  void Work() {
    MutexLock lock(mu_);
    while (!stop_) cond_.Wait(mu_);
    for (char& c : buffer_) c = 'x';
  }

  Mutex mu_;
  CondVar cond_;
  bool stop_ = false;
  std::string buffer_ = std::string(500, 'b');
  std::unique_ptr<Task> task_;
};

TEST(SimKill, ADestructorMayStopAndJoinItsTasks) {
  int parked = 0;
  for (uint64_t steps = 1; steps < 40; ++steps) {
    SimOptions options = Busy();
    options.scheduler.steps_max = steps;
    SimWorld world(steps, {}, options);
    parked += world
                  .Run([&] {
                    for (;;) {
                      Worker worker(world.env().executor);
                      SpinPause();
                    }
                  })
                  .parked_fibers;
  }
  EXPECT_GT(parked, 0);  // Those that stood in ~Worker itself.
}

TEST(SimKill, AFiberInsideADestructorIsParkedAndItsMemoryIsNoLeak) {
  struct SleepsWhileDying {
    SimWorld& world;
    std::unique_ptr<std::string> memory = std::make_unique<std::string>(100, 'm');
    ~SleepsWhileDying() { world.clock().SleepFor(std::chrono::hours(1)); }
  };
  SimWorld world(1);
  const RunReport report = world.Run([&] {
    const auto task =
        world.env().executor.Start("destroyer", [&] { const SleepsWhileDying dying{world}; });
    world.clock().SleepFor(std::chrono::seconds(1));
    world.Kill();
    SpinPause();
  });
  EXPECT_EQ(report.end, RunEnd::kKilled);
  EXPECT_EQ(report.parked_fibers, 1);
  EXPECT_NE(report.fibers.find("'destroyer' sleeps until"), std::string::npos) << report.fibers;
}

TEST(SimKill, AbandonRunsNoDestructor) {
  static int destroyed;
  destroyed = 0;
  struct Counts {
    ~Counts() { ++destroyed; }
  };
  SimOptions options;
  options.scheduler.death = SchedulerOptions::Death::kAbandon;
  SimWorld world(1, {}, options);
  const RunReport report = world.Run([&] {
    const Counts counts;
    world.Kill();
    SpinPause();
  });
  EXPECT_EQ(report.end, RunEnd::kKilled);
  EXPECT_EQ(report.parked_fibers, 1);
  EXPECT_EQ(destroyed, 0);
}

TEST(SimKill, ALockStaysALockUntilTheLast) {
  // The holder dies inside its critical section; the destructor of the other then takes the
  // lock and must find the invariant.
  struct Pair {
    Mutex mu;
    int a = 0;
    int b = 0;
  };
  int checked = 0;
  for (uint64_t seed = 0; seed < 100; ++seed) {
    SimOptions options = Busy();
    options.scheduler.steps_max = 10 + seed % 20;
    SimWorld world(seed, {}, options);
    Pair pair;
    world.Run([&] {
      struct Checks {
        Pair& pair;
        int& checked;
        ~Checks() {
          MutexLock lock(pair.mu);
          EXPECT_EQ(pair.a, pair.b);
          ++checked;
        }
      };
      struct Restores {
        Pair& pair;
        ~Restores() { pair.b = pair.a; }
      };
      const auto task = world.env().executor.Start("writer", [&] {
        for (;;) {
          MutexLock lock(pair.mu);
          const Restores restores{pair};
          ++pair.a;
          SpinPause();
        }
      });
      const Checks checks{pair, checked};
      for (;;) SpinPause();
    });
  }
  EXPECT_EQ(checked, 100);
}

TEST(SimKill, ADeadWorldAnswersUnavailable) {
  SimWorld world(1);
  world.Run([&] {
    world.Kill();
    SpinPause();
  });
  EXPECT_EQ(world.files().Exists("a").status().code(), StatusCode::kUnavailable);
}

}  // namespace
}  // namespace aidb::io

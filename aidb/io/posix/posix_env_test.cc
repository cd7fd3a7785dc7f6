#include "aidb/io/posix/posix_env.h"

#include <pthread.h>

#include <atomic>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "aidb/base/sync.h"
#include "aidb/io/posix/child_process.h"

namespace aidb::io {
namespace {

TEST(PosixClock, CountsFromTheEpochOfTheSteadyClock) {
  const PosixClock clock;
  const auto steady = [] { return std::chrono::steady_clock::now().time_since_epoch().count(); };
  const int64_t before = steady();
  const Instant now = clock.Now();
  const int64_t after = steady();
  EXPECT_LE(before, now.ns);
  EXPECT_LE(now.ns, after);
}

TEST(PosixClock, TellsTheTimeOfDay) {
  const auto wall = [] {
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    return std::chrono::duration_cast<std::chrono::seconds>(now).count();
  };
  const int64_t before = wall();
  const int64_t now = PosixClock().WallMillis() / 1000;
  // A step of the machine's own clock within the test is the only other way to fail.
  EXPECT_LE(before, now);
  EXPECT_LE(now, wall());
}

TEST(PosixClock, SleepsAtLeastAsLongAsAsked) {
  PosixClock clock;
  const Instant start = clock.Now();
  clock.SleepFor(Duration(-1));
  clock.SleepFor(std::chrono::microseconds(200));
  EXPECT_GE(clock.Now() - start, std::chrono::microseconds(200));
}

TEST(PosixClock, ItsInstantsAreDeadlinesOfACondVar) {
  const PosixClock clock;
  Mutex mu;
  CondVar cond;
  const MutexLock lock(mu);
  const Instant deadline = clock.Now() + std::chrono::microseconds(200);
  while (cond.WaitUntil(mu, deadline)) {
  }
  EXPECT_GE(clock.Now(), deadline);
}

TEST(PosixExecutor, RunsTheBodyInAThreadOfThatName) {
  PosixExecutor executor;
  std::string name;
  const auto task = executor.Start("compaction-of-level-3", [&] {
    char shown[16];
    ASSERT_EQ(::pthread_getname_np(::pthread_self(), shown, sizeof shown), 0);
    name = shown;
  });
  task->Join();
  EXPECT_EQ(name, "compaction-of-l");
}

TEST(PosixExecutor, JoinsOnceTwiceOrWhenDestroyed) {
  PosixExecutor executor;
  std::atomic<int> finished = 0;
  {
    const auto joined = executor.Start("joined", [&] { ++finished; });
    const auto dropped = executor.Start("dropped", [&] { ++finished; });
    joined->Join();
    EXPECT_GE(finished, 1);
    joined->Join();
  }
  EXPECT_EQ(finished, 2);
}

TEST(PosixExecutor, TasksRunAtTheSameTime) {
  PosixExecutor executor;
  Mutex mu;
  CondVar changed;
  int arrived = 0;
  const auto meet = [&] {
    const MutexLock lock(mu);
    ++arrived;
    changed.NotifyAll();
    while (arrived < 3) changed.Wait(mu);
  };
  std::vector<std::unique_ptr<Task>> tasks;
  for (int i = 0; i < 3; ++i) tasks.push_back(executor.Start("meet", meet));
  tasks.clear();
  EXPECT_EQ(arrived, 3);
}

TEST(PosixExecutor, KnowsTheCoresItMayUse) {
  EXPECT_GE(PosixExecutor().Parallelism(), 1);
  EXPECT_EQ(posix::InChild([] {
              cpu_set_t one;
              AIDB_CHECK(::sched_getaffinity(0, sizeof one, &one) == 0);
              int core = 0;
              while (!CPU_ISSET(core, &one)) ++core;
              CPU_ZERO(&one);
              CPU_SET(core, &one);
              AIDB_CHECK(::sched_setaffinity(0, sizeof one, &one) == 0);
              return std::to_string(PosixExecutor().Parallelism());
            }),
            "1");
}

TEST(PosixExecutor, StopsTheProgramWhenThereIsNoThreadLeft) {
  const auto exhaust = [] {
    const rlimit none{0, 0};
    AIDB_CHECK(::setrlimit(RLIMIT_NPROC, &none) == 0);
    posix::BecomeOrdinaryUser();
    PosixExecutor executor;
    executor.Start("one too many", [] {})->Join();
  };
  EXPECT_DEATH(exhaust(), "the system can start one more thread");
}

TEST(PosixRandom, DoesNotRepeatItself) {
  PosixRandom random;
  std::set<uint64_t> seen;
  for (int i = 0; i < 1000; ++i) seen.insert(random.Next());
  EXPECT_EQ(seen.size(), 1000u);
}

class LastLine final : public Logger {
 public:
  void Log(LogLevel /*level*/, std::string_view line) override { line_ = line; }
  const std::string& line() const { return line_; }

 private:
  std::string line_;
};

TEST(PosixEnv, HandsOutWhatItOwnsAndTheLoggerItWasGiven) {
  LastLine log;
  PosixEnv posix(log);
  const Env env = posix.env();
  env.log.Log(LogLevel::kError, "said");
  EXPECT_EQ(log.line(), "said");
  EXPECT_EQ(&env.files, &posix.env().files);
  EXPECT_EQ(&env.clock, &posix.env().clock);
  EXPECT_EQ(&env.executor, &posix.env().executor);
  EXPECT_EQ(&env.random, &posix.env().random);
}

TEST(PosixEnv, WarnsOnStandardErrorWhenItIsGivenNoLogger) {
  PosixEnv posix;
  testing::internal::CaptureStderr();
  posix.env().log.Log(LogLevel::kInfo, "small talk");
  posix.env().log.Log(LogLevel::kWarning, "beware");
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "warning beware\n");
}

}  // namespace
}  // namespace aidb::io

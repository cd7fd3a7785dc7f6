#pragma once

// The small parts of a simulated Env: clock, executor, randomness, log.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "aidb/base/clock.h"
#include "aidb/base/log.h"
#include "aidb/base/random.h"
#include "aidb/io/executor.h"
#include "aidb/io/sim/scheduler.h"
#include "aidb/io/sim/trace.h"

namespace aidb::io {

// Virtual time, and a wall clock that a test may set and let jump.
//
// Thread safety: none; its users are fibers.
class SimClock final : public Clock {
 public:
  static constexpr int64_t kWallAtStartMillis = 1'700'000'000'000;  // November 2023.

  SimClock(SimScheduler& scheduler, SimTrace& trace) : scheduler_(scheduler), trace_(trace) {}

  Instant Now() const override { return scheduler_.Now(); }
  int64_t WallMillis() const override;
  int64_t PeekWallMillis() const;  // For oracles: without a choice, a creep or a trace.
  void SleepFor(Duration duration) override { scheduler_.SleepFor(duration); }

  // The wall clock jumps, in either direction; Now does not notice.
  void JumpWall(std::chrono::milliseconds by) { wall_offset_ms_ += by.count(); }

 private:
  SimScheduler& scheduler_;
  SimTrace& trace_;
  int64_t wall_offset_ms_ = kWallAtStartMillis;
};

// Tasks are fibers.
class SimExecutor final : public Executor {
 public:
  SimExecutor(SimScheduler& scheduler, int parallelism)
      : scheduler_(scheduler), parallelism_(parallelism) {}

  [[nodiscard]] std::unique_ptr<Task> Start(std::string_view name,
                                            std::function<void()> body) override;
  int Parallelism() const override { return parallelism_; }

 private:
  SimScheduler& scheduler_;
  const int parallelism_;
};

// A stream of its own per component: a new draw in one place does not shift the others.
class SimRandom final : public Random {
 public:
  SimRandom(uint64_t root_seed, std::string_view component) : rng_(SeedFor(root_seed, component)) {}
  uint64_t Next() override { return rng_.Next(); }

  static uint64_t SeedFor(uint64_t root_seed, std::string_view component);

 private:
  Rng rng_;
};

// Keeps the newest lines, for oracles and for failure messages.
class SimLogger final : public Logger {
 public:
  static constexpr size_t kLinesMax = 1'000;

  struct Line {
    LogLevel level;
    std::string text;
  };

  void Log(LogLevel level, std::string_view line) override;
  const std::vector<Line>& lines() const { return lines_; }
  bool Contains(std::string_view text) const;

 private:
  std::vector<Line> lines_;
};

}  // namespace aidb::io

#include "aidb/kv/expiry_clock.h"

#include <gtest/gtest.h>

namespace aidb::kv {
namespace {

class FakeClock final : public Clock {
 public:
  Instant Now() const override { return {}; }
  int64_t WallMillis() const override { return wall_ms; }
  void SleepFor(Duration /*duration*/) override {}

  int64_t wall_ms = 0;
};

TEST(ExpiryClock, NeverRunsBackwards) {
  FakeClock wall;
  const ExpiryClock clock(wall);
  wall.wall_ms = 1'000;
  EXPECT_EQ(clock.NowMs(), 1'000u);
  wall.wall_ms = 400;
  EXPECT_EQ(clock.NowMs(), 1'000u);
  wall.wall_ms = 1'001;
  EXPECT_EQ(clock.NowMs(), 1'001u);
  EXPECT_EQ(clock.highest_ms(), 1'001u);
}

TEST(ExpiryClock, GoesOnFromWhatAnEarlierLifeHasSeen) {
  FakeClock wall;
  const ExpiryClock clock(wall);
  clock.Raise(5'000);
  wall.wall_ms = 1'000;
  EXPECT_EQ(clock.NowMs(), 5'000u);
  clock.Raise(4'000);
  EXPECT_EQ(clock.NowMs(), 5'000u);
}

TEST(ExpiryClock, TakesTimesBefore1970ForZero) {
  FakeClock wall;
  const ExpiryClock clock(wall);
  wall.wall_ms = -1;
  EXPECT_EQ(clock.NowMs(), 0u);
}

}  // namespace
}  // namespace aidb::kv

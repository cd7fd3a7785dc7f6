#include "aidb/lsm/controller.h"

#include <gtest/gtest.h>

namespace aidb::lsm {
namespace {

constexpr uint64_t kMiB = uint64_t{1} << 20;

Instant At(std::chrono::milliseconds time) { return Instant{1} + time; }

TEST(Controller, LeavesWritersAloneUpToHalfPressure) {
  Controller controller;
  EXPECT_EQ(controller.DelayFor(100 * kMiB, At(std::chrono::seconds(1))), Duration{0});
  controller.SetBacklog({.runs_over_trigger = Controller::kRunsMax / 2});
  EXPECT_EQ(controller.DelayFor(100 * kMiB, At(std::chrono::seconds(1))), Duration{0});
}

TEST(Controller, DelaysByWhatTheBackgroundAchieves) {
  Controller controller;
  controller.SetBacklog({.runs_over_trigger = 12});  // Pressure 0.75: half of the drain rate.
  const Duration slow = controller.DelayFor(8 * 1024, At(std::chrono::seconds(1)));
  // 8 KiB at half of 16 MiB/s: about 0.98 ms.
  EXPECT_GT(slow, std::chrono::microseconds(900));
  EXPECT_LT(slow, std::chrono::microseconds(1'050));

  Controller fast;
  fast.Drained(160 * kMiB, std::chrono::seconds(1), At(std::chrono::seconds(1)));
  fast.SetBacklog({.runs_over_trigger = 12});
  EXPECT_LT(10 * fast.DelayFor(8 * 1024, At(std::chrono::seconds(1))),
            slow + std::chrono::microseconds(10));
}

TEST(Controller, NeverDelaysAWriteByMoreThanItsBound) {
  Controller controller;
  controller.SetBacklog({.runs_over_trigger = 1'000, .debt_bytes = uint64_t{1} << 50});
  for (int i = 0; i < 100; ++i) {
    EXPECT_LE(controller.DelayFor(64 * kMiB, At(std::chrono::seconds(1))), Controller::kDelayMax);
  }
  // What the bound forgave is forgotten: a little later a small write waits no longer.
  EXPECT_LE(controller.DelayFor(1, At(std::chrono::milliseconds(1'011))),
            std::chrono::milliseconds(1));
}

TEST(Controller, SpeedsUpAgainWhenTheBacklogIsGone) {
  Controller controller;
  controller.SetBacklog({.memtable_bytes = 3, .memtable_budget_bytes = 3});
  EXPECT_GT(controller.DelayFor(kMiB, At(std::chrono::seconds(1))), Duration{0});
  controller.SetBacklog({});
  EXPECT_EQ(controller.DelayFor(kMiB, At(std::chrono::seconds(2))), Duration{0});
}

TEST(Controller, IgnoresTheBacklogOfAnOlderState) {
  Controller controller;
  controller.SetBacklog({.state_number = 7, .runs_over_trigger = 12});
  controller.SetBacklog({.state_number = 6});  // By a thread that was slow to compute it.
  EXPECT_DOUBLE_EQ(controller.pressure(), 0.75);
  EXPECT_EQ(controller.reason(), "level 0");
  controller.SetBacklog({.state_number = 8});
  EXPECT_EQ(controller.pressure(), 0);
  EXPECT_EQ(controller.reason(), "");
}

TEST(RetryDelay, GrowsToASecond) {
  EXPECT_EQ(RetryDelay(1), std::chrono::milliseconds(100));
  EXPECT_EQ(RetryDelay(2), std::chrono::milliseconds(200));
  EXPECT_EQ(RetryDelay(4), std::chrono::milliseconds(800));
  EXPECT_EQ(RetryDelay(5), std::chrono::seconds(1));
  EXPECT_EQ(RetryDelay(1'000'000), std::chrono::seconds(1));
}

}  // namespace
}  // namespace aidb::lsm

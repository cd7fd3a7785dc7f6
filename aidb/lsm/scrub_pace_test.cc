#include "aidb/lsm/scrub_pace.h"

#include <gtest/gtest.h>

namespace aidb::lsm {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

// What a scrub with this pace reads until `end`, in pieces.
uint64_t ReadUntil(ScrubPace& pace, uint64_t bytes, bool yields, Instant& now, Instant end,
                   uint64_t piece) {
  uint64_t done = 0;
  while (now < end) {
    const Duration wait = pace.Wait(bytes, yields, now);
    EXPECT_LE(wait, ScrubPace::kNapMax);
    if (wait > Duration{0}) {
      now = now + wait;
      continue;
    }
    pace.Spend(piece);
    done += piece;
  }
  return done;
}

TEST(ScrubPace, ReadsAllOnceInAPeriodAndNotMuchMore) {
  for (const uint64_t bytes : {uint64_t{3} << 10, uint64_t{3} << 20, uint64_t{1} << 40}) {
    SCOPED_TRACE(bytes);
    Instant now{0};
    ScrubPace pace(hours(7 * 24), now);
    const uint64_t piece = bytes / 1000;
    const uint64_t done = ReadUntil(pace, bytes, false, now, now + hours(7 * 24), piece);
    EXPECT_GE(done, bytes);
    EXPECT_LE(done, bytes + bytes / 5);
  }
}

TEST(ScrubPace, StaysBelowItsRateHoweverShortThePeriod) {
  Instant now{0};
  ScrubPace pace(seconds(1), now);
  const uint64_t done =
      ReadUntil(pace, uint64_t{1} << 40, false, now, now + minutes(10), uint64_t{256} << 10);
  EXPECT_LE(done, 600 * ScrubPace::kBytesPerSecondMax);
  EXPECT_GE(done, 590 * ScrubPace::kBytesPerSecondMax);
}

TEST(ScrubPace, LeavesTheDiskToOthersWhenAsked) {
  Instant now{0};
  ScrubPace pace(hours(1), now);
  const uint64_t bytes = uint64_t{1} << 30;
  const uint64_t done = ReadUntil(pace, bytes, true, now, now + hours(1), bytes / 1000);
  EXPECT_LE(done, bytes / 6);
  EXPECT_GE(done, bytes / 10) << "it goes on all the same";
}

TEST(ScrubPace, FollowsAStoreThatGrows) {
  Instant now{0};
  ScrubPace pace(hours(7 * 24), now);
  ReadUntil(pace, 4096, false, now, now + hours(1), 4096);
  const Instant grown = now;
  const uint64_t bytes = uint64_t{100} << 30;
  EXPECT_GE(ReadUntil(pace, bytes, false, now, grown + hours(7 * 24), 256 << 10), bytes);
}

TEST(ScrubPace, SavesNothingUp) {
  Instant now{0};
  ScrubPace pace(seconds(100), now);
  now = now + hours(1);
  EXPECT_EQ(pace.Wait(1000, false, now), Duration{0});
  pace.Spend(10);
  EXPECT_NEAR(static_cast<double>(pace.Wait(1000, false, now).count()), 0.875e9, 1e6);
}

TEST(ScrubPace, WaitsAWhileAfterOpenAndWhileThereIsNothing) {
  ScrubPace week(hours(7 * 24), Instant{0});
  EXPECT_EQ(week.Wait(1000, false, Instant{0}), ScrubPace::kStartMax);
  ScrubPace second(seconds(1), Instant{0});
  EXPECT_EQ(second.Wait(1000, false, Instant{0}), Duration(seconds(1)) / 16);
  EXPECT_EQ(second.Wait(0, false, Instant{0} + seconds(1)), second.nap());
  EXPECT_EQ(second.nap(), Duration(seconds(1)) / 16);
}

}  // namespace
}  // namespace aidb::lsm

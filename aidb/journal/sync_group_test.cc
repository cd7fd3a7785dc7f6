#include "aidb/journal/sync_group.h"

#include <gtest/gtest.h>

namespace aidb::journal {
namespace {

constexpr Duration kSync = std::chrono::microseconds(200);

// A sync for `count` who have joined.
void Sync(SyncGroup& group, int count, bool waited = false) {
  for (int i = 0; i < count; ++i) group.Join();
  group.Begin(waited);
  group.End(kSync);
}

TEST(SyncGroup, WaitsForNobodyAtFirst) {
  SyncGroup group;
  EXPECT_TRUE(group.Join());
  EXPECT_EQ(group.Patience(), Duration{0});
}

TEST(SyncGroup, ALoneWriterNeverWaits) {
  SyncGroup group;
  for (int i = 0; i < 100; ++i) {
    group.Join();
    EXPECT_EQ(group.Patience(), Duration{0});
    group.Begin(false);
    group.End(kSync);
  }
}

TEST(SyncGroup, WaitsHalfASyncForThoseOfTheLastOne) {
  SyncGroup group;
  Sync(group, 4);
  EXPECT_FALSE(group.Join());
  EXPECT_EQ(group.Patience(), kSync / 2);
  EXPECT_FALSE(group.Join());
  EXPECT_FALSE(group.Join());
  EXPECT_EQ(group.Patience(), Duration{0});  // For one of four it does not pay.
  EXPECT_TRUE(group.Join());
}

TEST(SyncGroup, JoinsTheTwoHalvesThatTakeTurns) {
  SyncGroup group;
  for (int i = 0; i < 4; ++i) group.Join();
  group.Begin(false);
  for (int i = 0; i < 4; ++i) group.Join();  // While the first four are synced.
  group.End(kSync);
  EXPECT_EQ(group.Patience(), kSync / 2);
  for (int i = 0; i < 3; ++i) EXPECT_FALSE(group.Join());
  EXPECT_TRUE(group.Join());
}

TEST(SyncGroup, GivesUpOnThoseWhoDoNotComeAgain) {
  SyncGroup group;
  int waits = 0;
  // Ten come each time, and never two groups in a row the same way: one sync of ten, one of two.
  for (int i = 0; i < 1000; ++i) {
    Sync(group, 10);
    group.Join();
    group.Join();
    const bool waited = group.Patience() > Duration{0};
    waits += waited ? 1 : 0;
    group.Begin(waited);
    group.End(kSync);
  }
  EXPECT_GT(waits, 0);
  EXPECT_LT(waits, 100);
}

TEST(SyncGroup, WaitsForNobodyWhereASyncCostsNothing) {
  SyncGroup group;
  for (int i = 0; i < 8; ++i) group.Join();
  group.Begin(false);
  group.End(std::chrono::microseconds(3));
  group.Join();
  EXPECT_EQ(group.Patience(), Duration{0});
}

TEST(SyncGroup, NeverWaitsLongOnASlowDisk) {
  SyncGroup group;
  group.Join();
  group.Join();
  group.Begin(false);
  group.End(std::chrono::seconds(3));
  group.Join();
  EXPECT_EQ(group.Patience(), std::chrono::microseconds(500));
}

}  // namespace
}  // namespace aidb::journal

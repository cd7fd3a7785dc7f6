#include "aidb/rocks/recent_range_deletes.h"

#include <string>

#include <gtest/gtest.h>

#include "aidb/testing/status_matchers.h"

namespace aidb::rocks {
namespace {

kv::WriteBatch Range(std::string_view begin, std::string_view end) {
  kv::WriteBatch batch;
  batch.Put("beside", "v");
  batch.DeleteRange(begin, end);
  return batch;
}

bool Changed(const RecentRangeDeletes& deletes, const kv::Precondition& unchanged, uint64_t since) {
  const Status status = deletes.CheckUnchanged(unchanged, since);
  EXPECT_TRUE(status.ok() || status.code() == StatusCode::kConflict) << status.ToString();
  return !status.ok();
}

TEST(RecentRangeDeletes, ConflictWithTheKeysAndRangesTheyMeet) {
  RecentRangeDeletes deletes;
  deletes.Note(Range("b", "d"), 7, 0);
  EXPECT_TRUE(Changed(deletes, {.keys = {"a", "b"}}, 6));
  EXPECT_TRUE(Changed(deletes, {.keys = {"c"}}, 0));
  EXPECT_FALSE(Changed(deletes, {.keys = {"a", "d"}}, 6));
  EXPECT_FALSE(Changed(deletes, {.keys = {"b", "c"}}, 7));
  EXPECT_TRUE(Changed(deletes, {.ranges = {{}}}, 6));
  EXPECT_TRUE(Changed(deletes, {.ranges = {{.lower = "c"}}}, 6));
  EXPECT_FALSE(Changed(deletes, {.ranges = {{.upper = "b"}, {.lower = "d"}}}, 6));
  EXPECT_FALSE(Changed(deletes, {.ranges = {{.lower = "c", .upper = "b"}}}, 6));
}

TEST(RecentRangeDeletes, AreForgottenOnceEverySnapshotSeesThem) {
  RecentRangeDeletes deletes;
  deletes.Note(Range("b", "d"), 7, 0);
  deletes.Note(Range("e", "f"), 5, 0);  // Written together, and noted the other way round.
  EXPECT_TRUE(Changed(deletes, {.keys = {"e"}}, 4));
  deletes.Note(Range("x", "y"), 9, 6);
  EXPECT_EQ(deletes.size(), 2u);
  EXPECT_TRUE(Changed(deletes, {.keys = {"b"}}, 6));
  deletes.Forget();
  EXPECT_EQ(deletes.size(), 0u);
}

TEST(RecentRangeDeletes, BecomeOneThatCoversThemAllWhenThereAreTooMany) {
  RecentRangeDeletes deletes;
  for (uint64_t i = 0; i < RecentRangeDeletes::kRangesMax; ++i) {
    const std::string begin = std::to_string(10'000 + i);
    deletes.Note(Range(begin, begin + "x"), i + 1, 0);
  }
  EXPECT_EQ(deletes.size(), RecentRangeDeletes::kRangesMax);
  EXPECT_FALSE(Changed(deletes, {.keys = {"10005y"}}, 0));
  deletes.Note(Range("m", "n"), 100'000, 0);
  EXPECT_EQ(deletes.size(), 1u);
  for (const char* key : {"10000", "10005y", "m"}) {
    EXPECT_TRUE(Changed(deletes, {.keys = {key}}, 99'999)) << key;
  }
  EXPECT_FALSE(Changed(deletes, {.keys = {"1", "n"}}, 0));
}

}  // namespace
}  // namespace aidb::rocks

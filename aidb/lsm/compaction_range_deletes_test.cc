// Range deletes in flushes and merges.

#include <algorithm>
#include <cinttypes>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "aidb/kv/range_delete.h"
#include "aidb/lsm/owned_entry_for_test.h"
#include "aidb/lsm/test_store.h"
#include "aidb/lsm/vector_cursor_for_test.h"
#include "aidb/testing/seed.h"
#include "aidb/testing/status_matchers.h"

namespace aidb::lsm {
namespace {

TestStore::Options Small() {
  return {.shape = {.level0_trigger = 3,
                    .level_base_bytes = 0,
                    .level_multiplier = 4,
                    .level0_bytes = 4000,
                    .table_bytes = 1000},
          .table = {.block_bytes = 200, .compression = kv::Compression::kNone}};
}

class FixedRandom final : public Random {
 public:
  uint64_t Next() override { return 7; }
};

std::string NumberedKey(uint64_t i) {
  char text[24];
  std::snprintf(text, sizeof text, "%05" PRIu64, i);
  return text;
}

uint64_t RangeDeletesIn(const TestStore& store) {
  uint64_t count = 0;
  for (int level = 0; level < kLevels; ++level) {
    for (const Run& run : store.version().runs(level)) {
      for (const TableRef& table : run.tables()) count += table->facts().range_deletes;
    }
  }
  return count;
}

uint64_t EntriesIn(TestStore& store) {
  uint64_t count = 0;
  for (int level = 0; level < kLevels; ++level) {
    for (const Run& run : store.version().runs(level)) {
      for (const TableRef& table : run.tables()) count += store.EntriesOf(*table).size();
    }
  }
  return count;
}

void ExpectSoundTables(TestStore& store) {
  for (int level = 0; level < kLevels; ++level) {
    for (const Run& run : store.version().runs(level)) {
      for (const TableRef& table : run.tables()) {
        const auto reader = store.tables().Get(table->facts());
        ASSERT_OK(reader);
        EXPECT_OK((*reader)->Check());
      }
    }
  }
}

// The lower levels, until all is in the last.
Status Sink(TestStore& store) {
  for (int level = 0; level + 1 < kLevels; ++level) {
    const CompactionJob job = store.WholeLevel(level);
    if (!job.inputs.empty()) AIDB_RETURN_IF_ERROR(store.Compact(job));
  }
  return {};
}

void WriteKeys(TestStore& store, uint64_t from, uint64_t to) {
  for (uint64_t i = from; i < to; ++i) store.Write(NumberedKey(i), std::string(30, 'v'));
}

TEST(CompactionRangeDeletes, KeepWhatEverySnapshotSeesThroughRandomFlushesAndMerges) {
  const uint64_t base = testing::SeedFromEnvironmentOr(1);
  uint64_t merges = 0;
  uint64_t with_ranges = 0;
  for (uint64_t seed = base; seed < base + 40; ++seed) {
    SCOPED_TRACE(testing::ReplayLine(seed));
    Rng rng(seed);
    TestStore store(Small());
    const uint64_t keys = 1 + rng.Below(120);
    const auto key = [&] { return NumberedKey(rng.Below(keys)); };
    for (int round = 0; round < 40; ++round) {
      for (uint64_t i = rng.Below(60); i > 0; --i) {
        if (rng.OneIn(12)) {
          std::string begin = key();
          std::string end = key() + (rng.OneIn(2) ? "" : "x");
          if (begin > end) std::swap(begin, end);
          if (begin < end) store.DeleteRange(begin, end);
        } else if (rng.OneIn(5)) {
          store.Write(key(), std::nullopt);
        } else {
          store.Write(key(), std::to_string(rng.Below(1000)));
        }
      }
      if (rng.OneIn(3)) store.Snapshot();
      if (rng.OneIn(3) && !store.snapshots().empty()) {
        store.Release(store.snapshots().begin()->first);
      }
      if (rng.OneIn(2)) {
        ASSERT_OK(store.Flush());
      }
      while (const auto job = store.Pick()) {
        ASSERT_OK(store.Compact(*job));
        ++merges;
      }
      const CompactionJob all = store.WholeLevel(kLevels - 2);
      if (rng.OneIn(8) && !all.inputs.empty()) {
        ASSERT_OK(store.Compact(all));
      }
      ASSERT_EQ(store.Difference(), "") << "round " << round;
      with_ranges += RangeDeletesIn(store) > 0;
    }
    ExpectSoundTables(store);
  }
  EXPECT_GT(merges, 100u);
  EXPECT_GT(with_ranges, 100u);
}

// The hidden version of "b" must not be taken for one that shadows: nothing newer of its interval
// was kept.
TEST(CompactionRangeDeletes, AHiddenVersionShadowsNoneOfAnotherInterval) {
  TestStore store(Small());
  store.Write("a", "1");
  store.Write("b", "1");
  store.Snapshot();
  store.Write("b", "2");
  store.DeleteRange("b", "c");
  ASSERT_OK(store.Flush());
  EXPECT_EQ(store.Difference(), "");
}

TEST(CompactionRangeDeletes, LeaveNothingBehindAtTheBottom) {
  TestStore store(Small());
  WriteKeys(store, 0, 100);
  ASSERT_OK(store.Flush());
  store.DeleteRange(NumberedKey(10), NumberedKey(90));
  ASSERT_OK(store.Flush());
  EXPECT_EQ(RangeDeletesIn(store), 1u);
  ASSERT_OK(Sink(store));
  EXPECT_EQ(RangeDeletesIn(store), 0u);
  EXPECT_EQ(EntriesIn(store), 20u);
  EXPECT_EQ(store.Difference(), "");
  store.DeleteRange("", "z");
  ASSERT_OK(store.Flush());
  ASSERT_OK(Sink(store));
  EXPECT_EQ(store.version().DeepestLevel(), 0);
  EXPECT_EQ(store.version().TableCount(0), 0u);
}

TEST(CompactionRangeDeletes, StayWithTheEntriesUnderThemForASnapshot) {
  TestStore store(Small());
  WriteKeys(store, 0, 50);
  store.Snapshot();
  store.DeleteRange(NumberedKey(10), NumberedKey(40));
  store.DeleteRange(NumberedKey(20), NumberedKey(30));
  ASSERT_OK(store.Flush());
  EXPECT_EQ(EntriesIn(store), 50u);
  ASSERT_OK(Sink(store));
  EXPECT_EQ(EntriesIn(store), 50u);
  EXPECT_GT(RangeDeletesIn(store), 0u);
  EXPECT_EQ(store.Difference(), "");
  store.Release(store.snapshots().begin()->first);
  ASSERT_OK(store.Compact(store.WholeLevel(kLevels - 2)));
  EXPECT_EQ(EntriesIn(store), 20u);
  EXPECT_EQ(RangeDeletesIn(store), 0u);
  EXPECT_EQ(store.Difference(), "");
}

// A put at the bottom, newer than a range delete that has to stay for the sake of another key's
// older version: sequence 0 would put it under that.
TEST(CompactionRangeDeletes, GiveNoSequenceZeroToAPutUnderARangeThatStays) {
  TestStore store(Small());
  store.Write("a", "old");
  ASSERT_OK(store.Flush());
  ASSERT_OK(Sink(store));  // In the last level.
  store.DeleteRange("a", "z");
  store.Write("k", "new");
  ASSERT_OK(store.Flush());
  // Into the level above the last one: nothing below holds "k", but "a" lies under the range.
  for (int level = 0; level + 2 < kLevels; ++level) {
    const CompactionJob job = store.WholeLevel(level);
    if (!job.inputs.empty()) {
      ASSERT_OK(store.Compact(job));
    }
  }
  EXPECT_EQ(RangeDeletesIn(store), 1u);
  EXPECT_EQ(store.Difference(), "");
}

TEST(CompactionRangeDeletes, AreCutWhereOutputsEndWithoutAGap) {
  TestStore store(Small());
  WriteKeys(store, 0, 200);
  store.Snapshot();
  store.DeleteRange(NumberedKey(5), NumberedKey(195) + "x");
  ASSERT_OK(store.Flush());
  ASSERT_OK(store.Compact(store.WholeLevel(0)));
  const auto tables = store.version().runs(1).front().tables();
  ASSERT_GT(tables.size(), 5u);
  std::string covered = NumberedKey(5);
  for (const TableRef& table : tables) {
    const auto reader = store.tables().Get(table->facts());
    ASSERT_OK(reader);
    if ((*reader)->range_deletes() == nullptr) continue;
    for (const RangeDeleteFragment& f : (*reader)->range_deletes()->deletes().fragments()) {
      EXPECT_EQ(f.begin, covered);
      EXPECT_GE(f.begin, table->facts().first_key);
      EXPECT_LE(f.end, kv::NextKey(table->facts().last_key));
      covered = f.end;
    }
  }
  EXPECT_EQ(covered, NumberedKey(195) + "x");
  EXPECT_EQ(store.Difference(), "");
}

TEST(CompactionRangeDeletes, RemoveTheTablesTheyHideWithoutReadingThem) {
  TestStore store(Small());
  WriteKeys(store, 0, 400);
  ASSERT_OK(store.Flush());
  ASSERT_OK(store.Compact(store.WholeLevel(0)));
  const auto tables = store.version().runs(1).front().tables();
  ASSERT_GT(tables.size(), 8u);
  // Nobody can read these any more.
  for (size_t i = 2; i < 6; ++i) {
    const std::string path = "d/" + TableName(tables[i]->number());
    store.tables().Evict(tables[i]->number());
    store.files().SetContent(path, "gone");
  }
  uint64_t all = 0;
  for (const TableRef& table : tables) all += table->facts().entries;
  store.DeleteRange(tables[1]->facts().first_key, tables[7]->facts().first_key);
  ASSERT_OK(store.Flush());
  const CompactionOutcome outcome = store.Merge(store.WholeLevel(0));
  ASSERT_OK(outcome.status);
  EXPECT_GT(outcome.stats.unread, 0u);
  EXPECT_EQ(outcome.stats.entries_in + outcome.stats.unread, all);
  ASSERT_OK(store.Install(outcome.edit));
  EXPECT_EQ(store.Difference(), "");
}

TEST(CompactionRangeDeletes, ReadTheTablesThatASnapshotStillNeeds) {
  TestStore store(Small());
  WriteKeys(store, 0, 400);
  ASSERT_OK(store.Flush());
  ASSERT_OK(store.Compact(store.WholeLevel(0)));
  store.Snapshot();
  store.DeleteRange("", "z");
  ASSERT_OK(store.Flush());
  ASSERT_OK(store.Compact(store.WholeLevel(0)));
  EXPECT_EQ(store.stats().unread, 0u);
  EXPECT_EQ(EntriesIn(store), 400u);
  EXPECT_EQ(store.Difference(), "");
}

// More than a table may have: the outputs end among range deletes, where there is no entry.
TEST(CompactionRangeDeletes, EndTablesWhereThereAreManyOfThem) {
  TestStore store(Small());
  WriteKeys(store, 0, 300);
  ASSERT_OK(store.Flush());
  for (uint64_t i = 0; i < 300; ++i) store.DeleteRange(NumberedKey(i), NumberedKey(i + 1));
  ASSERT_OK(store.Flush());
  EXPECT_GT(store.version().runs(0).front().tables().size(), 2u);
  EXPECT_EQ(store.Difference(), "");
  ExpectSoundTables(store);
  ASSERT_OK(Sink(store));
  EXPECT_EQ(EntriesIn(store), 0u);
}

TEST(CompactionRangeDeletes, AreWorthAJobWhenNothingIsFull) {
  TestStore store(Small());
  WriteKeys(store, 0, 400);
  ASSERT_OK(store.Flush());
  for (int level = 0; level + 1 < kLevels; ++level) {
    const CompactionJob job = store.WholeLevel(level);
    if (!job.inputs.empty()) {
      ASSERT_OK(store.Compact(job));
    }
  }
  store.DeleteRange(NumberedKey(0), NumberedKey(100));
  ASSERT_OK(store.Flush());
  CompactionJob down = store.WholeLevel(0);
  ASSERT_OK(store.Compact(down));
  while (const auto job = store.Pick()) ASSERT_OK(store.Compact(*job));
  EXPECT_EQ(RangeDeletesIn(store), 0u);
  EXPECT_EQ(EntriesIn(store), 300u);
  EXPECT_EQ(store.Difference(), "");
}

// Each table ends behind a key of full length, and the next one goes on with the range.
TEST(CompactionRangeDeletes, TablesPartBehindKeysOfFullLength) {
  const std::string longest(kv::kKeyBytesMax, 'a');
  std::string high = longest;
  std::ranges::fill(high.begin() + 1, high.end(), '\xFF');
  for (const std::string& last : {longest, high}) {
    for (const std::string& next : {std::string("ab"), std::string("b"), kv::NextKey(longest)}) {
      if (next <= last) continue;
      const std::vector<OwnedEntry> entries = {{last, Sequence{5}, OpKind::kPut, "v"},
                                               {next, Sequence{5}, OpKind::kPut, "v"},
                                               {"c", Sequence{5}, OpKind::kPut, "v"}};
      TestFiles files;
      FileNumbers numbers(1);
      FixedRandom salts;
      VectorCursor cursor(entries);
      const std::vector<RangeDelete> ranges = {{"a", "z", Sequence{3}}};
      KeepRule rule = KeepRule::ForFlush({}, ranges);
      const auto written = WriteTables(cursor, rule,
                                       {.files = files,
                                        .directory = "d",
                                        .numbers = numbers,
                                        .random = salts,
                                        .table = {},
                                        .table_bytes = 1,
                                        .grandparents = {}});
      ASSERT_OK(written);
      std::vector<TableRef> tables;
      for (const TableFacts& facts : written->tables) {
        tables.push_back(std::make_shared<TableFile>(facts, TableUnused()));
      }
      EXPECT_OK(Run::Build(1, 0, tables)) << next.substr(0, 3);
      EXPECT_GE(tables.size(), 2u);
    }
  }
}

}  // namespace
}  // namespace aidb::lsm

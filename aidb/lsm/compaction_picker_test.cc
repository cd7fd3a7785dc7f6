#include "aidb/lsm/compaction_picker.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "aidb/base/random.h"

namespace aidb::lsm {
namespace {

constexpr uint64_t kMiB = uint64_t{1} << 20;

struct Shape {
  std::vector<AddedTable> tables;
  std::vector<uint64_t> damaged;

  Shape& Add(int level, uint64_t number, std::string first, std::string last,
             uint64_t size_bytes = kMiB, uint64_t deletes = 0) {
    AddedTable table;
    table.level = level;
    table.run = level == 0 ? number : 0;
    table.facts = {.number = number,
                   .size_bytes = size_bytes,
                   .first_key = std::move(first),
                   .last_key = std::move(last),
                   .lowest = Sequence{number},
                   .highest = Sequence{number},
                   .entries = 100,
                   .deletes = deletes};
    tables.push_back(table);
    return *this;
  }
  std::shared_ptr<const Version> Make() const {
    VersionEdit edit;
    edit.added = tables;
    edit.damaged = damaged;
    auto version = Version::Empty({})->Apply(edit);
    EXPECT_TRUE(version.ok()) << version.status().ToString();
    return version.ok() ? *version : nullptr;
  }
};

CompactionShape Fixed() {
  return {.level0_trigger = 3,
          .level_base_bytes = 10 * kMiB,
          .level_multiplier = 10,
          .level0_bytes = 4 * kMiB,
          .table_bytes = kMiB};
}
CompactionShape Derived() {
  CompactionShape shape = Fixed();
  shape.level_base_bytes = 0;
  return shape;
}

std::vector<uint64_t> Inputs(const CompactionJob& job) {
  std::vector<uint64_t> numbers;
  for (const CompactionInput& input : job.inputs) numbers.push_back(input.table->number());
  return numbers;
}

using Numbers = std::vector<uint64_t>;

TEST(CompactionPicker, GivesFixedTargetsWhenTheBaseIsGiven) {
  const LevelTargets targets = CompactionPicker(Fixed()).Targets(*Version::Empty({}));
  EXPECT_EQ(targets.base_level, 1);
  EXPECT_EQ(targets.bytes[1], 10 * kMiB);
  EXPECT_EQ(targets.bytes[3], 1000 * kMiB);
}

TEST(CompactionPicker, DerivesTargetsFromTheLastLevelUp) {
  const CompactionPicker picker(Derived());
  EXPECT_EQ(picker.Targets(*Version::Empty({})).base_level, 6);
  const LevelTargets targets = picker.Targets(*Shape().Add(6, 1, "a", "z", 500 * kMiB).Make());
  EXPECT_EQ(targets.bytes[6], 500 * kMiB);
  EXPECT_EQ(targets.bytes[5], 50 * kMiB);
  EXPECT_EQ(targets.bytes[4], 5 * kMiB);
  EXPECT_EQ(targets.bytes[3], kMiB / 2);
  EXPECT_EQ(targets.base_level, 3) << "the first level whose target is at most what level 0 holds";
  EXPECT_EQ(targets.bytes[2], 0u);
}

TEST(CompactionPicker, DrainsLevelsAboveTheBaseThatAreLeftFromALargerStore) {
  const CompactionPicker picker(Derived());
  const auto version = Shape().Add(2, 1, "a", "c", kMiB).Add(6, 2, "a", "z", 30 * kMiB).Make();
  EXPECT_EQ(picker.Targets(*version).base_level, 2);
  const auto job = picker.Pick(*version, {}, {});
  ASSERT_TRUE(job);
  EXPECT_EQ(job->level, 2);
  EXPECT_EQ(job->output_level, 3);
  EXPECT_TRUE(job->trivial_move);
}

TEST(CompactionPicker, WaitsUntilLevelZeroHasEnoughRuns) {
  const CompactionPicker picker(Fixed());
  Shape shape;
  shape.Add(0, 10, "a", "m").Add(0, 11, "c", "z").Add(1, 5, "b", "d").Add(1, 6, "zz", "zzz");
  EXPECT_FALSE(picker.Pick(*shape.Make(), {}, {}));
  const auto job = picker.Pick(*shape.Add(0, 12, "e", "f").Make(), {}, {});
  ASSERT_TRUE(job);
  EXPECT_EQ(job->reason, CompactionReason::kLevel0Runs);
  EXPECT_EQ(Inputs(*job), (Numbers{12, 11, 10, 5}));
  EXPECT_EQ(job->output_level, 1);
  EXPECT_FALSE(job->trivial_move);
}

TEST(CompactionPicker, CountsRunsAndNotTables) {
  Shape shape;
  for (uint64_t i = 0; i < 8; ++i) {
    shape.Add(0, 10 + i, "k" + std::to_string(i), "k" + std::to_string(i) + "z", kMiB / 4);
    shape.tables.back().run = i < 4 ? 10 : 14;
  }
  EXPECT_FALSE(CompactionPicker(Fixed()).Pick(*shape.Make(), {}, {}));
}

TEST(CompactionPicker, MovesLevelZeroWithoutRewritingWhenNothingOverlaps) {
  Shape shape;
  shape.Add(0, 10, "a", "b").Add(0, 11, "c", "d").Add(0, 12, "e", "f").Add(1, 5, "x", "z");
  const auto version = shape.Make();
  const auto job = CompactionPicker(Fixed()).Pick(*version, {}, {});
  ASSERT_TRUE(job);
  EXPECT_TRUE(job->trivial_move);
  const auto after = version->Apply(MoveEdit(*job));
  ASSERT_TRUE(after.ok());
  EXPECT_EQ((*after)->TableCount(0), 0u);
  EXPECT_EQ((*after)->TableCount(1), 4u);
}

TEST(CompactionPicker, LetsAPartOfLevelZeroGoDownAlone) {
  Shape shape;
  shape.Add(0, 10, "a", "c").Add(0, 9, "m", "p").tables.back().run = 10;
  shape.Add(0, 11, "b", "d").Add(0, 12, "n", "o").Add(0, 13, "d", "e");
  shape.Add(1, 5, "a", "b").Add(1, 6, "f", "g").Add(1, 7, "o", "z");
  const auto version = shape.Make();
  const CompactionPicker picker(Fixed());
  const auto deep = picker.Pick(*version, {}, {});
  ASSERT_TRUE(deep);
  EXPECT_EQ(Inputs(*deep), (Numbers{13, 11, 10, 5}));
  // Beside it the other part; not what shares a table below with a running job.
  Shape more = shape;
  more.Add(0, 14, "q", "r").Add(0, 15, "q", "r");
  const auto beside = picker.Pick(*more.Make(), {}, {13, 11, 10, 5});
  ASSERT_TRUE(beside);
  EXPECT_EQ(Inputs(*beside), (Numbers{12, 9, 7}));
  EXPECT_FALSE(picker.Pick(*more.Make(), {}, {13, 11, 10, 5, 7}));
}

TEST(CompactionPicker, RewritesNoTableOfLevelZeroThatNothingOverlaps) {
  Shape shape;
  shape.Add(0, 10, "a", "c").Add(0, 11, "b", "d").Add(0, 12, "h", "i").Add(0, 13, "k", "l");
  shape.Add(1, 5, "l", "m");
  const auto version = shape.Make();
  const auto job = CompactionPicker(Fixed()).Pick(*version, {}, {});
  ASSERT_TRUE(job);
  EXPECT_TRUE(job->trivial_move);
  EXPECT_EQ(Inputs(*job), (Numbers{12}));
  shape.damaged = {5};
  EXPECT_EQ(Inputs(*CompactionPicker(Fixed()).Pick(*shape.Make(), {}, {})), (Numbers{12}));
}

TEST(CompactionPicker, LevelZeroIsFullByItsBytesToo) {
  Shape shape;
  shape.Add(0, 10, "a", "c", 2 * kMiB).Add(0, 11, "d", "f", 2 * kMiB - 1);
  shape.tables.back().run = 10;
  EXPECT_FALSE(CompactionPicker(Fixed()).Pick(*shape.Make(), {}, {}));
  EXPECT_EQ(CompactionPicker(Fixed()).DebtBytes(*shape.Make()), 0u);
  shape.Add(0, 12, "g", "h", 1).tables.back().run = 10;
  const auto job = CompactionPicker(Fixed()).Pick(*shape.Make(), {}, {});
  ASSERT_TRUE(job);
  EXPECT_TRUE(job->trivial_move);
  EXPECT_EQ(job->inputs.size(), 3u);
  EXPECT_EQ(CompactionPicker(Fixed()).DebtBytes(*shape.Make()), 4 * kMiB);
}

TEST(CompactionPicker, WhatDamageHoldsBackMakesLevelZeroNotFull) {
  const CompactionPicker picker(Fixed());
  Shape shape;
  shape.Add(0, 10, "a", "c", 4 * kMiB).Add(0, 11, "g", "h", kMiB).tables.back().run = 10;
  shape.Add(1, 5, "b", "d");
  EXPECT_EQ(picker.DebtBytes(*shape.Make()), 5 * kMiB);
  for (const uint64_t damaged : {uint64_t{5}, uint64_t{10}}) {
    shape.damaged = {damaged};
    EXPECT_EQ(picker.DebtBytes(*shape.Make()), 0u) << damaged;
    EXPECT_LT(picker.Scores(*shape.Make(), {})[0], 1) << damaged;
  }
  // As runs they can be made fewer.
  shape.damaged = {5};
  shape.Add(0, 12, "a", "c").Add(0, 13, "a", "c");
  EXPECT_EQ(picker.DebtBytes(*shape.Make()), 7 * kMiB);
}

TEST(CompactionPicker, EndsTablesOfAFlushWhereTablesOfTheBaseEnd) {
  Shape shape;
  shape.Add(1, 1, "a", "b", kMiB).Add(1, 2, "c", "d", kMiB / 2).Add(1, 3, "e", "f", kMiB / 2);
  shape.Add(1, 4, "g", "h", kMiB - 1).Add(2, 5, "a", "z", 5 * kMiB);
  const auto splits = CompactionPicker(Fixed()).SplitsForFlush(*shape.Make());
  ASSERT_EQ(splits.size(), 2u);
  EXPECT_EQ(splits[0]->number(), 1u);
  EXPECT_EQ(splits[1]->number(), 3u);
}

TEST(RunForFlush, JoinsTheNewestRunThatSharesNoKey) {
  const auto flushed = [](std::string first, std::string last) {
    return std::vector<TableFacts>{{.first_key = std::move(first), .last_key = std::move(last)}};
  };
  EXPECT_EQ(RunForFlush(*Version::Empty({}), flushed("a", "b"), 30), 30u);
  Shape shape;
  shape.Add(0, 10, "a", "m").Add(0, 11, "n", "p");
  EXPECT_EQ(RunForFlush(*shape.Make(), flushed("q", "r"), 30), 11u);
  EXPECT_EQ(RunForFlush(*shape.Make(), flushed("a", "m"), 30), 11u) << "newer than run 10";
  EXPECT_EQ(RunForFlush(*shape.Make(), flushed("p", "r"), 30), 30u);
  shape.damaged = {11};
  EXPECT_EQ(RunForFlush(*shape.Make(), flushed("q", "r"), 30), 30u);
}

TEST(CompactionPicker, TakesTheLeastOverlapPerByte) {
  Shape shape;
  shape.Add(1, 1, "a", "c", 6 * kMiB).Add(1, 2, "d", "f", 6 * kMiB).Add(1, 3, "g", "i", 6 * kMiB);
  shape.Add(2, 4, "a", "b", 9 * kMiB).Add(2, 5, "e", "f", 3 * kMiB).Add(2, 6, "h", "i", 5 * kMiB);
  const auto job = CompactionPicker(Fixed()).Pick(*shape.Make(), {}, {});
  ASSERT_TRUE(job);
  EXPECT_EQ(Inputs(*job), (Numbers{2, 5}));
  EXPECT_EQ(job->pointer, "d");
}

TEST(CompactionPicker, PrefersTablesWithManyDeletesAmongSimilarOnes) {
  Shape shape;
  shape.Add(1, 1, "a", "c", 6 * kMiB).Add(1, 2, "d", "f", 6 * kMiB, 90);
  shape.Add(2, 4, "a", "b", 4 * kMiB).Add(2, 5, "e", "f", 5 * kMiB);
  const auto job = CompactionPicker(Fixed()).Pick(*shape.Make(), {}, {});
  ASSERT_TRUE(job);
  EXPECT_EQ(Inputs(*job), (Numbers{2, 5}));
}

TEST(CompactionPicker, GoesRoundAmongEqualTables) {
  Shape shape;
  for (uint64_t i = 1; i <= 4; ++i) {
    const std::string key(1, static_cast<char>('a' + i));
    shape.Add(1, i, key, key + "z", 5 * kMiB);
  }
  auto version = shape.Make();
  const CompactionPicker picker(Fixed());
  CompactionPointers pointers;
  Numbers picked;
  for (int i = 0; i < 6; ++i) {
    const auto job = picker.Pick(*version, pointers, {});
    ASSERT_TRUE(job);
    picked.push_back(job->inputs[0].table->number());
    pointers[1] = job->pointer;
  }
  EXPECT_EQ(picked, (Numbers{1, 2, 3, 4, 1, 2}));
}

TEST(CompactionPicker, RewritesRatherThanMovesIntoALargeOverlapTwoLevelsDown) {
  for (const uint64_t table_mib : {uint64_t{10}, uint64_t{11}}) {
    Shape shape;
    shape.Add(1, 1, "a", "c", 20 * kMiB).Add(3, 3, "a", "z", table_mib * kMiB);
    const auto job = CompactionPicker(Fixed()).Pick(*shape.Make(), {}, {});
    ASSERT_TRUE(job);
    EXPECT_EQ(job->trivial_move, table_mib == 10);
    EXPECT_EQ(job->grandparents.size(), 1u);
  }
}

TEST(CompactionPicker, RewritesWhereDeletesCanGo) {
  for (const uint64_t deletes : {uint64_t{12}, uint64_t{13}}) {
    Shape shape;
    shape.Add(1, 1, "a", "c", 20 * kMiB, deletes);
    EXPECT_EQ(CompactionPicker(Fixed()).Pick(*shape.Make(), {}, {})->trivial_move, deletes == 12);
    shape.Add(4, 2, "b", "b", 1);  // Something old below: deletes must stay.
    EXPECT_TRUE(CompactionPicker(Fixed()).Pick(*shape.Make(), {}, {})->trivial_move);
  }
}

TEST(CompactionPicker, FindsTablesOfDeletesWhenNothingIsFull) {
  Shape shape;
  shape.Add(1, 1, "a", "c", kMiB, 51).Add(1, 2, "d", "f", kMiB, 60).Add(1, 3, "g", "i", kMiB, 50);
  EXPECT_FALSE(CompactionPicker(Fixed()).Pick(*shape.Make(), {}, {}))
      << "nothing below to free, and the last level is left alone";
  shape.Add(2, 4, "a", "z", kMiB);
  const auto job = CompactionPicker(Fixed()).Pick(*shape.Make(), {}, {});
  ASSERT_TRUE(job);
  EXPECT_EQ(job->reason, CompactionReason::kDeletes);
  EXPECT_EQ(Inputs(*job), (Numbers{2, 4}));
}

TEST(CompactionPicker, LeavesBusyTablesAlone) {
  Shape shape;
  shape.Add(1, 1, "a", "c", 20 * kMiB).Add(1, 2, "d", "f", 20 * kMiB);
  shape.Add(2, 3, "a", "b", kMiB).Add(2, 4, "e", "e", 2 * kMiB);
  const CompactionPicker picker(Fixed());
  const auto version = shape.Make();
  EXPECT_EQ(Inputs(*picker.Pick(*version, {}, {})), (Numbers{1, 3}));
  EXPECT_EQ(Inputs(*picker.Pick(*version, {}, {1, 3})), (Numbers{2, 4}));
  EXPECT_EQ(Inputs(*picker.Pick(*version, {}, {3})), (Numbers{2, 4}));
  EXPECT_FALSE(picker.Pick(*version, {}, {3, 4}));
  Shape runs;
  runs.Add(0, 10, "a", "z").Add(0, 11, "a", "z").Add(0, 12, "a", "z").Add(0, 13, "a", "z");
  EXPECT_TRUE(picker.Pick(*runs.Make(), {}, {}));
  EXPECT_FALSE(picker.Pick(*runs.Make(), {}, {10}));
}

TEST(CompactionPicker, LeavesDamagedTablesAlone) {
  Shape shape;
  shape.Add(1, 1, "a", "c", 20 * kMiB).Add(1, 2, "d", "f", 20 * kMiB);
  shape.Add(2, 3, "a", "b", kMiB).Add(2, 4, "e", "e", 2 * kMiB);
  shape.damaged = {3};
  EXPECT_EQ(Inputs(*CompactionPicker(Fixed()).Pick(*shape.Make(), {}, {})), (Numbers{2, 4}));
  shape.damaged = {3, 2};
  EXPECT_FALSE(CompactionPicker(Fixed()).Pick(*shape.Make(), {}, {}));
}

TEST(CompactionPicker, GoesRoundAvoidedTablesAsRoundDamagedOnes) {
  Shape shape;
  for (uint64_t i = 10; i < 16; ++i) shape.Add(0, i, "a", "z");
  const auto version = shape.Make();
  const CompactionPicker picker(Fixed());
  const TableRef table = version->runs(0)[3].tables()[0];
  table->SetAvoided(true);
  EXPECT_EQ(Inputs(*picker.Pick(*version, {}, {})), (Numbers{11, 10}));
  EXPECT_EQ(picker.MovableRuns(*version, {}), 3u);
  table->SetAvoided(false);
  EXPECT_EQ(picker.Pick(*version, {}, {})->inputs.size(), 6u);
  EXPECT_EQ(picker.MovableRuns(*version, {}), 6u);
}

TEST(CompactionPicker, CountsNoRunsThatAJobIsMerging) {
  Shape shape;
  for (uint64_t i = 10; i < 16; ++i) shape.Add(0, i, "a", "z");
  const auto version = shape.Make();
  EXPECT_EQ(CompactionPicker(Fixed()).MovableRuns(*version, {10, 11, 12}), 3u);
}

TEST(CompactionPicker, TakesNoMoreThanTheOldestRunsUpToItsLimit) {
  Shape shape;
  const uint64_t newest = 10 + kLevel0JobRunsMax;
  for (uint64_t i = 10; i <= newest; ++i) shape.Add(0, i, "a", "z");
  auto job = CompactionPicker(Fixed()).Pick(*shape.Make(), {}, {});
  ASSERT_TRUE(job);
  EXPECT_EQ(job->inputs.size(), kLevel0JobRunsMax);
  EXPECT_EQ(Inputs(*job).front(), newest - 1);
  EXPECT_EQ(Inputs(*job).back(), 10u);
  // In place as well.
  shape.Add(1, 5, "b", "d").damaged = {5};
  job = CompactionPicker(Fixed()).Pick(*shape.Make(), {}, {});
  ASSERT_TRUE(job);
  EXPECT_EQ(job->inputs.size(), kLevel0JobRunsMax);
  EXPECT_EQ(job->output_level, 0);
  EXPECT_EQ(job->output_run, 10u);
  EXPECT_EQ(Inputs(*job).back(), 10u);
}

TEST(CompactionPicker, NeverTakesNewerRunsPastADamagedOne) {
  Shape shape;
  for (uint64_t i = 10; i < 16; ++i) shape.Add(0, i, "a", "z");
  shape.damaged = {12};
  EXPECT_EQ(Inputs(*CompactionPicker(Fixed()).Pick(*shape.Make(), {}, {})), (Numbers{11, 10}));
  // With the oldest run damaged nothing can go down; the newer ones become one.
  shape.damaged = {10};
  const auto job = CompactionPicker(Fixed()).Pick(*shape.Make(), {}, {});
  ASSERT_TRUE(job);
  EXPECT_EQ(Inputs(*job), (Numbers{15, 14, 13, 12, 11}));
  EXPECT_EQ(job->output_level, 0);
  EXPECT_EQ(job->output_run, 11u) << "the newest may get tables of a flush meanwhile";
}

TEST(CompactionPicker, MergesRunsInPlaceWhereTheWayDownIsDamaged) {
  Shape shape;
  shape.Add(0, 10, "a", "m").Add(0, 11, "c", "z").Add(0, 12, "e", "f").Add(1, 5, "b", "d");
  shape.damaged = {5};
  const auto job = CompactionPicker(Fixed()).Pick(*shape.Make(), {}, {});
  ASSERT_TRUE(job);
  EXPECT_EQ(job->output_level, 0);
  EXPECT_EQ(Inputs(*job), (Numbers{12, 11, 10}));
}

TEST(CompactionPicker, CountsAsDebtWhatStandsAboveTheTargets) {
  const CompactionPicker picker(Fixed());
  Shape shape;
  shape.Add(0, 10, "a", "z").Add(0, 11, "a", "z").Add(1, 5, "a", "z", 13 * kMiB);
  EXPECT_EQ(picker.DebtBytes(*shape.Make()), 3 * kMiB);
  EXPECT_EQ(picker.DebtBytes(*shape.Add(0, 12, "a", "z").Make()), 6 * kMiB);
}

// Any job, applied as a rewrite of its inputs, gives a legal version, and picking comes to rest.
TEST(CompactionPicker, ComesToRestFromEveryShape) {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    Rng rng(seed);
    Shape shape;
    uint64_t number = 1;
    for (int level = kLevels - 1; level > 0; --level) {
      for (uint64_t at = rng.Below(30); at < 100 && !rng.OneIn(4); at += 2 + rng.Below(30)) {
        const std::string first = std::to_string(1000 + at);
        shape.Add(level, number++, first, std::to_string(1000 + at + 1), rng.Below(8 * kMiB) + 1,
                  rng.Below(100));
      }
    }
    for (uint64_t i = rng.Below(6); i > 0; --i) {
      const uint64_t run = number;
      for (uint64_t at = 1000 + rng.Below(50); at < 1100 && (run == number || !rng.OneIn(3));) {
        const uint64_t end = at + rng.Below(60);
        shape.Add(0, number++, std::to_string(at), std::to_string(end), kMiB).tables.back().run =
            run;
        at = end + 1;
      }
    }
    if (rng.OneIn(3)) shape.damaged = {1 + rng.Below(number - 1)};
    const CompactionPicker picker(rng.OneIn(2) ? Fixed() : Derived());
    auto version = shape.Make();
    CompactionPointers pointers;
    int jobs = 0;
    while (const auto job = picker.Pick(*version, pointers, {})) {
      ASSERT_LT(++jobs, 500) << "seed " << seed;
      VersionEdit edit;
      if (job->trivial_move) {
        edit = MoveEdit(*job);
      } else {
        AddedTable merged;
        merged.level = job->output_level;
        merged.run = job->output_run;
        merged.facts = job->inputs.front().table->facts();
        merged.facts.number = number++;
        merged.facts.size_bytes = job->InputBytes();
        merged.facts.deletes = 0;
        for (const CompactionInput& input : job->inputs) {
          ASSERT_FALSE(input.table->damaged()) << "seed " << seed;
          const TableFacts& facts = input.table->facts();
          edit.removed.push_back({input.level, facts.number});
          merged.facts.first_key = std::min(merged.facts.first_key, facts.first_key);
          merged.facts.last_key = std::max(merged.facts.last_key, facts.last_key);
          merged.facts.lowest = std::min(merged.facts.lowest, facts.lowest);
          merged.facts.highest = std::max(merged.facts.highest, facts.highest);
        }
        edit.added = {merged};
        pointers[static_cast<size_t>(job->level)] = job->pointer;
      }
      auto next = version->Apply(edit);
      ASSERT_TRUE(next.ok()) << "seed " << seed << ": " << next.status().ToString();
      version = *next;
    }
  }
}

}  // namespace
}  // namespace aidb::lsm

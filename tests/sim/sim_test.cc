// The harness on itself: that its runs repeat, that its oracles complain, and that what once
// failed does not fail again.

#include <fstream>
#include <sstream>
#include <string>

#include <gtest/gtest.h>

#include "tests/sim/campaign.h"
#include "tests/sim/history.h"
#include "tests/sim/plan.h"
#include "tests/sim/wall_watch.h"

namespace aidb::sim {
namespace {

std::string Explain(const std::optional<Failure>& failure) {
  return failure ? failure->message + "\n" + RepeatLine(*failure, {}) : "";
}

TEST(Simulation, TakesTheSameWayTwice) {
  Campaign first;
  Campaign second;
  for (uint64_t seed = 1; seed <= 6; ++seed) {
    const Limits small{.batches = 12};
    EXPECT_EQ(Explain(first.RunSeed(seed, small)), "");
    EXPECT_EQ(Explain(second.RunSeed(seed, small)), "");
  }
  EXPECT_EQ(first.tally().hash, second.tally().hash);
  EXPECT_EQ(first.tally().points, second.tally().points);
  EXPECT_GT(first.tally().points, 500u);
}

TEST(Simulation, CrashingChangesNothingInTheRunThatIsCrashed) {
  // A point repeated alone is the point that was one of many.
  Campaign everywhere;
  Campaign nowhere;
  const CrashPoint never{.operation = ~uint64_t{0}};
  const Limits small{.batches = 12};
  ASSERT_EQ(Explain(everywhere.RunSeed(2, small)), "");
  ASSERT_EQ(Explain(nowhere.RunSeed(2, small, never)), "");
  EXPECT_EQ(nowhere.tally().points, 0u);
  EXPECT_EQ(everywhere.tally().operations, nowhere.tally().operations);
}

TEST(Simulation, OtherSeedsTakeOtherWays) {
  Campaign first;
  Campaign second;
  const Limits small{.batches = 6};
  ASSERT_EQ(Explain(first.RunSeed(1, small)), "");
  ASSERT_EQ(Explain(second.RunSeed(2, small)), "");
  EXPECT_NE(first.tally().hash, second.tally().hash);
}

TEST(Simulation, NoSeedThatOnceFailedFailsAgain) {
  std::ifstream seeds(AIDB_SIM_SEEDS);
  ASSERT_TRUE(seeds.is_open()) << AIDB_SIM_SEEDS;
  Campaign campaign;
  int count = 0;
  for (std::string line; std::getline(seeds, line);) {
    std::istringstream words(line.substr(0, line.find('#')));
    uint64_t seed = 0;
    if (!(words >> seed)) continue;
    ++count;
    EXPECT_EQ(Explain(campaign.RunSeed(seed, {})), "") << line;
  }
  EXPECT_GT(count, 0);
}

// ---- The oracle complains when it should. -------------------------------------------------

class HistoryTest : public testing::Test {
 protected:
  // Writes `value` to `key` as `sequence`.
  void Acknowledge(int key, std::optional<std::string> value, uint64_t sequence,
                   std::optional<uint64_t> expires_at_ms = std::nullopt) {
    const int batch = history_.Begin(
        0, {{.key = key, .value = std::move(value), .expires_at_ms = expires_at_ms}}, Instant{});
    history_.End(batch, kv::Sequence{sequence}, false, Instant{});
  }

  void Merge(int key, kv::MergeOperator op, std::string operand, uint64_t sequence) {
    const int batch =
        history_.Begin(0, {{.key = key, .value = std::move(operand), .merge = op}}, Instant{});
    history_.End(batch, kv::Sequence{sequence}, false, Instant{});
  }

  History history_{4};
};

TEST_F(HistoryTest, AllowsExactlyItsOwnPast) {
  Acknowledge(1, "old", 1);
  Acknowledge(1, "new", 2);
  const Pairs old_state{{history_.name(1), "old"}};
  const Pairs new_state{{history_.name(1), "new"}};
  EXPECT_FALSE(history_.Match(2, new_state).complaint);
  EXPECT_FALSE(history_.Match(1, old_state).complaint);
  EXPECT_FALSE(history_.Match(0, {}).complaint);
  EXPECT_TRUE(history_.Match(2, old_state).complaint);
  EXPECT_TRUE(history_.Match(1, new_state).complaint);
  EXPECT_TRUE(history_.Match(2, {}).complaint);
}

TEST_F(HistoryTest, RefusesPhantomsAndWhatADeleteHid) {
  Acknowledge(1, "a", 1);
  Acknowledge(1, std::nullopt, 2);
  EXPECT_FALSE(history_.Match(2, {}).complaint);
  EXPECT_TRUE(history_.Match(2, {{history_.name(1), "a"}}).complaint);
  EXPECT_TRUE(history_.Match(2, {{"zzz", "from nowhere"}}).complaint);
  EXPECT_TRUE(history_.Match(3, {}).complaint) << "nobody wrote sequence 3";
}

TEST_F(HistoryTest, RefusesABatchInHalf) {
  const int batch =
      history_.Begin(0, {{.key = 1, .value = "a"}, {.key = 2, .value = "b"}}, Instant{});
  history_.End(batch, kv::Sequence{2}, false, Instant{});
  EXPECT_TRUE(history_.Match(1, {{history_.name(1), "a"}}).complaint);
  EXPECT_TRUE(history_.Match(2, {{history_.name(1), "a"}}).complaint);
  EXPECT_FALSE(history_.Match(2, {{history_.name(1), "a"}, {history_.name(2), "b"}}).complaint);
}

TEST_F(HistoryTest, LetsAnUnknownWriteBeThereOrNot) {
  Acknowledge(1, "a", 1);
  const int unknown = history_.Begin(1, {{.key = 1, .value = "b"}}, Instant{});
  EXPECT_FALSE(history_.Match(1, {{history_.name(1), "a"}}).complaint);
  EXPECT_FALSE(history_.Match(2, {{history_.name(1), "b"}}).complaint);
  EXPECT_TRUE(history_.Match(2, {{history_.name(1), "a"}}).complaint);
  history_.End(unknown, ResourceExhausted("nothing has happened"), false, Instant{});
  EXPECT_TRUE(history_.Match(2, {{history_.name(1), "b"}}).complaint);
}

TEST_F(HistoryTest, ForgetsWhatWasLostWhenItSettles) {
  Acknowledge(1, "a", 1);
  Acknowledge(1, "lost", 2);
  history_.Settle(1, {});
  EXPECT_EQ(history_.acknowledged(), 1u);
  Acknowledge(1, "b", 2);
  EXPECT_FALSE(history_.Match(2, {{history_.name(1), "b"}}).complaint);
  EXPECT_TRUE(history_.Match(2, {{history_.name(1), "lost"}}).complaint);
}

TEST_F(HistoryTest, KnowsWhatHasExpired) {
  Acknowledge(1, "old", 1);
  Acknowledge(1, "new", 2, 100);
  const Pairs state{{history_.name(1), "new"}};
  EXPECT_FALSE(history_.Match(2, state, 99).complaint);
  EXPECT_TRUE(history_.Match(2, {}, 99).complaint);
  EXPECT_FALSE(history_.Match(2, {}, 100).complaint);
  EXPECT_TRUE(history_.Match(2, state, 100).complaint);
  EXPECT_TRUE(history_.Match(2, {{history_.name(1), "old"}}, 100).complaint);
  EXPECT_FALSE(history_.CheckRead(1, "new", 2, {98, 99}));
  EXPECT_TRUE(history_.CheckRead(1, std::nullopt, 2, {98, 99}));
  EXPECT_FALSE(history_.CheckRead(1, "new", 2, {99, 100}));
  EXPECT_FALSE(history_.CheckRead(1, std::nullopt, 2, {99, 100}));
  EXPECT_TRUE(history_.CheckRead(1, "new", 2, {100, 100}));
}

TEST_F(HistoryTest, FoldsMergesInTheOrderOfTheirSequences) {
  Acknowledge(1, "5", 1);
  Merge(1, kv::MergeOperator::kAddI64, "7", 2);
  Merge(1, kv::MergeOperator::kAppend, "x", 3);
  EXPECT_FALSE(history_.Match(1, {{history_.name(1), "5"}}).complaint);
  EXPECT_FALSE(history_.Match(2, {{history_.name(1), "12"}}).complaint);
  EXPECT_FALSE(history_.Match(3, {{history_.name(1), "12x"}}).complaint);
  EXPECT_TRUE(history_.Match(3, {{history_.name(1), "x"}}).complaint);
  EXPECT_TRUE(history_.Match(3, {{history_.name(1), "5x"}}).complaint) << "one was lost";
  Merge(1, kv::MergeOperator::kMax, "9", 4);
  Merge(1, kv::MergeOperator::kMin, "0", 5);
  EXPECT_FALSE(history_.Match(4, {{history_.name(1), "9"}}).complaint);
  EXPECT_FALSE(history_.Match(5, {{history_.name(1), "0"}}).complaint);
}

TEST_F(HistoryTest, LetsAMergeBuildOnAnUnknownOne) {
  Acknowledge(1, "1", 1);
  history_.Begin(1, {{.key = 1, .value = "20", .merge = kv::MergeOperator::kAddI64}}, Instant{});
  EXPECT_FALSE(history_.CheckRead(1, "1", 1));
  EXPECT_FALSE(history_.CheckRead(1, "21", 1));
  Merge(1, kv::MergeOperator::kAddI64, "300", 3);  // So the unknown one stands at 2.
  EXPECT_FALSE(history_.Match(3, {{history_.name(1), "321"}}).complaint);
  EXPECT_TRUE(history_.Match(3, {{history_.name(1), "301"}}).complaint);
  EXPECT_FALSE(history_.CheckRead(1, "321", 3));
  EXPECT_TRUE(history_.CheckRead(1, "21", 3));
  EXPECT_TRUE(history_.EverHeld(1, "21"));
  EXPECT_FALSE(history_.EverHeld(1, "320"));
}

TEST_F(HistoryTest, LetsAMergeJudgeExpiryByAnyClockOfItsCall) {
  Acknowledge(1, "old,", 1, 100);
  const auto merge = [&](ClockSpan clock) {
    History history = history_;
    const int batch = history.Begin(
        0, {{.key = 1, .value = "new", .merge = kv::MergeOperator::kAppend}}, Instant{});
    history.End(batch, kv::Sequence{2}, false, Instant{}, clock);
    const bool anew = !history.Match(2, {{history.name(1), "new"}}, 99).complaint;
    const bool built = !history.Match(2, {{history.name(1), "old,new"}}, 99).complaint;
    return std::string(anew ? "anew " : "") + (built ? "built" : "");
  };
  EXPECT_EQ(merge({98, 99}), "built");
  EXPECT_EQ(merge({99, 100}), "anew built");
  EXPECT_EQ(merge({100, 101}), "anew ");
}

TEST_F(HistoryTest, RefusesAConditionThatDidNotHold) {
  Acknowledge(1, "a", 1);
  Acknowledge(1, "b", 2);
  Acknowledge(2, "c", 3);
  const int keys[] = {1};
  EXPECT_TRUE(history_.CheckCondition(2, 1, keys)) << "key 1 was written at 2";
  EXPECT_FALSE(history_.CheckCondition(2, 2, keys));
  EXPECT_TRUE(history_.MayBeRefused(2, 1, keys));
  EXPECT_FALSE(history_.MayBeRefused(2, 2, keys));
}

TEST(WallWatch, KnowsWhatTheStoresClockMaySay) {
  io::SimWorld world(1);
  WallWatch wall(world.clock(), {.at_ms = 1'000, .highest_ms = 5'000},
                 std::chrono::milliseconds(0));
  const auto begin = wall.Begin();
  EXPECT_EQ(wall.Since(begin).begin_ms, 1'000u);
  EXPECT_EQ(wall.Since(begin).end_ms, 5'000u) << "an earlier life may have seen it";
  wall.Jump(std::chrono::milliseconds(9'000));
  wall.Jump(std::chrono::milliseconds(-9'500));
  EXPECT_EQ(wall.Since(begin).begin_ms, 500u);
  EXPECT_EQ(wall.Since(begin).end_ms, 10'000u);
  StoreClock store(wall);
  store.NoteShown(7'000);
  EXPECT_EQ(store.Since(store.Begin()).begin_ms, 7'000u) << "it never runs backwards";
  store.NoteOpen(false);
  EXPECT_EQ(store.Since(store.Begin()).begin_ms, 500u);
}

TEST_F(HistoryTest, KnowsWhenARelaxedWriteMustBeOnTheDisk) {
  const auto at = [](int64_t ms) { return Instant{ms * 1'000'000}; };
  const std::chrono::milliseconds bound(10);
  const int batch = history_.Begin(0, {{.key = 1, .value = "a"}}, at(0));
  history_.End(batch, kv::Sequence{1}, false, at(1));
  EXPECT_EQ(history_.DurableWithin(bound, at(11)), 0u);
  EXPECT_EQ(history_.DurableWithin(bound, at(12)), 1u);
}

TEST_F(HistoryTest, RefusesAReadOfWhatIsOld) {
  Acknowledge(1, "old", 1);
  Acknowledge(1, "new", 2);
  EXPECT_FALSE(history_.CheckRead(1, "new", 2));
  EXPECT_FALSE(history_.CheckRead(1, "new", 1)) << "written while the read ran";
  EXPECT_TRUE(history_.CheckRead(1, "old", 2));
  EXPECT_TRUE(history_.CheckRead(1, std::nullopt, 2));
}

}  // namespace
}  // namespace aidb::sim

// Range deletes.

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "aidb/kv/conformance_trial.h"

namespace aidb::kv {
namespace {

using Keys = std::vector<std::string>;

// Everything that `trial` shows at `snapshot`, by each way to read it.
void ExpectKeys(Trial& trial, const Keys& expected, const Keys& absent,
                const Snapshot* snapshot = nullptr) {
  EXPECT_EQ(trial.Keys({.snapshot = snapshot}), expected);
  const Keys reversed(expected.rbegin(), expected.rend());
  EXPECT_EQ(trial.Keys({.order = ScanOrder::kReverse, .snapshot = snapshot}), reversed);
  std::vector<std::string_view> asked(expected.begin(), expected.end());
  asked.insert(asked.end(), absent.begin(), absent.end());
  const auto answers = trial.store().MultiGet(asked, {.snapshot = snapshot});
  ASSERT_EQ(answers.size(), asked.size());
  for (size_t i = 0; i < asked.size(); ++i) {
    ASSERT_TRUE(answers[i].ok()) << answers[i].status().ToString();
    EXPECT_EQ(answers[i]->has_value(), i < expected.size()) << asked[i];
    EXPECT_EQ(trial.Get(asked[i], snapshot).has_value(), i < expected.size()) << asked[i];
  }
}

void EveryKeyOfTheRangeIsGoneAndNoOther(Subject& subject) {
  Trial trial(subject);
  for (const char* key : {"", "a", "b", "bb", "c", "d"}) trial.Put(key, "v");
  trial.DeleteRange("b", "c");
  for (int round = 0; round < 2; ++round) {
    ExpectKeys(trial, {"", "a", "c", "d"}, {"b", "bb", "b\xFF"});
    trial.Flush();
  }
}

void ItReachesWhatIsInTables(Subject& subject) {
  Trial trial(subject);
  for (int i = 0; i < 300; ++i) trial.Put(NumberedKey(i), std::string(100, 'v'));
  trial.Flush();
  for (int i = 100; i < 400; ++i) trial.Put(NumberedKey(i), std::string(100, 'w'));
  trial.Flush();
  trial.DeleteRange(NumberedKey(50), NumberedKey(350));
  trial.Put(NumberedKey(200), "later");
  for (int round = 0; round < 3; ++round) {
    Keys expected;
    for (int i = 0; i < 400; ++i) {
      if (i < 50 || i >= 350 || i == 200) expected.push_back(NumberedKey(i));
    }
    ExpectKeys(trial, expected, {NumberedKey(50), NumberedKey(199), NumberedKey(349)});
    trial.Flush();
    for (int i = 500; i < 600; ++i) trial.Put(NumberedKey(i), std::string(100, 'x'));
    trial.DeleteRange(NumberedKey(500), NumberedKey(600));
  }
}

void OperationsOfABatchApplyInOrder(Subject& subject) {
  Trial trial(subject);
  trial.Put("a", "old");
  trial.Put("b", "old");
  trial.Put("c", "old");
  WriteBatch batch;
  batch.Put("a", "new");
  batch.Put("d", "new");
  batch.DeleteRange("a", "z");
  batch.Put("b", "after");
  batch.Put("e", "after");
  batch.DeleteRange("e", "f");
  EXPECT_EQ(trial.Write(std::move(batch)), Sequence{9});
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(trial.Scan(), (Pairs{{"b", "after"}}));
    ExpectKeys(trial, {"b"}, {"a", "c", "d", "e"});
    trial.Flush();
  }
}

void LaterWritesInsideTheRangeStay(Subject& subject) {
  Trial trial(subject);
  for (const char* key : {"a", "b", "c"}) trial.Put(key, "old");
  trial.DeleteRange("a", "d");
  trial.Put("b", "new");
  EXPECT_EQ(trial.Scan(), (Pairs{{"b", "new"}}));
  trial.Flush();
  trial.Put("c", "new");
  EXPECT_EQ(trial.Scan(), (Pairs{{"b", "new"}, {"c", "new"}}));
  trial.DeleteRange("c", "d");
  trial.Flush();
  EXPECT_EQ(trial.Scan(), (Pairs{{"b", "new"}}));
}

void ItTakesOneSequenceWhateverItHolds(Subject& subject) {
  Trial trial(subject);
  for (int i = 0; i < 10; ++i) trial.Put(NumberedKey(i), "v");
  EXPECT_EQ(trial.DeleteRange(NumberedKey(0), NumberedKey(9)), Sequence{11});
  EXPECT_EQ(trial.DeleteRange("nothing", "nothing here"), Sequence{12});
  EXPECT_EQ(trial.Put("k", "v"), Sequence{13});
  EXPECT_EQ(trial.NewestSequence(), Sequence{13});
}

void AnEmptyRangeDoesNothing(Subject& subject) {
  Trial trial(subject);
  trial.Put("", "v");
  trial.Put("k", "v");
  EXPECT_EQ(trial.DeleteRange("k", "k"), Sequence{2});
  EXPECT_EQ(trial.DeleteRange("", ""), Sequence{2});
  ExpectKeys(trial, {"", "k"}, {});
}

void ARangeThatEndsBeforeItBeginsIsRefused(Subject& subject) {
  Trial trial(subject);
  trial.Put("k", "v");
  WriteBatch batch;
  batch.Put("beside", "v");
  batch.DeleteRange("the begin", "an end");
  const Status status = trial.store().Write(std::move(batch), {}).status();
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument) << status.ToString();
  EXPECT_NE(status.message().find("the begin"), std::string_view::npos) << status.ToString();
  EXPECT_NE(status.message().find("an end"), std::string_view::npos) << status.ToString();
  ExpectKeys(trial, {"k"}, {"beside"});
  EXPECT_EQ(trial.NewestSequence(), Sequence{1});
}

void TheEndsOfARangeAreKeys(Subject& subject) {
  Trial trial(subject);
  const std::string longest(kKeyBytesMax, 'k');
  trial.Put(longest, "v");
  trial.DeleteRange("a", longest);
  trial.Flush();
  EXPECT_EQ(trial.Get(longest), "v");
  trial.DeleteRange(longest, "z");
  trial.Flush();
  EXPECT_EQ(trial.Get(longest), std::nullopt);
  for (const bool begin : {true, false}) {
    WriteBatch batch;
    const std::string beyond(kKeyBytesMax + 1, 'k');
    begin ? batch.DeleteRange(beyond, "z") : batch.DeleteRange("a", beyond);
    const Status status = trial.store().Write(std::move(batch), {}).status();
    EXPECT_EQ(status.code(), StatusCode::kInvalidArgument) << status.ToString();
    EXPECT_NE(status.message().find("1048577"), std::string_view::npos) << status.ToString();
  }
}

void WithoutAnEndItReachesTheLastKey(Subject& subject) {
  Trial trial(subject);
  for (const char* key : {"", "a", "b", "\xFF", "\xFF\xFF"}) trial.Put(key, "v");
  trial.Put(std::string(1'000, '\xFF'), "v");
  trial.Flush();
  const Snapshot before = trial.store().TakeSnapshot();
  trial.DeleteRange("b", std::nullopt);
  ExpectKeys(trial, {"", "a"}, {"b", "\xFF", "\xFF\xFF", std::string(1'000, '\xFF')});
  trial.Put("c", "v");
  trial.Put(std::string(1'001, '\xFF'), "v");
  trial.Flush();
  ExpectKeys(trial, {"", "a", "c", std::string(1'001, '\xFF')}, {"b"});
  EXPECT_EQ(trial.Keys({.snapshot = &before}).size(), 6u);
  WriteBatch batch;
  batch.Put(std::string(2'000, '\xFF'), "v");
  batch.DeleteRange("b", std::nullopt);
  batch.Put("d", "v");
  trial.Write(std::move(batch));
  ExpectKeys(trial, {"", "a", "d"}, {"c"});
  trial.DeleteRange("", std::nullopt);
  ExpectKeys(trial, {}, {"", "a", "d"});
  trial.DeleteRange("", std::nullopt);  // Of nothing.
  ExpectKeys(trial, {}, {""});
}

void SnapshotsAndIteratorsFromBeforeStillSeeTheKeys(Subject& subject) {
  Trial trial(subject);
  Keys all;
  for (int i = 0; i < 60; ++i) all.push_back(NumberedKey(i));
  for (const std::string& key : all) trial.Put(key, std::string(200, 'v'));
  const Snapshot before = trial.store().TakeSnapshot();
  Iterator walk = trial.store().Scan({});
  trial.DeleteRange(NumberedKey(10), NumberedKey(50));
  const Snapshot between = trial.store().TakeSnapshot();
  for (int i = 20; i < 30; ++i) trial.Put(NumberedKey(i), "new");
  Keys left;
  Keys now;
  for (int i = 0; i < 60; ++i) {
    if (i < 10 || i >= 50) left.push_back(NumberedKey(i));
    if (i < 10 || i >= 50 || (i >= 20 && i < 30)) now.push_back(NumberedKey(i));
  }
  for (int round = 0; round < 5; ++round) {
    ExpectKeys(trial, all, {}, &before);
    ExpectKeys(trial, left, {NumberedKey(10), NumberedKey(20)}, &between);
    ExpectKeys(trial, now, {NumberedKey(10), NumberedKey(49)});
    for (int i = 100; i < 150; ++i) trial.Put(NumberedKey(i), std::string(1'000, 'x'));
    trial.DeleteRange(NumberedKey(100), NumberedKey(150));
    trial.Flush();
  }
  EXPECT_EQ(Drain(walk).size(), all.size());
}

void IteratorsStepOverItBothWays(Subject& subject) {
  Trial trial(subject);
  for (int i = 0; i < 40; ++i) trial.Put(NumberedKey(i), "v");
  trial.Flush();
  for (int i = 0; i < 40; i += 2) trial.Put(NumberedKey(i), "w");
  trial.DeleteRange(NumberedKey(5), NumberedKey(15));
  trial.DeleteRange(NumberedKey(12), NumberedKey(30));
  trial.Put(NumberedKey(20), "alive");
  for (int round = 0; round < 2; ++round) {
    Iterator it = trial.store().Scan({});
    it.Seek(NumberedKey(5));
    ASSERT_TRUE(it.Valid());
    EXPECT_EQ(it.key(), NumberedKey(20));
    it.Prev();
    EXPECT_EQ(it.key(), NumberedKey(4));
    it.Next();
    EXPECT_EQ(it.key(), NumberedKey(20));
    it.Next();
    EXPECT_EQ(it.key(), NumberedKey(30));
    it.Prev();
    it.Prev();
    EXPECT_EQ(it.key(), NumberedKey(4));
    it.SeekForPrev(NumberedKey(29));
    EXPECT_EQ(it.key(), NumberedKey(20));
    it.SeekForPrev(NumberedKey(19));
    EXPECT_EQ(it.key(), NumberedKey(4));
    EXPECT_EQ(trial.Keys({.lower = NumberedKey(6), .upper = NumberedKey(20)}), Keys{});
    EXPECT_EQ(trial.Keys({.lower = NumberedKey(6), .upper = NumberedKey(21)}),
              Keys{NumberedKey(20)});
    trial.Flush();
  }
}

void WhatExpiresIsDeletedAndDoesNotComeBack(Subject& subject) {
  Trial trial(subject);
  const uint64_t now = trial.now_ms();
  trial.PutUntil("a", "v", now + 100);
  trial.PutUntil("b", "v", now + 100);
  trial.DeleteRange("a", "b");
  trial.Put("a", "for ever");
  EXPECT_EQ(trial.Scan(), (Pairs{{"a", "for ever"}, {"b", "v"}}));
  const auto value = trial.store().Get("a", {});
  ASSERT_TRUE(value.ok() && value->has_value());
  EXPECT_EQ((*value)->expires_at_ms(), std::nullopt);
  trial.SetClock(now + 100);
  EXPECT_EQ(trial.Scan(), (Pairs{{"a", "for ever"}}));
  trial.DeleteRange("a", "z");
  trial.PutUntil("b", "w", now + 200);
  EXPECT_EQ(trial.Scan(), (Pairs{{"b", "w"}}));
  trial.Flush();
  trial.SetClock(now + 200);
  EXPECT_EQ(trial.Scan(), Pairs{});
}

void AMergeBehindItStartsFromNothing(Subject& subject) {
  Trial trial(subject);
  for (const char* key : {"a", "b", "c"}) trial.Put(key, "5");
  trial.DeleteRange("a", "c");
  trial.Merge("a", MergeOperator::kAddI64, "3");
  trial.Merge("c", MergeOperator::kAddI64, "3");
  EXPECT_EQ(trial.Scan(), (Pairs{{"a", "3"}, {"c", "8"}}));
  WriteBatch batch;
  batch.Merge("a", MergeOperator::kAddI64, "1");
  batch.Merge("c", MergeOperator::kAddI64, "1");
  batch.DeleteRange("a", "b");
  batch.Merge("a", MergeOperator::kAddI64, "7");
  batch.Merge("b", MergeOperator::kAddI64, "9");
  batch.DeleteRange("b", "c");
  EXPECT_EQ(trial.Write(std::move(batch)), Sequence{12});
  trial.Flush();
  EXPECT_EQ(trial.Scan(), (Pairs{{"a", "7"}, {"c", "9"}}));
}

void ManyRangesThatOverlapDeleteTheirUnion(Subject& subject) {
  Trial trial(subject);
  for (int i = 0; i < 200; ++i) trial.Put(NumberedKey(i), "v");
  trial.Flush();
  for (int i = 0; i < 80; ++i) {
    trial.DeleteRange(NumberedKey(100 - i), NumberedKey(100 + i));  // Each around the last.
    trial.Put(NumberedKey(100 + (i % 2 == 0 ? i : -i) / 2), "w");
  }
  const Pairs shown = trial.Scan();
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(trial.Get(NumberedKey(20)), "v");
    EXPECT_EQ(trial.Get(NumberedKey(21)), std::nullopt);
    EXPECT_EQ(trial.Get(NumberedKey(178)), std::nullopt);
    EXPECT_EQ(trial.Get(NumberedKey(179)), "v");
    EXPECT_EQ(trial.Get(NumberedKey(61)), "w");
    EXPECT_EQ(trial.Scan(), shown);
    trial.Flush();
  }
}

void ItSurvivesACloseAndAKill(Subject& subject) {
  Trial trial(subject);
  for (int i = 0; i < 50; ++i) trial.Put(NumberedKey(i), "v");
  trial.Flush();
  trial.DeleteRange(NumberedKey(0), NumberedKey(10));
  trial.Put(NumberedKey(3), "w");
  const Keys first = trial.Keys();
  trial.Reopen();
  EXPECT_EQ(trial.Keys(), first);
  EXPECT_EQ(first.size(), 41u);
  trial.DeleteRange(NumberedKey(20), NumberedKey(30));
  trial.DeleteRange(NumberedKey(40), std::nullopt);
  trial.KillAndReopen();
  EXPECT_EQ(trial.Keys().size(), 21u);
  trial.Flush();
  trial.KillAndReopen();
  EXPECT_EQ(trial.Keys().size(), 21u);
  EXPECT_EQ(trial.Get(NumberedKey(25)), std::nullopt);
  EXPECT_EQ(trial.NewestSequence(), Sequence{54});
}

void CompactionKeepsDeletedWhatItDeleted(Subject& subject) {
  Trial trial(subject);
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 400; ++i) trial.Put(NumberedKey(i), std::string(300, 'v'));
    trial.Flush();
    const Snapshot before = trial.store().TakeSnapshot();
    trial.DeleteRange(NumberedKey(100 * round), NumberedKey(100 * round + 250));
    trial.Flush();
    EXPECT_TRUE(trial.compactor().Compact({}).ok());
    EXPECT_EQ(trial.Keys({.snapshot = &before}).size(), 400u);
    EXPECT_EQ(trial.Keys().size(), round == 2 ? 200u : 150u);
  }
  EXPECT_TRUE(trial.compactor().Compact({}).ok());
  EXPECT_EQ(trial.Keys().size(), 200u);
  EXPECT_EQ(trial.Get(NumberedKey(200)), std::nullopt);
}

void ExpectRefused(Trial& trial, const Precondition& unchanged) {
  const Status status = trial.conditional().WriteIf(unchanged, PutBatch("x", "v"), {}).status();
  EXPECT_EQ(status.code(), StatusCode::kConflict) << status.ToString();
  EXPECT_EQ(trial.Get("x"), std::nullopt);
}

void ItChangesTheKeysAndRangesThatItMeets(Subject& subject) {
  Trial trial(subject);
  for (const char* key : {"a", "b", "c", "d"}) trial.Put(key, "v");
  trial.Flush();
  const Snapshot before = trial.store().TakeSnapshot();
  trial.DeleteRange("b", "d");
  const Snapshot after = trial.store().TakeSnapshot();
  for (int round = 0; round < 3; ++round) {
    for (const char* key : {"b", "c"}) ExpectRefused(trial, {.since = &before, .keys = {key}});
    ExpectRefused(trial, {.since = &before, .ranges = {{}}});
    ExpectRefused(trial, {.since = &before, .ranges = {{.lower = "c"}}});
    ExpectRefused(trial, {.since = &before, .ranges = {{.upper = "b\x01"}}});
    const Precondition beside{
        .since = &before, .keys = {"a", "d"}, .ranges = {{.upper = "b"}, {.lower = "d"}}};
    EXPECT_TRUE(trial.conditional().WriteIf(beside, {}, {}).ok());
    const Precondition later{.since = &after, .keys = {"b", "c"}, .ranges = {{}}};
    EXPECT_TRUE(trial.conditional().WriteIf(later, {}, {}).ok());
    trial.Flush();
  }
}

void ItMayBeConditional(Subject& subject) {
  Trial trial(subject);
  trial.Put("a", "v");
  trial.Put("k", "v");
  const Snapshot snapshot = trial.store().TakeSnapshot();
  const Precondition unchanged{.since = &snapshot, .keys = {"k"}};
  WriteBatch batch;
  batch.DeleteRange("a", std::nullopt);
  batch.Put("b", "v");
  ASSERT_TRUE(trial.conditional().WriteIf(unchanged, batch, {}).ok());
  EXPECT_EQ(trial.Keys(), Keys{"b"});
  EXPECT_EQ(trial.conditional().WriteIf(unchanged, batch, {}).status().code(),
            StatusCode::kConflict);
}

}  // namespace

ConformanceTests RangeDeleteTests() {
  return {
      AIDB_CONFORMANCE(EveryKeyOfTheRangeIsGoneAndNoOther),
      AIDB_CONFORMANCE(ItReachesWhatIsInTables),
      AIDB_CONFORMANCE(OperationsOfABatchApplyInOrder),
      AIDB_CONFORMANCE(LaterWritesInsideTheRangeStay),
      AIDB_CONFORMANCE(ItTakesOneSequenceWhateverItHolds),
      AIDB_CONFORMANCE(AnEmptyRangeDoesNothing),
      AIDB_CONFORMANCE(ARangeThatEndsBeforeItBeginsIsRefused),
      AIDB_CONFORMANCE(TheEndsOfARangeAreKeys),
      AIDB_CONFORMANCE(WithoutAnEndItReachesTheLastKey),
      AIDB_CONFORMANCE(SnapshotsAndIteratorsFromBeforeStillSeeTheKeys),
      AIDB_CONFORMANCE(IteratorsStepOverItBothWays),
      AIDB_CONFORMANCE(WhatExpiresIsDeletedAndDoesNotComeBack),
      AIDB_CONFORMANCE(AMergeBehindItStartsFromNothing),
      AIDB_CONFORMANCE(ManyRangesThatOverlapDeleteTheirUnion),
      AIDB_CONFORMANCE_IF(kDurable, ItSurvivesACloseAndAKill),
      AIDB_CONFORMANCE_IF(kCompactor, CompactionKeepsDeletedWhatItDeleted),
      AIDB_CONFORMANCE_IF(kConditional, ItChangesTheKeysAndRangesThatItMeets),
      AIDB_CONFORMANCE_IF(kConditional, ItMayBeConditional),
  };
}

}  // namespace aidb::kv

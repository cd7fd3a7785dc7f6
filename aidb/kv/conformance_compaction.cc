// Compaction of a range by hand.

#include <atomic>
#include <memory>
#include <string>

#include <gtest/gtest.h>

#include "aidb/kv/conformance_trial.h"

namespace aidb::kv {
namespace {

constexpr int kKeys = 400;

// Keys in several flushes, overwritten and deleted here and there; the last of them in no table
// yet. What is left, in order.
Pairs WriteRounds(Trial& trial) {
  for (int round = 0; round < 4; ++round) {
    for (int i = round; i < kKeys; i += round + 1) {
      trial.Put(NumberedKey(i), std::string(200, static_cast<char>('a' + round)));
    }
    for (int i = round; i < kKeys; i += 7) trial.Delete(NumberedKey(i));
    if (round < 3) trial.Flush();
  }
  return trial.Scan();
}

void Compact(Trial& trial, const ScanRange& range = {}) {
  const Status status = trial.compactor().Compact(range);
  EXPECT_TRUE(status.ok()) << status.ToString();
}

void CompactionChangesNoAnswer(Subject& subject) {
  Trial trial(subject);
  const Pairs expected = WriteRounds(trial);
  const Sequence newest = trial.NewestSequence();
  for (int round = 0; round < 2; ++round) {
    Compact(trial);
    EXPECT_TRUE(trial.Scan() == expected);
    EXPECT_TRUE(trial.Scan({.order = ScanOrder::kReverse}) ==
                Pairs(expected.rbegin(), expected.rend()));
    EXPECT_EQ(trial.Get(NumberedKey(0)), std::nullopt);
    EXPECT_EQ(trial.Get(expected[5].first), expected[5].second);
  }
  EXPECT_EQ(trial.NewestSequence(), newest) << "it takes no sequence";
}

void CompactionKeepsWhatSnapshotsAndIteratorsSee(Subject& subject) {
  Trial trial(subject);
  const Pairs before = WriteRounds(trial);
  const Snapshot snapshot = trial.store().TakeSnapshot();
  Iterator walk = trial.store().Scan({});
  for (int i = 0; i < kKeys; i += 2) trial.Delete(NumberedKey(i));
  for (int i = 1; i < kKeys; i += 2) trial.Put(NumberedKey(i), "after");
  Compact(trial);
  EXPECT_TRUE(trial.Scan({.snapshot = &snapshot}) == before);
  EXPECT_TRUE(Drain(walk) == before);
  EXPECT_EQ(trial.Get(NumberedKey(2)), std::nullopt);
  EXPECT_EQ(trial.Get(NumberedKey(3)), "after");
}

void CompactionOfARangeChangesNoAnswerInsideOrOutside(Subject& subject) {
  Trial trial(subject);
  const Pairs expected = WriteRounds(trial);
  for (const ScanRange& range :
       {ScanRange{.lower = NumberedKey(100), .upper = NumberedKey(101)},
        ScanRange{.lower = NumberedKey(50), .upper = NumberedKey(200)},
        ScanRange{.lower = NumberedKey(390)}, ScanRange{.upper = NumberedKey(10)}}) {
    Compact(trial, range);
    EXPECT_TRUE(trial.Scan() == expected);
  }
}

void CompactionOfNothingIsOk(Subject& subject) {
  Trial trial(subject);
  Compact(trial);  // An empty store.
  const Pairs expected = WriteRounds(trial);
  Compact(trial, {.lower = "k2", .upper = "k2"});
  Compact(trial, {.lower = "k2", .upper = "k1"});
  Compact(trial, {.lower = "z"});
  EXPECT_TRUE(trial.Scan() == expected);
}

void CompactionOfAClosedStoreIsUnavailable(Subject& subject) {
  Trial trial(subject);
  WriteRounds(trial);
  ASSERT_TRUE(trial.store().Close().ok());
  EXPECT_EQ(trial.compactor().Compact({}).code(), StatusCode::kUnavailable);
}

void CompactionsRunBesideWritesReadsAndEachOther(Subject& subject) {
  Trial trial(subject);
  std::atomic<bool> done = false;
  const auto run = [&](int from, int to) {
    return trial.Start([&trial, &done, from, to] {
      while (!done) {
        Compact(trial, {.lower = NumberedKey(from), .upper = NumberedKey(to)});
      }
    });
  };
  const auto left = run(0, 250);
  const auto right = run(150, kKeys);
  for (int round = 0; round < 6; ++round) {
    for (int i = 0; i < kKeys; ++i) {
      trial.Put(NumberedKey(i), std::to_string(round) + std::string(300, 'v'));
      EXPECT_EQ(trial.Get(NumberedKey(i)), std::to_string(round) + std::string(300, 'v'));
    }
    if (round % 2 == 0) trial.Flush();
  }
  done = true;
  left->Join();
  right->Join();
  EXPECT_EQ(trial.Keys().size(), static_cast<size_t>(kKeys));
}

void WhatIsCompactedIsFoundAgain(Subject& subject) {
  Trial trial(subject);
  const Pairs expected = WriteRounds(trial);
  Compact(trial);
  trial.KillAndReopen();
  EXPECT_TRUE(trial.Scan() == expected);
  Compact(trial, {.lower = NumberedKey(50)});
  trial.Reopen();
  EXPECT_TRUE(trial.Scan() == expected);
}

void AReadOnlyStoreDoesNotCompact(Subject& subject) {
  {
    Trial writer(subject);
    WriteRounds(writer);
    ASSERT_TRUE(writer.store().Close().ok());
  }
  Options options = subject.options();
  options.mode = StoreMode::kReadOnly;
  Trial trial(subject, options);
  EXPECT_EQ(trial.compactor().Compact({}).code(), StatusCode::kUnavailable);
}

}  // namespace

ConformanceTests CompactionTests() {
  return {
      AIDB_CONFORMANCE_IF(kCompactor, CompactionChangesNoAnswer),
      AIDB_CONFORMANCE_IF(kCompactor, CompactionKeepsWhatSnapshotsAndIteratorsSee),
      AIDB_CONFORMANCE_IF(kCompactor, CompactionOfARangeChangesNoAnswerInsideOrOutside),
      AIDB_CONFORMANCE_IF(kCompactor, CompactionOfNothingIsOk),
      AIDB_CONFORMANCE_IF(kCompactor, CompactionOfAClosedStoreIsUnavailable),
      AIDB_CONFORMANCE_IF(kCompactor, CompactionsRunBesideWritesReadsAndEachOther),
      AIDB_CONFORMANCE_IF(kDurableCompactor, WhatIsCompactedIsFoundAgain),
      AIDB_CONFORMANCE_IF(kDurableCompactor, AReadOnlyStoreDoesNotCompact),
  };
}

}  // namespace aidb::kv

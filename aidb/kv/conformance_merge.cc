// Merges.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "aidb/kv/conformance_trial.h"

namespace aidb::kv {
namespace {

constexpr MergeOperator kAdd = MergeOperator::kAddI64;
constexpr MergeOperator kAppend = MergeOperator::kAppend;

void EachOperatorChangesWhatTheKeyHolds(Subject& subject) {
  Trial trial(subject);
  for (const char* key : {"add", "append", "max", "min", "user"}) trial.Put(key, "5");
  for (int round = 0; round < 2; ++round) {
    trial.Merge("add", kAdd, "-7");
    trial.Merge("append", kAppend, "7");
    trial.Merge("max", MergeOperator::kMax, "44");
    trial.Merge("max", MergeOperator::kMax, "6");
    trial.Merge("min", MergeOperator::kMin, "44");
    trial.Merge("min", MergeOperator::kMin, "45");
    trial.Merge("user", MergeOperator{128}, "7");
    trial.Flush();
  }
  EXPECT_EQ(trial.Scan(), (Pairs{{"add", "-9"},
                                 {"append", "577"},
                                 {"max", "6"},
                                 {"min", "44"},
                                 {"user", "user(user(5)7)7"}}));
}

void AMergeOnNothingStartsFromNothing(Subject& subject) {
  Trial trial(subject);
  const uint64_t now = trial.now_ms();
  trial.Put("deleted", "5");
  trial.Delete("deleted");
  trial.PutUntil("expired", "5", now + 10);
  trial.PutUntil("flushed", "5", now + 10);
  trial.Flush();
  trial.SetClock(now + 10);
  for (const char* key : {"absent", "deleted", "expired", "flushed"}) trial.Merge(key, kAdd, "3");
  trial.Merge("user", MergeOperator{255}, "3");
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(trial.Scan(), (Pairs{{"absent", "3"},
                                   {"deleted", "3"},
                                   {"expired", "3"},
                                   {"flushed", "3"},
                                   {"user", "user(nothing)3"}}));
    trial.Flush();
  }
  trial.SetClock(now + 1'000'000);
  EXPECT_EQ(trial.Get("expired"), "3");
}

void OperandsApplyInOrderAndPutsAndDeletesBeginAnew(Subject& subject) {
  Trial trial(subject);
  for (const char c : std::string("abc")) trial.Merge("k", kAppend, std::string(1, c));
  trial.Flush();
  for (const char c : std::string("def")) trial.Merge("k", kAppend, std::string(1, c));
  EXPECT_EQ(trial.Get("k"), "abcdef");
  trial.Put("k", "x");
  trial.Merge("k", kAppend, "y");
  EXPECT_EQ(trial.Get("k"), "xy");
  trial.Delete("k");
  EXPECT_EQ(trial.Get("k"), std::nullopt);
  trial.Merge("k", kAppend, "z");
  trial.Flush();
  EXPECT_EQ(trial.Scan(), (Pairs{{"k", "z"}}));
}

void AMergeSeesTheOperationsInFrontOfItInItsBatch(Subject& subject) {
  Trial trial(subject);
  trial.Put("n", "1");
  trial.Put("d", "1");
  WriteBatch batch;
  batch.Merge("n", kAdd, "1");
  batch.Merge("n", kAdd, "1");
  batch.Delete("d");
  batch.Merge("d", kAdd, "7");
  batch.Put("p", "a");
  batch.Merge("p", kAppend, "b");
  batch.Merge("m", kAppend, "gone");
  batch.Delete("m");
  EXPECT_EQ(trial.Write(std::move(batch)), Sequence{10});
  EXPECT_EQ(trial.Scan(), (Pairs{{"d", "7"}, {"n", "3"}, {"p", "ab"}}));
}

void AMergeKeepsTheExpiryOfWhatItMeets(Subject& subject) {
  Trial trial(subject);
  const uint64_t now = trial.now_ms();
  trial.PutUntil("k", "1", now + 10);
  trial.Merge("k", kAdd, "1");
  const auto value = trial.store().Get("k", {});
  ASSERT_TRUE(value.ok() && value->has_value());
  EXPECT_EQ((*value)->view(), "2");
  EXPECT_EQ((*value)->expires_at_ms(), now + 10);
  trial.SetClock(now + 10);
  EXPECT_EQ(trial.Get("k"), std::nullopt);
}

void ASnapshotSeesNoLaterMerge(Subject& subject) {
  Trial trial(subject);
  std::vector<Snapshot> snapshots;
  for (int i = 1; i <= 5; ++i) {
    trial.Merge("k", kAdd, "1");
    snapshots.push_back(trial.store().TakeSnapshot());
    if (i == 3) trial.Flush();
  }
  trial.Flush();
  for (size_t i = 0; i < snapshots.size(); ++i) {
    EXPECT_EQ(trial.Get("k", &snapshots[i]), std::to_string(i + 1));
    EXPECT_EQ(trial.Scan({.snapshot = &snapshots[i]}), (Pairs{{"k", std::to_string(i + 1)}}));
  }
}

void AMergedValueObeysBatchBytesMax(Subject& subject) {
  Options options = subject.options();
  options.batch_bytes_max = 100'000;
  Trial trial(subject, options);
  const std::string part(60'000, 'v');
  trial.Merge("k", kAppend, part);
  const Sequence before = trial.NewestSequence();
  WriteBatch batch;
  batch.Put("beside", "v");
  batch.Merge("k", kAppend, part);
  const Status status = trial.store().Write(std::move(batch), {}).status();
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument) << status.ToString();
  EXPECT_NE(status.message().find("100000"), std::string_view::npos) << status.ToString();
  EXPECT_EQ(trial.NewestSequence(), before);
  EXPECT_EQ(trial.Scan(), (Pairs{{"k", part}}));
}

void MergesSurviveACloseAndAKill(Subject& subject) {
  Trial trial(subject);
  for (int i = 0; i < 200; ++i) trial.Merge(NumberedKey(i % 20), kAdd, "1");
  trial.Reopen();
  for (int i = 0; i < 200; ++i) trial.Merge(NumberedKey(i % 20), kAdd, "1");
  trial.KillAndReopen();
  trial.Merge(NumberedKey(0), kAdd, "1");
  for (int i = 0; i < 20; ++i) EXPECT_EQ(trial.Get(NumberedKey(i)), i == 0 ? "21" : "20");
  EXPECT_EQ(trial.NewestSequence(), Sequence{401});
}

void AMergeIsAChangeAndMayBeConditional(Subject& subject) {
  Trial trial(subject);
  trial.Put("k", "1");
  const Snapshot snapshot = trial.store().TakeSnapshot();
  const Precondition unchanged{.since = &snapshot, .keys = {"k"}};
  WriteBatch batch;
  batch.Merge("k", kAdd, "1");
  ASSERT_TRUE(trial.conditional().WriteIf(unchanged, batch, {}).ok());
  EXPECT_EQ(trial.Get("k"), "2");
  EXPECT_EQ(trial.conditional().WriteIf(unchanged, batch, {}).status().code(),
            StatusCode::kConflict);
  EXPECT_EQ(trial.Get("k"), "2");
}

void MergesOfManyThreadsLoseNothing(Subject& subject) {
  Trial trial(subject);
  constexpr int kThreads = 4;
  constexpr int kEach = 250;
  std::vector<std::unique_ptr<io::Task>> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.push_back(trial.Start([&trial] {
      for (int i = 0; i < kEach; ++i) {
        WriteBatch batch;
        batch.Merge("sum", kAdd, "1");
        batch.Merge(NumberedKey(i % 7), kAdd, "2");
        EXPECT_TRUE(trial.store().Write(std::move(batch), {}).ok());
      }
    }));
  }
  for (const auto& thread : threads) thread->Join();
  EXPECT_EQ(trial.Get("sum"), std::to_string(kThreads * kEach));
  int others = 0;
  for (int i = 0; i < 7; ++i) others += std::stoi(trial.Get(NumberedKey(i)).value_or("0"));
  EXPECT_EQ(others, 2 * kThreads * kEach);
}

}  // namespace

ConformanceTests MergeTests() {
  return {
      AIDB_CONFORMANCE(EachOperatorChangesWhatTheKeyHolds),
      AIDB_CONFORMANCE(AMergeOnNothingStartsFromNothing),
      AIDB_CONFORMANCE(OperandsApplyInOrderAndPutsAndDeletesBeginAnew),
      AIDB_CONFORMANCE(AMergeSeesTheOperationsInFrontOfItInItsBatch),
      AIDB_CONFORMANCE(AMergeKeepsTheExpiryOfWhatItMeets),
      AIDB_CONFORMANCE(ASnapshotSeesNoLaterMerge),
      AIDB_CONFORMANCE(AMergedValueObeysBatchBytesMax),
      AIDB_CONFORMANCE_IF(kDurable, MergesSurviveACloseAndAKill),
      AIDB_CONFORMANCE_IF(kConditional, AMergeIsAChangeAndMayBeConditional),
      AIDB_CONFORMANCE(MergesOfManyThreadsLoseNothing),
  };
}

}  // namespace aidb::kv

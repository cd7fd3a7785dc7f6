// Open, sync, flush, close, open again.

#include <string>

#include <gtest/gtest.h>

#include "aidb/kv/conformance_trial.h"

namespace aidb::kv {
namespace {

// Some keys in tables, some not, some deleted on either side. What is left, in order.
Pairs PutSome(Trial& trial) {
  for (int i = 0; i < 300; ++i) trial.Put(NumberedKey(i), "flushed " + std::to_string(i));
  trial.Flush();
  for (int i = 0; i < 300; i += 3) trial.Delete(NumberedKey(i));
  for (int i = 1; i < 300; i += 3) trial.Put(NumberedKey(i), "in the log");
  trial.Put("", "empty key");
  trial.Put("empty value", "");
  return trial.Scan();
}

void SyncAndFlushMayBeCalledAtAnyTimeAndTwice(Subject& subject) {
  Trial trial(subject);
  for (int round = 0; round < 2; ++round) {
    EXPECT_TRUE(trial.store().Sync().ok());
    EXPECT_TRUE(trial.store().Sync().ok());
    EXPECT_TRUE(trial.store().Flush().ok());
    EXPECT_TRUE(trial.store().Flush().ok());
    trial.Put("k", "v");
  }
  EXPECT_EQ(trial.Get("k"), "v");
}

void ASecondCloseIsOk(Subject& subject) {
  Trial trial(subject);
  trial.Put("k", "v");
  EXPECT_TRUE(trial.store().Close().ok());
  EXPECT_TRUE(trial.store().Close().ok());
}

void AfterCloseEverythingIsUnavailable(Subject& subject) {
  Trial trial(subject);
  trial.Put("k", "v");
  const Snapshot before = trial.store().TakeSnapshot();
  ASSERT_TRUE(trial.store().Close().ok());
  Store& store = trial.store();
  const Snapshot after = store.TakeSnapshot();
  constexpr StatusCode kClosed = StatusCode::kUnavailable;
  EXPECT_EQ(store.Write(PutBatch("k", "w"), {}).status().code(), kClosed);
  EXPECT_EQ(store.Write({}, {}).status().code(), kClosed);
  EXPECT_EQ(store.Sync().code(), kClosed);
  EXPECT_EQ(store.Flush().code(), kClosed);
  for (const Snapshot* snapshot : {static_cast<const Snapshot*>(nullptr), &before, &after}) {
    EXPECT_EQ(store.Get("k", {.snapshot = snapshot}).status().code(), kClosed);
    const std::string_view keys[] = {"k"};
    EXPECT_EQ(store.MultiGet(keys, {.snapshot = snapshot})[0].status().code(), kClosed);
    EXPECT_EQ(store.Scan({.snapshot = snapshot}).status().code(), kClosed);
  }
  EXPECT_FALSE(store.Stats().backend.empty());
}

void OpenRefusesOptionsThatAreNotValid(Subject& subject) {
  Options options = subject.options();
  options.batch_bytes_max = options.memory_bytes;
  const Status status = subject.Open(options).status();
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
  EXPECT_NE(status.message().find("batch_bytes_max"), std::string_view::npos);
}

void StatsNameTheBackendAndItsPromise(Subject& subject) {
  Trial trial(subject);
  trial.Put("k", "v");
  const StoreStats stats = trial.store().Stats();
  EXPECT_FALSE(stats.backend.empty());
  EXPECT_FALSE(stats.durability.empty());
  EXPECT_EQ(stats.sequence, Sequence{1});
  EXPECT_EQ(stats.writes, 1u);
  EXPECT_EQ(stats.background_error, "");
}

void WhatIsClosedIsFoundAgain(Subject& subject) {
  Trial trial(subject);
  const Pairs expected = PutSome(trial);
  const Sequence newest = trial.NewestSequence();
  trial.Reopen();
  EXPECT_TRUE(trial.Scan() == expected);
  EXPECT_EQ(trial.NewestSequence(), newest);
  EXPECT_EQ(trial.Put("next", "v"), newest + 1);
  trial.Reopen();
  EXPECT_EQ(trial.Get("next"), "v");
}

void WhatIsAcknowledgedSurvivesAKill(Subject& subject) {
  Trial trial(subject);
  const Pairs expected = PutSome(trial);
  const Sequence newest = trial.NewestSequence();
  trial.KillAndReopen();
  EXPECT_TRUE(trial.Scan() == expected);
  EXPECT_EQ(trial.NewestSequence(), newest);
  trial.Delete(NumberedKey(1));
  trial.KillAndReopen();
  EXPECT_EQ(trial.Get(NumberedKey(1)), std::nullopt);
  EXPECT_EQ(trial.NewestSequence(), newest + 1);
}

void AnEmptyStoreIsFoundAgain(Subject& subject) {
  Trial trial(subject);
  trial.Reopen();
  EXPECT_EQ(trial.Scan(), Pairs{});
  trial.KillAndReopen();
  EXPECT_EQ(trial.Scan(), Pairs{});
  EXPECT_EQ(trial.Put("k", "v"), Sequence{1});
}

void DeletedKeysStayDeletedThroughFlushesAndReopening(Subject& subject) {
  Trial trial(subject);
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 200; ++i) trial.Put(NumberedKey(i), std::string(500, 'v'));
    trial.Flush();
    for (int i = 0; i < 200; ++i) trial.Delete(NumberedKey(i));
    trial.Flush();
    trial.Reopen();
    EXPECT_EQ(trial.Scan(), Pairs{});
  }
}

void SyncMakesTheNewestSequenceDurable(Subject& subject) {
  Trial trial(subject);
  const Sequence newest = trial.Put("k", "v");
  ASSERT_TRUE(trial.store().Sync().ok());
  EXPECT_GE(trial.store().Stats().durable_sequence, newest);
  const Result<Sequence> synced = trial.store().Write(PutBatch("l", "v"), {.sync = true});
  ASSERT_TRUE(synced.ok());
  EXPECT_GE(trial.store().Stats().durable_sequence, *synced);
}

void ModesSayWhetherAStoreMustBeThere(Subject& subject) {
  Options must_exist = subject.options();
  must_exist.mode = StoreMode::kMustExist;
  Options must_be_new = subject.options();
  must_be_new.mode = StoreMode::kMustBeNew;
  Options read_only = subject.options();
  read_only.mode = StoreMode::kReadOnly;

  const auto open_and_close = [&](const Options& options) {
    const Result<OpenedStore> opened = subject.Open(options);
    return opened.ok() ? opened->store->Close() : opened.status();
  };
  EXPECT_EQ(open_and_close(must_exist).code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(open_and_close(read_only).code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(open_and_close(must_be_new).code(), StatusCode::kOk);
  EXPECT_EQ(open_and_close(must_be_new).code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(open_and_close(must_exist).code(), StatusCode::kOk);
  EXPECT_EQ(open_and_close(read_only).code(), StatusCode::kOk);
}

void AReadOnlyStoreReadsAndDoesNotWrite(Subject& subject) {
  Pairs expected;
  {
    Trial writer(subject);
    expected = PutSome(writer);
    ASSERT_TRUE(writer.store().Close().ok());
  }
  Options options = subject.options();
  options.mode = StoreMode::kReadOnly;
  Trial trial(subject, options);
  EXPECT_TRUE(trial.Scan() == expected);
  const Snapshot snapshot = trial.store().TakeSnapshot();
  EXPECT_TRUE(trial.Scan({.snapshot = &snapshot}) == expected);
  EXPECT_EQ(trial.Get(NumberedKey(2)), "flushed 2");
  EXPECT_EQ(trial.store().Write(PutBatch("k", "v"), {}).status().code(), StatusCode::kUnavailable);
  EXPECT_TRUE(trial.store().Sync().ok());
  EXPECT_TRUE(trial.store().Flush().ok());
  EXPECT_TRUE(trial.Scan() == expected);
}

void AnOpenStoreCannotBeOpenedASecondTime(Subject& subject) {
  Trial trial(subject);
  trial.Put("k", "v");
  const Status status = subject.Open(subject.options()).status();
  EXPECT_EQ(status.code(), StatusCode::kUnavailable) << status.ToString();
  EXPECT_NE(status.message().find("already open"), std::string_view::npos) << status.ToString();
  EXPECT_EQ(trial.Get("k"), "v");
  // Close alone gives the directory back.
  ASSERT_TRUE(trial.store().Close().ok());
  EXPECT_TRUE(subject.Open(subject.options()).ok());
}

}  // namespace

ConformanceTests LifecycleTests() {
  return {
      AIDB_CONFORMANCE(SyncAndFlushMayBeCalledAtAnyTimeAndTwice),
      AIDB_CONFORMANCE(ASecondCloseIsOk),
      AIDB_CONFORMANCE(AfterCloseEverythingIsUnavailable),
      AIDB_CONFORMANCE(OpenRefusesOptionsThatAreNotValid),
      AIDB_CONFORMANCE(StatsNameTheBackendAndItsPromise),
      AIDB_CONFORMANCE_IF(kDurable, WhatIsClosedIsFoundAgain),
      AIDB_CONFORMANCE_IF(kDurable, WhatIsAcknowledgedSurvivesAKill),
      AIDB_CONFORMANCE_IF(kDurable, AnEmptyStoreIsFoundAgain),
      AIDB_CONFORMANCE_IF(kDurable, DeletedKeysStayDeletedThroughFlushesAndReopening),
      AIDB_CONFORMANCE_IF(kDurable, SyncMakesTheNewestSequenceDurable),
      AIDB_CONFORMANCE_IF(kDurable, ModesSayWhetherAStoreMustBeThere),
      AIDB_CONFORMANCE_IF(kDurable, AReadOnlyStoreReadsAndDoesNotWrite),
      AIDB_CONFORMANCE_IF(kDurable, AnOpenStoreCannotBeOpenedASecondTime),
  };
}

}  // namespace aidb::kv

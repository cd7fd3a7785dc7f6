// Checkpoints.

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "aidb/kv/conformance_trial.h"

namespace aidb::kv {
namespace {

// Keys in tables and in none, some of them deleted on either side. What is left, in order.
Pairs WriteSome(Trial& trial) {
  for (int i = 0; i < 300; ++i) trial.Put(NumberedKey(i), "flushed " + std::to_string(i));
  trial.Flush();
  for (int i = 0; i < 300; i += 3) trial.Delete(NumberedKey(i));
  for (int i = 1; i < 300; i += 3) trial.Put(NumberedKey(i), "not flushed");
  trial.Put("", "empty key");
  return trial.Scan();
}

void Checkpoint(Trial& trial, std::string_view name) {
  const Status status = trial.checkpointer().Checkpoint(trial.subject().PathOf(name));
  EXPECT_TRUE(status.ok()) << status.ToString();
}

void ACheckpointIsAStoreWithWhatWasThere(Subject& subject) {
  Trial trial(subject);
  const Pairs expected = WriteSome(trial);
  const Sequence newest = trial.NewestSequence();
  Checkpoint(trial, "copy");
  trial.Put(NumberedKey(2), "later");
  trial.Delete(NumberedKey(4));
  trial.Put("later", "v");
  const Pairs later = trial.Scan();

  Trial copy(subject, subject.options(), "copy");
  EXPECT_TRUE(copy.Scan() == expected);
  EXPECT_TRUE(copy.Scan({.order = ScanOrder::kReverse}) ==
              Pairs(expected.rbegin(), expected.rend()));
  EXPECT_EQ(copy.Get(NumberedKey(3)), std::nullopt);
  EXPECT_EQ(copy.NewestSequence(), newest);
  EXPECT_TRUE(trial.Scan() == later);
}

void ACheckpointAndItsStoreGoTheirOwnWays(Subject& subject) {
  Trial trial(subject);
  const Pairs expected = WriteSome(trial);
  Checkpoint(trial, "copy");
  // What it shares may be removed here, and there.
  for (int i = 0; i < 300; ++i) trial.Delete(NumberedKey(i));
  trial.Flush();
  {
    Trial copy(subject, subject.options(), "copy");
    EXPECT_TRUE(copy.Scan() == expected);
    for (int i = 0; i < 300; ++i) copy.Put(NumberedKey(i), std::string(300, 'c'));
    copy.Flush();
    copy.KillAndReopen();
    EXPECT_EQ(copy.Get(NumberedKey(0)), std::string(300, 'c'));
    copy.Put("last", "v");
    copy.Reopen();
    EXPECT_EQ(copy.Get("last"), "v");
  }
  EXPECT_EQ(trial.Get(NumberedKey(1)), std::nullopt);
  trial.Reopen();
  EXPECT_EQ(trial.Get(""), "empty key");
  EXPECT_EQ(trial.Get("last"), std::nullopt);
}

void ACheckpointOfACheckpointHoldsTheSame(Subject& subject) {
  Trial trial(subject);
  const Pairs expected = WriteSome(trial);
  Checkpoint(trial, "copy");
  {
    Trial copy(subject, subject.options(), "copy");
    Checkpoint(copy, "copy of the copy");
  }
  Trial second(subject, subject.options(), "copy of the copy");
  EXPECT_TRUE(second.Scan() == expected);
}

void ACheckpointOfAnEmptyStoreIsAnEmptyStore(Subject& subject) {
  Trial trial(subject);
  Checkpoint(trial, "copy");
  Trial copy(subject, subject.options(), "copy");
  EXPECT_EQ(copy.Scan(), Pairs{});
  EXPECT_EQ(copy.Put("k", "v"), Sequence{1});
}

void ACheckpointCanBeOpenedReadOnly(Subject& subject) {
  Trial trial(subject);
  const Pairs expected = WriteSome(trial);
  Checkpoint(trial, "copy");
  Options options = subject.options();
  options.mode = StoreMode::kReadOnly;
  Trial copy(subject, options, "copy");
  EXPECT_TRUE(copy.Scan() == expected);
  const Status status = copy.checkpointer().Checkpoint(subject.PathOf("another"));
  EXPECT_EQ(status.code(), StatusCode::kUnavailable) << status.ToString();
}

void ACheckpointNeedsANewName(Subject& subject) {
  Trial trial(subject);
  const Pairs expected = WriteSome(trial);
  Checkpoint(trial, "copy");
  trial.Put("later", "v");
  for (const std::string_view name : {"copy", "store"}) {
    const Status status = trial.checkpointer().Checkpoint(subject.PathOf(name));
    EXPECT_EQ(status.code(), StatusCode::kInvalidArgument) << status.ToString();
  }
  EXPECT_FALSE(trial.checkpointer().Checkpoint(subject.PathOf("no/such")).ok());
  EXPECT_EQ(trial.Get("later"), "v");
  Trial copy(subject, subject.options(), "copy");
  EXPECT_TRUE(copy.Scan() == expected);
}

void ACheckpointOfAClosedStoreIsUnavailable(Subject& subject) {
  Trial trial(subject);
  trial.Put("k", "v");
  ASSERT_TRUE(trial.store().Close().ok());
  EXPECT_EQ(trial.checkpointer().Checkpoint(subject.PathOf("copy")).code(),
            StatusCode::kUnavailable);
  Options options = subject.options();
  options.mode = StoreMode::kMustExist;
  EXPECT_FALSE(subject.OpenNamed("copy", options).ok());
}

// Batches of five keys with one value, which only rises: a checkpoint holds all five of one batch,
// not older than the last one acknowledged before the call nor newer than the last begun in it.
void CheckpointsHoldWholeBatchesOfOneMoment(Subject& subject) {
  Trial trial(subject);
  const std::string_view keys[] = {"", "a", "b", "c", "d"};
  std::atomic<int> begun = 0;
  std::atomic<int> acknowledged = 0;
  std::atomic<bool> done = false;
  const auto write = [&](int round) {
    begun = round;
    WriteBatch batch;
    for (const std::string_view key : keys) batch.Put(key, std::to_string(round));
    batch.Put(NumberedKey(round % 50), std::string(2000, 'v'));
    trial.Write(std::move(batch));
    acknowledged = round;
  };
  write(1);
  const auto writer = trial.Start([&] {
    for (int round = 2; !done; ++round) write(round);
  });
  constexpr int kCheckpoints = 4;
  struct Window {
    int low;
    int high;
  };
  std::vector<Window> windows;
  for (int i = 0; i < kCheckpoints; ++i) {
    const int low = acknowledged;
    Checkpoint(trial, "copy" + std::to_string(i));
    windows.push_back({low, begun});
  }
  done = true;
  writer->Join();
  for (int i = 0; i < kCheckpoints; ++i) {
    Trial copy(subject, subject.options(), "copy" + std::to_string(i));
    const std::string value = copy.Get("").value_or("0");
    for (const std::string_view key : keys) EXPECT_EQ(copy.Get(key), value) << "copy " << i;
    EXPECT_GE(std::stoi(value), windows[static_cast<size_t>(i)].low);
    EXPECT_LE(std::stoi(value), windows[static_cast<size_t>(i)].high);
  }
}

}  // namespace

ConformanceTests CheckpointTests() {
  return {
      AIDB_CONFORMANCE_IF(kCheckpointer, ACheckpointIsAStoreWithWhatWasThere),
      AIDB_CONFORMANCE_IF(kCheckpointer, ACheckpointAndItsStoreGoTheirOwnWays),
      AIDB_CONFORMANCE_IF(kCheckpointer, ACheckpointOfACheckpointHoldsTheSame),
      AIDB_CONFORMANCE_IF(kCheckpointer, ACheckpointOfAnEmptyStoreIsAnEmptyStore),
      AIDB_CONFORMANCE_IF(kCheckpointer, ACheckpointCanBeOpenedReadOnly),
      AIDB_CONFORMANCE_IF(kCheckpointer, ACheckpointNeedsANewName),
      AIDB_CONFORMANCE_IF(kCheckpointer, ACheckpointOfAClosedStoreIsUnavailable),
      AIDB_CONFORMANCE_IF(kCheckpointer, CheckpointsHoldWholeBatchesOfOneMoment),
  };
}

}  // namespace aidb::kv

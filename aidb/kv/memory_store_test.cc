// What MemoryStore promises beyond the contract; the contract itself is tested by the
// conformance suite (memory_conformance_test.cc).

#include "aidb/kv/memory_store.h"

#include <string>

#include <gtest/gtest.h>

namespace aidb::kv {
namespace {

// Stands still until a test moves it.
class WallClock final : public Clock {
 public:
  Instant Now() const override { return {}; }
  int64_t WallMillis() const override { return wall_ms; }
  void SleepFor(Duration /*duration*/) override {}

  int64_t wall_ms = 1'000;
};

WallClock& TestClock() {
  static WallClock clock;
  return clock;
}

Options SmallOptions() {
  Options options;
  options.memory_bytes = 1 << 20;
  options.batch_bytes_max = 256 << 10;
  return options;
}

std::unique_ptr<MemoryStore> OpenSmall() {
  auto store = MemoryStore::Open(SmallOptions(), TestClock());
  EXPECT_TRUE(store.ok()) << store.status().ToString();
  return *std::move(store);
}

Status Put(MemoryStore& store, std::string_view key, std::string_view value) {
  WriteBatch batch;
  batch.Put(key, value);
  return store.Write(std::move(batch), {}).status();
}

Status Delete(MemoryStore& store, std::string_view key) {
  WriteBatch batch;
  batch.Delete(key);
  return store.Write(std::move(batch), {}).status();
}

// Puts values of 10,000 bytes under rising keys until one is refused; how many were taken.
int Fill(MemoryStore& store, Status& refusal) {
  for (int i = 0;; ++i) {
    refusal = Put(store, std::to_string(i), std::string(10'000, 'v'));
    if (!refusal.ok()) return i;
  }
}

TEST(MemoryStore, RefusesOptionsThatMeanNothingToIt) {
  Options options;
  options.block_bytes = 512;
  EXPECT_EQ(MemoryStore::Open(options, TestClock()).status().ToString(),
            "invalid argument: option block_bytes is 512; the memory backend cannot honour it, "
            "leave it at 4096");
}

TEST(MemoryStore, IsNeverThereBefore) {
  for (const StoreMode mode : {StoreMode::kMustExist, StoreMode::kReadOnly}) {
    Options options;
    options.mode = mode;
    EXPECT_EQ(MemoryStore::Open(options, TestClock()).status().code(),
              StatusCode::kInvalidArgument);
  }
  Options options;
  options.mode = StoreMode::kMustBeNew;
  EXPECT_TRUE(MemoryStore::Open(options, TestClock()).ok());
}

TEST(MemoryStore, KeepsWithinMemoryBytes) {
  const auto store = OpenSmall();
  Status refusal;
  const int taken = Fill(*store, refusal);
  EXPECT_EQ(refusal.code(), StatusCode::kResourceExhausted);
  EXPECT_GE(taken, 90);
  EXPECT_LE(store->Stats().memtable_bytes, SmallOptions().memory_bytes);
  const auto first = store->Get("0", {});
  ASSERT_TRUE(first.ok() && first->has_value());  // Reads go on.
  EXPECT_FALSE(store->Get(std::to_string(taken), {})->has_value());
}

TEST(MemoryStore, DeletesMakeRoomWhenItIsFull) {
  const auto store = OpenSmall();
  Status refusal;
  const int taken = Fill(*store, refusal);
  for (int i = 0; i < taken; ++i) ASSERT_TRUE(Delete(*store, std::to_string(i)).ok());
  EXPECT_EQ(store->Stats().memtable_bytes, 0u);
  EXPECT_EQ(Fill(*store, refusal), taken);
}

TEST(MemoryStore, DropsVersionsThatNobodyCanSee) {
  const auto store = OpenSmall();
  ASSERT_TRUE(Put(*store, "k", "value").ok());
  const uint64_t one_version = store->Stats().memtable_bytes;
  for (int i = 0; i < 1000; ++i) ASSERT_TRUE(Put(*store, "k", "other").ok());
  EXPECT_EQ(store->Stats().memtable_bytes, one_version);
}

TEST(MemoryStore, KeepsVersionsWhileASnapshotOrIteratorCanSeeThem) {
  const auto store = OpenSmall();
  ASSERT_TRUE(Put(*store, "k", "value").ok());
  const uint64_t one_version = store->Stats().memtable_bytes;
  {
    const Snapshot snapshot = store->TakeSnapshot();
    const Iterator iterator = store->Scan({});
    EXPECT_EQ(store->Stats().snapshots, 2u);
    ASSERT_TRUE(Put(*store, "k", "other").ok());
    ASSERT_TRUE(Delete(*store, "k").ok());
    EXPECT_GT(store->Stats().memtable_bytes, one_version);
  }
  EXPECT_EQ(store->Stats().snapshots, 0u);
  EXPECT_EQ(store->Stats().memtable_bytes, 0u);
}

TEST(MemoryStore, AnOlderSnapshotKeepsWhatAYoungerOneReleases) {
  const auto store = OpenSmall();
  ASSERT_TRUE(Put(*store, "k", "first").ok());
  const Snapshot older = store->TakeSnapshot();
  ASSERT_TRUE(Put(*store, "k", "second").ok());
  {
    const Snapshot younger = store->TakeSnapshot();
    ASSERT_TRUE(Put(*store, "k", "third").ok());
    EXPECT_EQ((*store->Get("k", {.snapshot = &younger}))->view(), "second");
  }
  EXPECT_EQ((*store->Get("k", {.snapshot = &older}))->view(), "first");
  EXPECT_EQ((*store->Get("k", {}))->view(), "third");
}

TEST(MemoryStore, WhatHasExpiredMakesRoomForTheNextWrite) {
  const auto store = OpenSmall();
  const auto now = static_cast<uint64_t>(TestClock().wall_ms);
  const auto put = [&](int i) {
    WriteBatch batch;
    batch.Put(std::to_string(i), std::string(10'000, 'v'), now + 10);
    return store->Write(std::move(batch), {}).status();
  };
  int taken = 0;
  while (put(taken).ok()) ++taken;
  EXPECT_GE(taken, 90);
  ASSERT_TRUE(Delete(*store, "0").ok());
  ASSERT_TRUE(Put(*store, "1", "for ever").ok());
  Snapshot snapshot = store->TakeSnapshot();
  TestClock().wall_ms += 10;
  EXPECT_EQ(Put(*store, "k", std::string(40'000, 'v')).code(), StatusCode::kResourceExhausted);
  EXPECT_TRUE(store->Get("2", {.snapshot = &snapshot})->has_value());
  snapshot = store->TakeSnapshot();
  ASSERT_TRUE(Put(*store, "k", std::string(40'000, 'v')).ok());
  EXPECT_LT(store->Stats().memtable_bytes, 45'000u);
  EXPECT_TRUE(store->Get("1", {})->has_value());
}

TEST(MemoryStore, AVersionThatExpiresGoesWithTheOneThatSupersedesIt) {
  const auto store = OpenSmall();
  const auto now = static_cast<uint64_t>(TestClock().wall_ms);
  for (uint64_t i = 0; i < 100; ++i) {
    WriteBatch batch;
    batch.Put("k", "value", now + 10 + i % 7);
    batch.Put("k", "value", now + 10 + i % 7);
    ASSERT_TRUE(store->Write(std::move(batch), {}).ok());
  }
  ASSERT_TRUE(Put(*store, "k", "value").ok());
  TestClock().wall_ms += 100;
  ASSERT_TRUE(Put(*store, "l", "value").ok());
  EXPECT_TRUE(store->Get("k", {})->has_value());
  ASSERT_TRUE(Delete(*store, "k").ok());
  ASSERT_TRUE(Delete(*store, "l").ok());
  EXPECT_EQ(store->Stats().memtable_bytes, 0u);
}

TEST(MemoryStore, HasNoDurableUpdates) {
  const auto store = OpenSmall();
  const auto refused = store->UpdatesSince(kSequenceNone, {.level = UpdateLevel::kDurable});
  EXPECT_EQ(refused.status().code(), StatusCode::kInvalidArgument) << refused.status().ToString();
}

TEST(MemoryStore, KeepsASixteenthOfItsMemoryForItsFeeds) {
  const auto store = OpenSmall();
  ASSERT_TRUE(Put(*store, "before", "is not kept").ok());
  EXPECT_EQ(store->UpdatesSince(kSequenceNone, {}).status().code(), StatusCode::kResourceExhausted);
  auto in_time = store->UpdatesSince(Sequence{1}, {});
  auto too_late = store->UpdatesSince(Sequence{1}, {});
  ASSERT_TRUE(in_time.ok() && too_late.ok());
  const std::string value(10'000, 'v');
  for (int i = 0; i < 6; ++i) ASSERT_TRUE(Put(*store, "k", value).ok());
  ASSERT_TRUE(in_time->Next().ok());
  ASSERT_TRUE(Put(*store, "k", value).ok());  // 70,000 bytes; a sixteenth are 65,536.
  const auto cut_off = too_late->Next();
  EXPECT_EQ(cut_off.status().code(), StatusCode::kResourceExhausted) << cut_off.status().ToString();
  EXPECT_NE(cut_off.status().message().find("begin anew at sequence 2 or later"), std::string::npos)
      << cut_off.status().ToString();
  const auto next = in_time->Next();
  ASSERT_TRUE(next.ok() && *next);
  EXPECT_EQ((*next)->first, Sequence{3});
}

TEST(MemoryStore, CountsWhatItDid) {
  const auto store = OpenSmall();
  ASSERT_TRUE(Put(*store, "k", "value").ok());
  ASSERT_TRUE(store->Get("k", {}).ok());
  ASSERT_TRUE(store->Scan({}).Valid());
  const StoreStats stats = store->Stats();
  EXPECT_EQ(stats.backend, "memory");
  EXPECT_EQ(stats.writes, 1u);
  EXPECT_EQ(stats.gets, 1u);
  EXPECT_EQ(stats.scans, 1u);
  EXPECT_EQ(stats.bytes_written_by_user, 9u);
  EXPECT_EQ(stats.sequence, Sequence{1});
  EXPECT_EQ(stats.durable_sequence, kSequenceNone);
}

}  // namespace
}  // namespace aidb::kv

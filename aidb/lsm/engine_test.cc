// What the engine promises beyond the contract: bounded memory, full disks, failed syncs, what
// opening finds and removes.

#include "aidb/lsm/engine.h"

#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "aidb/lsm/engine_for_test.h"

namespace aidb::lsm {
namespace {

TEST_F(EngineTest, HoldsNoMoreMemoryThanItsOptionsAllow) {
  ASSERT_OK(Open());
  const MemoryPlan plan = MemoryPlan::For(options_);
  const std::string value(1000, 'v');
  for (uint64_t i = 0; i < 40'000; ++i) {  // Five times memory_bytes.
    ASSERT_OK(Put(Key(i * 7919 % 40'000), value));
    if (i % 500 != 0) continue;
    const kv::StoreStats stats = engine_->Stats();
    EXPECT_LE(stats.memtable_count, 3u);
    EXPECT_LE(stats.memtable_bytes, 3 * plan.write_buffer_bytes);
    EXPECT_LE(stats.cache_bytes, plan.cache_bytes);
    EXPECT_EQ(Get(Key(i * 7919 % 40'000)), value);
  }
  EXPECT_LE(plan.ring_bytes + 3 * plan.write_buffer_bytes + plan.cache_bytes,
            options_.memory_bytes);
  ASSERT_OK(engine_->WaitForCompaction());
  ASSERT_OK(Put("k", value, /*sync=*/true));
  const kv::StoreStats stats = engine_->Stats();
  EXPECT_GE(stats.log_bytes, value.size());
  EXPECT_LT(stats.levels[0].score, 1.0);
  EXPECT_GT(stats.compactions, 0u);
}

TEST_F(EngineTest, FreesLogsAndTablesThatNobodyNeeds) {
  ASSERT_OK(Open());
  const std::string value(1000, 'v');
  for (int round = 0; round < 20; ++round) {
    for (uint64_t i = 0; i < 500; ++i) ASSERT_OK(Put(Key(i), value));
  }
  ASSERT_OK(engine_->WaitForCompaction());
  EXPECT_LE(CountFiles(FileKind::kLog), 3u);  // Active, prepared, and one about to go.
  const kv::StoreStats stats = engine_->Stats();
  uint64_t tables = 0;
  for (const kv::LevelStats& level : stats.levels) tables += level.tables;
  ASSERT_OK(engine_->Close());
  EXPECT_EQ(CountFiles(FileKind::kTable), tables);
}

TEST_F(EngineTest, CloseFreesTablesThatHandlesHadHeld) {
  ASSERT_OK(Open());
  for (uint64_t i = 0; i < 500; ++i) ASSERT_OK(Put(Key(i), "old"));
  ASSERT_OK(engine_->Flush());
  {
    kv::Iterator held = engine_->Scan({});
    for (uint64_t i = 0; i < 500; ++i) ASSERT_OK(Put(Key(i), "new"));
    ASSERT_OK(engine_->Compact({}));
    EXPECT_EQ(held.value(), "old");
  }
  ASSERT_OK(engine_->Close());
  EXPECT_EQ(CountFiles(FileKind::kTable), 1u);
}

TEST_F(EngineTest, KeysInOrderAreWrittenOnceBesideTheLog) {
  ASSERT_OK(Open());
  for (uint64_t i = 0; i < 20'000; ++i) ASSERT_OK(Put(Key(i), std::string(100, 'v')));
  ASSERT_OK(engine_->WaitForCompaction());
  const kv::StoreStats stats = engine_->Stats();
  EXPECT_GT(stats.flushes, 10u);
  EXPECT_LE(stats.levels[0].score, 1.0) << "flushes that share no key are one run";
  for (size_t level = 1; level < stats.levels.size(); ++level) {
    EXPECT_EQ(stats.levels[level].bytes_written, 0u) << level;
  }
  for (uint64_t i = 0; i < 20'000; i += 97) ASSERT_EQ(Get(Key(i)).size(), 100u);
}

TEST_F(EngineTest, RemovesOrphansAndLeavesStrangersAlone) {
  ASSERT_OK(Open());
  ASSERT_OK(Put("k", "v"));
  ASSERT_OK(engine_->Close());
  io::FileSystem& files = world_.env().files;
  for (const char* name : {"900000.sst", "900001.sst.tmp", "notes.txt"}) {
    ASSERT_OK(files.Open(directory_.Join("store") + "/" + name, io::OpenMode::kCreateNew));
  }
  ASSERT_OK(Open());
  EXPECT_EQ(report_.orphans_removed, 2u);
  EXPECT_TRUE(*files.Exists(directory_.Join("store") + "/notes.txt"));
  EXPECT_FALSE(*files.Exists(directory_.Join("store") + "/900000.sst"));
  EXPECT_EQ(Get("k"), "v");
}

TEST_F(EngineTest, AFullDiskRefusesWritesServesReadsAndHeals) {
  ASSERT_OK(Open());
  ASSERT_OK(Put("before", "v"));
  files_.FailMatching(
      io::CallKind::kWrite, "", 1,
      {.code = StatusCode::kResourceExhausted, .repeat = io::FaultRepeat::kForEver});
  options_.write_wait_ms = 200;
  Status status;
  uint64_t written = 0;
  const std::string value(4000, 'v');
  for (; written < 10'000 && status.ok(); ++written) status = Put(Key(written), value);
  EXPECT_EQ(status.code(), StatusCode::kResourceExhausted) << status.ToString();
  EXPECT_EQ(Get("before"), "v");
  EXPECT_EQ(Get(Key(0)), value);
  files_.Heal();
  // The next tries succeed as soon as the background has noticed that there is room.
  const Instant give_up = world_.env().clock.Now() + std::chrono::seconds(20);
  do {
    status = Put("after", "v");
  } while (!status.ok() && world_.env().clock.Now() < give_up);
  ASSERT_OK(status);
  ASSERT_OK(engine_->Close());
  ASSERT_OK(Open());
  EXPECT_EQ(Get("after"), "v");
  for (uint64_t i = 0; i + 1 < written; ++i) ASSERT_EQ(Get(Key(i)), value) << i;
}

TEST_F(EngineTest, GoesOnInANewLogWhenASyncFails) {
  ASSERT_OK(Open());
  ASSERT_OK(Put("one", "1", /*sync=*/true));
  files_.FailMatching(io::CallKind::kSyncData, ".log", 1, {});
  ASSERT_OK(Put("two", "2", /*sync=*/true));
  ASSERT_OK(Put("three", "3", /*sync=*/true));
  EXPECT_EQ(files_.syncs_after_failure(), 0u);
  engine_.reset();  // As SIGKILL would.
  ASSERT_OK(Open());
  EXPECT_EQ(Get("one") + Get("two") + Get("three"), "123");
}

TEST_F(EngineTest, StopsWritingWhenTheManifestCannotBeWritten) {
  ASSERT_OK(Open());
  ASSERT_OK(Put("k", "v"));
  files_.FailMatching(io::CallKind::kSyncData, "MANIFEST", 1,
                      {.repeat = io::FaultRepeat::kForEver});
  files_.FailMatching(io::CallKind::kSyncAll, "MANIFEST", 1, {.repeat = io::FaultRepeat::kForEver});
  EXPECT_FAILS(engine_->Flush(), StatusCode::kUnavailable, "manifest");
  EXPECT_FAILS(Put("k", "w"), StatusCode::kUnavailable, "reads go on");
  EXPECT_EQ(Get("k"), "v");
  EXPECT_NE(engine_->Stats().background_error.find("MANIFEST"), std::string::npos);
  files_.Heal();
  ASSERT_OK(Open());
  EXPECT_EQ(Get("k"), "v");
  ASSERT_OK(Put("k", "w"));
}

TEST_F(EngineTest, RefusesASecondOpener) {
  ASSERT_OK(Open());
  OpenReport report;
  EXPECT_FAILS(Engine::Open(world_.env(), directory_.Join("store"), options_, report),
               StatusCode::kUnavailable, "already open by pid");
}

TEST_F(EngineTest, SaysWhichTableIsMissing) {
  ASSERT_OK(Open());
  ASSERT_OK(Put("k", "v"));
  ASSERT_OK(engine_->Flush());
  ASSERT_OK(engine_->Close());
  engine_.reset();
  io::FileSystem& files = world_.env().files;
  const auto names = files.List(directory_.Join("store"));
  for (const std::string& name : *names) {
    if (!name.ends_with(".sst")) continue;
    ASSERT_OK(files.Remove(directory_.Join("store") + "/" + name));
  }
  EXPECT_FAILS(Open(), StatusCode::kCorruption, ".sst: is missing");
}

TEST_F(EngineTest, KeepsWhatASnapshotSeesThroughFlushAndCompaction) {
  options_.level0_trigger = 2;
  ASSERT_OK(Open());
  ASSERT_OK(Put("k", "old"));
  ASSERT_OK(Put("gone", "here"));
  const kv::Snapshot snapshot = engine_->TakeSnapshot();
  kv::WriteBatch batch;
  batch.Put("k", "new");
  batch.Delete("gone");
  ASSERT_OK(engine_->Write(std::move(batch), {}));
  for (int i = 0; i < 6; ++i) {
    ASSERT_OK(Put("filler" + std::to_string(i), "x"));
    ASSERT_OK(engine_->Flush());
  }
  ASSERT_OK(engine_->WaitForCompaction());
  EXPECT_EQ(Get("k"), "new");
  EXPECT_EQ(Get("gone"), "absent");
  EXPECT_EQ((*engine_->Get("k", {.snapshot = &snapshot}))->view(), "old");
  EXPECT_EQ((*engine_->Get("gone", {.snapshot = &snapshot}))->view(), "here");
}

TEST_F(EngineTest, WritesOfManyThreadsShareSyncs) {
  ASSERT_OK(Open());
  constexpr int kThreads = 8;
  constexpr int kEach = 50;
  const uint64_t before = files_.call_count(io::CallKind::kSyncData);
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kEach; ++i) {
        EXPECT_OK(Put(std::to_string(t) + ":" + std::to_string(i), "v", /*sync=*/true));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  const uint64_t syncs = files_.call_count(io::CallKind::kSyncData) - before;
  EXPECT_LT(syncs, static_cast<uint64_t>(kThreads * kEach));
  EXPECT_EQ(engine_->Stats().durable_sequence, engine_->Stats().sequence);
}

}  // namespace
}  // namespace aidb::lsm

// What the engine does while its background work fails: bounds, what it says, and that it heals.

#include <algorithm>
#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "aidb/io/transfer.h"
#include "aidb/lsm/controller.h"
#include "aidb/lsm/destroy.h"
#include "aidb/lsm/engine_for_test.h"

namespace aidb::lsm {
namespace {

class EngineTroubleTest : public EngineTest {
 protected:
  void TearDown() override { files_.Heal(); }  // The engine waits for calls that are held.

  uint64_t Level0Runs() {
    return static_cast<uint64_t>(engine_->Stats().levels[0].score * options_.level0_trigger + 0.5);
  }
  // Tries until the background has noticed that the disk is well again.
  Status PutWithPatience(std::string_view key, std::string_view value) {
    const Instant give_up = world_.env().clock.Now() + std::chrono::seconds(60);
    Status status;
    do {
      status = Put(key, value);
    } while (!status.ok() && world_.env().clock.Now() < give_up);
    return status;
  }
  Status FlushWithPatience() {
    const Instant give_up = world_.env().clock.Now() + std::chrono::seconds(60);
    Status status;
    do {
      status = engine_->Flush();
    } while (!status.ok() && world_.env().clock.Now() < give_up);
    return status;
  }
  // A run that spans all others, so that none can just be moved.
  Status FlushRun(uint64_t n) {
    kv::WriteBatch batch;
    batch.Put("first", std::to_string(n));
    batch.Put(Key(n), std::string(100, 'v'));
    batch.Put("last", std::to_string(n));
    AIDB_RETURN_IF_ERROR(engine_->Write(std::move(batch), {}).status());
    return engine_->Flush();
  }
  // The name of a file of this kind; the one with the smallest number.
  std::string OldestFile(FileKind kind) {
    std::string oldest;
    const auto names = world_.env().files.List(directory_.Join("store"));
    for (const std::string& name : *names) {
      const auto file = ParseFileName(name);
      if (file && file->kind == kind && (oldest.empty() || name < oldest)) oldest = name;
    }
    return oldest;
  }
  std::string WaitForBackgroundError() {
    const Instant give_up = world_.env().clock.Now() + std::chrono::seconds(60);
    std::string error;
    do {
      error = engine_->Stats().background_error;
    } while (error.empty() && world_.env().clock.Now() < give_up);
    return error;
  }
};

// One table that cannot be read, for whatever reason, holds up neither other tables nor writes.
TEST_F(EngineTroubleTest, LeavesOutATableThatCompactionKeepsFailingOn) {
  struct Fault {
    io::CallKind kind;
    StatusCode code;
  };
  for (const Fault& fault : {Fault{io::CallKind::kRead, StatusCode::kIoError},
                             Fault{io::CallKind::kOpen, StatusCode::kInvalidArgument}}) {
    SCOPED_TRACE(io::CallKindName(fault.kind));
    const uint64_t limit = static_cast<uint64_t>(options_.level0_trigger) + Controller::kRunsMax;
    options_.write_wait_ms = 60'000;
    ASSERT_OK(Open());
    ASSERT_OK(FlushRun(0));
    const std::string table = OldestFile(FileKind::kTable);
    files_.FailMatching(fault.kind, table, 1,
                        {.code = fault.code, .repeat = io::FaultRepeat::kForEver});
    const Instant give_up = world_.env().clock.Now() + std::chrono::seconds(60);
    uint64_t flushed = 1;
    while (flushed < 3 * limit && world_.env().clock.Now() < give_up) {
      if (FlushRun(flushed).ok()) ++flushed;  // It may find level 0 full until the third failure.
    }
    ASSERT_EQ(flushed, 3 * limit);
    ASSERT_LE(Level0Runs(), limit + 1);
    EXPECT_EQ(Get(Key(flushed - 1)), std::string(100, 'v'));
    EXPECT_GT(engine_->Stats().compactions, 0u);
    EXPECT_NE(engine_->Stats().background_error.find(table), std::string::npos)
        << engine_->Stats().background_error;
    EXPECT_NE(engine_->Stats().background_error.find("injected fault"), std::string::npos);

    files_.Heal();
    ASSERT_OK(engine_->Close());
    ASSERT_OK(Open());
    ASSERT_OK(FlushRun(flushed));
    ASSERT_OK(engine_->WaitForCompaction());
    EXPECT_EQ(engine_->Stats().background_error, "");
    EXPECT_EQ(Get(Key(0)), std::string(100, 'v'));
    EXPECT_LT(Level0Runs(), 2u) << "no mark keeps the table there";
    ASSERT_OK(engine_->Close());
    engine_.reset();
    ASSERT_OK(DestroyStore(world_.env(), directory_.Join("store")));
  }
}

TEST_F(EngineTroubleTest, RecordsNothingOfACompactionThatFailsAtNoInputsDoor) {
  ASSERT_OK(Open());
  files_.HoldMatching(io::CallKind::kRead, ".sst");
  for (uint64_t run = 0; run < static_cast<uint64_t>(options_.level0_trigger); ++run) {
    ASSERT_OK(FlushRun(run));
  }
  files_.WaitUntilHeld();
  const std::string manifest = directory_.Join("store/" + OldestFile(FileKind::kManifest));
  const auto before = io::ReadWhole(world_.env().files, manifest, 1'000'000);
  ASSERT_OK(before.status());
  files_.FailMatching(io::CallKind::kWrite, ".sst", 1,
                      {.code = StatusCode::kCorruption, .repeat = io::FaultRepeat::kForEver});
  files_.Release();
  EXPECT_NE(WaitForBackgroundError().find("injected fault"), std::string::npos);
  const auto after = io::ReadWhole(world_.env().files, manifest, 1'000'000);
  ASSERT_OK(after.status());
  EXPECT_EQ(after->size(), before->size());
}

TEST_F(EngineTroubleTest, AWriteFailsAtOnceWhileCompactionFailsAndLevel0IsFull) {
  options_.write_wait_ms = 600'000;  // Nobody waits as long.
  ASSERT_OK(Open());
  files_.FailMatching(io::CallKind::kRead, ".sst", 1, {.repeat = io::FaultRepeat::kForEver});
  const std::string value(20'000, 'v');
  const Instant give_up = world_.env().clock.Now() + std::chrono::seconds(300);
  Status status;
  for (uint64_t i = 0; status.ok(); ++i) {
    kv::WriteBatch batch;
    batch.Put("first", std::to_string(i));
    batch.Put(Key(i), value);
    batch.Put("last", std::to_string(i));
    status = engine_->Write(std::move(batch), {}).status();
  }
  EXPECT_FAILS(status, StatusCode::kResourceExhausted, "injected fault");
  EXPECT_LT(world_.env().clock.Now(), give_up);
}

TEST_F(EngineTroubleTest, FlushesGoOnBesideALongCompaction) {
  const uint64_t limit = static_cast<uint64_t>(options_.level0_trigger) + Controller::kRunsMax;
  options_.write_wait_ms = 1'000;
  ASSERT_OK(Open());
  files_.HoldMatching(io::CallKind::kRead, ".sst");
  const auto held = static_cast<uint64_t>(options_.level0_trigger);
  for (uint64_t run = 0; run < held; ++run) ASSERT_OK(FlushRun(run));
  files_.WaitUntilHeld();  // All the runs so far are inputs.
  const std::string value(20'000, 'v');
  Status status;
  for (uint64_t i = 0; i < 200 && status.ok(); ++i) {
    kv::WriteBatch batch;  // Runs that share keys: else they would be one.
    batch.Put("first", std::to_string(i));
    batch.Put(Key(i), value);
    batch.Put("last", std::to_string(i));
    status = engine_->Write(std::move(batch), {}).status();
  }
  EXPECT_EQ(Level0Runs(), held + limit);
  EXPECT_FAILS(status, StatusCode::kResourceExhausted,
               "level 0 has " + std::to_string(limit) + " runs");
  EXPECT_FAILS(status, StatusCode::kResourceExhausted, "it lags");
  files_.Heal();
  ASSERT_OK(PutWithPatience("after", "w"));
  ASSERT_OK(engine_->WaitForCompaction());
  EXPECT_LT(Level0Runs(), held);
}

TEST_F(EngineTroubleTest, Level0StaysBoundedWhileCompactionFails) {
  options_.write_wait_ms = 60'000;  // For flushes; at the limit a write fails at once.
  ASSERT_OK(Open());
  ASSERT_OK(Put("before", "v"));
  files_.FailMatching(io::CallKind::kRead, ".sst", 1, {.repeat = io::FaultRepeat::kForEver});
  const uint64_t limit = static_cast<uint64_t>(options_.level0_trigger) + Controller::kRunsMax;
  const std::string value(20'000, 'v');
  Status status;
  uint64_t written = 0;
  for (; written < 150 && status.ok(); ++written) {
    kv::WriteBatch batch;  // Every run spans all the others, so that none can just be moved.
    batch.Put("first", std::to_string(written));
    batch.Put(Key(written), value);
    batch.Put("last", std::to_string(written));
    status = engine_->Write(std::move(batch), {}).status();
    ASSERT_LE(Level0Runs(), limit);
  }
  EXPECT_FAILS(status, StatusCode::kResourceExhausted, "level 0 has 18 runs");
  EXPECT_FAILS(status, StatusCode::kResourceExhausted, "injected fault");
  EXPECT_EQ(Get(Key(written - 2)), value);
  EXPECT_EQ(engine_->Stats().write_pressure_reason, "level 0");
  EXPECT_DOUBLE_EQ(engine_->Stats().write_pressure, 1);
  EXPECT_FAILS(engine_->Flush(), StatusCode::kResourceExhausted, "level 0");

  files_.Heal();
  ASSERT_OK(PutWithPatience("after", "w"));
  ASSERT_OK(FlushWithPatience());
  EXPECT_LT(Level0Runs(), limit);
  EXPECT_EQ(Get("before") + Get("after"), "vw");
  for (uint64_t i = 0; i + 1 < written; ++i) ASSERT_EQ(Get(Key(i)), value) << i;
}

TEST_F(EngineTroubleTest, ManyFlushesAtOnceSealNoMoreThanTwoMemtables) {
  ASSERT_OK(Open());
  std::atomic<bool> writing{true};
  std::vector<std::thread> threads;
  // Whenever there is room again for one sealed memtable, all of them find it.
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&] {
      while (writing) EXPECT_OK(engine_->Flush());
    });
  }
  threads.emplace_back([&] {
    for (uint64_t i = 0; i < 3'000; ++i) EXPECT_OK(Put(Key(i), "v"));
    writing = false;
  });
  uint64_t most = 0;
  while (writing) most = std::max(most, engine_->Stats().memtable_count);
  for (std::thread& thread : threads) thread.join();
  EXPECT_LE(most, 3u) << "one active and two sealed";
}

TEST_F(EngineTroubleTest, ARefusedEditLeavesNoTables) {
  options_.level0_trigger = 50;  // No compaction, whose inputs go a moment after it has ended.
  ASSERT_OK(Open());
  ASSERT_OK(Put("k", "v"));
  for (const io::CallKind kind : {io::CallKind::kWrite, io::CallKind::kSyncData}) {
    files_.FailMatching(
        kind, "MANIFEST", 1,
        {.code = StatusCode::kResourceExhausted, .repeat = io::FaultRepeat::kForEver});
    files_.FailMatching(
        io::CallKind::kSyncAll, "MANIFEST", 1,
        {.code = StatusCode::kResourceExhausted, .repeat = io::FaultRepeat::kForEver});
    EXPECT_FAILS(engine_->Flush(), StatusCode::kResourceExhausted, "MANIFEST");
    files_.Heal();
    ASSERT_OK(FlushWithPatience());
    ASSERT_OK(Put("k", "w"));
  }
  ASSERT_OK(FlushWithPatience());
  EXPECT_EQ(engine_->Stats().flushes, 3u);
  uint64_t tables = 0;
  for (const kv::LevelStats& level : engine_->Stats().levels) tables += level.tables;
  EXPECT_EQ(CountFiles(FileKind::kTable), tables);
  EXPECT_EQ(Get("k"), "w");
}

TEST_F(EngineTroubleTest, ATableThatARecoveredManifestMayNameIsKept) {
  ASSERT_OK(Open());
  ASSERT_OK(Put("k", "v"));
  for (const io::CallKind kind : {io::CallKind::kSyncData, io::CallKind::kSyncAll}) {
    files_.FailMatching(
        kind, "MANIFEST", 1,
        {.code = StatusCode::kResourceExhausted, .repeat = io::FaultRepeat::kForEver});
  }
  EXPECT_FAILS(engine_->Flush(), StatusCode::kResourceExhausted, "MANIFEST");
  engine_.reset();  // As SIGKILL would: the record of the edit is in the page cache.
  files_.Heal();
  ASSERT_OK(Open());
  EXPECT_EQ(engine_->Stats().levels[0].tables, 1u);
  EXPECT_EQ(Get("k"), "v");
  EXPECT_EQ(CountFiles(FileKind::kTable), 1u);
}

TEST_F(EngineTroubleTest, StopsWritingOnceASyncOfItsDirectoryHasFailed) {
  ASSERT_OK(Open());
  ASSERT_OK(Put("k", "v"));
  files_.FailMatching(io::CallKind::kSyncDirectory, directory_.Join("store"), 1,
                      {.repeat = io::FaultRepeat::kForEver});
  EXPECT_FALSE(engine_->Flush().ok());
  const Instant give_up = world_.env().clock.Now() + std::chrono::seconds(60);
  Status status;
  do {  // Journal and engine have yet to note the outcome.
    status = Put("k", "w");
  } while (status.code() != StatusCode::kUnavailable && world_.env().clock.Now() < give_up);
  EXPECT_FAILS(status, StatusCode::kUnavailable, "sync directory");
  EXPECT_FALSE(engine_->Flush().ok());
  EXPECT_FALSE(engine_->Stats().background_error.empty());
  const std::string seen = Get("k");
  engine_.reset();  // As SIGKILL would.
  EXPECT_EQ(files_.syncs_after_failure(), 0u);
  files_.Heal();
  ASSERT_OK(Open());
  EXPECT_EQ(Get("k"), seen);
  ASSERT_OK(Put("k", "x"));
  ASSERT_OK(engine_->Flush());
}

}  // namespace
}  // namespace aidb::lsm

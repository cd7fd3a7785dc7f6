// What the engine does while its background work fails: bounds, what it says, and that it heals.

#include <string>

#include <gtest/gtest.h>

#include "aidb/lsm/controller.h"
#include "aidb/lsm/engine_for_test.h"

namespace aidb::lsm {
namespace {

class EngineTroubleTest : public EngineTest {
 protected:
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
};

TEST_F(EngineTroubleTest, Level0StaysBoundedWhileCompactionFails) {
  options_.write_wait_ms = 20;
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

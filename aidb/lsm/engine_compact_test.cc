// Compaction of a range by hand, in an engine whose background works beside it.

#include <memory>
#include <string>
#include <utility>

#include <gtest/gtest.h>

#include "aidb/io/sim/world.h"
#include "aidb/lsm/engine_for_test.h"

namespace aidb::lsm {
namespace {

uint64_t LevelsInUse(const kv::StoreStats& stats) {
  uint64_t count = 0;
  for (const kv::LevelStats& level : stats.levels) count += level.tables > 0 ? 1 : 0;
  return count;
}

TEST_F(EngineTest, CompactLeavesOneRunWithoutWhatIsDeleted) {
  ASSERT_OK(Open());
  const std::string value(500, 'v');
  for (int round = 0; round < 3; ++round) {
    for (uint64_t i = 0; i < 3000; ++i) ASSERT_OK(Put(Key(i), value));
  }
  for (uint64_t i = 0; i < 3000; ++i) {
    if (i % 10 == 0) continue;
    kv::WriteBatch batch;
    batch.Delete(Key(i));
    ASSERT_OK(engine_->Write(std::move(batch), {}));
  }
  ASSERT_OK(engine_->Compact({}));
  kv::StoreStats stats = engine_->Stats();
  EXPECT_EQ(LevelsInUse(stats), 1u);
  const uint64_t tenth = stats.table_bytes;
  EXPECT_EQ(Get(Key(10)), value);
  EXPECT_EQ(Get(Key(11)), "absent");
  for (uint64_t i = 0; i < 3000; i += 10) {
    kv::WriteBatch batch;
    batch.Delete(Key(i));
    ASSERT_OK(engine_->Write(std::move(batch), {}));
  }
  const kv::Snapshot before = engine_->TakeSnapshot();
  ASSERT_OK(engine_->Compact({.lower = Key(1500)}));
  stats = engine_->Stats();
  EXPECT_LT(stats.table_bytes, tenth);
  ASSERT_OK(engine_->Compact({}));
  EXPECT_EQ(engine_->Stats().table_bytes, 0u) << "of an empty store no table is left";
  ASSERT_OK(engine_->Close());
  ASSERT_OK(Open());
  EXPECT_EQ(Get(Key(10)), "absent");
  EXPECT_EQ(CountFiles(FileKind::kTable), 0u);
}

TEST_F(EngineTest, ASmallFlushOfScatteredKeysIsOneTable) {
  options_.compression = kv::Compression::kNone;
  options_.level_base_bytes = uint64_t{4} << 20;
  ASSERT_OK(Open());
  for (uint64_t i = 0; i < 2000; ++i) ASSERT_OK(Put(Key(i), std::string(500, 'v')));
  ASSERT_OK(engine_->Compact({}));
  ASSERT_GT(engine_->Stats().levels[1].tables, 8u);
  for (uint64_t i = 0; i < 2000; i += 200) ASSERT_OK(Put(Key(i), "small"));
  ASSERT_OK(engine_->Flush());
  EXPECT_EQ(engine_->Stats().levels[0].tables, 1u);
}

TEST_F(EngineTest, CloseEndsACompactionThatRuns) {
  options_.level0_trigger = 12;  // The background begins none: Close would wait for it.
  ASSERT_OK(Open());
  for (uint64_t i = 0; i < 2000; ++i) ASSERT_OK(Put(Key(i % 500), std::string(100, 'v')));
  ASSERT_OK(engine_->WaitForCompaction());
  ASSERT_OK(Put(Key(7), "value"));
  ASSERT_OK(engine_->Flush());
  files_.HoldMatching(io::CallKind::kWrite, ".sst");
  Status compacted;
  const auto compactor =
      world_.env().executor.Start("compactor", [&] { compacted = engine_->Compact({}); });
  files_.WaitUntilHeld();
  Status closed;
  const auto closer = world_.env().executor.Start("closer", [&] { closed = engine_->Close(); });
  // Close has begun once calls are refused.
  while (engine_->Sync().ok()) world_.env().clock.SleepFor(std::chrono::milliseconds(1));
  files_.Release();
  compactor->Join();
  closer->Join();
  EXPECT_OK(closed);
  EXPECT_FAILS(compacted, StatusCode::kUnavailable, "closed");
  ASSERT_OK(Open());
  EXPECT_EQ(Get(Key(7)), "value");
}

TEST_F(EngineTest, CompactSaysWhyItFailsAndSucceedsLater) {
  ASSERT_OK(Open());
  for (uint64_t i = 0; i < 500; ++i) ASSERT_OK(Put(Key(i), std::string(100, 'v')));
  ASSERT_OK(engine_->WaitForCompaction());
  ASSERT_OK(engine_->Flush());
  files_.FailMatching(
      io::CallKind::kWrite, ".sst", 1,
      {.code = StatusCode::kResourceExhausted, .repeat = io::FaultRepeat::kForEver});
  EXPECT_FAILS(engine_->Compact({}), StatusCode::kResourceExhausted, "compact: merge level");
  files_.Heal();
  ASSERT_OK(engine_->Compact({}));
  EXPECT_EQ(LevelsInUse(engine_->Stats()), 1u);
  EXPECT_EQ(Get(Key(77)), std::string(100, 'v'));
}

// Keys of b are flushed between those of a and c while a job of these two runs.
TEST_F(EngineTest, CompactAndTheBackgroundDoNotWriteBetweenEachOthersKeys) {
  options_.background_threads = 2;
  ASSERT_OK(Open());
  const auto flush = [&](const std::string& key) {
    ASSERT_OK(Put(key, key));
    ASSERT_OK(engine_->Flush());
  };
  for (const char* key : {"a", "c"}) {
    flush(key);
    ASSERT_OK(engine_->Compact({.lower = key}));
  }
  ASSERT_EQ(engine_->Stats().levels[1].tables, 2u);
  const auto names = world_.env().files.List(directory_.Join("store"));
  ASSERT_OK(names);
  for (const std::string& name : *names) {
    if (name.ends_with(".sst")) files_.HoldMatching(io::CallKind::kRead, name);
  }
  flush("a");
  flush("c");
  Status compacted;
  const auto compactor =
      world_.env().executor.Start("compactor", [&] { compacted = engine_->Compact({}); });
  files_.WaitUntilHeld();
  const uint64_t before = engine_->Stats().compactions;
  flush("b");
  for (int i = 0; i < 3; ++i) flush("d");  // Two runs that no job has: level 0 is full.
  while (engine_->Stats().compactions == before) {
    world_.env().clock.SleepFor(std::chrono::milliseconds(1));
  }
  files_.Release();
  compactor->Join();
  EXPECT_OK(compacted);
  ASSERT_OK(engine_->WaitForCompaction());
  for (const char* key : {"a", "b", "c", "d"}) EXPECT_EQ(Get(key), key);
}

// A store that fills its disk but for a few tables can still be compacted, which frees the space.
TEST(EngineCompact, NeedsNoSecondCopyOfTheStore) {
  constexpr uint64_t kDiskBytes = uint64_t{1} << 30;
  io::SimWorld world(1);
  world.files().set_capacity(kDiskBytes);
  const io::RunReport run = world.Run([&] {
    kv::Options options = kv::Options::ForTests();
    options.sync_interval_ms = 0;
    options.compression = kv::Compression::kNone;
    OpenReport report;
    auto opened = Engine::Open(world.env(), "store", options, report);
    ASSERT_OK(opened);
    const std::unique_ptr<Engine> engine = *std::move(opened);
    const std::string value(1000, 'v');
    for (uint64_t i = 0; i < 6000; ++i) {
      kv::WriteBatch batch;
      batch.Put(Key(i * 7919 % 6000), value);
      ASSERT_OK(engine->Write(std::move(batch), {}));
    }
    ASSERT_OK(engine->Compact({}));
    for (uint64_t i = 0; i < 6000; i += 2) {
      kv::WriteBatch batch;
      batch.Delete(Key(i));
      ASSERT_OK(engine->Write(std::move(batch), {}));
    }
    ASSERT_OK(engine->Flush());
    ASSERT_OK(engine->WaitForCompaction());
    const uint64_t full = engine->Stats().table_bytes;
    const uint64_t used = kDiskBytes - *world.files().FreeBytes("store");
    world.files().set_capacity(used + full / 4);
    ASSERT_OK(engine->Compact({}));
    EXPECT_LT(engine->Stats().table_bytes, 3000u * 1100);
    ASSERT_OK(engine->Close());
  });
  EXPECT_EQ(run.end, io::RunEnd::kFinished);
}

}  // namespace
}  // namespace aidb::lsm

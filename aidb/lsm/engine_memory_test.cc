// That the engine stays within memory_bytes: large batches, options that ask for more, logs that
// an engine with more memory wrote.

#include <algorithm>
#include <bit>
#include <string>
#include <utility>

#include <gtest/gtest.h>

#include "aidb/base/random.h"
#include "aidb/lsm/destroy.h"
#include "aidb/lsm/engine_for_test.h"

namespace aidb::lsm {
namespace {

constexpr uint64_t kKiB = uint64_t{1} << 10;
constexpr uint64_t kMiB = uint64_t{1} << 20;

class EngineMemoryTest : public EngineTest {
 protected:
  void TearDown() override { files_.Heal(); }

  // All that the plan shares out, with what the memtables really take.
  uint64_t MemoryInUse() {
    const MemoryPlan plan = MemoryPlan::For(options_);
    return plan.ring_bytes + plan.cache_bytes + engine_->Stats().memtable_bytes;
  }
  void UseLittleMemory() {
    options_.memory_bytes = kMiB;
    options_.cache_bytes = 0;
    options_.batch_bytes_max = options_.memory_bytes / 4;
  }
  // Writes more than a small engine can hold, in one log, and ends as SIGKILL would.
  void WriteMuchAndDie(uint64_t keys) {
    const kv::Options small = options_;
    options_.memory_bytes = 64 * kMiB;
    options_.write_buffer_bytes = 16 * kMiB;
    options_.log_bytes = 64 * kMiB;
    ASSERT_OK(Open());
    for (uint64_t i = 0; i < keys; ++i) ASSERT_OK(Put(Key(i), Key(i)));
    EXPECT_EQ(engine_->Stats().flushes, 0u);
    options_ = small;
  }
};

TEST_F(EngineMemoryTest, LargeBatchesWaitUntilTheMemtablesLeaveRoom) {
  UseLittleMemory();
  options_.write_wait_ms = 20;
  ASSERT_OK(Open());
  files_.FailMatching(io::CallKind::kWrite, ".sst", 1, {.repeat = io::FaultRepeat::kForEver});
  const std::string value(options_.batch_bytes_max - 100, 'v');
  Status status;
  uint64_t written = 0;
  for (; written < 8 && status.ok(); ++written) {
    status = Put(Key(written), value);
    EXPECT_LE(MemoryInUse(), options_.memory_bytes) << written;
  }
  EXPECT_EQ(status.code(), StatusCode::kResourceExhausted) << status.ToString();
  EXPECT_GT(written, 1u);
  files_.Heal();
  options_.write_wait_ms = 10'000;
  ASSERT_OK(engine_->Close());
  ASSERT_OK(Open());
  for (uint64_t i = 0; i < 20; ++i) {
    ASSERT_OK(Put(i % 3 == 0 ? "small" : Key(i % 8), value));
    EXPECT_LE(MemoryInUse(), options_.memory_bytes) << i;
  }
  EXPECT_EQ(Get(Key(7)), value);
}

TEST_F(EngineMemoryTest, ALargeBatchThatHasRoomIsNoMorePressureThanFullMemory) {
  ASSERT_OK(Open());
  files_.HoldMatching(io::CallKind::kOpen, ".sst");
  ASSERT_GT(options_.batch_bytes_max, 10 * options_.write_buffer_bytes);
  ASSERT_OK(Put("large", std::string(options_.batch_bytes_max / 2, 'v')));
  ASSERT_OK(Put("next", "v"));  // Seals the large one.
  ASSERT_EQ(engine_->Stats().memtable_count, 2u);
  EXPECT_EQ(engine_->Stats().write_pressure_reason, "memtables");
  EXPECT_LE(engine_->Stats().write_pressure, 1);
  files_.Heal();
}

TEST_F(EngineMemoryTest, ABatchOfManySmallOperationsIsHeldOrRefused) {
  options_.memory_bytes = 32 * kMiB;
  ASSERT_OK(Open());
  kv::WriteBatch large;
  for (uint64_t i = 0; i < 60'000; ++i) large.Put(Key(i), "");
  ASSERT_OK(engine_->Write(std::move(large), {}).status());
  EXPECT_LE(MemoryInUse(), options_.memory_bytes);
  EXPECT_EQ(Get(Key(59'999)), "");

  UseLittleMemory();
  ASSERT_OK(Open());
  kv::WriteBatch many;
  while (many.size_bytes() < options_.batch_bytes_max - 16) many.Delete("k");
  EXPECT_FAILS(engine_->Write(std::move(many), {}).status(), StatusCode::kInvalidArgument, "split");
  EXPECT_EQ(Get(Key(59'999)), "");
}

TEST_F(EngineMemoryTest, OpenRefusesPartsThatAreMoreThanTheWhole) {
  options_.cache_bytes = 5 * kMiB + 512 * kKiB;
  EXPECT_FAILS(Open(), StatusCode::kInvalidArgument, "batch_bytes_max 2097152");
  options_.batch_bytes_max = 64 * kKiB;
  ASSERT_OK(Open());
  ASSERT_OK(engine_->Close());
  options_.write_buffer_bytes = kMiB;
  EXPECT_FAILS(Open(), StatusCode::kInvalidArgument, "write_buffer_bytes 1048576");
  EXPECT_FAILS(Open(), StatusCode::kInvalidArgument, "cache_bytes 5767168");
  EXPECT_FAILS(Open(), StatusCode::kInvalidArgument, "raise memory_bytes");
}

TEST_F(EngineMemoryTest, EveryPresetSharesOutNoMoreThanThereIs) {
  for (const kv::Options& options : {kv::Options(), kv::Options::ForTests(),
                                     kv::Options::ForWrites(), kv::Options::ForReads()}) {
    const MemoryPlan plan = MemoryPlan::For(options);
    EXPECT_OK(plan.Check(options));
    EXPECT_GE(plan.memtable_bytes, 3 * plan.write_buffer_bytes);
    EXPECT_LE(plan.ring_bytes + plan.memtable_bytes + plan.cache_bytes, options.memory_bytes);
  }
  const kv::Options reads = kv::Options::ForReads();
  EXPECT_GT(MemoryPlan::For(reads).cache_bytes, reads.memory_bytes / 4 * 3);
}

TEST_F(EngineMemoryTest, TheRingIsSmallWhereNothingSyncsByItself) {
  kv::Options options;
  const MemoryPlan synced = MemoryPlan::For(options);
  EXPECT_EQ(synced.ring_bytes, 16 * kMiB);
  EXPECT_EQ(synced.write_buffer_bytes, options.memory_bytes / 8);
  options.sync_interval_ms = 0;
  const MemoryPlan unsynced = MemoryPlan::For(options);
  EXPECT_EQ(unsynced.ring_bytes, 4 * kMiB);
  EXPECT_EQ(unsynced.memtable_bytes, synced.memtable_bytes);
  EXPECT_EQ(unsynced.cache_bytes, synced.cache_bytes + 12 * kMiB);
  options.memory_bytes = 32 * kMiB;
  EXPECT_EQ(MemoryPlan::For(options).ring_bytes, 2 * kMiB);
}

TEST_F(EngineMemoryTest, ReplayWithLessMemoryEndsInTables) {
  UseLittleMemory();
  constexpr uint64_t kKeys = 60'000;
  WriteMuchAndDie(kKeys);
  for (int life = 0; life < 2; ++life) {
    ASSERT_OK(Open());
    EXPECT_LE(MemoryInUse(), options_.memory_bytes);
    EXPECT_EQ(report_.log_records, life == 0 ? kKeys : 1);
    ASSERT_OK(Put("more", std::to_string(life)));
  }
  ASSERT_OK(engine_->WaitForCompaction());
  for (uint64_t i = 0; i < kKeys; ++i) ASSERT_EQ(Get(Key(i)), Key(i));
  EXPECT_EQ(Get("more"), "1");
}

TEST_F(EngineMemoryTest, AReplayThatCannotWriteItsTablesChangesNothing) {
  UseLittleMemory();
  WriteMuchAndDie(60'000);
  engine_.reset();
  files_.FailMatching(io::CallKind::kSyncAll, ".sst", 2, {.repeat = io::FaultRepeat::kForEver});
  EXPECT_FAILS(Open(), StatusCode::kIoError, ".sst");
  EXPECT_EQ(CountFiles(FileKind::kTable), 0u);
  files_.Heal();
  // The edit that names the tables, and the manifest that would take its place.
  files_.FailMatching(io::CallKind::kSyncData, "MANIFEST", 1,
                      {.repeat = io::FaultRepeat::kForEver});
  files_.FailMatching(io::CallKind::kSyncAll, "MANIFEST", 2, {.repeat = io::FaultRepeat::kForEver});
  EXPECT_FAILS(Open(), StatusCode::kIoError, "MANIFEST");
  files_.Heal();
  ASSERT_OK(Open());
  for (uint64_t i = 0; i < 60'000; i += 7) ASSERT_EQ(Get(Key(i)), Key(i));
}

// A supervisor that restarts in a loop must not fill the disk.
TEST_F(EngineMemoryTest, TablesOfAReplayThatWasCutShortGoBeforeTheNextOne) {
  UseLittleMemory();
  WriteMuchAndDie(60'000);
  engine_.reset();
  // As a kill would, this leaves what was spilled so far.
  files_.FailMatching(io::CallKind::kSyncAll, ".sst", 2, {.repeat = io::FaultRepeat::kForEver});
  files_.FailMatching(io::CallKind::kRemove, ".sst", 1, {.repeat = io::FaultRepeat::kForEver});
  EXPECT_FAILS(Open(), StatusCode::kIoError, ".sst");
  EXPECT_GE(CountFiles(FileKind::kTable), 2u);
  files_.Heal();
  files_.FailMatching(io::CallKind::kOpen, ".sst", 1, {.repeat = io::FaultRepeat::kForEver});
  EXPECT_FAILS(Open(), StatusCode::kIoError, ".sst");
  EXPECT_EQ(CountFiles(FileKind::kTable), 0u);
  files_.Heal();
  ASSERT_OK(Open());
  for (uint64_t i = 0; i < 60'000; i += 7) ASSERT_EQ(Get(Key(i)), Key(i));
}

TEST_F(EngineMemoryTest, AManifestThatCannotBeContinuedLeavesNoTables) {
  UseLittleMemory();
  WriteMuchAndDie(60'000);
  ASSERT_OK(engine_->Close());
  files_.FailMatching(io::CallKind::kSyncAll, "MANIFEST", 1, {.repeat = io::FaultRepeat::kForEver});
  EXPECT_FAILS(Open(), StatusCode::kIoError, "MANIFEST");
  EXPECT_EQ(CountFiles(FileKind::kTable), 0u);
  files_.Heal();
  ASSERT_OK(Open());
  EXPECT_EQ(Get(Key(59'999)), Key(59'999));
}

TEST_F(EngineMemoryTest, ReadOnlyRefusesALogThatItCannotHold) {
  UseLittleMemory();
  WriteMuchAndDie(60'000);
  ASSERT_OK(engine_->Close());
  options_.mode = kv::StoreMode::kReadOnly;
  EXPECT_FAILS(Open(), StatusCode::kResourceExhausted, "raise write_buffer_bytes");
  options_.memory_bytes = 64 * kMiB;
  options_.write_buffer_bytes = 8 * kMiB;
  ASSERT_OK(Open());
  EXPECT_EQ(Get(Key(59'999)), Key(59'999));
}

// Below `bound`, small numbers as likely as large ones.
uint64_t Skewed(Rng& rng, uint64_t bound) {
  return rng.Below(std::min(bound, uint64_t{1} << rng.Below(std::bit_width(bound) + 1)));
}

// What was written until the memtables took no more.
struct Filling {
  uint64_t batches = 0;
  uint64_t keys = 0;
};

// Options, sizes of batches and of values by lot; half of the seeds have them all alike.
class EngineReadOnlyTest : public EngineMemoryTest, public ::testing::WithParamInterface<uint64_t> {
 protected:
  void ChooseOptions(Rng& rng) {
    options_.memory_bytes = rng.Between(1, 4) * kMiB;
    options_.cache_bytes = rng.OneIn(2) ? 0 : 64 * kKiB;
    options_.batch_bytes_max = options_.memory_bytes / (rng.OneIn(2) ? 4 : 32);
    options_.write_buffer_bytes = options_.memory_bytes / rng.Between(4, 32);
  }
  // Its keys and values; none twice.
  kv::WriteBatch NextBatch(Rng& rng, bool alike, uint64_t keys_before) {
    const uint64_t size = alike ? size_ : Skewed(rng, options_.batch_bytes_max - 100);
    const uint64_t operations = alike ? operations_ : Skewed(rng, 3000) + 1;
    kv::WriteBatch batch;
    for (uint64_t i = 0; i < operations; ++i) {
      const std::string value(size / operations, 'v');
      if (i > 0 && batch.size_bytes() + value.size() + 100 > options_.batch_bytes_max) break;
      batch.Put(Key((keys_before + i) * 7919 % 10'000'019), value);
    }
    return batch;
  }
  // Writes, while no table can be written, until there is no room any more.
  Filling Fill(Rng& rng) {
    const bool alike = rng.OneIn(2);
    size_ = Skewed(rng, options_.batch_bytes_max - 100);
    operations_ = rng.OneIn(2) ? 1 : Skewed(rng, 1000) + 1;
    files_.FailMatching(io::CallKind::kWrite, ".sst", 1, {.repeat = io::FaultRepeat::kForEver});
    Filling filling;
    for (int refused = 0; refused < 8;) {
      kv::WriteBatch batch = NextBatch(rng, alike, filling.keys);
      const uint64_t count = batch.count();
      const Status status = engine_->Write(std::move(batch), {}).status();
      if (status.ok()) {
        ++filling.batches;
        filling.keys += count;
      } else {
        ++refused;
      }
    }
    return filling;
  }

  uint64_t size_ = 0;
  uint64_t operations_ = 0;
};

TEST_P(EngineReadOnlyTest, OpensWhatWasClosedUnderTheSameOptions) {
  Rng rng(GetParam());
  ChooseOptions(rng);
  ASSERT_OK(Open());
  for (uint64_t i = 0; i < 300; ++i) ASSERT_OK(Put("table" + Key(i), std::string(1000, 't')));
  ASSERT_OK(engine_->Flush());
  ASSERT_OK(engine_->Close());
  options_.write_wait_ms = 20;
  ASSERT_OK(Open());
  const Filling filling = Fill(rng);
  EXPECT_GT(filling.keys, 0u);
  const uint64_t memtable_bytes = engine_->Stats().memtable_bytes;
  ASSERT_OK(engine_->Close());
  options_.mode = kv::StoreMode::kReadOnly;
  ASSERT_OK(Open()) << filling.batches << " batches with " << filling.keys << " keys filled "
                    << memtable_bytes << " of " << options_.memory_bytes << " bytes";
  files_.Heal();
  EXPECT_EQ(report_.log_records, filling.keys);
  EXPECT_LE(engine_->Stats().memtable_count, 6u);
  for (uint64_t i = 0; i < filling.keys; ++i) {
    ASSERT_NE(Get(Key(i * 7919 % 10'000'019)), "absent") << i;
  }
  for (uint64_t i = 0; i < 300; ++i) ASSERT_EQ(Get("table" + Key(i)).size(), 1000u) << i;
  const kv::StoreStats stats = engine_->Stats();
  EXPECT_LE(stats.memtable_bytes + stats.cache_bytes, options_.memory_bytes);
}

INSTANTIATE_TEST_SUITE_P(Seeds, EngineReadOnlyTest, ::testing::Range(uint64_t{1}, uint64_t{31}));

TEST_F(EngineMemoryTest, ReplaysABatchThatTheNewOptionsWouldRefuse) {
  options_.memory_bytes = 32 * kMiB;
  options_.batch_bytes_max = 8 * kMiB;
  ASSERT_OK(Open());
  const std::string value(options_.batch_bytes_max - 100, 'v');
  ASSERT_OK(Put("before", "1"));
  ASSERT_OK(Put("large", value));
  ASSERT_OK(Put("behind", "2"));
  UseLittleMemory();
  ASSERT_OK(Open());
  EXPECT_TRUE(report_.quarantine.empty());
  EXPECT_EQ(Get("before") + Get("behind"), "12");
  EXPECT_TRUE(Get("large") == value);
  EXPECT_LE(MemoryInUse(), options_.memory_bytes);
}

}  // namespace
}  // namespace aidb::lsm

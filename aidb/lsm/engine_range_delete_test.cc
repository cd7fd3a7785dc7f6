// Range deletes of the native engine beyond the contract: what they cost, and their limits.

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "aidb/io/transfer.h"
#include "aidb/lsm/check.h"
#include "aidb/lsm/engine_for_test.h"

namespace aidb::lsm {
namespace {

class EngineRangeDeleteTest : public EngineTest {
 protected:
  Status DeleteRange(std::string_view begin, std::optional<std::string_view> end) {
    kv::WriteBatch batch;
    batch.DeleteRange(begin, end);
    return engine_->Write(std::move(batch), {}).status();
  }
  Status Fill(uint64_t from, uint64_t to, size_t value_bytes = 20) {
    const std::string value(value_bytes, 'v');
    for (uint64_t i = from; i < to;) {
      kv::WriteBatch batch;
      for (const uint64_t end = std::min(to, i + 500); i < end; ++i) batch.Put(Key(i), value);
      AIDB_RETURN_IF_ERROR(engine_->Write(std::move(batch), {}).status());
    }
    return {};
  }
  uint64_t Count() {
    uint64_t count = 0;
    kv::Iterator it = engine_->Scan({});
    for (; it.Valid(); it.Next()) ++count;
    EXPECT_OK(it.status());
    return count;
  }
  uint64_t BlocksRead() {
    const kv::StoreStats stats = engine_->Stats();
    return stats.cache_hits + stats.cache_misses;
  }
  void ExpectSound() {
    ASSERT_OK(engine_->Close());
    engine_.reset();
    const auto report = CheckStore(world_.env(), directory_.Join("store"));
    ASSERT_OK(report);
    EXPECT_TRUE(report->ok()) << report->problems.front().what;
  }
};

constexpr uint64_t kMany = 100'000;

// A queue whose consumed part goes by range: finding its head may not read what was consumed.
TEST_F(EngineRangeDeleteTest, ASeekReadsNothingOfARangeThatWasDeleted) {
  options_.memory_bytes = uint64_t{64} << 20;
  options_.write_buffer_bytes = uint64_t{8} << 20;
  options_.cache_bytes = uint64_t{16} << 20;
  options_.level0_trigger = 8;
  ASSERT_OK(Open());
  ASSERT_OK(Fill(0, kMany));
  ASSERT_OK(engine_->Flush());
  ASSERT_OK(DeleteRange("", Key(kMany - 10)));
  for (int round = 0; round < 2; ++round) {
    const uint64_t before = BlocksRead();
    kv::Iterator up = engine_->Scan({});
    ASSERT_TRUE(up.Valid());
    EXPECT_EQ(up.key(), Key(kMany - 10));
    up.Seek(Key(500));
    EXPECT_EQ(up.key(), Key(kMany - 10));
    up.Prev();
    EXPECT_FALSE(up.Valid());
    up.SeekForPrev(Key(kMany - 11));
    EXPECT_FALSE(up.Valid());
    EXPECT_LT(BlocksRead() - before, 60u);
    ASSERT_OK(engine_->Flush());
  }
  EXPECT_EQ(Count(), 10u);
}

TEST_F(EngineRangeDeleteTest, TheTablesOfADeletedRangeGo) {
  ASSERT_OK(Open());
  ASSERT_OK(Fill(0, 20'000, 100));
  ASSERT_OK(engine_->Compact({}));
  const uint64_t before = engine_->Stats().table_bytes;
  ASSERT_OK(DeleteRange(Key(100), Key(19'900)));
  ASSERT_OK(engine_->Compact({}));
  EXPECT_LT(engine_->Stats().table_bytes, before / 20);
  EXPECT_EQ(Count(), 200u);
  ASSERT_OK(DeleteRange("", std::nullopt));
  ASSERT_OK(engine_->Compact({}));
  EXPECT_EQ(engine_->Stats().table_bytes, 0u);
  EXPECT_EQ(Count(), 0u);
  ExpectSound();
}

TEST_F(EngineRangeDeleteTest, AMemtableOfRangeDeletesAloneIsFlushed) {
  ASSERT_OK(Open());
  ASSERT_OK(Fill(0, 100));
  ASSERT_OK(engine_->Flush());
  ASSERT_OK(DeleteRange(Key(10), Key(90)));
  ASSERT_OK(engine_->Flush());
  EXPECT_EQ(Count(), 20u);
  EXPECT_EQ(Get(Key(50)), "absent");
  ASSERT_OK(Open());
  EXPECT_EQ(Count(), 20u);
  ExpectSound();
}

// Each copies the list: more than a memtable may have begin another one.
TEST_F(EngineRangeDeleteTest, ManyRangeDeletesFillMemtables) {
  options_.level0_trigger = 50;
  options_.memory_bytes = uint64_t{64} << 20;
  options_.write_buffer_bytes = uint64_t{8} << 20;
  ASSERT_OK(Open());
  constexpr uint64_t kRanges = 3 * Memtable::kRangeDeleteFragmentsMax;
  ASSERT_OK(Fill(0, kRanges * 2));
  ASSERT_OK(engine_->Flush());
  const uint64_t flushes = engine_->Stats().flushes;
  for (uint64_t i = 0; i < kRanges; ++i) ASSERT_OK(DeleteRange(Key(2 * i), Key(2 * i + 1)));
  ASSERT_OK(engine_->Flush());
  EXPECT_GE(engine_->Stats().flushes - flushes, 3u);
  EXPECT_EQ(Count(), kRanges);
  EXPECT_EQ(Get(Key(2)), "absent");
  EXPECT_EQ(Get(Key(3)), std::string(20, 'v'));
  ExpectSound();
}

TEST_F(EngineRangeDeleteTest, ABatchMayHaveMoreThanAMemtableUsuallyHas) {
  ASSERT_OK(Open());
  ASSERT_OK(Fill(0, 10'000));
  kv::WriteBatch batch;
  for (uint64_t i = 0; i < 5'000; ++i) batch.DeleteRange(Key(2 * i), Key(2 * i + 1));
  ASSERT_OK(engine_->Write(std::move(batch), {}));
  EXPECT_EQ(Count(), 5'000u);
  engine_.reset();  // As SIGKILL.
  ASSERT_OK(Open());
  EXPECT_EQ(Count(), 5'000u);
  ASSERT_OK(engine_->Flush());
  EXPECT_EQ(Count(), 5'000u);
  ExpectSound();
}

// What one engine wrote, one with less memory spills to tables while it replays.
TEST_F(EngineRangeDeleteTest, AReplayThatSpillsKeepsThem) {
  options_.memory_bytes = uint64_t{64} << 20;
  options_.write_buffer_bytes = uint64_t{16} << 20;
  options_.log_bytes = uint64_t{64} << 20;
  ASSERT_OK(Open());
  std::map<std::string, bool> expected;
  for (uint64_t i = 0; i < 40'000; ++i) {
    ASSERT_OK(Put(Key(i % 9'000), std::string(50, 'v')));
    expected[Key(i % 9'000)] = true;
    if (i % 1'000 != 999) continue;
    const uint64_t from = (i * 7) % 9'000;
    ASSERT_OK(DeleteRange(Key(from), Key(from + 300)));
    for (uint64_t k = from; k < from + 300; ++k) expected.erase(Key(k));
  }
  engine_.reset();
  options_ = kv::Options::ForTests();
  options_.sync_interval_ms = 0;
  ASSERT_OK(Open());
  EXPECT_EQ(Count(), expected.size());
  ASSERT_OK(engine_->Flush());
  EXPECT_EQ(Count(), expected.size());
  ExpectSound();
}

TEST_F(EngineRangeDeleteTest, ACheckpointHoldsThoseOfTheMemtables) {
  ASSERT_OK(Open());
  ASSERT_OK(Fill(0, 100));
  ASSERT_OK(engine_->Flush());
  ASSERT_OK(DeleteRange(Key(10), Key(90)));
  ASSERT_OK(engine_->Checkpoint(directory_.Join("copy")));
  ASSERT_OK(Fill(20, 30));
  OpenReport report;
  auto copy = Engine::Open(world_.env(), directory_.Join("copy"), options_, report);
  ASSERT_OK(copy);
  uint64_t count = 0;
  for (kv::Iterator it = (*copy)->Scan({}); it.Valid(); it.Next()) ++count;
  EXPECT_EQ(count, 20u);
  EXPECT_EQ(Count(), 30u);
}

// A table whose range deletes cannot be read answers nothing: what they hide would show.
TEST_F(EngineRangeDeleteTest, ADamagedListFailsTheReadsOfItsTable) {
  options_.level0_trigger = 8;
  ASSERT_OK(Open());
  ASSERT_OK(Fill(0, 100));
  ASSERT_OK(engine_->Flush());
  ASSERT_OK(DeleteRange(Key(10), Key(90)));
  ASSERT_OK(engine_->Flush());
  ASSERT_OK(engine_->Close());
  engine_.reset();
  const auto names = world_.env().files.List(directory_.Join("store"));
  ASSERT_OK(names);
  std::string newest;
  for (const std::string& name : *names) {
    if (name.ends_with(".sst")) newest = std::max(newest, name);
  }
  auto file = world_.env().files.Open(directory_.Join("store/" + newest), io::OpenMode::kReadWrite);
  ASSERT_OK(file);
  const std::byte wrong{0x5A};
  ASSERT_OK(io::WriteFully(**file, 20, std::span(&wrong, 1)));
  ASSERT_OK((*file)->Close());
  ASSERT_OK(Open());
  EXPECT_EQ(engine_->Get(Key(50), {}).status().code(), StatusCode::kCorruption);
  EXPECT_EQ(Get(Key(5)), std::string(20, 'v'));
  kv::Iterator it = engine_->Scan({});
  while (it.Valid()) it.Next();
  EXPECT_EQ(it.status().code(), StatusCode::kCorruption);
}

}  // namespace
}  // namespace aidb::lsm

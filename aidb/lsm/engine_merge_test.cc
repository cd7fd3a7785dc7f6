// Merges of the native engine beyond the contract: operands that wait for a read, a flush or a
// merge of tables to fold them.

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "aidb/lsm/check.h"
#include "aidb/lsm/checkpoint.h"
#include "aidb/lsm/engine_for_test.h"
#include "aidb/lsm/owned_entry_for_test.h"
#include "aidb/lsm/repair.h"
#include "aidb/lsm/vector_cursor_for_test.h"

namespace aidb::lsm {
namespace {

using kv::MergeOperator;
constexpr MergeOperator kAdd = MergeOperator::kAddI64;
constexpr auto kUsers = static_cast<MergeOperator>(200);

class Wraps final : public kv::MergeFunction {
 public:
  std::string Merge(MergeOperator /*op*/, std::string_view /*key*/,
                    std::optional<std::string_view> value,
                    std::string_view operand) const override {
    return "(" + std::string(value.value_or("nothing")) + std::string(operand) + ")";
  }
};

class EngineMergeTest : public EngineTest {
 protected:
  Status Merge(std::string_view key, MergeOperator op, std::string_view operand) {
    kv::WriteBatch batch;
    batch.Merge(key, op, operand);
    return engine_->Write(std::move(batch), {}).status();
  }
  uint64_t BlocksRead() {
    const kv::StoreStats stats = engine_->Stats();
    return stats.cache_hits + stats.cache_misses;
  }
  // Of what was written since `from`, as the log has it.
  std::map<OpKind, int> Kinds(Sequence from = kv::kSequenceNone) {
    std::map<OpKind, int> kinds;
    auto updates = engine_->UpdatesSince(from, {});
    EXPECT_OK(updates);
    while (updates.ok()) {
      const auto update = updates->Next();
      EXPECT_OK(update);
      if (!update.ok() || !*update) break;
      kv::WriteBatch::Reader reader = (*update)->reader();
      for (auto next = reader.Next(); next.ok() && *next; next = reader.Next()) {
        ++kinds[(*next)->kind];
      }
    }
    return kinds;
  }
  void ExpectSound() {
    ASSERT_OK(engine_->Close());
    engine_.reset();
    const auto report = CheckStore(world_.env(), directory_.Join("store"));
    ASSERT_OK(report);
    EXPECT_TRUE(report->ok()) << report->problems.front().what;
  }
};

TEST_F(EngineMergeTest, AMergeOfAKeyInTablesReadsNothing) {
  options_.memory_bytes = uint64_t{64} << 20;
  options_.write_buffer_bytes = uint64_t{8} << 20;  // No job in the background reads meanwhile.
  options_.cache_bytes = uint64_t{16} << 20;
  ASSERT_OK(Open());
  for (uint64_t i = 0; i < 1000; ++i) ASSERT_OK(Put(Key(i), "40"));
  ASSERT_OK(engine_->Compact({}));
  const uint64_t before = BlocksRead();
  for (uint64_t i = 0; i < 1000; ++i) ASSERT_OK(Merge(Key(i), kAdd, "2"));
  EXPECT_EQ(BlocksRead(), before);
  for (int round = 0; round < 3; ++round) {
    EXPECT_EQ(Get(Key(7)), "42");
    kv::Iterator it = engine_->Scan({});
    uint64_t seen = 0;
    for (; it.Valid(); it.Next(), ++seen) ASSERT_EQ(it.value(), "42");
    ASSERT_OK(it.status());
    EXPECT_EQ(seen, 1000u);
    ASSERT_OK(round == 0 ? engine_->Flush() : engine_->Compact({}));
  }
  ExpectSound();
}

TEST_F(EngineMergeTest, AHotCounterHasFewOperands) {
  ASSERT_OK(Open());
  for (int i = 0; i < 1000; ++i) ASSERT_OK(Merge("hot", kAdd, "1"));
  EXPECT_EQ(Get("hot"), "1000");
  EXPECT_EQ(Kinds()[OpKind::kMerge], kMemtableOperandsMax);
  EXPECT_EQ(Kinds()[OpKind::kPut], 1000 - kMemtableOperandsMax);
}

TEST_F(EngineMergeTest, WhatMayGrowIsFoldedWhenItIsWritten) {
  ASSERT_OK(Open());
  ASSERT_OK(Merge("k", MergeOperator::kAppend, "a"));
  ASSERT_OK(Merge("long", MergeOperator::kMax, std::string(kOperandBytesMax + 1, 'v')));
  EXPECT_EQ(Kinds()[OpKind::kMerge], 0);
  ASSERT_OK(Merge("short", MergeOperator::kMax, std::string(kOperandBytesMax, 'v')));
  EXPECT_EQ(Kinds()[OpKind::kMerge], 1);
}

TEST_F(EngineMergeTest, AnOperandOfAnotherOperatorEndsTheChain) {
  ASSERT_OK(Open());
  ASSERT_OK(Merge("k", kAdd, "5"));
  ASSERT_OK(Merge("k", MergeOperator::kMin, "3"));
  ASSERT_OK(Merge("k", kAdd, "1"));
  EXPECT_EQ(Kinds()[OpKind::kMerge], 1);
  EXPECT_EQ(Get("k"), "4");
}

// Whether what it lies on has expired is known when a merge is written, and not later.
TEST_F(EngineMergeTest, MergesAreFoldedAtOnceWhereValuesExpire) {
  ASSERT_OK(Open());
  ASSERT_OK(Merge("a", kAdd, "1"));
  EXPECT_EQ(Kinds()[OpKind::kMerge], 1);
  kv::WriteBatch batch;
  batch.Put("expires", "7", 1);
  batch.Merge("b", kAdd, "1");
  ASSERT_OK(engine_->Write(std::move(batch), {}));
  ASSERT_OK(Merge("expires", kAdd, "1"));
  EXPECT_EQ(Get("expires"), "1");
  ASSERT_OK(engine_->Close());
  ASSERT_OK(Open());
  ASSERT_OK(Merge("c", kAdd, "1"));
  EXPECT_EQ(Kinds()[OpKind::kMerge], 1);
  EXPECT_EQ(Get("a") + Get("b") + Get("c"), "111");
}

TEST_F(EngineMergeTest, AChainOverSeveralLevelsIsRead) {
  options_.level0_trigger = 20;
  ASSERT_OK(Open());
  std::vector<kv::Snapshot> snapshots;
  for (int i = 1; i <= 6; ++i) {
    ASSERT_OK(Merge("k", kAdd, "1"));
    ASSERT_OK(Merge("k", kAdd, "10"));
    snapshots.push_back(engine_->TakeSnapshot());
    ASSERT_OK(engine_->Flush());
    if (i % 2 == 0) {
      ASSERT_OK(engine_->Compact({}));
    }
  }
  for (size_t i = 0; i < snapshots.size(); ++i) {
    const auto value = engine_->Get("k", {.snapshot = &snapshots[i]});
    ASSERT_TRUE(value.ok() && *value);
    EXPECT_EQ((*value)->view(), std::to_string(11 * (i + 1)));
  }
  snapshots.clear();
  ASSERT_OK(engine_->Compact({}));
  EXPECT_EQ(Get("k"), "66");
  ExpectSound();
}

// With what they lay on lost, operands would make values that no key ever had.
TEST_F(EngineMergeTest, ARepairAfterALossLeavesOperandsOut) {
  ASSERT_OK(Open());
  for (uint64_t i = 0; i < 1000; ++i) ASSERT_OK(Put(Key(i), "40"));
  ASSERT_OK(engine_->Compact({}));
  for (uint64_t i = 0; i < 1000; i += 10) ASSERT_OK(Merge(Key(i), kAdd, "2"));
  ASSERT_OK(engine_->Flush());
  ASSERT_OK(engine_->Close());
  engine_.reset();
  std::vector<std::string> tables;
  for (const auto& file : std::filesystem::directory_iterator(directory_.Join("store"))) {
    if (file.path().extension() == ".sst") tables.push_back(file.path().string());
  }
  const std::string oldest = *std::min_element(tables.begin(), tables.end());
  {
    std::fstream file(oldest, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(100);
    file.put('\xFF');
  }
  const std::string repaired = directory_.Join("repaired");
  const auto report = RepairStore(world_.env(), directory_.Join("store"), repaired);
  ASSERT_OK(report);
  EXPECT_FALSE(report->losses.empty());
  EXPECT_NE(report->notes.front().find("merges"), std::string::npos);
  auto opened = OpenStore(world_.env(), repaired, options_);
  ASSERT_OK(opened);
  uint64_t keys = 0;
  kv::Iterator it = opened->store->Scan({});
  for (; it.Valid(); it.Next(), ++keys) EXPECT_EQ(it.value(), "40") << it.key();
  EXPECT_OK(it.status());
  EXPECT_LT(keys, 1000u);
  EXPECT_GT(keys, 500u);
}

// ── Random ──────────────────────────────────────────────────────────────────────────────────

using Contents = std::map<std::string, std::string>;

// What a store should hold, and what it did at snapshots.
class Model {
 public:
  void Merge(const std::string& key, MergeOperator op, const std::string& operand) {
    const auto held = now_.find(key);
    now_[key] = *kv::Merger().Apply(
        op, key, held == now_.end() ? std::nullopt : std::optional<std::string_view>(held->second),
        operand);
  }
  void DeleteRange(const std::string& begin, const std::string& end) {
    now_.erase(now_.lower_bound(begin), now_.lower_bound(end));
  }
  Contents& now() { return now_; }

 private:
  Contents now_;
};

// Up, down, by turns and by Get.
void ExpectHolds(const kv::Store& store, const kv::Snapshot* snapshot, const Contents& expected,
                 Rng& rng) {
  Contents up;
  kv::Iterator it = store.Scan({.snapshot = snapshot});
  for (; it.Valid(); it.Next()) up.emplace(it.key(), it.value());
  ASSERT_OK(it.status());
  ASSERT_EQ(up, expected);
  Contents down;
  kv::Iterator back = store.Scan({.order = kv::ScanOrder::kReverse, .snapshot = snapshot});
  for (; back.Valid(); back.Next()) down.emplace(back.key(), back.value());
  ASSERT_OK(back.status());
  ASSERT_EQ(down, expected);
  for (int i = 0; i < 20; ++i) {
    const std::string key = Key(rng.Below(12));
    const auto value = store.Get(key, {.snapshot = snapshot});
    ASSERT_OK(value);
    const auto model = expected.find(key);
    ASSERT_EQ(value->has_value(), model != expected.end()) << key;
    if (*value) {
      ASSERT_EQ((*value)->view(), model->second) << key;
    }
    it.Seek(key);
    auto at = expected.lower_bound(key);
    for (int move = 0; move < 6; ++move) {
      ASSERT_EQ(it.Valid(), at != expected.end());
      if (!it.Valid()) break;
      ASSERT_EQ(it.key(), at->first);
      ASSERT_EQ(it.value(), at->second);
      if (rng.OneIn(2)) {
        it.Next();
        ++at;
      } else {
        it.Prev();
        at = at == expected.begin() ? expected.end() : std::prev(at);
      }
    }
  }
}

TEST_F(EngineMergeTest, HoldsWhatAMapHolds) {
  for (uint64_t seed = 1; seed <= 6; ++seed) {
    SCOPED_TRACE(seed);
    Rng rng(seed);
    std::filesystem::remove_all(directory_.Join("store"));
    ASSERT_OK(Open());
    Model model;
    std::vector<std::pair<kv::Snapshot, Contents>> snapshots;
    for (int step = 0; step < 400; ++step) {
      kv::WriteBatch batch;
      for (uint64_t count = rng.Between(1, 3); count > 0; --count) {
        const std::string key = Key(rng.Below(12));
        const std::string value = std::to_string(rng.Below(50));
        const uint64_t dice = rng.Below(40);
        if (dice == 0) {
          batch.Delete(key);
          model.now().erase(key);
        } else if (dice == 1) {
          const std::string end = Key(rng.Between(1, 14));
          if (end <= key) continue;
          batch.DeleteRange(key, end);
          model.DeleteRange(key, end);
        } else if (dice < 5) {
          batch.Put(key, value);
          model.now()[key] = value;
        } else {
          const auto op = dice < 30 ? kAdd : static_cast<MergeOperator>(rng.Between(1, 4));
          batch.Merge(key, op, value);
          model.Merge(key, op, value);
        }
      }
      ASSERT_OK(engine_->Write(std::move(batch), {}));
      if (rng.OneIn(12)) snapshots.emplace_back(engine_->TakeSnapshot(), model.now());
      if (!snapshots.empty() && rng.OneIn(12)) {
        snapshots.erase(snapshots.begin() + static_cast<long>(rng.Below(snapshots.size())));
      }
      if (rng.OneIn(15)) {
        ASSERT_OK(engine_->Flush());
      }
      if (rng.OneIn(60)) {
        ASSERT_OK(engine_->Compact({}));
      }
      if (rng.OneIn(80)) {
        snapshots.clear();
        if (rng.OneIn(2)) {
          ASSERT_OK(engine_->Close());
        }
        ASSERT_OK(Open());
      }
      if (!rng.OneIn(10)) continue;
      ASSERT_NO_FATAL_FAILURE(ExpectHolds(*engine_, nullptr, model.now(), rng));
      for (const auto& [snapshot, contents] : snapshots) {
        ASSERT_NO_FATAL_FAILURE(ExpectHolds(*engine_, &snapshot, contents, rng));
      }
    }
    snapshots.clear();
    const std::string copy = directory_.Join("copy " + std::to_string(seed));
    ASSERT_OK(engine_->Checkpoint(copy));
    ASSERT_NO_FATAL_FAILURE(ExpectSound());
    const std::string repaired = directory_.Join("repaired " + std::to_string(seed));
    ASSERT_OK(RepairStore(world_.env(), directory_.Join("store"), repaired));
    for (const std::string& path : {copy, repaired}) {
      SCOPED_TRACE(path);
      auto opened = OpenStore(world_.env(), path, options_);
      ASSERT_OK(opened);
      ASSERT_NO_FATAL_FAILURE(ExpectHolds(*opened->store, nullptr, model.now(), rng));
    }
  }
}

// ── The function of a user's operator ───────────────────────────────────────────────────────

// A store of one table with `entries`.
Status MakeStore(const io::Env& env, const std::string& path,
                 const std::vector<OwnedEntry>& entries) {
  FileNumbers numbers(1);
  VectorCursor cursor(entries);
  const std::atomic<bool> stop{false};
  const auto version = Version::Empty([](uint64_t) {});
  return WriteCheckpoint({.env = env,
                          .parents = env.files,
                          .directory = path,
                          .version = *version,
                          .newest = cursor,
                          .range_deletes = {},
                          .sequence = Sequence{100},
                          .numbers = numbers,
                          .table = {},
                          .table_bytes = 1 << 20,
                          .stop = stop},
                         path);
}

TEST_F(EngineMergeTest, OperandsOfAFunctionThatIsNotHereAreKeptAndNamed) {
  const std::vector<OwnedEntry> entries{
      {"a", Sequence{1}, OpKind::kPut, "v"},
      {"k", Sequence{5}, OpKind::kMerge, EncodeOperand(kUsers, "y")},
      {"k", Sequence{4}, OpKind::kMerge, EncodeOperand(kUsers, "x")},
      {"k", Sequence{3}, OpKind::kPut, "v"},
      {"z", Sequence{2}, OpKind::kPut, "v"}};
  ASSERT_OK(MakeStore(world_.env(), directory_.Join("store"), entries));
  ASSERT_OK(Open());
  for (int round = 0; round < 3; ++round) {
    EXPECT_EQ(Get("a") + Get("z"), "vv");
    const auto value = engine_->Get("k", {});
    EXPECT_FAILS(value, StatusCode::kInvalidArgument, "\"k\"");
    EXPECT_FAILS(value, StatusCode::kInvalidArgument, "merge function");
    kv::Iterator up = engine_->Scan({});
    EXPECT_TRUE(up.Valid());
    up.Next();
    EXPECT_FALSE(up.Valid());
    EXPECT_FAILS(up.status(), StatusCode::kInvalidArgument, "merge function");
    up.Seek("z");
    EXPECT_TRUE(up.Valid());
    up.Prev();
    EXPECT_FALSE(up.Valid());
    EXPECT_FAILS(up.status(), StatusCode::kInvalidArgument, "merge function");
    ASSERT_OK(engine_->Compact({}));
  }
  ASSERT_OK(engine_->Close());
  engine_.reset();
  const Wraps wraps;
  auto opened = OpenStore(world_.env(), directory_.Join("store"), options_, &wraps);
  ASSERT_OK(opened);
  const auto value = opened->store->Get("k", {});
  ASSERT_TRUE(value.ok() && *value);
  EXPECT_EQ((*value)->view(), "((vx)y)");
}

}  // namespace
}  // namespace aidb::lsm

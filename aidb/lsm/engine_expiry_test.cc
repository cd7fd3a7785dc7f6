// What the engine promises about expiry beyond the contract: when it asks for the time, what it
// remembers over its end, and that what has expired leaves.

#include <atomic>
#include <memory>
#include <string>
#include <utility>

#include <gtest/gtest.h>

#include "aidb/io/posix/posix_env.h"
#include "aidb/lsm/engine.h"
#include "aidb/lsm/repair.h"
#include "aidb/testing/status_matchers.h"
#include "aidb/testing/temp_directory.h"

namespace aidb::lsm {
namespace {

// Counts how often it is asked.
class CountingClock final : public Clock {
 public:
  Instant Now() const override { return real_.Now(); }
  int64_t WallMillis() const override {
    ++asked;
    return wall_ms;
  }
  void SleepFor(Duration duration) override { real_.SleepFor(duration); }

  std::atomic<int64_t> wall_ms{1'000'000};
  mutable std::atomic<int> asked{0};

 private:
  io::PosixClock real_;
};

class EngineExpiryTest : public ::testing::Test {
 protected:
  Status Open(kv::StoreMode mode = kv::StoreMode::kCreateIfMissing,
              const std::string& name = "store") {
    engine_.reset();
    kv::Options options = kv::Options::ForTests();
    options.sync_interval_ms = 0;
    options.compression = kv::Compression::kNone;  // Bytes of tables tell what is left.
    options.mode = mode;
    const io::Env real = world_.env();
    OpenReport report;
    AIDB_ASSIGN_OR_RETURN(engine_,
                          Engine::Open({real.files, clock_, real.executor, real.random, real.log},
                                       directory_.Join(name), options, report));
    return {};
  }
  Status PutUntil(std::string_view key, std::string_view value, int64_t expires_at_ms) {
    kv::WriteBatch batch;
    batch.Put(key, value, static_cast<uint64_t>(expires_at_ms));
    return engine_->Write(std::move(batch), {}).status();
  }
  Status Put(std::string_view key, std::string_view value) {
    kv::WriteBatch batch;
    batch.Put(key, value);
    return engine_->Write(std::move(batch), {}).status();
  }
  std::string Get(std::string_view key) {
    auto value = engine_->Get(key, {});
    if (!value.ok()) return value.status().ToString();
    return value->has_value() ? std::string((*value)->view()) : "absent";
  }

  testing::TempDirectory directory_;
  io::PosixEnv world_;
  CountingClock clock_;
  std::unique_ptr<Engine> engine_;
};

TEST_F(EngineExpiryTest, NobodyAsksForTheTimeWhileNothingExpires) {
  ASSERT_OK(Open());
  for (int i = 0; i < 300; ++i) ASSERT_OK(Put("k" + std::to_string(i), std::string(1'000, 'v')));
  ASSERT_OK(engine_->WaitForCompaction());
  EXPECT_EQ(Get("k7"), std::string(1'000, 'v'));
  EXPECT_TRUE(engine_->Scan({}).Valid());
  EXPECT_EQ(clock_.asked, 0);
  ASSERT_OK(PutUntil("x", "v", clock_.wall_ms + 10));
  const int before = clock_.asked;
  for (int i = 0; i < 300; ++i) EXPECT_NE(Get("k" + std::to_string(i)), "absent");
  EXPECT_EQ(clock_.asked, before) << "a plain value has no need of it";
  EXPECT_EQ(Get("x"), "v");
  EXPECT_EQ(clock_.asked, before + 1);
}

TEST_F(EngineExpiryTest, AnOrderlyCloseKeepsTheTime) {
  ASSERT_OK(Open());
  const int64_t start = clock_.wall_ms;
  ASSERT_OK(PutUntil("k", "v", start + 10));
  clock_.wall_ms = start + 10;
  EXPECT_EQ(Get("k"), "absent");
  ASSERT_OK(engine_->Close());
  clock_.wall_ms = start;
  for (const auto mode : {kv::StoreMode::kReadOnly, kv::StoreMode::kMustExist}) {
    ASSERT_OK(Open(mode));
    EXPECT_EQ(Get("k"), "absent");
    EXPECT_FALSE(engine_->Scan({}).Valid());
  }
}

TEST_F(EngineExpiryTest, TheTimeThatAFlushWentByOutlivesAKill) {
  ASSERT_OK(Open());
  const int64_t start = clock_.wall_ms;
  ASSERT_OK(PutUntil("k", "v", start + 10));
  clock_.wall_ms = start + 10;
  ASSERT_OK(engine_->Flush());
  clock_.wall_ms = start;
  ASSERT_OK(Open());
  EXPECT_EQ(Get("k"), "absent");
  ASSERT_OK(PutUntil("later", "v", start + 10));
  EXPECT_EQ(Get("later"), "absent") << "or it would expire before what was written first";
}

TEST_F(EngineExpiryTest, WhatHasExpiredLeavesWithTheNextMerge) {
  ASSERT_OK(Open());
  const int64_t start = clock_.wall_ms;
  for (int i = 0; i < 200; ++i) {
    ASSERT_OK(PutUntil("k" + std::to_string(i), std::string(100, 'v'), start + 10));
  }
  ASSERT_OK(engine_->Flush());
  clock_.wall_ms = start + 10;
  // Enough runs for a merge, each with keys around the others.
  for (int round = 0; round < 8; ++round) {
    ASSERT_OK(Put("a", "v"));
    ASSERT_OK(Put("z", "v"));
    ASSERT_OK(engine_->Flush());
  }
  ASSERT_OK(engine_->WaitForCompaction());
  EXPECT_LT(engine_->Stats().table_bytes, 20'000u) << "of 200 values of 100 bytes none is left";
  EXPECT_EQ(Get("k7"), "absent");
  EXPECT_EQ(Get("a"), "v");
}

TEST_F(EngineExpiryTest, ACheckpointKnowsWhatExpires) {
  for (const bool flushed : {false, true}) {
    const std::string copy = flushed ? "flushed" : "unflushed";
    ASSERT_OK(Open());
    ASSERT_OK(PutUntil(copy, "v", clock_.wall_ms + 100));
    if (flushed) {
      ASSERT_OK(engine_->Flush());
    }
    ASSERT_OK(engine_->Checkpoint(directory_.Join(copy)));
    ASSERT_OK(engine_->Close());
    ASSERT_OK(Open(kv::StoreMode::kMustExist, copy));
    EXPECT_EQ(Get(copy), "v");
    clock_.wall_ms += 100;
    EXPECT_EQ(Get(copy), "absent");
    EXPECT_FALSE(engine_->Scan({}).Valid());
  }
}

TEST_F(EngineExpiryTest, ARepairedStoreKeepsWhatHasNotExpired) {
  for (const bool with_manifest : {true, false}) {
    const std::string name = with_manifest ? "with" : "without";
    const std::string repaired = name + " repaired";
    ASSERT_OK(Open(kv::StoreMode::kCreateIfMissing, name));
    ASSERT_OK(PutUntil("table", "t", clock_.wall_ms + 100));
    ASSERT_OK(engine_->Flush());
    ASSERT_OK(PutUntil("log", "l", clock_.wall_ms + 100));
    ASSERT_OK(Put("plain", "p"));
    ASSERT_OK(engine_->Close());
    engine_.reset();
    const io::Env real = world_.env();
    const io::Env env{real.files, clock_, real.executor, real.random, real.log};
    if (!with_manifest) {
      ASSERT_OK(real.files.Remove(directory_.Join(name + "/CURRENT")));
    }
    const auto report = RepairStore(env, directory_.Join(name), directory_.Join(repaired));
    ASSERT_OK(report);
    EXPECT_EQ(report->keys, 3u);
    ASSERT_OK(Open(kv::StoreMode::kMustExist, repaired));
    EXPECT_EQ(Get("table") + Get("log") + Get("plain"), "tlp") << name;
    clock_.wall_ms += 100;
    EXPECT_EQ(Get("table") + Get("log") + Get("plain"), "absentabsentp") << name;
    kv::Iterator rest = engine_->Scan({});
    ASSERT_TRUE(rest.Valid());
    EXPECT_EQ(rest.key(), "plain");
  }
}

TEST_F(EngineExpiryTest, ACompactionByHandDropsWhatHasExpiredAtTheBottom) {
  ASSERT_OK(Open());
  ASSERT_OK(Put("plain", "p"));
  ASSERT_OK(PutUntil("gone", std::string(5000, 'g'), clock_.wall_ms + 100));
  ASSERT_OK(engine_->Compact({}));
  const uint64_t before = engine_->Stats().table_bytes;
  clock_.wall_ms += 100;
  ASSERT_OK(engine_->Compact({}));
  EXPECT_EQ(Get("plain"), "p");
  EXPECT_LT(engine_->Stats().table_bytes, before);
}

TEST_F(EngineExpiryTest, AMergeStartsAnewFromWhatTheSameBatchLetExpire) {
  ASSERT_OK(Open());  // Nothing has ever expired here.
  kv::WriteBatch batch;
  batch.Put("k", "5", static_cast<uint64_t>(clock_.wall_ms.load()));
  batch.Merge("k", kv::MergeOperator::kAddI64, "3");
  ASSERT_OK(engine_->Write(std::move(batch), {}));
  EXPECT_EQ(Get("k"), "3");
}

TEST_F(EngineExpiryTest, AReadOnlyStoreWithExpiryInItsLogAloneJudgesIt) {
  ASSERT_OK(Open());
  ASSERT_OK(PutUntil("k", "v", clock_.wall_ms + 10));
  ASSERT_OK(engine_->Close());
  ASSERT_OK(Open(kv::StoreMode::kReadOnly));
  EXPECT_EQ(Get("k"), "v");
  clock_.wall_ms += 10;
  EXPECT_EQ(Get("k"), "absent");
  EXPECT_FALSE(engine_->Scan({}).Valid());
}

}  // namespace
}  // namespace aidb::lsm

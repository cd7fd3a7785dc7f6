// The scrub of an open store, in the simulated world: its clock drives it.

#include <algorithm>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "aidb/io/faulty/faulty_file_system.h"
#include "aidb/io/sim/world.h"
#include "aidb/io/transfer.h"
#include "aidb/lsm/engine.h"
#include "aidb/testing/status_matchers.h"

namespace aidb::lsm {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::string_view kStore = "store";
constexpr int kPeriodSeconds = 100;
constexpr Duration kPeriod = seconds(kPeriodSeconds);
constexpr int kRuns = 5;

kv::Options SmallOptions() {
  kv::Options options = kv::Options::ForTests();
  options.sync_interval_ms = 0;
  options.level0_trigger = 50;  // Tables stay as they are.
  options.scrub_period_s = kPeriodSeconds;
  return options;
}

std::string KeyOf(int n) { return "key" + std::to_string(100 + n); }

// A store in a world of its own.
class Trial {
 public:
  explicit Trial(uint64_t seed, io::SimDisk disk = {})
      : options_(SmallOptions()), world_(seed, std::move(disk)), files_(world_.env().files) {}

  // Runs `body` with the store open.
  void Run(const std::function<void()>& body) {
    const io::RunReport run = world_.Run([&] {
      Open();
      if (engine_ == nullptr) return;
      body();
      if (engine_ != nullptr) {
        EXPECT_OK(engine_->Close());
      }
      engine_.reset();
    });
    EXPECT_TRUE(run.finished()) << run.fibers;
  }
  void Open() {
    const io::Env& env = world_.env();
    OpenReport report;
    auto opened = Engine::Open({files_, env.clock, env.executor, env.random, env.log}, kStore,
                               options_, report);
    EXPECT_OK(opened);
    engine_ = opened.ok() ? *std::move(opened) : nullptr;
  }
  void Put(const std::string& key, const std::string& value) {
    kv::WriteBatch batch;
    batch.Put(key, value);
    EXPECT_OK(engine_->Write(std::move(batch), {}));
  }
  // Tables of one run each.
  void Fill() {
    for (int n = 0; n < kRuns; ++n) {
      Put(KeyOf(n), "value");
      EXPECT_OK(engine_->Flush());
    }
  }
  std::string Get(const std::string& key) {
    auto value = engine_->Get(key, {});
    if (!value.ok()) return value.status().ToString();
    return value->has_value() ? std::string((*value)->view()) : "absent";
  }
  std::vector<std::string> Tables() {
    const auto names = world_.env().files.List(kStore);
    std::vector<std::string> tables;
    for (const std::string& name : *names) {
      if (name.ends_with(".sst")) tables.push_back(name);
    }
    return tables;
  }
  uint64_t SizeOf(const std::string& name) { return *(*Open(name, io::OpenMode::kRead))->Size(); }
  void FlipBit(const std::string& name, uint64_t offset, int bit) {
    const auto file = *Open(name, io::OpenMode::kReadWrite);
    std::byte byte{};
    ASSERT_OK(io::ReadExact(*file, offset, std::span(&byte, 1)));
    byte ^= static_cast<std::byte>(1 << bit);
    ASSERT_OK(io::WriteFully(*file, offset, std::span(&byte, 1)));
  }
  void Sleep(Duration time) { world_.env().clock.SleepFor(time); }
  bool Logged(std::string_view text) {
    return std::ranges::any_of(world_.log().lines(), [&](const auto& line) {
      return line.text.find(text) != std::string::npos;
    });
  }

  kv::Options options_;
  io::SimWorld world_;
  io::FaultyFileSystem files_;
  std::unique_ptr<Engine> engine_;

 private:
  Result<std::unique_ptr<io::File>> Open(const std::string& name, io::OpenMode mode) {
    return world_.env().files.Open(io::JoinPath(kStore, name), mode);
  }
};

TEST(EngineScrub, ReadsEveryTableOnceInAPeriodAndFindsThemWhole) {
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    Trial trial(seed);
    trial.Run([&] {
      trial.Fill();
      trial.Sleep(kPeriod * 10);
      const kv::StoreStats stats = trial.engine_->Stats();
      EXPECT_GE(stats.scrub_rounds, 10u);
      EXPECT_LE(stats.scrub_rounds, 13u);
      EXPECT_GE(stats.scrub_bytes, 10 * stats.table_bytes);
      EXPECT_TRUE(stats.damaged.empty());
      EXPECT_EQ(stats.background_error, "");
    });
  }
}

TEST(EngineScrub, TellsOfRotWithinAPeriodAndGoesOnServing) {
  for (uint64_t seed = 1; seed <= 30; ++seed) {
    SCOPED_TRACE(seed);
    Trial trial(seed);
    trial.Run([&] {
      trial.Fill();
      for (int n = 0; n < kRuns; ++n) trial.Get(KeyOf(n));  // The cache has every block.
      Rng rng(seed);
      trial.Sleep(kPeriod * static_cast<int64_t>(rng.Below(300)) / 100);
      const std::vector<std::string> tables = trial.Tables();
      ASSERT_EQ(tables.size(), static_cast<size_t>(kRuns));
      const size_t bad = rng.Below(tables.size());
      trial.FlipBit(tables[bad], rng.Below(trial.SizeOf(tables[bad])), 3);
      const int64_t rotten_at_ms = trial.world_.env().clock.WallMillis();
      trial.Sleep(kPeriod);

      const kv::StoreStats stats = trial.engine_->Stats();
      ASSERT_EQ(stats.damaged.size(), 1u);
      EXPECT_EQ(stats.damaged[0].file, tables[bad]);
      EXPECT_NE(stats.damaged[0].what.find(tables[bad]), std::string::npos);
      EXPECT_NE(stats.damaged[0].what.find("aidb repair"), std::string::npos);
      EXPECT_GE(stats.damaged[0].found_ms, rotten_at_ms);
      EXPECT_LE(stats.damaged[0].found_ms, trial.world_.env().clock.WallMillis());
      EXPECT_TRUE(trial.Logged("scrub: "));
      EXPECT_EQ(stats.background_error, "");
      for (size_t n = 0; n < kRuns; ++n) {
        if (n == bad) continue;
        EXPECT_EQ(trial.Get(KeyOf(static_cast<int>(n))), "value");
      }
      trial.Put("more", "w");
      EXPECT_OK(trial.engine_->Flush());
      EXPECT_EQ(trial.Get("more"), "w");
    });
  }
}

TEST(EngineScrub, FindsABitFlippedAnywhereInATable) {
  io::SimDisk disk;
  uint64_t bytes = 0;
  {
    Trial trial(1);
    trial.Run([&] {
      trial.Put("a", std::string(300, 'a'));
      kv::WriteBatch range;
      range.DeleteRange("b", "c");
      EXPECT_OK(trial.engine_->Write(std::move(range), {}));
      EXPECT_OK(trial.engine_->Flush());
      bytes = trial.SizeOf(trial.Tables()[0]);
    });
    disk = trial.world_.disk();
  }
  ASSERT_GT(bytes, 100u);
  for (uint64_t offset = 0; offset < bytes; ++offset) {
    SCOPED_TRACE(offset);
    Trial trial(2, disk);
    trial.Run([&] {
      trial.FlipBit(trial.Tables()[0], offset, static_cast<int>(offset % 8));
      trial.Sleep(kPeriod);
      EXPECT_EQ(trial.engine_->Stats().damaged.size(), 1u);
    });
    if (::testing::Test::HasFailure()) return;
  }
}

TEST(EngineScrub, AMarkOutlivesTheProcessAndTheNextScrubTellsWhereAgain) {
  Trial trial(3);
  trial.Run([&] {
    trial.Fill();
    const std::string table = trial.Tables()[2];
    trial.FlipBit(table, 5, 1);
    trial.Sleep(kPeriod);
    ASSERT_EQ(trial.engine_->Stats().damaged.size(), 1u);
    const std::string found = trial.engine_->Stats().damaged[0].what;
    ASSERT_OK(trial.engine_->Close());
    trial.Open();
    std::vector<kv::DamagedFile> damaged = trial.engine_->Stats().damaged;
    ASSERT_EQ(damaged.size(), 1u);
    EXPECT_EQ(damaged[0].file, table);
    EXPECT_EQ(damaged[0].found_ms, 0);
    EXPECT_NE(damaged[0].what.find("aidb repair"), std::string::npos);
    trial.Sleep(kPeriod);
    damaged = trial.engine_->Stats().damaged;
    ASSERT_EQ(damaged.size(), 1u);
    EXPECT_EQ(damaged[0].what, found);
    EXPECT_GT(damaged[0].found_ms, 0);
  });
}

TEST(EngineScrub, CompactionLeavesOutWhatTheScrubFound) {
  Trial trial(4);
  trial.options_.level0_trigger = 2;
  trial.Run([&] {
    trial.Put("a", "1");
    EXPECT_OK(trial.engine_->Flush());
    const std::string bad = trial.Tables()[0];
    trial.FlipBit(bad, 5, 1);
    trial.Sleep(kPeriod);
    for (int n = 0; n < 8; ++n) {
      trial.Put("a", std::to_string(n));
      EXPECT_OK(trial.engine_->Flush());
    }
    EXPECT_OK(trial.engine_->WaitForCompaction());
    EXPECT_GT(trial.engine_->Stats().compactions, 0u);
    EXPECT_EQ(trial.engine_->Stats().background_error, "");
    const std::vector<std::string> tables = trial.Tables();
    EXPECT_NE(std::ranges::find(tables, bad), tables.end()) << "a repair will want it";
  });
}

TEST(EngineScrub, AFlawOnTheWayIsNoDamage) {
  for (const io::Fault fault : {io::Fault::kReadFlipsBit, io::Fault::kReadMisplaced}) {
    Trial trial(5);
    trial.Run([&] {
      trial.Fill();
      trial.world_.files().faults().Add(
          {.call = io::FileCall::kRead, .fault = fault, .path_contains = ".sst", .times = 1});
      trial.Sleep(kPeriod * 2);
      EXPECT_EQ(trial.world_.files().faults().hits(fault), 1u);
      EXPECT_TRUE(trial.engine_->Stats().damaged.empty());
      EXPECT_GE(trial.engine_->Stats().scrub_rounds, 1u);
    });
  }
}

TEST(EngineScrub, ATableThatTheDiskRefusesIsToldAndNotMarked) {
  for (const io::CallKind call : {io::CallKind::kRead, io::CallKind::kOpen}) {
    SCOPED_TRACE(io::CallKindName(call));
    Trial trial(6);
    trial.Run([&] {
      trial.Fill();
      const std::string table = trial.Tables()[1];
      trial.files_.FailMatching(call, table, 1, {.repeat = io::FaultRepeat::kForEver});
      trial.Sleep(kPeriod * 2);
      const std::vector<kv::DamagedFile> damaged = trial.engine_->Stats().damaged;
      ASSERT_EQ(damaged.size(), 1u);
      EXPECT_EQ(damaged[0].file, table);
      EXPECT_NE(damaged[0].what.find("injected fault"), std::string::npos) << damaged[0].what;
      trial.files_.Heal();
      trial.Sleep(kPeriod * 2);
      EXPECT_TRUE(trial.engine_->Stats().damaged.empty());
    });
  }
}

TEST(EngineScrub, KeepsNoFileFromBeingDeleted) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE(seed);
    Trial trial(seed);
    trial.Run([&] {
      trial.Fill();
      // In the midst of one of the tables.
      trial.Sleep(kPeriod + milliseconds(static_cast<int64_t>(seed) * 4'321));
      ASSERT_OK(trial.engine_->Compact({}));
      trial.Sleep(milliseconds(10));
      uint64_t tables = 0;
      for (const kv::LevelStats& level : trial.engine_->Stats().levels) tables += level.tables;
      EXPECT_EQ(trial.Tables().size(), tables);
      const uint64_t before = trial.engine_->Stats().scrub_rounds;
      trial.Sleep(kPeriod * 2);
      EXPECT_GT(trial.engine_->Stats().scrub_rounds, before);
      EXPECT_TRUE(trial.engine_->Stats().damaged.empty());
    });
  }
}

TEST(EngineScrub, ClosesAtOnceWhereverItStands) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    Trial trial(seed);
    trial.Run([&] {
      trial.Fill();
      trial.Sleep(milliseconds(static_cast<int64_t>(seed) * 9'876));
      const Instant begin = trial.world_.env().clock.Now();
      ASSERT_OK(trial.engine_->Close());
      EXPECT_LT(trial.world_.env().clock.Now() - begin, seconds(1));
      trial.engine_.reset();
    });
  }
}

TEST(EngineScrub, NeverReadsWhenItIsOff) {
  Trial trial(7);
  trial.options_.scrub_period_s = 0;
  trial.Run([&] {
    trial.Fill();
    trial.Sleep(kPeriod * 10);
    EXPECT_EQ(trial.engine_->Stats().scrub_rounds, 0u);
    EXPECT_EQ(trial.engine_->Stats().scrub_bytes, 0u);
  });
}

TEST(EngineScrub, DamageThatACompactionMeetsIsToldTheSameWay) {
  Trial trial(8);
  trial.options_.scrub_period_s = 0;
  trial.options_.level0_trigger = 2;
  trial.Run([&] {
    trial.Put("a", "1");
    EXPECT_OK(trial.engine_->Flush());
    const std::string bad = trial.Tables()[0];
    trial.FlipBit(bad, 5, 1);
    trial.Put("a", "2");
    EXPECT_OK(trial.engine_->Flush());
    trial.Sleep(seconds(10));
    const std::vector<kv::DamagedFile> damaged = trial.engine_->Stats().damaged;
    ASSERT_EQ(damaged.size(), 1u);
    EXPECT_EQ(damaged[0].file, bad);
    EXPECT_GT(damaged[0].found_ms, 0);
  });
}

}  // namespace
}  // namespace aidb::lsm

// Close while others call, in the simulated world: every order of events that a seed can make.

#include <chrono>
#include <memory>
#include <string>
#include <utility>

#include <gtest/gtest.h>

#include "aidb/io/sim/world.h"
#include "aidb/lsm/engine.h"
#include "aidb/testing/status_matchers.h"

namespace aidb::lsm {
namespace {

constexpr uint64_t kSeeds = 40;

kv::Options SmallOptions() {
  kv::Options options = kv::Options::ForTests();
  options.sync_interval_ms = 0;
  return options;
}

std::unique_ptr<Engine> OpenIn(io::SimWorld& world) {
  OpenReport report;
  auto opened = Engine::Open(world.env(), "store", SmallOptions(), report);
  EXPECT_OK(opened);
  return opened.ok() ? *std::move(opened) : nullptr;
}

// A store whose one key is in a table, so that a Get of a new process has to read files.
io::SimDisk StoreWithATable() {
  io::SimWorld world(1);
  const io::RunReport run = world.Run([&] {
    const auto engine = OpenIn(world);
    kv::WriteBatch batch;
    batch.Put("k", "v");
    EXPECT_OK(engine->Write(std::move(batch), {}));
    EXPECT_OK(engine->Flush());
    EXPECT_OK(engine->Close());
  });
  EXPECT_EQ(run.end, io::RunEnd::kFinished);
  return world.disk();
}

TEST(EngineClose, WaitsForReadsInProgress) {
  const io::SimDisk disk = StoreWithATable();
  io::SimOptions slow_reads;
  slow_reads.files.read_latency = std::chrono::milliseconds(1);
  int reads_met = 0;
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    io::SimWorld world(seed, disk, slow_reads);
    world.Run([&] {
      auto engine = OpenIn(world);
      bool reading = false;
      Instant read_at = Instant::Never();
      const auto reader = world.env().executor.Start("reader", [&] {
        reading = true;
        const auto value = engine->Get("k", {});
        read_at = world.scheduler().PeekNow();
        if (value.ok()) {
          EXPECT_EQ((*value)->view(), "v");
        } else {
          EXPECT_EQ(value.status().code(), StatusCode::kUnavailable);
        }
      });
      while (!reading) world.clock().SleepFor(std::chrono::microseconds(1));
      if (read_at == Instant::Never()) ++reads_met;
      EXPECT_OK(engine->Close());
      const Instant closed_at = world.scheduler().PeekNow();
      engine.reset();
      reader->Join();
      // It had left, but for its last steps: a file read would have taken longer.
      EXPECT_LT(read_at, closed_at + slow_reads.files.read_latency / 2) << "seed " << seed;
    });
  }
  EXPECT_GT(reads_met, 0);
}

TEST(EngineClose, ASecondOneReturnsWhenTheFirstIsDone) {
  const io::SimDisk disk = StoreWithATable();
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    io::SimWorld world(seed, disk);
    world.Run([&] {
      const auto engine = OpenIn(world);
      kv::WriteBatch batch;
      batch.Put("k", "w");
      EXPECT_OK(engine->Write(std::move(batch), {}));
      const auto first = world.env().executor.Start("closer", [&] { EXPECT_OK(engine->Close()); });
      EXPECT_OK(engine->Close());
      // Whichever was first: the directory is free now.
      EXPECT_NE(OpenIn(world), nullptr) << "seed " << seed;
    });
  }
}

}  // namespace
}  // namespace aidb::lsm

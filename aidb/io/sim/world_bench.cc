// What the simulation costs: a switch, an empty world, a crash point of the toy store.

#include <memory>
#include <optional>

#include <benchmark/benchmark.h>

#include "aidb/base/check.h"
#include "aidb/io/sim/toy_store.h"
#include "aidb/io/sim/world.h"

namespace aidb::io {
namespace {

void BM_FiberSwitch(benchmark::State& state) {
  SimOptions options;
  options.scheduler.steps_max = ~uint64_t{0};
  options.scheduler.time_max = std::chrono::hours(24 * 365);
  SimWorld world(1, {}, options);
  world.Run([&] {
    bool stop = false;
    const auto other = world.env().executor.Start("other", [&] {
      while (!stop) SpinPause();
    });
    for (auto _ : state) SpinPause();
    stop = true;
  });
}
BENCHMARK(BM_FiberSwitch);

void BM_MutexInSimulation(benchmark::State& state) {
  SimOptions options;
  options.scheduler.steps_max = ~uint64_t{0};
  options.scheduler.time_max = std::chrono::hours(24 * 365);
  SimWorld world(1, {}, options);
  world.Run([&] {
    Mutex mu;
    for (auto _ : state) MutexLock lock(mu);
  });
}
BENCHMARK(BM_MutexInSimulation);

void BM_EmptyWorld(benchmark::State& state) {
  uint64_t seed = 0;
  for (auto _ : state) {
    SimWorld world(++seed);
    benchmark::DoNotOptimize(world.Run([] {}));
  }
}
BENCHMARK(BM_EmptyWorld);

void BM_EmptyWorldWithSharedStacks(benchmark::State& state) {
  FiberStackPool stacks;
  SimOptions options;
  options.stacks = &stacks;
  uint64_t seed = 0;
  for (auto _ : state) {
    SimWorld world(++seed, {}, options);
    benchmark::DoNotOptimize(world.Run([] {}));
  }
}
BENCHMARK(BM_EmptyWorldWithSharedStacks);

// The disk of a toy store that was killed in the middle of its work.
SimDisk BusyDisk() {
  SimOptions options;
  options.files.kill_at_operation = 150;
  SimWorld world(1, {}, options);
  const RunReport report = world.Run([&] {
    const auto store = ToyStore::Open(world.env(), ToyBug::kNone);
    AIDB_CHECK(store.ok());
    for (int i = 0;; ++i) {
      AIDB_CHECK((*store)->Put(std::to_string(i % 20), std::string(300, 'x')).ok());
    }
  });
  AIDB_CHECK(report.end == RunEnd::kKilled);
  return world.disk();
}

void BM_PowerCut(benchmark::State& state) {
  const SimDisk disk = BusyDisk();
  Rng rng(1);
  for (auto _ : state) {
    benchmark::DoNotOptimize(disk.PowerCut(rng, PowerCutModel::Draw(rng)));
  }
}
BENCHMARK(BM_PowerCut);

// A power cut, a new world, and a recovery in it.
void BM_CrashPoint(benchmark::State& state) {
  const SimDisk disk = BusyDisk();
  FiberStackPool stacks;
  SimOptions options;
  options.stacks = &stacks;
  Rng rng(1);
  uint64_t seed = 0;
  for (auto _ : state) {
    SimWorld world(++seed, disk.PowerCut(rng, PowerCutModel::Draw(rng)), options);
    world.Run([&] { AIDB_CHECK(ToyStore::Open(world.env(), ToyBug::kNone).ok()); });
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_CrashPoint);

}  // namespace
}  // namespace aidb::io

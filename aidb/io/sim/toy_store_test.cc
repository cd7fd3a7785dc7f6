// The simulated world against a store: a crash at every operation, several fates each, and
// planted bugs that must all be found.

#include "aidb/io/sim/toy_store.h"

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "aidb/io/sim/world.h"

namespace aidb::io {
namespace {

constexpr int kWriters = 4;
constexpr int kKeysPerWriter = 8;
constexpr int kPutsPerWriter = 12;

// What the writers know. A value is the number of its put, so that newer means larger.
struct Oracle {
  struct Key {
    int acknowledged = 0;
    int attempted = 0;
  };
  std::map<std::string, Key> keys;

  // Nullopt, or what is wrong with the recovered contents.
  std::optional<std::string> Complaint(const ToyStore::Contents& contents) const {
    for (const auto& [name, key] : keys) {
      const auto found = contents.find(name);
      const int value = found == contents.end() ? 0 : std::stoi(found->second);
      if (value < key.acknowledged) {
        return name + ": acknowledged " + std::to_string(key.acknowledged) + ", recovered " +
               std::to_string(value);
      }
      if (value > key.attempted) return name + ": recovered what was never written";
    }
    for (const auto& [name, value] : contents) {
      if (!keys.contains(name)) return "phantom " + name;
    }
    return std::nullopt;
  }
};

// Several writers with keys of their own. Stops at the first refused put.
void Work(Env& env, ToyStore& store, Oracle& oracle, int life) {
  std::vector<std::unique_ptr<Task>> tasks;
  for (int w = 0; w < kWriters; ++w) {
    tasks.push_back(env.executor.Start("writer", [&, w] {
      for (int i = 1; i <= kPutsPerWriter; ++i) {
        const uint64_t draw = env.random.Next();
        const std::string name = std::to_string(w) + "/" + std::to_string(draw % kKeysPerWriter);
        Oracle::Key& key = oracle.keys[name];
        const int number = life * kPutsPerWriter + i;
        key.attempted = number;
        const std::string padding(draw / kKeysPerWriter % 700, 'x');
        if (!store.Put(name, std::to_string(number) + " " + padding).ok()) return;
        key.acknowledged = number;
      }
    }));
  }
}

// Opens the store in a world of its own. Nullopt, or why it is not what it should be.
std::optional<std::string> CheckRecovery(uint64_t seed, SimDisk disk, const Oracle& oracle,
                                         const SimOptions& options,
                                         const std::function<void(SimWorld&)>& prepare = {}) {
  SimWorld world(seed, std::move(disk), options);
  if (prepare) prepare(world);
  std::optional<std::string> complaint;
  const RunReport report = world.Run([&] {
    const auto store = ToyStore::Open(world.env(), ToyBug::kNone);
    complaint =
        store.ok() ? oracle.Complaint((*store)->All()) : std::optional(store.status().ToString());
  });
  if (!report.finished()) return "recovery does not end: " + report.fibers;
  return complaint;
}

struct Campaign {
  uint64_t seeds = 0;
  uint64_t crash_points = 0;
  std::optional<std::string> found;
};

// Crashes the store in front of each operation, with `cuts` power cuts each.
Campaign CrashEverywhere(ToyBug bug, uint64_t seeds, int cuts) {
  Campaign campaign;
  FiberStackPool stacks;
  SimOptions options;
  options.stacks = &stacks;
  for (uint64_t seed = 1; seed <= seeds && !campaign.found; ++seed) {
    ++campaign.seeds;
    SimWorld world(seed, {}, options);
    Oracle oracle;
    Rng rng(seed);
    world.files().set_on_operation([&](const SimOperation& op, SimFileSystem::Phase phase) {
      if (phase == SimFileSystem::Phase::kAfter || campaign.found) return;
      const SimDisk disk = world.files().Snapshot();
      for (int cut = 0; cut < cuts && !campaign.found; ++cut) {
        ++campaign.crash_points;
        campaign.found =
            CheckRecovery(op.number, disk.PowerCut(rng, PowerCutModel::Draw(rng)), oracle, options);
        if (campaign.found) {
          *campaign.found = "seed " + std::to_string(seed) + " operation " +
                            std::to_string(op.number) + ": " + *campaign.found;
        }
      }
    });
    const RunReport report = world.Run([&] {
      const auto store = ToyStore::Open(world.env(), bug);
      ASSERT_TRUE(store.ok()) << store.status().ToString();
      Work(world.env(), **store, oracle, 0);
    });
    if (!report.finished()) campaign.found = "does not end:\n" + report.fibers;
  }
  return campaign;
}

TEST(ToyStore, SurvivesAPowerCutAtEveryOperation) {
  const Campaign campaign = CrashEverywhere(ToyBug::kNone, 40, 2);
  EXPECT_FALSE(campaign.found.has_value()) << *campaign.found;
  EXPECT_GT(campaign.crash_points, 5'000u);
  RecordProperty("crash_points", static_cast<int>(campaign.crash_points));
}

TEST(ToyStore, EachPlantedBugIsFound) {
  for (const ToyBug bug :
       {ToyBug::kAcknowledgesBeforeTheSync, ToyBug::kNoSyncOfTheLog, ToyBug::kNoSyncOfTheTable,
        ToyBug::kNoSyncOfTheManifest, ToyBug::kNoDirectorySyncAfterANewLog,
        ToyBug::kNoDirectorySyncAfterATable, ToyBug::kNoDirectorySyncAfterTheManifest,
        ToyBug::kForgetsToWakeStalledWriters}) {
    const Campaign campaign = CrashEverywhere(bug, 200, 2);
    ASSERT_TRUE(campaign.found.has_value()) << "bug " << static_cast<int>(bug);
    RecordProperty("crash_points_for_bug_" + std::to_string(static_cast<int>(bug)),
                   static_cast<int>(campaign.crash_points));
  }
}

TEST(ToyStore, SurvivesAPowerCutAtEveryOperationOfItsRecovery) {
  FiberStackPool stacks;
  SimOptions options;
  options.stacks = &stacks;
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    SimWorld world(seed, {}, options);
    Oracle oracle;
    Rng rng(seed);
    uint64_t depth_two = 0;
    world.files().set_on_operation([&](const SimOperation& op, SimFileSystem::Phase phase) {
      if (phase == SimFileSystem::Phase::kAfter || op.number % 8 != 0) return;
      const auto crash_again = [&](SimWorld& recovering) {
        recovering.files().set_on_operation([&](const SimOperation& inner, SimFileSystem::Phase) {
          ++depth_two;
          const auto complaint = CheckRecovery(
              inner.number, recovering.files().Snapshot().PowerCut(rng, PowerCutModel::Draw(rng)),
              oracle, options);
          EXPECT_FALSE(complaint.has_value()) << "seed " << seed << " operations " << op.number
                                              << ", " << inner.number << ": " << *complaint;
        });
      };
      const auto complaint =
          CheckRecovery(op.number, world.files().Snapshot().PowerCut(rng, PowerCutModel::Draw(rng)),
                        oracle, options, crash_again);
      EXPECT_FALSE(complaint.has_value()) << *complaint;
    });
    world.Run([&] {
      const auto store = ToyStore::Open(world.env(), ToyBug::kNone);
      ASSERT_TRUE(store.ok());
      Work(world.env(), **store, oracle, 0);
    });
    EXPECT_GT(depth_two, 100u);
  }
}

TEST(ToyStore, LosesNothingThroughManyKillsAndCutsInARow) {
  // One disk lives through many processes, each killed at an operation of its own.
  FiberStackPool stacks;
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    SimDisk disk;
    Oracle oracle;
    Rng rng(seed);
    for (int life = 0; life < 10; ++life) {
      SimOptions options;
      options.stacks = &stacks;
      options.files.kill_at_operation = 1 + rng.Below(300);
      SimWorld world(seed * 100 + static_cast<uint64_t>(life), std::move(disk), options);
      world.Run([&] {
        const auto store = ToyStore::Open(world.env(), ToyBug::kNone);
        ASSERT_TRUE(store.ok()) << store.status().ToString();
        const auto complaint = oracle.Complaint((*store)->All());
        ASSERT_FALSE(complaint.has_value())
            << "seed " << seed << " life " << life << ": " << *complaint;
        Work(world.env(), **store, oracle, life);
      });
      disk =
          rng.OneIn(2) ? world.disk().Kill() : world.disk().PowerCut(rng, PowerCutModel::Draw(rng));
      EXPECT_TRUE(world.files().rule_violations().empty());
    }
  }
}

TEST(ToyStore, AcknowledgesNothingThatAFailingDiskLost) {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    SimWorld world(seed);
    Oracle oracle;
    Rng rng(seed);
    static constexpr Fault kFaults[] = {Fault::kError, Fault::kErrorAfterPart, Fault::kNoSpace,
                                        Fault::kSyncKeepsCache, Fault::kSyncDropsCache};
    for (const FileCall call : {FileCall::kWrite, FileCall::kSync, FileCall::kSyncDirectory,
                                FileCall::kOpen, FileCall::kRename}) {
      const Fault fault = kFaults[rng.Below(call == FileCall::kSync ? 5 : 3)];
      world.files().faults().Add({.call = call, .fault = fault, .skip = 1 + rng.Below(60)});
    }
    world.Run([&] {
      const auto store = ToyStore::Open(world.env(), ToyBug::kNone);
      if (store.ok()) Work(world.env(), **store, oracle, 0);
    });
    EXPECT_TRUE(world.files().rule_violations().empty()) << "seed " << seed;
    const auto complaint =
        CheckRecovery(seed, world.disk().PowerCut(rng, PowerCutModel::Draw(rng)), oracle, {});
    EXPECT_FALSE(complaint.has_value()) << "seed " << seed << ": " << *complaint;
  }
}

}  // namespace
}  // namespace aidb::io

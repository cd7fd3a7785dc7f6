// What survives, each asked of many seeds: what must hold always, and what must be seen at least
// once (a model that never tears tests nothing).

#include "aidb/io/sim/disk.h"

#include <algorithm>
#include <functional>
#include <set>
#include <string>

#include <gtest/gtest.h>

#include "aidb/base/bytes.h"

namespace aidb::io {
namespace {

constexpr uint64_t kCuts = 1000;

SimDisk::Place In(const SimDisk& disk, std::string_view path) {
  const auto place = disk.FindPlace(path);
  EXPECT_TRUE(place.has_value()) << path;
  return *place;
}

InodeId Write(SimDisk& disk, std::string_view path, std::string_view bytes, uint64_t offset = 0) {
  const auto found = disk.Find(path);
  const InodeId inode = found ? *found : disk.Create(In(disk, path), false);
  disk.Write(inode, offset, AsBytes(bytes));
  return inode;
}

void SyncFile(SimDisk& disk, std::string_view path) {
  disk.CompleteSync(*disk.Find(path), disk.sequence());
}
void SyncRoot(SimDisk& disk) { disk.CompleteSync(*disk.Find(""), disk.sequence()); }

// The contents of `path` over many cuts; "<none>" where the name is gone.
std::set<std::string> Outcomes(const SimDisk& disk, std::string_view path,
                               const PowerCutModel& model = {}) {
  std::set<std::string> outcomes;
  for (uint64_t seed = 0; seed < kCuts; ++seed) {
    Rng rng(seed);
    outcomes.insert(disk.PowerCut(rng, model).ReadFile(path).value_or("<none>"));
  }
  return outcomes;
}

std::set<char> BytesAt(const std::set<std::string>& outcomes, size_t offset) {
  std::set<char> bytes;
  for (const std::string& outcome : outcomes) {
    if (offset < outcome.size()) bytes.insert(outcome[offset]);
  }
  return bytes;
}

TEST(SimPowerCut, KeepsWhatWasSynced) {
  SimDisk disk;
  Write(disk, "a", "synced");
  SyncFile(disk, "a");
  SyncRoot(disk);
  EXPECT_EQ(Outcomes(disk, "a"), std::set<std::string>{"synced"});
}

TEST(SimPowerCut, ASyncCoversOnlyWhatWasWrittenBeforeItBegan) {
  SimDisk disk;
  disk.PlaceFile("a", "");
  const InodeId inode = Write(disk, "a", "early");
  const uint64_t began = disk.sequence();
  Write(disk, "a", "LATE", 5);
  disk.CompleteSync(inode, began);
  const auto outcomes = Outcomes(disk, "a");
  for (const std::string& outcome : outcomes) EXPECT_EQ(outcome.substr(0, 5), "early");
  EXPECT_TRUE(outcomes.contains("early"));
  EXPECT_TRUE(outcomes.contains("earlyLATE"));
}

TEST(SimPowerCut, ASyncOfAFileDoesNotKeepItsName) {
  SimDisk disk;
  Write(disk, "a", "synced");
  SyncFile(disk, "a");
  EXPECT_EQ(Outcomes(disk, "a"), (std::set<std::string>{"<none>", "synced"}));
}

TEST(SimPowerCut, EachUnsyncedSectorIsOldOrNewOrZeroForItself) {
  SimDisk disk;
  disk.PlaceFile("a", std::string(4 * 512, 'o'));
  Write(disk, "a", std::string(4 * 512, 'n'));
  const auto outcomes = Outcomes(disk, "a");
  std::set<std::string> mixtures;
  for (const std::string& outcome : outcomes) {
    ASSERT_EQ(outcome.size(), 4u * 512);
    std::string mixture;
    for (size_t sector = 0; sector < 4; ++sector) {
      const std::string_view bytes = std::string_view(outcome).substr(sector * 512, 512);
      ASSERT_EQ(bytes.find_first_not_of(bytes[0]), std::string::npos) << "a torn sector";
      mixture += bytes[0] == '\0' ? 'z' : bytes[0];
    }
    mixtures.insert(mixture);
  }
  for (const char* expected : {"oooo", "nnnn", "onon", "noon", "ooon"}) {
    EXPECT_TRUE(mixtures.contains(expected)) << expected;
  }
  EXPECT_EQ(BytesAt(outcomes, 0), (std::set<char>{'o', 'n', '\0'}));
}

TEST(SimPowerCut, ASectorShowsTheStateAfterOneOfItsWritesNeverAMixture) {
  SimDisk disk;
  disk.PlaceFile("a", "....");
  Write(disk, "a", "1", 0);
  Write(disk, "a", "2", 1);
  Write(disk, "a", "3", 2);
  const std::set<std::string> legal = {"....", "1...", "12..", "123."};
  EXPECT_EQ(Outcomes(disk, "a"), legal);
}

TEST(SimPowerCut, DurableBytesInASectorThatIsAppendedToStay) {
  SimDisk disk;
  disk.PlaceFile("a", "durable");
  Write(disk, "a", "-new", 7);
  const auto outcomes = Outcomes(disk, "a");
  for (const std::string& outcome : outcomes)
    EXPECT_TRUE(outcome.starts_with("durable")) << outcome;
  EXPECT_EQ(outcomes,
            (std::set<std::string>{"durable", "durable-new", std::string("durable\0\0\0\0", 11)}));
}

TEST(SimPowerCut, NewlyAllocatedSpaceMayHoldGarbage) {
  SimDisk disk;
  disk.PlaceFile("secret", std::string(512, 's'));
  disk.PlaceFile("a", "");
  Write(disk, "a", std::string(512, 'n'));
  const auto bytes = BytesAt(Outcomes(disk, "a"), 0);
  EXPECT_TRUE(bytes.contains('s'));  // Another file's old bytes.
  EXPECT_GT(bytes.size(), 4u);       // And noise.
  const auto without = BytesAt(Outcomes(disk, "a", {.garbage = false}), 0);
  EXPECT_EQ(without, (std::set<char>{'n', '\0'}));
}

TEST(SimPowerCut, Sectors4KAreWholeWhenTheDeviceSaysSo) {
  SimDisk disk;
  disk.PlaceFile("a", std::string(8192, 'o'));
  Write(disk, "a", std::string(8192, 'n'));
  for (const std::string& outcome : Outcomes(disk, "a", {.sector_bytes = 4096})) {
    const std::string_view first = std::string_view(outcome).substr(0, 4096);
    EXPECT_EQ(first.find_first_not_of(first[0]), std::string_view::npos);
  }
}

TEST(SimPowerCut, ANewSizeMaySurviveWithoutItsBytesAndAnOldSizeMayReturn) {
  SimDisk disk;
  disk.PlaceFile("a", "abc");
  Write(disk, "a", "x", 1000);
  const auto outcomes = Outcomes(disk, "a", {.garbage = false});
  std::string zeros("abc");
  zeros.resize(1001, '\0');
  std::string whole = zeros;
  whole[1000] = 'x';
  EXPECT_TRUE(outcomes.contains("abc"));
  EXPECT_TRUE(outcomes.contains(zeros));
  EXPECT_TRUE(outcomes.contains(whole));
}

TEST(SimPowerCut, ATruncationHoldsOrTheOldSizeAndBytesReturn) {
  SimDisk disk;
  disk.PlaceFile("a", std::string(1500, 'o'));
  disk.Truncate(*disk.Find("a"), 100);
  EXPECT_EQ(Outcomes(disk, "a"),
            (std::set<std::string>{std::string(100, 'o'), std::string(1500, 'o')}));
}

TEST(SimPowerCut, AnySubsetOfTheNamesSurvives) {
  SimDisk disk;
  for (const char* name : {"a", "b", "c"}) Write(disk, name, "");
  std::set<std::string> subsets;
  for (uint64_t seed = 0; seed < kCuts; ++seed) {
    Rng rng(seed);
    std::string subset;
    for (const std::string& name : disk.PowerCut(rng, {}).AllFiles()) subset += name;
    subsets.insert(subset);
  }
  EXPECT_EQ(subsets, (std::set<std::string>{"", "a", "b", "c", "ab", "ac", "bc", "abc"}));
}

TEST(SimPowerCut, InThePrefixModelTheOldestNamesSurvive) {
  SimDisk disk;
  for (const char* name : {"a", "b", "c"}) Write(disk, name, "");
  std::set<std::string> prefixes;
  for (uint64_t seed = 0; seed < kCuts; ++seed) {
    Rng rng(seed);
    std::string prefix;
    for (const std::string& name :
         disk.PowerCut(rng, {.names = PowerCutModel::Names::kPrefix}).AllFiles()) {
      prefix += name;
    }
    prefixes.insert(prefix);
  }
  EXPECT_EQ(prefixes, (std::set<std::string>{"", "a", "ab", "abc"}));
}

TEST(SimPowerCut, ARenameIsNeverHalfDone) {
  SimDisk disk;
  disk.PlaceFile("from", "new");
  disk.PlaceFile("to", "old");
  disk.Rename(In(disk, "from"), In(disk, "to"));
  std::set<std::string> outcomes;
  for (uint64_t seed = 0; seed < kCuts; ++seed) {
    Rng rng(seed);
    const SimDisk after = disk.PowerCut(rng, {});
    outcomes.insert(after.ReadFile("from").value_or("-") + "/" +
                    after.ReadFile("to").value_or("-"));
  }
  EXPECT_EQ(outcomes, (std::set<std::string>{"new/old", "-/new"}));
}

TEST(SimPowerCut, ARemovedFileMayReturn) {
  SimDisk disk;
  disk.PlaceFile("a", "kept");
  disk.Remove(In(disk, "a"));
  EXPECT_EQ(Outcomes(disk, "a"), (std::set<std::string>{"<none>", "kept"}));
  SyncRoot(disk);
  EXPECT_EQ(Outcomes(disk, "a"), std::set<std::string>{"<none>"});
}

TEST(SimPowerCut, ASyncOfADirectoryKeepsItsOwnNamesAndNoOthers) {
  SimDisk disk;
  disk.Create(In(disk, "d"), true);
  SyncRoot(disk);
  Write(disk, "d/inner", "");
  Write(disk, "outer", "");
  SyncRoot(disk);
  EXPECT_EQ(Outcomes(disk, "outer"), std::set<std::string>{""});
  EXPECT_EQ(Outcomes(disk, "d/inner"), (std::set<std::string>{"", "<none>"}));
}

TEST(SimPowerCut, ManyUnsyncedWritesAreWrittenBackFromTheOldest) {
  SimDisk disk;
  disk.PlaceFile("a", "");
  const InodeId inode = *disk.Find("a");
  for (size_t i = 0; i < 4 * SimDisk::kPendingMax; ++i) Write(disk, "a", "x", i);
  EXPECT_LE(disk.Get(inode).writes.size(), SimDisk::kPendingMax);
  EXPECT_EQ(disk.ReadFile("a")->size(), 4 * SimDisk::kPendingMax);
}

TEST(SimPowerCut, EachPageOfARegionIsOldOrNewAndTheBootIdChanges) {
  SimDisk disk;
  const InodeId region = Write(disk, "ring", "");
  disk.FormatRegion(region, 3 * 4096);
  SyncRoot(disk);
  disk.StoreRegion(region, AsBytes(std::string(3 * 4096, 'n')));
  for (const uint32_t unit : {4096u, 512u}) {
    std::set<std::string> mixtures;
    for (uint64_t seed = 0; seed < kCuts; ++seed) {
      Rng rng(seed);
      const SimDisk after = disk.PowerCut(rng, {.region_bytes = unit});
      EXPECT_NE(after.boot(), disk.boot());
      const std::string bytes = *after.ReadFile("ring");
      std::string mixture;
      for (size_t at = 0; at < bytes.size(); at += unit) {
        const std::string_view part = std::string_view(bytes).substr(at, unit);
        ASSERT_EQ(part.find_first_not_of(part[0]), std::string_view::npos);
        mixture += part[0] == 'n' ? 'n' : 'o';
      }
      mixtures.insert(mixture);
    }
    if (unit == 4096) {
      EXPECT_EQ(mixtures.size(), 8u);  // 2^3.
    } else {
      EXPECT_GT(mixtures.size(), 200u);
    }
  }
}

TEST(SimPowerCut, AWrittenBackPageOfARegionIsKept) {
  SimDisk disk;
  const InodeId region = Write(disk, "ring", "");
  disk.FormatRegion(region, 4096);
  SyncRoot(disk);
  disk.StoreRegion(region, AsBytes(std::string(4096, '1')));
  Rng rng(1);
  while (!disk.Get(region).durable.SamePage(disk.Get(region).cache, 0)) {
    disk.WriteBackRegion(region, rng);
  }
  disk.StoreRegion(region, AsBytes(std::string(4096, '2')));
  EXPECT_EQ(BytesAt(Outcomes(disk, "ring"), 0), (std::set<char>{'1', '2'}));
}

TEST(SimKilledDisk, KeepsEverythingWrittenUnderTheSameBootId) {
  SimDisk disk;
  Write(disk, "a", "unsynced");
  const SimDisk after = disk.Kill();
  EXPECT_EQ(after.ReadFile("a"), "unsynced");
  EXPECT_EQ(after.boot(), disk.boot());
  EXPECT_EQ(Outcomes(after, "a").count("<none>"), 1u);  // Still not durable.
}

TEST(SimMovedDisk, KeepsEverythingDurablyUnderAnotherBootId) {
  SimDisk disk;
  Write(disk, "a", "unsynced");
  const InodeId region = Write(disk, "ring", "");
  disk.FormatRegion(region, 4096);
  disk.StoreRegion(region, AsBytes(std::string(4096, 'r')));
  const SimDisk after = disk.Move();
  EXPECT_NE(after.boot(), disk.boot());
  EXPECT_EQ(Outcomes(after, "a"), std::set<std::string>{"unsynced"});
  EXPECT_EQ(Outcomes(after, "ring"), std::set<std::string>{std::string(4096, 'r')});
}

TEST(SimDisk, ACloneDoesNotSeeLaterWrites) {
  SimDisk disk;
  disk.PlaceFile("a", "before");
  const SimDisk clone = disk;
  Write(disk, "a", "after!");
  disk.PlaceFile("b", "");
  EXPECT_EQ(clone.ReadFile("a"), "before");
  EXPECT_EQ(clone.AllFiles(), std::vector<std::string>{"a"});
}

// ---- A failed sync, and rot -------------------------------------------------------------

TEST(SimFailedSync, LosesSomeSectorsForGoodWhileTheCacheShowsThem) {
  std::set<char> durable;
  for (uint64_t seed = 0; seed < 50; ++seed) {
    SimDisk disk;
    disk.PlaceFile("a", "old");
    const InodeId inode = Write(disk, "a", "new");
    Rng rng(seed);
    disk.FailSync(inode, disk.sequence(), SyncFailure::kKeepsCache, rng);
    EXPECT_EQ(disk.ReadFile("a"), "new");
    disk.CompleteSync(inode, disk.sequence());  // Says ok, and covers nothing.
    const auto outcomes = Outcomes(disk, "a");
    ASSERT_EQ(outcomes.size(), 1u);
    durable.insert(outcomes.begin()->front());
    disk.EvictCache(inode);
    EXPECT_EQ(disk.ReadFile("a"), *outcomes.begin());
  }
  EXPECT_EQ(durable, (std::set<char>{'n', 'o'}));
}

TEST(SimFailedSync, MayShowTheOldBytesAgain) {
  std::set<std::string> seen;
  for (uint64_t seed = 0; seed < 50; ++seed) {
    SimDisk disk;
    disk.PlaceFile("a", "old");
    const InodeId inode = Write(disk, "a", "new");
    const uint64_t began = disk.sequence();
    Write(disk, "a", "!", 3);
    Rng rng(seed);
    disk.FailSync(inode, began, SyncFailure::kDropsCache, rng);
    seen.insert(*disk.ReadFile("a"));
  }
  EXPECT_EQ(seen, (std::set<std::string>{"old!", "new!"}));  // What came later is still there.
}

TEST(SimRot, DamagesTheFileAndSaysWhere) {
  for (const Rot rot :
       {Rot::kFlipBit, Rot::kZeroPage, Rot::kTruncate, Rot::kSwapPages, Rot::kStalePage}) {
    for (uint64_t seed = 0; seed < 20; ++seed) {
      SimDisk disk;
      std::string content;
      for (int i = 0; i < 3000; ++i) AppendLe<uint32_t>(content, static_cast<uint32_t>(i));
      disk.PlaceFile("a", std::string(content.size(), 'o'));
      Write(disk, "a", content);
      SyncFile(disk, "a");
      Rng rng(seed);
      const auto what = disk.Damage("a", rot, rng);
      ASSERT_TRUE(what.has_value());
      EXPECT_NE(disk.ReadFile("a"), content) << *what;
      EXPECT_EQ(Outcomes(disk, "a").size(), 1u);  // On the platters, not in the cache.
    }
  }
}

TEST(SimRot, SaysSoWhenAFileHasNoPlaceForIt) {
  SimDisk disk;
  disk.PlaceFile("one page", "x");
  disk.PlaceFile("empty", "");
  Rng rng(1);
  EXPECT_FALSE(disk.Damage("one page", Rot::kSwapPages, rng).has_value());
  EXPECT_FALSE(disk.Damage("empty", Rot::kFlipBit, rng).has_value());
  EXPECT_FALSE(disk.Damage("none", Rot::kFlipBit, rng).has_value());
}

}  // namespace
}  // namespace aidb::io

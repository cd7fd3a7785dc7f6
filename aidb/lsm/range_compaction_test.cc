#include "aidb/lsm/range_compaction.h"

#include <algorithm>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "aidb/lsm/test_store.h"
#include "aidb/testing/status_matchers.h"

namespace aidb::lsm {
namespace {

constexpr uint64_t kTableBytes = 4096;

TestStore::Options SmallTables() {
  return {.shape = {.level0_trigger = 4,
                    .level_base_bytes = 0,
                    .level_multiplier = 4,
                    .level0_bytes = 4 * kTableBytes,
                    .table_bytes = kTableBytes},
          .table = {.block_bytes = 512}};
}

std::string KeyOf(uint64_t number) {
  char key[16];
  std::snprintf(key, sizeof key, "k%05u", static_cast<unsigned>(number));
  return key;
}

// Runs a compaction to its end; the input bytes of its jobs, by the level they take from.
std::vector<std::pair<int, uint64_t>> Compact(TestStore& store, const kv::ScanRange& range = {}) {
  std::vector<std::pair<int, uint64_t>> jobs;
  RangeCompaction compaction(store.picker(), range, Sequence{store.last()});
  while (true) {
    auto step = compaction.Next(store.version(), {});
    EXPECT_OK(step);
    if (!step.ok() || step->done()) return jobs;
    CompactionJob& job = *step->job;
    jobs.emplace_back(job.level, job.InputBytes());
    VersionEdit edit;
    if (job.trivial_move) {
      edit = MoveEdit(job);
    } else {
      CompactionOutcome outcome = store.Merge(job);
      EXPECT_OK(outcome.status);
      edit = std::move(outcome.edit);
    }
    EXPECT_OK(store.Install(edit));
    compaction.Done(job, edit);
    step = RangeCompaction::Step{};  // Lets go of the inputs.
    EXPECT_OK(store.DeleteUnused());
  }
}

// Overwrites and deletes `count` of `keys` keys, with a flush now and then and the background's
// jobs in between.
void WriteRandomly(TestStore& store, Rng& rng, int count, uint64_t keys) {
  for (int i = 0; i < count; ++i) {
    const std::string key = KeyOf(rng.Below(keys));
    if (rng.OneIn(4)) {
      store.Write(key, std::nullopt);
    } else {
      std::string value(rng.Below(60), '\0');
      for (char& byte : value) byte = static_cast<char>(rng.Next());
      store.Write(key, std::move(value));
    }
    if (i % 60 != 59) continue;
    ASSERT_OK(store.Flush());
    while (rng.OneIn(2)) {
      const auto job = store.Pick();
      if (!job) break;
      ASSERT_OK(store.Compact(*job));
    }
  }
  ASSERT_OK(store.Flush());
}

struct Contents {
  std::vector<int> levels;  // That have tables.
  uint64_t runs = 0;
  uint64_t entries = 0;
  uint64_t deletes = 0;
};

Contents ContentsOf(const Version& version) {
  Contents found;
  for (int level = 0; level < kLevels; ++level) {
    if (!version.runs(level).empty()) found.levels.push_back(level);
    for (const Run& run : version.runs(level)) {
      ++found.runs;
      for (const TableRef& table : run.tables()) {
        found.entries += table->facts().entries;
        found.deletes += table->facts().deletes;
      }
    }
  }
  return found;
}

uint64_t LiveKeys(const TestStore& store, uint64_t keys) {
  uint64_t live = 0;
  for (uint64_t i = 0; i < keys; ++i) live += store.Expected(KeyOf(i), store.last(), 0) ? 1 : 0;
  return live;
}

TEST(RangeCompaction, LeavesOneRunOfWhatIsAlive) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    Rng rng(seed);
    TestStore store(SmallTables());
    WriteRandomly(store, rng, 3000, 500);
    Compact(store);
    const Contents after = ContentsOf(store.version());
    EXPECT_EQ(after.runs, 1u) << "seed " << seed;
    EXPECT_EQ(after.entries, LiveKeys(store, 500)) << "seed " << seed;
    EXPECT_EQ(after.deletes, 0u);
    EXPECT_EQ(store.Difference(), "") << "seed " << seed;
    EXPECT_FALSE(store.Pick()) << "the background finds it in shape";
    EXPECT_TRUE(Compact(store).empty()) << "a second one has nothing to do";
  }
}

TEST(RangeCompaction, KeepsWhatSnapshotsSeeAndDropsItWhenTheyAreGone) {
  Rng rng(7);
  TestStore store(SmallTables());
  std::vector<uint64_t> snapshots;
  for (int round = 0; round < 4; ++round) {
    WriteRandomly(store, rng, 500, 300);
    store.Snapshot();
    snapshots.push_back(store.last());
  }
  WriteRandomly(store, rng, 500, 300);
  Compact(store);
  EXPECT_EQ(ContentsOf(store.version()).runs, 1u);
  EXPECT_GT(ContentsOf(store.version()).entries, LiveKeys(store, 300));
  EXPECT_EQ(store.Difference(), "");
  for (const uint64_t snapshot : snapshots) store.Release(snapshot);
  Compact(store);
  EXPECT_EQ(ContentsOf(store.version()).runs, 1u);
  EXPECT_EQ(ContentsOf(store.version()).entries, LiveKeys(store, 300));
  EXPECT_EQ(store.Difference(), "");
}

TEST(RangeCompaction, LeavesOneRunWithFixedTargetsThatTheBackgroundLetsBe) {
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    Rng rng(seed);
    TestStore::Options options = SmallTables();
    options.shape.level_base_bytes = 2 * kTableBytes;
    TestStore store(options);
    WriteRandomly(store, rng, 2000, 600);
    Compact(store);
    EXPECT_EQ(ContentsOf(store.version()).runs, 1u) << "seed " << seed;
    EXPECT_FALSE(store.Pick()) << "seed " << seed;
    EXPECT_EQ(store.Difference(), "") << "seed " << seed;
  }
}

TEST(RangeCompaction, NeedsTheSpaceOfOneJobAndNotOfTheStore) {
  Rng rng(3);
  TestStore store(SmallTables());
  WriteRandomly(store, rng, 20'000, 6000);
  uint64_t bytes = 0;
  for (int level = 0; level < kLevels; ++level) bytes += store.version().LevelBytes(level);
  ASSERT_GT(bytes, 30 * kTableBytes);
  while (const auto job = store.Pick()) ASSERT_OK(store.Compact(*job));
  for (const auto& [level, input_bytes] : Compact(store)) {
    // Level 0 goes down as in the background: with all of the base level.
    const uint64_t allowed =
        level == 0 ? 12 * kTableBytes : (2 + kGrandparentTablesMax) * kTableBytes;
    EXPECT_LE(input_bytes, allowed) << "level " << level;
  }
  EXPECT_EQ(ContentsOf(store.version()).runs, 1u);
  EXPECT_EQ(store.Difference(), "");
}

TEST(RangeCompaction, TakesNoTableOutsideOfItsRange) {
  Rng rng(5);
  TestStore store(SmallTables());
  WriteRandomly(store, rng, 4000, 1000);
  while (const auto job = store.Pick()) ASSERT_OK(store.Compact(*job));
  Compact(store);
  store.Write(KeyOf(500), std::nullopt);
  store.Write(KeyOf(501), "new");
  ASSERT_OK(store.Flush());
  std::vector<uint64_t> before;
  const auto outside = [&] {
    std::vector<uint64_t> numbers;
    for (const TableRef& table : store.version().runs(kLevels - 1).front().tables()) {
      const TableFacts& facts = table->facts();
      if (facts.last_key < KeyOf(500) || facts.first_key > KeyOf(501)) {
        numbers.push_back(facts.number);
      }
    }
    return numbers;
  };
  before = outside();
  ASSERT_GT(before.size(), 4u);
  EXPECT_TRUE(Compact(store, {.lower = KeyOf(0), .upper = KeyOf(500)}).empty());
  EXPECT_EQ(store.version().runs(0).size(), 1u) << "its keys lie behind that range";
  EXPECT_FALSE(Compact(store, {.lower = KeyOf(501), .upper = KeyOf(502)}).empty());
  EXPECT_EQ(ContentsOf(store.version()).runs, 1u);
  EXPECT_EQ(outside(), before);
  EXPECT_EQ(store.Difference(), "");
}

TEST(RangeCompaction, LeavesWhatIsNewerThanTheCallInLevelZero) {
  TestStore store(SmallTables());
  store.Write("a", "1");
  ASSERT_OK(store.Flush());
  RangeCompaction compaction(store.picker(), {}, Sequence{store.last()});
  store.Write("a", "2");
  ASSERT_OK(store.Flush());
  auto step = compaction.Next(store.version(), {});
  ASSERT_OK(step);
  ASSERT_TRUE(step->job);
  EXPECT_EQ(step->job->inputs.size(), 1u);
  EXPECT_EQ(step->job->inputs.front().run, store.version().runs(0).back().number());
}

// A version of tables that are not there, for the choice alone.
std::shared_ptr<const Version> Sketch(std::vector<AddedTable> tables,
                                      std::vector<uint64_t> damaged = {}) {
  VersionEdit edit;
  edit.added = std::move(tables);
  edit.damaged = std::move(damaged);
  const auto version = Version::Empty({})->Apply(edit);
  EXPECT_OK(version);
  return *version;
}

AddedTable TableOf(int level, uint64_t number, std::string first, std::string last) {
  return {.level = level,
          .run = level == 0 ? number : 0,
          .facts = {.number = number,
                    .size_bytes = kTableBytes,
                    .first_key = std::move(first),
                    .last_key = std::move(last),
                    .lowest = Sequence{number},
                    .highest = Sequence{number},
                    .entries = 10}};
}

TEST(RangeCompaction, WaitsForTablesThatARunningJobHas) {
  const CompactionPicker picker(SmallTables().shape);
  const auto version = Sketch({TableOf(5, 1, "a", "f"), TableOf(6, 2, "c", "k")});
  for (const uint64_t busy : {uint64_t{1}, uint64_t{2}}) {
    RangeCompaction compaction(picker, {}, Sequence{9});
    const auto step = compaction.Next(*version, {busy});
    ASSERT_OK(step);
    EXPECT_TRUE(step->wait_for);
    EXPECT_FALSE(step->done());
    const auto free = compaction.Next(*version, {});
    ASSERT_OK(free);
    ASSERT_TRUE(free->job);
    EXPECT_EQ(free->job->inputs.size(), 2u);
  }
}

// Tenants a and c in one run and below; b between them, with nothing below.
TEST(RangeCompaction, NoJobWritesBetweenTheKeysOfAnother) {
  const CompactionPicker picker(SmallTables().shape);
  std::vector<AddedTable> tables = {TableOf(6, 1, "a", "a9"), TableOf(6, 2, "c", "c9"),
                                    TableOf(0, 3, "a", "a9"), TableOf(0, 4, "c", "c9")};
  tables[3].run = 3;
  RangeCompaction compaction(picker, {}, Sequence{4});
  const auto first = compaction.Next(*Sketch(tables), {});
  ASSERT_OK(first);
  ASSERT_TRUE(first->job && !first->job->trivial_move);
  // Level 0 becomes full meanwhile.
  for (uint64_t number = 5; number < 9; ++number) tables.push_back(TableOf(0, number, "b", "b9"));
  tables.push_back(TableOf(0, 9, "b", "b9"));
  BusyTables busy;
  busy.Begin(*first->job);
  EXPECT_FALSE(picker.Pick(*Sketch(tables), {}, busy));
  busy.End(*first->job);
  const auto between = picker.Pick(*Sketch(tables), {}, {3, 4});
  ASSERT_TRUE(between);
  EXPECT_EQ(between->inputs.size(), 5u);
  // The other way round: b goes first.
  busy.Begin(*between);
  const auto second = compaction.Next(*Sketch(tables), busy);
  ASSERT_OK(second);
  EXPECT_TRUE(second->wait_for);
  busy.End(*between);
  EXPECT_TRUE(compaction.Next(*Sketch(tables), busy)->job);
}

// What a job of these inputs may give at worst: one table of all that they span.
VersionEdit WidestEdit(const CompactionJob& job, uint64_t number) {
  if (job.trivial_move) return MoveEdit(job);
  VersionEdit edit;
  AddedTable merged{
      .level = job.output_level, .run = job.output_run, .facts = job.inputs.front().table->facts()};
  merged.facts.number = number;
  for (const CompactionInput& input : job.inputs) {
    const TableFacts& facts = input.table->facts();
    edit.removed.push_back({input.level, facts.number});
    merged.facts.first_key = std::min(merged.facts.first_key, facts.first_key);
    merged.facts.last_key = std::max(merged.facts.last_key, facts.last_key);
    merged.facts.lowest = std::min(merged.facts.lowest, facts.lowest);
    merged.facts.highest = std::max(merged.facts.highest, facts.highest);
  }
  edit.added = {merged};
  return edit;
}

// A store of which only the shape exists, where jobs of all kinds run at once.
class ManyJobs {
 public:
  explicit ManyJobs(uint64_t seed) : rng_(seed) {}

  int done() const { return done_; }
  // False when an edit does not apply.
  bool Step() {
    switch (rng_.Below(6)) {
      case 0:
        return Flush();
      case 1:
      case 2:
        if (auto job = picker_.Pick(*version_, {}, busy_)) Begin(*std::move(job));
        return true;
      case 3:
        BeginByHand();
        return true;
      case 4:
        return Avoid();
      default:
        return jobs_.empty() || End(rng_.Below(jobs_.size()));
    }
  }

 private:
  void Begin(CompactionJob job) {
    busy_.Begin(job);
    jobs_.push_back(std::move(job));
  }
  void BeginByHand() {
    const uint64_t low = rng_.Below(300);
    RangeCompaction compaction(picker_, {.lower = KeyOf(low), .upper = KeyOf(low + 200)},
                               Sequence{next_ - rng_.Below(8)});
    auto step = compaction.Next(*version_, busy_);
    if (step.ok() && step->job) Begin(*std::move(step->job));
  }
  bool Avoid() {
    for (int level = 0; level < kLevels; ++level) {
      for (const Run& run : version_->runs(level)) {
        for (const TableRef& table : run.tables()) table->SetAvoided(rng_.OneIn(30));
      }
    }
    return true;
  }
  bool Flush() {
    std::vector<TableFacts> tables;
    for (uint64_t at = rng_.Below(400); at < 400 && tables.size() < 4; at += 1 + rng_.Below(100)) {
      const uint64_t end = at + rng_.Below(30);
      tables.push_back(TableOf(0, next_++, KeyOf(at), KeyOf(end)).facts);
      at = end;
    }
    if (tables.empty()) return true;
    const uint64_t run = RunForFlush(*version_, tables, next_++);
    VersionEdit edit;
    for (const TableFacts& facts : tables) edit.added.push_back({0, run, facts});
    return Apply(edit);
  }
  bool End(size_t index) {
    const CompactionJob job = jobs_[index];
    jobs_.erase(jobs_.begin() + static_cast<ptrdiff_t>(index));
    busy_.End(job);
    ++done_;
    return Apply(WidestEdit(job, next_++));
  }
  bool Apply(const VersionEdit& edit) {
    auto after = version_->Apply(edit);
    EXPECT_OK(after);
    if (after.ok()) version_ = *std::move(after);
    return after.ok();
  }

  Rng rng_;
  const CompactionPicker picker_{SmallTables().shape};
  std::shared_ptr<const Version> version_ = Version::Empty({});
  uint64_t next_ = 10;
  BusyTables busy_;
  std::vector<CompactionJob> jobs_;
  int done_ = 0;
};

TEST(RangeCompaction, EveryJobsEditAppliesWhateverRunsBesideIt) {
  int done = 0;
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    ManyJobs jobs(seed);
    for (int step = 0; step < 300; ++step) ASSERT_TRUE(jobs.Step()) << "seed " << seed;
    done += jobs.done();
  }
  EXPECT_GT(done, 2000);
}

TEST(RangeCompaction, SaysWhichDamagedTableIsInTheWay) {
  const CompactionPicker picker(SmallTables().shape);
  const auto version = Sketch({TableOf(0, 3, "a", "z"), TableOf(6, 2, "c", "k")}, {2});
  RangeCompaction compaction(picker, {}, Sequence{9});
  const auto step = compaction.Next(*version, {});
  EXPECT_FAILS(step, StatusCode::kCorruption, "table 2 with keys from \"c\" to \"k\"");
}

}  // namespace
}  // namespace aidb::lsm

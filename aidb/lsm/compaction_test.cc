#include "aidb/lsm/compaction.h"

#include <cinttypes>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "aidb/lsm/test_store.h"
#include "aidb/testing/datadriven.h"
#include "aidb/testing/seed.h"
#include "aidb/testing/status_matchers.h"

namespace aidb::lsm {
namespace {

TestStore::Options Small() {
  return {.shape = {.level0_trigger = 3,
                    .level_base_bytes = 0,
                    .level_multiplier = 4,
                    .level0_bytes = 4000,
                    .table_bytes = 1000},
          .table = {.block_bytes = 200, .compression = kv::Compression::kNone}};
}

std::string NumberedKey(uint64_t i) {
  char text[24];
  std::snprintf(text, sizeof text, "%05" PRIu64, i);
  return text;
}

// ── Scripts ─────────────────────────────────────────────────────────────────────────────────

// "level 1: a@0=1 b@3 deleted c@4=2 until 1500", or only the bounds and counts.
std::string Show(TestStore& store, bool brief) {
  std::string text;
  for (int level = 0; level < kLevels; ++level) {
    for (const Run& run : store.version().runs(level)) {
      for (const TableRef& table : run.tables()) {
        const TableFacts& facts = table->facts();
        text += "level " + std::to_string(level) + ":";
        if (brief) {
          text += " " + facts.first_key + ".." + facts.last_key + " " +
                  std::to_string(facts.entries) + " entries\n";
          continue;
        }
        for (const auto& [key, value] : store.EntriesOf(*table)) {
          text += " " + key.key + "@" + std::to_string(key.sequence);
          text += value ? "=" + value->bytes : std::string(" deleted");
          if (value && value->expires_at_ms)
            text += " until " + std::to_string(*value->expires_at_ms);
        }
        text += "\n";
      }
    }
  }
  return text;
}

// Lines "a=1", "a=1 until 1500", and "-a" for a delete.
void WriteLines(TestStore& store, std::string_view lines) {
  while (!lines.empty()) {
    const size_t end = lines.find('\n');
    const std::string line(lines.substr(0, end));
    lines.remove_prefix(end == std::string_view::npos ? lines.size() : end + 1);
    const size_t equals = line.find('=');
    if (line.starts_with('-')) {
      store.Write(line.substr(1), std::nullopt);
    } else if (const size_t until = line.find(" until "); until != std::string::npos) {
      store.Write(line.substr(0, equals), line.substr(equals + 1, until - equals - 1),
                  std::stoull(line.substr(until + 7)));
    } else {
      store.Write(line.substr(0, equals), line.substr(equals + 1));
    }
  }
}

std::string Compact(TestStore& store, const testing::Step& step) {
  const Status status = store.Compact(store.WholeLevel(static_cast<int>(step.Number("level", 0))));
  if (!status.ok()) return status.ToString();
  const CompactionStats& stats = store.stats();
  return std::to_string(stats.entries_in) + " in, " + std::to_string(stats.entries_out) + " out, " +
         std::to_string(stats.shadowed) + " shadowed, " + std::to_string(stats.deletes_dropped) +
         " deletes dropped\n" + Show(store, step.Has("brief"));
}

std::string RunStep(TestStore& store, const testing::Step& step) {
  std::string out;
  if (step.command == "write") {
    WriteLines(store, step.input);
    out = "last sequence " + std::to_string(store.last());
  } else if (step.command == "fill") {
    const std::string value(step.Number("bytes", 10), 'v');
    for (uint64_t i = step.Number("from", 0); i < step.Number("to", 0); ++i)
      store.Write(NumberedKey(i), value);
    out = "last sequence " + std::to_string(store.last());
  } else if (step.command == "versions") {
    for (uint64_t i = 0; i < step.Number("count", 0); ++i) {
      store.Write(step.Argument("key"), std::string(step.Number("bytes", 10), 'w'));
      store.Snapshot();
    }
    out = "last sequence " + std::to_string(store.last());
  } else if (step.command == "flush") {
    const Status status = store.Flush();
    out = status.ok() ? Show(store, store.version().LevelBytes(0) > 2000) : status.ToString();
  } else if (step.command == "snapshot") {
    store.Snapshot();
    out = "at " + std::to_string(store.last());
  } else if (step.command == "clock") {
    store.AdvanceClock(step.Number("ms", 0));
    out = "ok";
  } else if (step.command == "release") {
    store.Release(step.Number("at", 0));
    out = std::to_string(store.snapshots().size()) + " left";
  } else if (step.command == "get") {
    const uint64_t at = step.Number("at", store.last());
    const auto snapshot = store.snapshots().find(at);
    const auto value =
        store.Get(step.Argument("key"), at,
                  snapshot == store.snapshots().end() ? store.now_ms() : snapshot->second);
    out = value.ok() ? value->value_or("absent") : value.status().ToString();
  } else if (step.command == "compact") {
    out = Compact(store, step);
  } else {
    return "unknown command";
  }
  const std::string difference = store.Difference();
  return difference.empty() ? out : out + "\nWRONG: " + difference;
}

TEST(Compaction, DoesWhatTheScriptsSay) {
  testing::RunScripts(std::string(AIDB_TESTDATA) + "/compaction", [] {
    auto store = std::make_shared<TestStore>(Small());
    return [store](const testing::Step& step) { return RunStep(*store, step); };
  });
}

// ── Random ──────────────────────────────────────────────────────────────────────────────────

// Files named as tables are exactly those of the version.
void ExpectNoOtherTables(TestStore& store) {
  ASSERT_OK(store.DeleteUnused());
  size_t tables = 0;
  for (int level = 0; level < kLevels; ++level) tables += store.version().TableCount(level);
  EXPECT_EQ(store.files().Paths().size(), tables);
  EXPECT_EQ(store.files().open_files(), store.tables().size());
}

void RandomWrite(TestStore& store, Rng& rng, uint64_t keys) {
  const std::string key = NumberedKey(rng.Below(keys));
  if (rng.OneIn(3)) return store.Write(key, std::nullopt);
  std::optional<uint64_t> expires_at_ms;
  if (rng.OneIn(4)) expires_at_ms = store.now_ms() - 20 + rng.Below(200);
  store.Write(key,
              std::string(rng.Below(60), static_cast<char>('a' + rng.Below(26))) +
                  std::to_string(store.last()),
              expires_at_ms);
}

void RandomSnapshots(TestStore& store, Rng& rng) {
  if (rng.OneIn(2)) store.Snapshot();
  if (rng.OneIn(2) && !store.snapshots().empty()) {
    auto it = store.snapshots().begin();
    std::advance(it, static_cast<ptrdiff_t>(rng.Below(store.snapshots().size())));
    store.Release(it->first);
  }
}

// Marks a table that is in truth intact: merges must go round it and reads stay right.
Status MarkRandomTable(TestStore& store, Rng& rng) {
  const int level = static_cast<int>(rng.Below(kLevels));
  if (store.version().runs(level).empty()) return {};
  const auto runs = store.version().runs(level);
  const auto tables = runs[rng.Below(runs.size())].tables();
  VersionEdit edit;
  edit.damaged = {tables[rng.Below(tables.size())]->number()};
  return store.Install(edit);
}

TEST(Compaction, KeepsWhatEverySnapshotSeesThroughRandomFlushesAndMerges) {
  const uint64_t base = testing::SeedFromEnvironmentOr(1);
  uint64_t merges = 0;
  for (uint64_t seed = base; seed < base + 12; ++seed) {
    SCOPED_TRACE(testing::ReplayLine(seed));
    Rng rng(seed);
    TestStore store(Small());
    const uint64_t keys = 1 + rng.Below(120);
    for (int round = 0; round < 40; ++round) {
      for (uint64_t i = rng.Below(60); i > 0; --i) RandomWrite(store, rng, keys);
      if (rng.OneIn(2)) store.AdvanceClock(store.now_ms() + rng.Below(80));
      RandomSnapshots(store, rng);
      if (rng.OneIn(2)) {
        ASSERT_OK(store.Flush());
      }
      if (seed % 2 == 0 && rng.OneIn(8)) {
        ASSERT_OK(MarkRandomTable(store, rng));
      }
      while (const auto job = store.Pick()) {
        ASSERT_OK(store.Compact(*job));
        ++merges;
      }
      const CompactionJob all = store.WholeLevel(kLevels - 2);
      if (rng.OneIn(8) && !all.inputs.empty()) {
        ASSERT_OK(store.Compact(all));
      }
      ASSERT_EQ(store.Difference(), "") << "round " << round;
    }
    ExpectNoOtherTables(store);
  }
  EXPECT_GT(merges, 50u);
}

TEST(Compaction, MergesRunsInPlaceAboveADamagedOneAndKeepsWhatHidesIt) {
  TestStore store(Small());
  store.Write("k", "old");
  ASSERT_OK(store.Flush());
  VersionEdit mark;
  mark.damaged = {store.version().runs(0)[0].tables()[0]->number()};
  ASSERT_OK(store.Install(mark));
  for (const char* value : {"1", "2", "3"}) {
    store.Write("k", std::nullopt);
    store.Write("other", value);
    ASSERT_OK(store.Flush());
  }
  const auto job = store.Pick();
  ASSERT_TRUE(job);
  EXPECT_EQ(job->output_level, 0);
  ASSERT_OK(store.Compact(*job));
  EXPECT_EQ(store.version().runs(0).size(), 2u);
  EXPECT_EQ(store.stats().deletes_dropped, 0u) << "the damaged run may hold the key, and does";
  EXPECT_EQ(store.Difference(), "");
  EXPECT_FALSE(store.Pick());
}

TEST(Compaction, LeavesNothingOfDeletedKeysAtTheBottom) {
  TestStore store(Small());
  for (uint64_t i = 0; i < 200; ++i) store.Write(NumberedKey(i), "value");
  ASSERT_OK(store.Flush());
  for (uint64_t i = 0; i < 200; ++i) store.Write(NumberedKey(i), std::nullopt);
  ASSERT_OK(store.Flush());
  for (int level = 0; level + 1 < kLevels; ++level) {
    if (!store.version().runs(level).empty()) {
      ASSERT_OK(store.Compact(store.WholeLevel(level)));
    }
  }
  for (int level = 0; level < kLevels; ++level) EXPECT_EQ(store.version().TableCount(level), 0u);
  ExpectNoOtherTables(store);
}

TEST(Compaction, GivesSequenceZeroOnlyBelowEverySnapshotAndOnlyAtTheBottom) {
  TestStore store(Small());
  store.Snapshot();  // Before the first write: it must never see anything.
  store.Write("a", "1");
  ASSERT_OK(store.Flush());
  ASSERT_OK(store.Compact(store.WholeLevel(0)));
  EXPECT_EQ(store.version().runs(1)[0].tables()[0]->facts().lowest, Sequence{1});
  EXPECT_EQ(store.Difference(), "");
  store.Release(0);
  ASSERT_OK(store.Compact(store.WholeLevel(1)));
  EXPECT_EQ(store.version().runs(2)[0].tables()[0]->facts().highest, Sequence{0});
  EXPECT_EQ(store.Difference(), "");
}

// ── Failures ────────────────────────────────────────────────────────────────────────────────

// Two runs in level 0 over a table in level 1.
std::unique_ptr<TestStore> ThreeTables() {
  TestStore::Options options = Small();
  options.splits_flushes = false;
  auto store = std::make_unique<TestStore>(options);
  for (int run = 0; run < 3; ++run) {
    for (uint64_t i = 0; i < 30; ++i)
      store->Write(NumberedKey(i * 3 + static_cast<uint64_t>(run)), "value" + std::to_string(i));
    EXPECT_OK(store->Flush());
    if (run == 0) {
      EXPECT_OK(store->Compact(store->WholeLevel(0)));
    }
  }
  return store;
}

TEST(Compaction, RemovesItsOutputsWhenAnyOperationFails) {
  uint64_t operations = 0;
  for (uint64_t failing = 0;; ++failing) {
    const auto store = ThreeTables();
    const std::vector<std::string> before = store->files().Paths();
    const uint64_t base = store->files().operations;
    store->files().fail = [&](uint64_t operation, std::string_view what) {
      return operation == base + failing ? IoError("planted in " + std::string(what)) : Status();
    };
    const CompactionOutcome outcome = store->Merge(store->WholeLevel(0));
    if (outcome.status.ok()) {
      operations = failing;
      break;
    }
    EXPECT_FAILS(outcome.status, StatusCode::kIoError, "planted in");
    EXPECT_FAILS(outcome.status, StatusCode::kIoError, "merge level 0 into level 1");
    EXPECT_EQ(outcome.edit, VersionEdit());
    EXPECT_EQ(store->files().Paths(), before);
    EXPECT_EQ(store->files().open_files(), store->tables().size());
    EXPECT_EQ(store->Difference(), "");
  }
  EXPECT_GE(operations, 8u) << "create, write, sync of each output, and the directory";
}

TEST(Compaction, SyncsOutputsAndTheirDirectoryBeforeItReturns) {
  const auto store = ThreeTables();
  const CompactionOutcome outcome = store->Merge(store->WholeLevel(0));
  ASSERT_OK(outcome.status);
  for (uint64_t seed = 0; seed < 50; ++seed) {
    const auto cut = store->files().PowerCut(seed);
    for (const AddedTable& table : outcome.edit.added) {
      const std::string path = "d/" + TableName(table.facts.number);
      ASSERT_TRUE(cut->Content(path) == store->files().Content(path)) << path;
    }
  }
}

TEST(Compaction, MarksTheDamagedInputAndLaundersNothing) {
  for (size_t victim = 0; victim < 3; ++victim) {
    auto store = ThreeTables();
    const CompactionJob job = store->WholeLevel(0);
    ASSERT_EQ(job.inputs.size(), 3u);
    const uint64_t number = job.inputs[victim].table->number();
    const std::string path = "d/" + TableName(number);
    const std::string intact = store->files().Content(path);
    for (size_t at = 0; at < 600; at += 37) {
      std::string damaged = intact;
      damaged[at % damaged.size()] ^= 4;
      store->files().SetContent(path, damaged);
      store->tables().Evict(number);
      const std::vector<std::string> before = store->files().Paths();
      const CompactionOutcome outcome = store->Merge(job);
      EXPECT_FAILS(outcome.status, StatusCode::kCorruption, TableName(number));
      EXPECT_EQ(outcome.edit.damaged, std::vector<uint64_t>{number});
      ASSERT_TRUE(outcome.failed_input);
      EXPECT_EQ(outcome.failed_input->number(), number);
      EXPECT_TRUE(outcome.edit.added.empty() && outcome.edit.removed.empty());
      EXPECT_EQ(store->files().Paths(), before);
    }
  }
}

TEST(Compaction, NamesTheInputThatCannotBeRead) {
  for (size_t victim = 0; victim < 3; ++victim) {
    auto store = ThreeTables();
    const CompactionJob job = store->WholeLevel(0);
    const uint64_t number = job.inputs[victim].table->number();
    store->tables().Evict(number);
    ASSERT_OK(store->files().Remove("d/" + TableName(number)));
    const CompactionOutcome outcome = store->Merge(job);
    EXPECT_FAILS(outcome.status, StatusCode::kInvalidArgument, TableName(number));
    ASSERT_TRUE(outcome.failed_input);
    EXPECT_EQ(outcome.failed_input->number(), number);
    EXPECT_EQ(outcome.edit, VersionEdit());
  }
}

TEST(Compaction, NoticesInputsThatGiveFewerEntriesThanTheManifestSays) {
  auto store = ThreeTables();
  CompactionJob job = store->WholeLevel(0);
  TableFacts facts = job.inputs[0].table->facts();
  ++facts.entries;
  job.inputs[0].table = std::make_shared<const TableFile>(facts, TableUnused());
  const std::vector<std::string> before = store->files().Paths();
  const CompactionOutcome outcome = store->Merge(job);
  EXPECT_FAILS(outcome.status, StatusCode::kCorruption, "entries; the manifest says");
  EXPECT_EQ(outcome.edit, VersionEdit());
  EXPECT_FALSE(outcome.failed_input) << "it may be any of them";
  EXPECT_EQ(store->files().Paths(), before);
}

TEST(Compaction, StopsWhenAskedTo) {
  auto store = ThreeTables();
  store->stop = true;
  const std::vector<std::string> before = store->files().Paths();
  const CompactionOutcome outcome = store->Merge(store->WholeLevel(0));
  EXPECT_FAILS(outcome.status, StatusCode::kUnavailable, "stopped");
  EXPECT_EQ(store->files().Paths(), before);
  store->stop = false;
  EXPECT_OK(store->Compact(store->WholeLevel(0)));
  EXPECT_EQ(store->Difference(), "");
}

TEST(OlderTables, AnswersLikeAPlainScan) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    Rng rng(seed);
    VersionEdit edit;
    std::vector<uint64_t> inputs;
    for (int level = 0; level < kLevels; ++level) {
      for (uint64_t at = rng.Below(20), number = 1; at < 200; at += 1 + rng.Below(30), ++number) {
        const uint64_t end = at + rng.Below(10);
        AddedTable table;
        table.level = level;
        table.facts.number = number + 1000 * static_cast<uint64_t>(level);
        table.run = level == 0 ? table.facts.number : 0;
        table.facts.lowest = table.facts.highest = Sequence{number};
        table.facts.entries = 1;
        table.facts.first_key = NumberedKey(at);
        table.facts.last_key = NumberedKey(end);
        edit.added.push_back(table);
        if (rng.OneIn(4)) inputs.push_back(table.facts.number);
        at = end;
      }
    }
    const auto version = Version::Empty({})->Apply(edit);
    ASSERT_OK(version.status());
    for (int level = 0; level < kLevels; ++level) {
      OlderTables older(**version, level, 5, inputs);
      for (uint64_t key = 0; key < 220; key += 1 + rng.Below(3)) {
        const std::string name = NumberedKey(key);
        const bool expected = std::ranges::any_of(edit.added, [&](const AddedTable& table) {
          const bool deeper =
              table.level > level || (level == 0 && table.level == 0 && table.run < 5);
          return deeper && std::ranges::count(inputs, table.facts.number) == 0 &&
                 table.facts.first_key <= name && name <= table.facts.last_key;
        });
        EXPECT_EQ(older.MayContain(name), expected) << "seed " << seed << " " << name;
      }
    }
  }
}

}  // namespace
}  // namespace aidb::lsm

// Every kind of file damaged or missing: the repaired store opens, passes its check, and holds
// what could still be read.

#include "aidb/lsm/repair.h"

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "aidb/base/bytes.h"
#include "aidb/base/crc32c.h"
#include "aidb/io/faulty/faulty_file_system.h"
#include "aidb/io/sim/world.h"
#include "aidb/lsm/check.h"
#include "aidb/lsm/engine.h"
#include "aidb/lsm/unfinished_directory.h"
#include "aidb/testing/status_matchers.h"

namespace aidb::lsm {
namespace {

using Contents = std::map<std::string, std::string>;

constexpr int kKeys = 1500;

kv::Options SmallOptions() {
  kv::Options options = kv::Options::ForTests();
  options.sync_interval_ms = 0;
  options.compression = kv::Compression::kNone;
  options.level0_trigger = 4;
  return options;
}

std::string Key(int n) { return "key" + std::to_string(10'000 + n); }

Contents ReadAll(const kv::Store& store) {
  Contents contents;
  kv::Iterator it = store.Scan({});
  for (; it.Valid(); it.Next()) contents.emplace(it.key(), it.value());
  EXPECT_OK(it.status());
  return contents;
}

enum class End { kClosed, kKilled };

struct Sample {
  io::SimDisk disk;
  Contents contents;
};

// A store with keys in the last level, in two runs of level 0 and in the log; of each part some
// are overwritten or deleted in the next.
Sample MakeSample(End end, const std::string& mark = "") {
  Sample sample;
  io::SimWorld world(1 + mark.size());
  const io::RunReport run = world.Run([&] {
    OpenReport report;
    auto opened = Engine::Open(world.env(), "store", SmallOptions(), report);
    ASSERT_OK(opened);
    Engine& engine = **opened;
    const auto write = [&](int step, const std::string& name) {
      for (int i = 0; i < kKeys; i += step) {
        kv::WriteBatch batch;
        if (i % 5 == 0 && step > 1) {
          batch.Delete(Key(i));
        } else {
          batch.Put(Key(i), mark + name + std::string(static_cast<size_t>(i % 150), 'v'));
        }
        ASSERT_OK(engine.Write(std::move(batch), {}));
      }
    };
    write(1, "bottom");
    ASSERT_OK(engine.Compact({}));
    write(3, "first");
    ASSERT_OK(engine.Flush());
    write(4, "second");
    ASSERT_OK(engine.Flush());
    ASSERT_OK(engine.WaitForCompaction());
    write(7, "log");
    sample.contents = ReadAll(engine);
    if (end == End::kClosed) {
      ASSERT_OK(engine.Close());
    }
  });
  EXPECT_EQ(run.end, io::RunEnd::kFinished);
  sample.disk = world.disk().Kill();
  return sample;
}

std::vector<std::string> FilesOf(const io::SimDisk& disk, FileKind kind) {
  std::vector<std::string> found;
  for (const std::string& path : disk.AllFiles()) {
    if (!path.starts_with("store/")) continue;
    const auto file = ParseFileName(path.substr(6));
    if (file && file->kind == kind) found.push_back(path);
  }
  return found;
}

struct Outcome {
  Status status;
  kv::RepairReport report;
  Contents contents;   // Of the repaired store.
  Contents readable;   // What Get still gave in the damaged one.
  bool opens = false;  // The damaged one.
};

// Changes files of the store, repairs it, and looks at both.
Outcome RepairAfter(io::SimDisk disk, const std::function<void(io::FileSystem&)>& damage) {
  Outcome outcome;
  {
    io::SimWorld world(7, disk);
    damage(world.env().files);
    disk = world.disk().Kill();
  }
  const auto bytes_of = [](const io::SimDisk& on) {
    std::map<std::string, std::optional<std::string>> bytes;
    for (const std::string& path : on.AllFiles()) {
      if (path.starts_with("store/") && path != "store/LOCK") bytes[path] = on.ReadFile(path);
    }
    return bytes;
  };
  io::SimWorld world(8, disk);
  const io::RunReport run = world.Run([&] {
    auto repaired = RepairStore(world.env(), "store", "repaired");
    outcome.status = repaired.status();
    if (!repaired.ok()) return;
    outcome.report = *std::move(repaired);
    const auto check = CheckStore(world.env(), "repaired");
    ASSERT_OK(check);
    if (!check->ok()) ADD_FAILURE() << check->problems.front().what;
    auto opened = OpenStore(world.env(), "repaired", SmallOptions());
    ASSERT_OK(opened);
    outcome.contents = ReadAll(*opened->store);
    EXPECT_EQ(outcome.contents.size(), outcome.report.keys);
    kv::WriteBatch batch;
    batch.Put("new", "v");
    EXPECT_OK(opened->store->Write(std::move(batch), {.sync = true}));
    EXPECT_OK(opened->store->Close());
  });
  EXPECT_EQ(run.end, io::RunEnd::kFinished);
  EXPECT_EQ(bytes_of(world.disk()), bytes_of(disk)) << "the damaged store is left as it is";
  io::SimWorld other(9, disk);
  other.Run([&] {
    auto opened = OpenStore(other.env(), "store", SmallOptions());
    outcome.opens = opened.ok();
    if (!opened.ok()) return;
    for (int i = 0; i < kKeys; ++i) {
      const auto value = opened->store->Get(Key(i), {});
      if (value.ok() && *value) outcome.readable.emplace(Key(i), (*value)->view());
    }
  });
  return outcome;
}

void ExpectNothingReadableIsLost(const Outcome& outcome) {
  ASSERT_OK(outcome.status);
  for (const auto& [key, value] : outcome.readable) {
    const auto found = outcome.contents.find(key);
    ASSERT_NE(found, outcome.contents.end()) << key << " could be read";
    EXPECT_EQ(found->second, value) << key;
  }
}

// How many keys have another value, or none, or are there again.
size_t Differing(const Contents& a, const Contents& b) {
  size_t count = 0;
  for (const auto& [key, value] : a) count += !b.contains(key) || b.at(key) != value;
  for (const auto& [key, value] : b) count += !a.contains(key);
  return count;
}

void Flip(io::FileSystem& files, const std::string& path, uint64_t offset) {
  const auto file = files.Open(path, io::OpenMode::kReadWrite);
  ASSERT_OK(file);
  std::byte byte{};
  ASSERT_OK((*file)->Read(offset, {&byte, 1}));
  byte ^= std::byte{0x10};
  ASSERT_OK((*file)->Write(offset, {&byte, 1}, {}));
}

TEST(Repair, OfASoundStoreGivesTheSameContents) {
  for (const End end : {End::kClosed, End::kKilled}) {
    const Sample sample = MakeSample(end);
    const Outcome outcome = RepairAfter(sample.disk, [](io::FileSystem&) {});
    ASSERT_OK(outcome.status);
    EXPECT_EQ(outcome.contents, sample.contents);
    EXPECT_TRUE(outcome.report.losses.empty()) << outcome.report.losses.front().what;
    EXPECT_GT(outcome.report.tables, 2u);
    EXPECT_GT(outcome.report.log_batches, 50u);
  }
}

// A store whose range deletes are in a table, alone and among entries, and in the log.
Sample SampleWithRangeDeletes() {
  Sample sample;
  io::SimWorld world(1);
  const io::RunReport run = world.Run([&] {
    OpenReport report;
    auto opened = Engine::Open(world.env(), "store", SmallOptions(), report);
    ASSERT_OK(opened);
    Engine& engine = **opened;
    const auto put = [&](int from, int to) {
      kv::WriteBatch batch;
      for (int i = from; i < to; ++i) batch.Put(Key(i), "value " + std::to_string(i));
      ASSERT_OK(engine.Write(std::move(batch), {}));
    };
    const auto remove = [&](int from, int to) {
      kv::WriteBatch batch;
      batch.DeleteRange(Key(from), Key(to));
      ASSERT_OK(engine.Write(std::move(batch), {}));
    };
    put(0, 1000);
    ASSERT_OK(engine.Compact({}));
    remove(100, 200);
    ASSERT_OK(engine.Flush());
    put(150, 160);
    remove(300, 400);
    ASSERT_OK(engine.Flush());
    put(350, 360);
    remove(500, 600);
    put(550, 560);
    sample.contents = ReadAll(engine);
  });
  EXPECT_EQ(run.end, io::RunEnd::kFinished);
  EXPECT_EQ(sample.contents.size(), 730u);
  sample.disk = world.disk().Kill();
  return sample;
}

TEST(Repair, AppliesTheRangeDeletesOfTablesAndLogs) {
  const Sample sample = SampleWithRangeDeletes();
  const Outcome whole = RepairAfter(sample.disk, [](io::FileSystem&) {});
  ASSERT_OK(whole.status);
  EXPECT_EQ(whole.contents, sample.contents);
  EXPECT_TRUE(whole.report.losses.empty());
  const Outcome without = RepairAfter(
      sample.disk, [](io::FileSystem& files) { ASSERT_OK(files.Remove("store/CURRENT")); });
  ASSERT_OK(without.status);
  EXPECT_EQ(without.contents, sample.contents);
}

// What they hid comes back, and the report says so.
TEST(Repair, TellsOfRangeDeletesThatCannotBeRead) {
  const Sample sample = SampleWithRangeDeletes();
  const std::string table = FilesOf(sample.disk, FileKind::kTable).at(1);  // Of them alone.
  const Outcome outcome =
      RepairAfter(sample.disk, [&](io::FileSystem& files) { Flip(files, table, 20); });
  ASSERT_OK(outcome.status);
  ASSERT_EQ(outcome.report.losses.size(), 1u);
  EXPECT_NE(outcome.report.losses[0].keys_lost.find("range deletes"), std::string::npos)
      << outcome.report.losses[0].keys_lost;
  EXPECT_EQ(outcome.contents.size(), sample.contents.size() + 90);
}

bool TellsOfRangeDeletes(const kv::RepairReport& report) {
  return std::ranges::any_of(report.losses, [](const kv::RepairLoss& loss) {
    return loss.keys_lost.find("may be back") != std::string::npos;
  });
}

TEST(Repair, TellsOfRangeDeletesThatAreGoneWithTheirTableOrItsFooter) {
  const Sample sample = SampleWithRangeDeletes();
  const std::string table = FilesOf(sample.disk, FileKind::kTable).at(1);
  const uint64_t bytes = sample.disk.ReadFile(table)->size();
  const auto without_current = [](io::FileSystem& files) {
    ASSERT_OK(files.Remove("store/CURRENT"));
  };
  const auto spoil_footer = [&](io::FileSystem& files) { Flip(files, table, bytes - 5); };
  const Outcome missing =
      RepairAfter(sample.disk, [&](io::FileSystem& files) { ASSERT_OK(files.Remove(table)); });
  ASSERT_OK(missing.status);
  EXPECT_TRUE(TellsOfRangeDeletes(missing.report));
  const Outcome both = RepairAfter(sample.disk, [&](io::FileSystem& files) {
    Flip(files, table, 20);
    spoil_footer(files);
  });
  ASSERT_OK(both.status);
  EXPECT_TRUE(TellsOfRangeDeletes(both.report));
  const Outcome unnamed = RepairAfter(sample.disk, [&](io::FileSystem& files) {
    without_current(files);
    spoil_footer(files);
  });
  ASSERT_OK(unnamed.status);
  EXPECT_TRUE(TellsOfRangeDeletes(unnamed.report));
  const Outcome found = RepairAfter(sample.disk, spoil_footer);
  ASSERT_OK(found.status);
  EXPECT_FALSE(TellsOfRangeDeletes(found.report));
  EXPECT_EQ(found.contents, sample.contents);
}

TEST(Repair, NeedsNeitherCurrentNorManifestNorJournal) {
  for (const End end : {End::kClosed, End::kKilled}) {
    const Sample sample = MakeSample(end);
    const std::string manifest = FilesOf(sample.disk, FileKind::kManifest).front();
    for (const std::string& path :
         {std::string("store/CURRENT"), manifest, std::string("store/JOURNAL")}) {
      const Outcome missing =
          RepairAfter(sample.disk, [&](io::FileSystem& files) { ASSERT_OK(files.Remove(path)); });
      ASSERT_OK(missing.status);
      EXPECT_EQ(missing.contents, sample.contents) << path;
      EXPECT_FALSE(missing.report.losses.empty() && missing.report.notes.empty()) << path;
      for (const kv::RepairLoss& loss : missing.report.losses) {
        EXPECT_EQ(loss.keys_lost, "") << loss.file << ": " << loss.what;
      }
      for (const uint64_t offset : {3, 20, 45}) {
        const Outcome flipped =
            RepairAfter(sample.disk, [&](io::FileSystem& files) { Flip(files, path, offset); });
        ASSERT_OK(flipped.status);
        EXPECT_EQ(flipped.contents, sample.contents) << path << " at " << offset;
      }
    }
  }
}

TEST(Repair, SavesAllBlocksOfATableButTheDamagedOne) {
  const Sample sample = MakeSample(End::kClosed);
  for (const std::string& path : FilesOf(sample.disk, FileKind::kTable)) {
    const uint64_t size = sample.disk.ReadFile(path)->size();
    for (uint64_t offset = 5; offset < size; offset += size / 30) {
      const Outcome outcome =
          RepairAfter(sample.disk, [&](io::FileSystem& files) { Flip(files, path, offset); });
      ExpectNothingReadableIsLost(outcome);
      // A block of 256 bytes; nothing when the flip hit what only helps to find blocks.
      EXPECT_LE(Differing(outcome.contents, sample.contents), 40u) << path << " at " << offset;
      if (outcome.contents != sample.contents) {
        ASSERT_FALSE(outcome.report.losses.empty()) << path << " at " << offset;
        EXPECT_EQ("store/" + outcome.report.losses.front().file, path);
        EXPECT_NE(outcome.report.losses.front().keys_lost, "");
      }
    }
  }
}

TEST(Repair, FindsTheBlocksOfATableThatIsCutShort) {
  const Sample sample = MakeSample(End::kClosed);
  const std::string path = FilesOf(sample.disk, FileKind::kTable).front();
  const uint64_t size = sample.disk.ReadFile(path)->size();
  const Outcome outcome = RepairAfter(sample.disk, [&](io::FileSystem& files) {
    const auto file = files.Open(path, io::OpenMode::kReadWrite);
    ASSERT_OK(file);
    ASSERT_OK((*file)->Truncate(size / 2));
  });
  ExpectNothingReadableIsLost(outcome);
  EXPECT_GT(outcome.contents.size(), sample.contents.size() / 3);
  EXPECT_FALSE(outcome.report.losses.empty());
}

TEST(Repair, NamesTheKeysOfATableThatIsMissing) {
  const Sample sample = MakeSample(End::kClosed);
  for (const std::string& path : FilesOf(sample.disk, FileKind::kTable)) {
    const Outcome outcome =
        RepairAfter(sample.disk, [&](io::FileSystem& files) { ASSERT_OK(files.Remove(path)); });
    ASSERT_OK(outcome.status);
    ASSERT_EQ(outcome.report.losses.size(), 1u);
    EXPECT_EQ("store/" + outcome.report.losses.front().file, path);
    EXPECT_NE(outcome.report.losses.front().keys_lost.find("\"key1"), std::string::npos);
    EXPECT_FALSE(outcome.contents.empty());
  }
}

TEST(Repair, FindsTablesUnderEachOthersNames) {
  const Sample sample = MakeSample(End::kClosed);
  const std::vector<std::string> tables = FilesOf(sample.disk, FileKind::kTable);
  ASSERT_GT(tables.size(), 1u);
  const Outcome outcome = RepairAfter(sample.disk, [&](io::FileSystem& files) {
    ASSERT_OK(files.Rename(tables[0], "store/x"));
    ASSERT_OK(files.Rename(tables[1], tables[0]));
    ASSERT_OK(files.Rename("store/x", tables[1]));
  });
  ASSERT_OK(outcome.status);
  EXPECT_EQ(outcome.contents, sample.contents);
  EXPECT_EQ(outcome.report.notes.size(), 2u);
}

TEST(Repair, TakesTheBatchesBehindABadOneAndNamesTheGap) {
  const Sample sample = MakeSample(End::kClosed);
  std::string log;
  for (const std::string& path : FilesOf(sample.disk, FileKind::kLog)) {
    const std::string bytes = *sample.disk.ReadFile(path);
    if (bytes.find("log") != std::string::npos) log = path;
  }
  ASSERT_NE(log, "");
  const std::string bytes = *sample.disk.ReadFile(log);
  const uint64_t end = bytes.find_last_not_of('\0');
  for (uint64_t offset = 100; offset < end; offset += end / 20) {
    const Outcome outcome =
        RepairAfter(sample.disk, [&](io::FileSystem& files) { Flip(files, log, offset); });
    ASSERT_OK(outcome.status);
    EXPECT_FALSE(outcome.opens) << "the store itself refuses the log";
    EXPECT_LE(Differing(outcome.contents, sample.contents), 1u) << offset;
    ASSERT_FALSE(outcome.report.losses.empty());
    if (outcome.contents == sample.contents) continue;
    EXPECT_TRUE(std::ranges::any_of(outcome.report.losses, [](const kv::RepairLoss& loss) {
      return loss.keys_lost.starts_with("sequences ");
    })) << offset;
  }
}

// The offset of the first record of `log` that lies in one block and begins with a put; its end.
struct RecordPlace {
  size_t at = 0;
  size_t operations = 0;
  size_t end = 0;
};
RecordPlace FirstWholeRecord(const std::string& log) {
  constexpr size_t kHeader = 16;
  constexpr char kBatch = 8;
  constexpr char kPut = 1;
  for (size_t at = 0;;) {
    const size_t end = at + kHeader + LoadLe<uint16_t>(log.data() + at + 4);
    ByteReader payload(std::string_view(log).substr(at + kHeader, end - at - kHeader));
    const bool is_batch = log[at + 6] == kBatch && payload.Varint() && payload.Varint();
    const size_t operations = at + kHeader + payload.position();
    if (is_batch && log[operations] == kPut) return {at, operations, end};
    at = end;
  }
}

TEST(Repair, PassesOverABatchThatDoesNotDecodeThoughItsRecordIsWhole) {
  const Sample sample = MakeSample(End::kClosed);
  std::string log;
  for (const std::string& path : FilesOf(sample.disk, FileKind::kLog)) {
    if (sample.disk.ReadFile(path)->find("log") != std::string::npos) log = path;
  }
  ASSERT_NE(log, "");
  std::string bytes = *sample.disk.ReadFile(log);
  const auto [at, operations, end] = FirstWholeRecord(bytes);
  bytes[operations] = 0;  // The kind of the first one.
  // The checksum is made right again; it covers whose file and which place it is (log.md).
  std::string covered = bytes.substr(16 + 2, 24);
  AppendLe<uint64_t>(covered, at);
  covered += bytes.substr(at + 4, end - at - 4);
  StoreLe<uint32_t>(bytes.data() + at, MaskCrc(Crc32c(covered)));
  io::SimDisk disk = sample.disk;
  disk.PlaceFile(log, bytes);
  const Outcome outcome = RepairAfter(disk, [](io::FileSystem&) {});
  ASSERT_OK(outcome.status);
  EXPECT_FALSE(outcome.opens);
  EXPECT_EQ(Differing(outcome.contents, sample.contents), 1u);
  ASSERT_EQ(outcome.report.losses.size(), 1u);
  EXPECT_NE(outcome.report.losses[0].what.find("kind 0"), std::string::npos);
  EXPECT_TRUE(outcome.report.losses[0].keys_lost.starts_with("sequences "));
}

TEST(Repair, ReadsTheRingOfAKilledStoreWhoseLogIsDamaged) {
  const Sample sample = MakeSample(End::kKilled);
  const Outcome outcome = RepairAfter(sample.disk, [&](io::FileSystem& files) {
    for (const std::string& path : FilesOf(sample.disk, FileKind::kManifest)) {
      ASSERT_OK(files.Remove(path));
    }
    ASSERT_OK(files.Remove("store/CURRENT"));
    ASSERT_OK(files.Remove("store/JOURNAL"));
  });
  ASSERT_OK(outcome.status);
  EXPECT_EQ(outcome.contents, sample.contents);
}

TEST(Repair, TakesNothingOutOfTheRingOrALogOfAnotherStore) {
  const std::string mark = "another's ";
  for (const End end : {End::kKilled, End::kClosed}) {
    const Sample own = MakeSample(end);
    const Sample other = MakeSample(end, mark);
    for (const FileKind kind : {FileKind::kRing, FileKind::kLog, FileKind::kJournal}) {
      const std::vector<std::string> paths = FilesOf(own.disk, kind);
      const std::vector<std::string> others = FilesOf(other.disk, kind);
      io::SimDisk disk = own.disk;
      for (size_t i = 0; i < std::min(paths.size(), others.size()); ++i) {
        disk.PlaceFile(paths[i], *other.disk.ReadFile(others[i]));
      }
      const Outcome outcome = RepairAfter(disk, [](io::FileSystem&) {});
      ASSERT_OK(outcome.status);
      EXPECT_FALSE(outcome.report.losses.empty() && outcome.contents != own.contents);
      EXPECT_GT(outcome.contents.size(), 1'000u);
      for (const auto& [key, value] : outcome.contents) {
        ASSERT_FALSE(value.starts_with(mark)) << key;
      }
    }
  }
}

// Whatever happens to whichever files.
TEST(Repair, SurvivesRandomDamage) {
  const Sample samples[] = {MakeSample(End::kClosed), MakeSample(End::kKilled)};
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    Rng rng(seed);
    io::SimDisk disk = samples[seed % 2].disk;
    std::string what;
    for (uint64_t count = rng.Between(1, 4); count > 0; --count) {
      const std::vector<std::string> paths = disk.AllFiles();
      const std::string& path = paths[rng.Below(paths.size())];
      const auto rot = static_cast<io::Rot>(rng.Below(5));
      what += path + ": " + disk.Damage(path, rot, rng).value_or("nothing") + "; ";
    }
    SCOPED_TRACE("seed " + std::to_string(seed) + " " + what);
    const Outcome outcome = RepairAfter(disk, [](io::FileSystem&) {});
    if (outcome.status.code() == StatusCode::kInvalidArgument) continue;  // "A newer version".
    if (outcome.status.code() == StatusCode::kCorruption) {
      EXPECT_FALSE(outcome.opens);
      continue;
    }
    ExpectNothingReadableIsLost(outcome);
  }
}

TEST(Repair, FailsWholeOrSucceedsWhenACallFails) {
  const Sample sample = MakeSample(End::kClosed);
  bool hit = true;
  uint64_t n = 1;
  for (; hit && n < 2000; ++n) {
    io::SimWorld world(n, sample.disk);
    io::FaultyFileSystem faulty(world.env().files);
    const io::RunReport run = world.Run([&] {
      const io::Env& real = world.env();
      faulty.FailAt(n, {});
      const auto repaired =
          RepairStore({faulty, real.clock, real.executor, real.random, real.log}, "store", "new");
      hit = faulty.fault_count() != 0;
      const bool there = *real.files.Exists("new");
      EXPECT_TRUE(there || !repaired.ok()) << n;
      if (!there) {
        EXPECT_OK(RepairStore(real, "store", "new")) << n;
      }
      EXPECT_FALSE(*real.files.Exists("new" + std::string(kUnfinishedSuffix))) << n;
      auto opened = OpenStore(real, "new", SmallOptions());
      ASSERT_OK(opened);
      // A block that could not be read is lost, and said to be.
      const bool whole = !repaired.ok() || repaired->losses.empty();
      if (whole) {
        EXPECT_EQ(ReadAll(*opened->store), sample.contents) << n;
      }
      EXPECT_OK(opened->store->Close());
    });
    EXPECT_EQ(run.end, io::RunEnd::kFinished);
  }
  EXPECT_GT(n, 40u);
  EXPECT_LT(n, 2000u);
}

TEST(Repair, RefusesWhatIsNoDamagedStore) {
  const Sample sample = MakeSample(End::kClosed);
  io::SimWorld world(1, sample.disk);
  world.Run([&] {
    EXPECT_FAILS(RepairStore(world.env(), "nowhere", "x"), StatusCode::kInvalidArgument,
                 "no such directory");
    ASSERT_OK(world.env().files.CreateDirectory("empty"));
    EXPECT_FAILS(RepairStore(world.env(), "empty", "x"), StatusCode::kInvalidArgument,
                 "no store here");
    EXPECT_FAILS(RepairStore(world.env(), "store", "empty"), StatusCode::kInvalidArgument,
                 "is there already");
    EXPECT_FAILS(RepairStore(world.env(), "store", "store"), StatusCode::kInvalidArgument,
                 "is there already");
    for (const char* name : {"store/000099.sst", "store/quarantine", "store/ring/", "LOCK"}) {
      EXPECT_FAILS(RepairStore(world.env(), "store", name), StatusCode::kInvalidArgument,
                   "named as a file of a store");
    }
    auto opened = OpenStore(world.env(), "store", SmallOptions());
    ASSERT_OK(opened);
    EXPECT_FAILS(RepairStore(world.env(), "store", "x"), StatusCode::kUnavailable, "already open");
  });
}

}  // namespace
}  // namespace aidb::lsm

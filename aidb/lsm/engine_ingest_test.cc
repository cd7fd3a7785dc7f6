// Sorted files that become part of a store: what reads, conditions, feeds, copies and repairs see,
// and what is left when something fails.

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "aidb/io/sim/world.h"
#include "aidb/io/transfer.h"
#include "aidb/lsm/check.h"
#include "aidb/lsm/dump.h"
#include "aidb/lsm/engine_for_test.h"
#include "aidb/lsm/repair.h"
#include "aidb/lsm/sorted_files.h"

namespace aidb::lsm {
namespace {

namespace fs = std::filesystem;

using Contents = std::map<std::string, std::string>;

Contents ReadAll(const kv::Store& store, const kv::Snapshot* snapshot = nullptr,
                 kv::ScanOrder order = kv::ScanOrder::kForward) {
  Contents contents;
  kv::Iterator it = store.Scan({.order = order, .snapshot = snapshot});
  for (; it.Valid(); it.Next()) contents.emplace(it.key(), it.value());
  EXPECT_OK(it.status());
  return contents;
}

void MakeFile(const io::Env& env, const std::string& path, const Contents& contents) {
  ASSERT_OK_AND_ASSIGN(const auto writer, SortedFileWriter::Create(env, path));
  for (const auto& [key, value] : contents) ASSERT_OK(writer->Put(key, value));
  ASSERT_OK(writer->Finish());
}

Contents Keys(uint64_t first, uint64_t count, const std::string& value) {
  Contents contents;
  for (uint64_t i = 0; i < count; ++i) contents.emplace(Key(first + i), value);
  return contents;
}

class IngestTest : public EngineTest {
 protected:
  std::string Make(const std::string& name, const Contents& contents) {
    const std::string path = directory_.Join(name);
    MakeFile(world_.env(), path, contents);
    return path;
  }
  Result<Sequence> Ingest(std::vector<std::string> paths) { return engine_->Ingest(paths); }
  std::vector<uint64_t> TablesByLevel() {
    std::vector<uint64_t> tables;
    for (const kv::LevelStats& level : engine_->Stats().levels) tables.push_back(level.tables);
    return tables;
  }
  void ExpectSound() {
    ASSERT_OK(engine_->Close());
    engine_.reset();
    ASSERT_OK_AND_ASSIGN(const CheckReport report,
                         CheckStore(world_.env(), directory_.Join("store")));
    for (const StoreProblem& problem : report.problems) ADD_FAILURE() << problem.what;
    EXPECT_EQ(report.notes, std::vector<std::string>());
    ASSERT_OK(Open());
  }
};

TEST_F(IngestTest, FilesAreThereAsOfOneSequence) {
  ASSERT_OK(Open());
  ASSERT_OK(Put(Key(5), "old"));
  ASSERT_OK(Put(Key(5000), "far"));
  const kv::Snapshot before = engine_->TakeSnapshot();
  const std::string a = Make("a", Keys(0, 1000, "a"));
  const std::string b = Make("b", Keys(2000, 10, "b"));
  ASSERT_OK_AND_ASSIGN(const Sequence sequence, Ingest({b, a}));
  EXPECT_EQ(sequence, Sequence{3});
  const kv::Snapshot after = engine_->TakeSnapshot();
  EXPECT_EQ(after.sequence(), sequence);
  ASSERT_OK(Put(Key(7), "new"));

  Contents expected = Keys(0, 1000, "a");
  expected.merge(Keys(2000, 10, "b"));
  expected[Key(5000)] = "far";
  for (const bool reopened : {false, true}) {
    if (!reopened) {
      EXPECT_EQ(ReadAll(*engine_, &before), (Contents{{Key(5), "old"}, {Key(5000), "far"}}));
      EXPECT_EQ(ReadAll(*engine_, &after), expected);
      EXPECT_EQ(ReadAll(*engine_, &after, kv::ScanOrder::kReverse), expected);
      const auto value = engine_->Get(Key(6), {.snapshot = &before});
      ASSERT_OK(value);
      EXPECT_FALSE(value->has_value());
    }
    EXPECT_EQ(Get(Key(5)), "a");
    EXPECT_EQ(Get(Key(7)), "new");
    EXPECT_EQ(Get(Key(2009)), "b");
    EXPECT_EQ(Get(Key(2010)), "absent");
    Contents now = expected;
    now[Key(7)] = "new";
    EXPECT_EQ(ReadAll(*engine_), now);
    if (!reopened) {
      ASSERT_OK(engine_->Compact({}));
      EXPECT_EQ(ReadAll(*engine_, &before), (Contents{{Key(5), "old"}, {Key(5000), "far"}}));
      EXPECT_EQ(ReadAll(*engine_, &after), expected);
      ExpectSound();
    }
  }
  EXPECT_EQ(engine_->Stats().sequence, Sequence{4});
  EXPECT_TRUE(fs::exists(a) && fs::exists(b));
}

TEST_F(IngestTest, ATableGoesAsDeepAsNothingOlderOfItsKeysLies) {
  options_.level0_trigger = 100;
  ASSERT_OK(Open());
  ASSERT_OK(Ingest({Make("a", Keys(0, 10, "a"))}));
  EXPECT_EQ(TablesByLevel(), (std::vector<uint64_t>{0, 0, 0, 0, 0, 0, 1}));
  ASSERT_OK(Ingest({Make("b", Keys(20, 10, "b")), Make("c", Keys(5, 10, "c"))}));
  EXPECT_EQ(TablesByLevel(), (std::vector<uint64_t>{0, 0, 0, 0, 0, 1, 2}));
  EXPECT_EQ(Get(Key(5)), "c");
  EXPECT_EQ(Get(Key(4)), "a");
  ASSERT_OK(Put(Key(100), "in memory"));
  ASSERT_OK(Ingest({Make("d", Keys(200, 10, "d"))}));
  EXPECT_EQ(engine_->Stats().flushes, 0u) << "nothing of it is in the way";
  EXPECT_EQ(TablesByLevel(), (std::vector<uint64_t>{0, 0, 0, 0, 0, 1, 3}));
  ASSERT_OK(Ingest({Make("e", Keys(95, 10, "e"))}));
  EXPECT_EQ(engine_->Stats().flushes, 1u);
  EXPECT_EQ(TablesByLevel(), (std::vector<uint64_t>{2, 0, 0, 0, 0, 1, 3}));
  EXPECT_EQ(Get(Key(100)), "e");
  ASSERT_OK(Put(Key(100), "newer"));
  ASSERT_OK(Put(Key(300), "newer"));
  // Runs of level 0 are in the order of their sequences: the memtable goes first.
  ASSERT_OK(Ingest({Make("f", Keys(101, 2, "f"))}));
  EXPECT_EQ(TablesByLevel(), (std::vector<uint64_t>{4, 0, 0, 0, 0, 1, 3}));
  EXPECT_EQ(Get(Key(100)), "newer");
  EXPECT_EQ(Get(Key(101)), "f");
  EXPECT_EQ(Get(Key(103)), "e");
  ExpectSound();
  EXPECT_EQ(Get(Key(100)), "newer");
  EXPECT_EQ(Get(Key(101)), "f");
}

TEST_F(IngestTest, RangeDeletesOfAFileHideWhatWasThereAndNotItsOwnKeys) {
  ASSERT_OK(Open());
  for (uint64_t i = 0; i < 50; ++i) {
    ASSERT_OK(Put(Key(i), "old"));
    if (i == 25) {
      ASSERT_OK(engine_->Flush());
    }
  }
  const std::string path = directory_.Join("a");
  ASSERT_OK_AND_ASSIGN(const auto writer, SortedFileWriter::Create(world_.env(), path));
  ASSERT_OK(writer->DeleteRange(Key(10), Key(40)));
  ASSERT_OK(writer->Put(Key(20), "kept"));
  ASSERT_OK(writer->Delete(Key(45)));
  ASSERT_OK(writer->Finish());
  Contents expected = Keys(0, 10, "old");
  expected.merge(Keys(40, 10, "old"));
  expected.erase(Key(45));
  expected[Key(20)] = "kept";
  const kv::Snapshot before = engine_->TakeSnapshot();
  ASSERT_OK(Ingest({path}));
  for (int round = 0; round < 4; ++round) {
    EXPECT_EQ(ReadAll(*engine_), expected) << round;
    EXPECT_EQ(ReadAll(*engine_, nullptr, kv::ScanOrder::kReverse), expected) << round;
    EXPECT_EQ(Get(Key(20)), expected[Key(20)]);
    EXPECT_EQ(Get(Key(11)), expected.contains(Key(11)) ? "later" : "absent");
    EXPECT_EQ(ReadAll(*engine_, &before), Keys(0, 50, "old")) << round;
    if (round == 0) {
      ASSERT_OK(Put(Key(11), "later"));
      expected[Key(11)] = "later";
    } else if (round == 1) {
      ASSERT_OK(engine_->Flush());
    } else {
      ASSERT_OK(engine_->Compact({}));
    }
  }
  ExpectSound();
  EXPECT_EQ(ReadAll(*engine_), expected);
}

TEST_F(IngestTest, ValuesThatExpireDoSo) {
  ASSERT_OK(Open());
  const auto now_ms = static_cast<uint64_t>(world_.env().clock.WallMillis());
  const std::string path = directory_.Join("a");
  ASSERT_OK_AND_ASSIGN(const auto writer, SortedFileWriter::Create(world_.env(), path));
  ASSERT_OK(writer->PutUntil("gone", "v", now_ms - 1));
  ASSERT_OK(writer->PutUntil("stays", "v", now_ms + 1'000'000));
  ASSERT_OK(writer->Finish());
  ASSERT_OK(Ingest({path}));
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(Get("gone"), "absent");
    const auto stays = engine_->Get("stays", {});
    ASSERT_OK(stays);
    ASSERT_TRUE(*stays);
    EXPECT_EQ((*stays)->expires_at_ms(), now_ms + 1'000'000);
    EXPECT_EQ(ReadAll(*engine_), (Contents{{"stays", "v"}}));
    ExpectSound();
  }
}

TEST_F(IngestTest, BreaksConditionsOnItsKeys) {
  ASSERT_OK(Open());
  ASSERT_OK(Put(Key(0), "v"));
  const kv::Snapshot before = engine_->TakeSnapshot();
  const std::string path = directory_.Join("a");
  ASSERT_OK_AND_ASSIGN(const auto writer, SortedFileWriter::Create(world_.env(), path));
  ASSERT_OK(writer->Put(Key(5), "v"));
  ASSERT_OK(writer->DeleteRange(Key(7), Key(8)));
  ASSERT_OK(writer->Finish());
  ASSERT_OK(Ingest({path}));
  const auto write_if = [&](const std::string& key) {
    kv::WriteBatch batch;
    batch.Put("w", "v");
    return engine_->WriteIf({.since = &before, .keys = {key}}, std::move(batch), {});
  };
  EXPECT_FAILS(write_if(Key(5)), StatusCode::kConflict, Key(5));
  EXPECT_FAILS(write_if(Key(7)), StatusCode::kConflict, Key(7));
  EXPECT_OK(write_if(Key(0)));
  EXPECT_FAILS(
      engine_->WriteIf({.since = &before, .ranges = {{.lower = Key(4), .upper = Key(6)}}}, {}, {}),
      StatusCode::kConflict, Key(5));
}

TEST_F(IngestTest, AFeedTellsItsPlaceAndItsFiles) {
  ASSERT_OK(Open());
  ASSERT_OK(Put("before", "v"));
  const std::string path = Make("a", Keys(3, 4, "v"));
  ASSERT_OK_AND_ASSIGN(kv::Updates live, engine_->UpdatesSince(Sequence{0}, {}));
  ASSERT_OK(Ingest({path}));
  ASSERT_OK(Put("behind", "v"));
  for (int round = 0; round < 2; ++round) {
    if (round == 1) {
      ASSERT_OK(engine_->Close());
      ASSERT_OK(Open());
      ASSERT_OK_AND_ASSIGN(live, engine_->UpdatesSince(Sequence{0}, {}));
    }
    ASSERT_OK_AND_ASSIGN(const auto first, live.Next());
    ASSERT_TRUE(first);
    ASSERT_OK_AND_ASSIGN(const auto ingest, live.Next());
    ASSERT_TRUE(ingest);
    EXPECT_EQ(ingest->first, Sequence{2});
    EXPECT_EQ(ingest->count, 1u);
    auto reader = ingest->reader();
    ASSERT_OK_AND_ASSIGN(const auto operation, reader.Next());
    ASSERT_TRUE(operation && kv::IngestNote::Is(*operation));
    ASSERT_OK_AND_ASSIGN(const kv::IngestNote note, kv::IngestNote::Decode(operation->value));
    ASSERT_EQ(note.files.size(), 1u);
    EXPECT_EQ(note.files[0].path, path);
    EXPECT_EQ(note.files[0].entries, 4u);
    EXPECT_EQ(note.files[0].first_key, Key(3));
    EXPECT_EQ(note.files[0].last_key, Key(6));
    EXPECT_GT(note.files[0].table, 0u);
    ASSERT_OK_AND_ASSIGN(const auto last, live.Next());
    ASSERT_TRUE(last);
    EXPECT_EQ(last->first, Sequence{3});
  }
}

TEST_F(IngestTest, TheNoteFreesItsLogWithTheMemtable) {
  ASSERT_OK(Open());
  ASSERT_OK(Ingest({Make("a", Keys(0, 3, "a"))}));
  ASSERT_OK(engine_->Flush());
  ASSERT_OK(Ingest({Make("b", Keys(10, 3, "b"))}));
  ASSERT_OK(Put("k", "v"));
  ASSERT_OK(engine_->Flush());
  ASSERT_OK(Ingest({Make("c", Keys(20, 3, "c"))}));
  engine_.reset();  // As SIGKILL would.
  ASSERT_OK(Open());
  EXPECT_EQ(engine_->Stats().sequence, Sequence{4});
  ASSERT_OK(engine_->Flush());
  engine_.reset();
  ASSERT_OK(Open());
  EXPECT_EQ(engine_->Stats().sequence, Sequence{4});
  EXPECT_EQ(ReadAll(*engine_).size(), 10u);
  ExpectSound();
}

TEST_F(IngestTest, WhatIsRefusedChangesNothing) {
  ASSERT_OK(Open());
  ASSERT_OK(Put(Key(1), "v"));
  ASSERT_OK(engine_->Flush());
  const std::string good = Make("good", Keys(0, 10, "a"));
  const std::string over = Make("over", Keys(9, 10, "b"));
  const std::string bad = directory_.Join("bad");
  fs::copy_file(good, bad);
  {
    std::fstream file(bad, std::ios::binary | std::ios::in | std::ios::out);
    file.seekp(40).put('\x7F');
  }
  const size_t tables = CountFiles(FileKind::kTable);
  EXPECT_FAILS(Ingest({}), StatusCode::kInvalidArgument, "no file");
  EXPECT_FAILS(Ingest({good, directory_.Join("none")}), StatusCode::kInvalidArgument, "none");
  EXPECT_FAILS(Ingest({good, over}), StatusCode::kInvalidArgument, over);
  EXPECT_FAILS(Ingest({good, bad}), StatusCode::kCorruption, bad + " at offset 0");
  ASSERT_OK(Put(Key(2), "v"));
  ASSERT_OK(Put(Key(3), "v"));
  ASSERT_OK(engine_->Flush());
  std::string of_a_store;
  for (const auto& entry : fs::directory_iterator(directory_.Join("store"))) {
    const auto name = ParseFileName(entry.path().filename().string());
    if (name && name->kind == FileKind::kTable)
      of_a_store = std::max(of_a_store, entry.path().string());
  }
  EXPECT_FAILS(Ingest({of_a_store}), StatusCode::kInvalidArgument, "sequences 2 to 3");
  EXPECT_EQ(CountFiles(FileKind::kTable), tables + 1);
  EXPECT_EQ(engine_->Stats().sequence, Sequence{3});
  ExpectSound();
  ASSERT_OK(engine_->Close());
  EXPECT_FAILS(Ingest({good}), StatusCode::kUnavailable, "closed");
  options_.mode = kv::StoreMode::kReadOnly;
  ASSERT_OK(Open());
  EXPECT_FAILS(Ingest({good}), StatusCode::kUnavailable, "read-only");
}

TEST_F(IngestTest, AFileOnAnotherFileSystemIsCopied) {
  ASSERT_OK(Open());
  const std::string path = Make("a", Keys(0, 500, "a"));
  files_.FailMatching(io::CallKind::kLink, path, 1, {.effect = io::FaultEffect::kErrorBefore});
  ASSERT_OK(Ingest({path}));
  files_.Heal();
  EXPECT_EQ(fs::hard_link_count(path), 1u);
  EXPECT_EQ(ReadAll(*engine_), Keys(0, 500, "a"));
  ASSERT_OK(Ingest({Make("b", Keys(500, 5, "a"))}));
  EXPECT_EQ(fs::hard_link_count(directory_.Join("b")), 2u);
  ExpectSound();
}

TEST_F(IngestTest, TheSameFileMayComeTwiceAndToTwoStores) {
  ASSERT_OK(Open());
  const std::string path = Make("a", Keys(0, 5, "a"));
  ASSERT_OK(Ingest({path}));
  ASSERT_OK(Put(Key(2), "between"));
  ASSERT_OK(Ingest({path}));
  EXPECT_EQ(ReadAll(*engine_), Keys(0, 5, "a"));
  ASSERT_OK(engine_->Compact({}));
  EXPECT_EQ(ReadAll(*engine_), Keys(0, 5, "a"));
  fs::remove(path);
  ExpectSound();
  EXPECT_EQ(ReadAll(*engine_), Keys(0, 5, "a"));
}

TEST_F(IngestTest, ACheckpointHoldsIt) {
  ASSERT_OK(Open());
  ASSERT_OK(Put(Key(3), "old"));
  ASSERT_OK(Ingest({Make("a", Keys(0, 5, "a"))}));
  ASSERT_OK(Put(Key(4), "new"));
  ASSERT_OK(engine_->Checkpoint(directory_.Join("copy")));
  Contents expected = Keys(0, 5, "a");
  expected[Key(4)] = "new";
  for (const auto mode : {kv::StoreMode::kReadOnly, kv::StoreMode::kMustExist}) {
    kv::Options options = options_;
    options.mode = mode;
    ASSERT_OK_AND_ASSIGN(const OpenedStore copy,
                         OpenStore(world_.env(), directory_.Join("copy"), options));
    EXPECT_EQ(ReadAll(*copy.store), expected);
    ASSERT_OK(copy.store->Close());
  }
}

TEST_F(IngestTest, AValueThatExpiredAtTheBeginningOfTimeExpires) {
  ASSERT_OK(Open());
  const std::string path = directory_.Join("a.sst");
  ASSERT_OK_AND_ASSIGN(const auto writer, SortedFileWriter::Create(world_.env(), path));
  ASSERT_OK(writer->PutUntil("k", "40", 0));
  ASSERT_OK(writer->Finish());
  ASSERT_OK(Ingest({path}));
  kv::WriteBatch batch;
  batch.Merge("k", kv::MergeOperator::kAddI64, "5");
  ASSERT_OK(engine_->Write(std::move(batch), {}));
  EXPECT_EQ(Get("k"), "5");
  ASSERT_OK(engine_->Compact({}));
  EXPECT_EQ(Get("k"), "5");
}

TEST_F(IngestTest, RepairKeepsItsPlaceByTheManifest) {
  ASSERT_OK(Open());
  ASSERT_OK(Put(Key(3), "old"));
  ASSERT_OK(Ingest({Make("a", Keys(0, 5, "a"))}));
  ASSERT_OK(Put(Key(4), "new"));
  ASSERT_OK(engine_->Close());
  engine_.reset();
  Contents expected = Keys(0, 5, "a");
  expected[Key(4)] = "new";
  ASSERT_OK_AND_ASSIGN(const auto report, RepairStore(world_.env(), directory_.Join("store"),
                                                      directory_.Join("mended")));
  EXPECT_TRUE(report.losses.empty());
  ASSERT_OK_AND_ASSIGN(const OpenedStore mended,
                       OpenStore(world_.env(), directory_.Join("mended"), options_));
  EXPECT_EQ(ReadAll(*mended.store), expected);
  EXPECT_EQ(mended.store->Stats().sequence, Sequence{3});
}

TEST_F(IngestTest, RepairWithoutTheManifestGoesByTheLogOrSaysWhatItDoesNotKnow) {
  options_.level0_trigger = 100;  // No merge takes the table.
  for (const bool flushed : {false, true}) {
    fs::remove_all(directory_.Join("store"));
    fs::remove_all(directory_.Join("mended"));
    fs::remove(directory_.Join("a"));
    ASSERT_OK(Open());
    ASSERT_OK(Put("first", "v"));
    ASSERT_OK(Put(Key(3), "old"));
    ASSERT_OK(Ingest({Make("a", Keys(0, 5, "a"))}));
    ASSERT_OK(Put(Key(4), "new"));
    if (flushed) {
      ASSERT_OK(engine_->Flush());
    }
    ASSERT_OK(engine_->Close());
    engine_.reset();
    fs::remove(directory_.Join("store") + "/CURRENT");
    if (flushed) {  // As they are once more was written.
      fs::remove(directory_.Join("store") + "/ring");
      for (const auto& entry : fs::directory_iterator(directory_.Join("store"))) {
        if (entry.path().extension() == ".log") fs::remove(entry.path());
      }
    }
    ASSERT_OK_AND_ASSIGN(const auto report, RepairStore(world_.env(), directory_.Join("store"),
                                                        directory_.Join("mended")));
    const bool told = std::ranges::any_of(report.notes, [](const std::string& note) {
      return note.find("was ingested") != std::string::npos;
    });
    EXPECT_EQ(told, flushed);
    ASSERT_OK_AND_ASSIGN(const OpenedStore mended,
                         OpenStore(world_.env(), directory_.Join("mended"), options_));
    Contents expected = Keys(0, 5, "a");
    expected["first"] = "v";
    expected[Key(4)] = "new";
    if (flushed) expected[Key(3)] = "old";
    EXPECT_EQ(ReadAll(*mended.store), expected) << flushed;
  }
}

// ── What fails, and where the power is cut ──────────────────────────────────────────────────

kv::Options SmallOptions() {
  kv::Options options = kv::Options::ForTests();
  options.sync_interval_ms = 0;
  return options;
}

const Contents& FirstFile() {
  static const Contents contents = Keys(10, 40, "ingested");
  return contents;
}
const Contents& SecondFile() {
  static const Contents contents = Keys(70, 5, "ingested");
  return contents;
}

// Keys before and in the files, some in memory; and the two files.
void Prepare(const io::Env& env, Engine& engine) {
  for (uint64_t i = 0; i < 60; ++i) {
    kv::WriteBatch batch;
    batch.Put(Key(i), "old");
    ASSERT_OK(engine.Write(std::move(batch), {}));
    if (i == 30) {
      ASSERT_OK(engine.Flush());
    }
  }
  MakeFile(env, "synced", FirstFile());
  // As somebody copies it who never syncs.
  ASSERT_OK_AND_ASSIGN(const std::string bytes, io::ReadWhole(env.files, "synced", 1 << 20));
  ASSERT_OK_AND_ASSIGN(const auto file, env.files.Open("first", io::OpenMode::kCreateNew));
  ASSERT_OK(io::WriteFully(*file, 0, std::as_bytes(std::span(bytes))));
  MakeFile(env, "second", SecondFile());
}

Contents Before() { return Keys(0, 60, "old"); }
Contents After() {
  Contents contents = FirstFile();
  contents.insert(SecondFile().begin(), SecondFile().end());
  contents.merge(Before());
  return contents;
}

// The store on `world`, after whatever ended the life before: the whole ingest or nothing of it,
// nothing left over, no sequence given twice. Whether it is there.
bool OpensWhole(const io::Env& env, const std::string& what) {
  OpenReport report;
  auto opened = Engine::Open(env, "store", SmallOptions(), report);
  EXPECT_OK(opened) << what;
  if (!opened.ok()) return false;
  Engine& engine = **opened;
  const Contents found = ReadAll(engine);
  const bool there = found == After();
  EXPECT_TRUE(there || found == Before()) << what;
  EXPECT_EQ(engine.Stats().sequence, Sequence{there ? 61u : 60u}) << what;
  kv::WriteBatch batch;
  batch.Put(Key(12), "later");
  const auto written = engine.Write(std::move(batch), {.sync = true});
  EXPECT_OK(written) << what;
  EXPECT_OK(engine.Compact({})) << what;
  const auto later = engine.Get(Key(12), {});
  EXPECT_TRUE(later.ok() && *later && (*later)->view() == "later") << what;
  EXPECT_OK(engine.Close()) << what;
  opened->reset();
  const auto check = CheckStore(env, "store");
  EXPECT_OK(check) << what;
  if (check.ok()) {
    for (const StoreProblem& problem : check->problems) ADD_FAILURE() << what << problem.what;
    EXPECT_TRUE(check->notes.empty()) << what << check->notes.front();
  }
  // No name of "first" was synced: where it is not there, the power took it.
  const auto first = env.files.Exists("first");
  EXPECT_OK(first) << what;
  std::vector<std::string> files{"second"};
  if (there && first.ok() && *first) files.emplace_back("first");
  EXPECT_OK(NewSortedFileSource(env.files)->Verify(files)) << what;
  return there;
}

TEST(Ingest, IsWholeOrNotThereWhereverThePowerIsCut) {
  io::SimWorld world(1);
  Rng rng(5);
  std::vector<io::SimDisk> disks;
  bool watching = false;
  world.files().set_on_operation([&](const io::SimOperation&, io::SimFileSystem::Phase) {
    if (!watching) return;
    for (int draw = 0; draw < 3; ++draw) {
      disks.push_back(world.files().Snapshot().PowerCut(rng, io::PowerCutModel::Draw(rng)));
    }
    disks.push_back(world.files().Snapshot().Kill());
  });
  const io::RunReport run = world.Run([&] {
    OpenReport report;
    auto opened = Engine::Open(world.env(), "store", SmallOptions(), report);
    ASSERT_OK(opened);
    Prepare(world.env(), **opened);
    ASSERT_OK((*opened)->Sync());
    watching = true;
    ASSERT_OK((*opened)->Ingest(std::vector<std::string>{"second", "first"}));
    disks.push_back(world.files().Snapshot().PowerCut(rng, io::PowerCutModel::Draw(rng)));
    watching = false;
    EXPECT_EQ(ReadAll(**opened), After());
    ASSERT_OK((*opened)->Close());
  });
  ASSERT_EQ(run.end, io::RunEnd::kFinished);
  ASSERT_GT(disks.size(), 100u);
  size_t there = 0;
  for (size_t i = 0; i < disks.size(); ++i) {
    io::SimWorld after(2 + i, disks[i]);
    bool whole = false;
    const io::RunReport again =
        after.Run([&] { whole = OpensWhole(after.env(), "disk " + std::to_string(i) + ": "); });
    ASSERT_EQ(again.end, io::RunEnd::kFinished) << "disk " << i;
    there += whole;
    if (i + 1 == disks.size()) {
      EXPECT_TRUE(whole) << "it had returned";
    }
  }
  EXPECT_GT(there, 0u);
  EXPECT_LT(there, disks.size());
}

// One world for each n: what comes behind a failure is looked at by opening the store again.
bool FailOne(uint64_t n, io::FaultEffect effect) {
  const std::string what =
      "call " + std::to_string(n) + ", " + std::to_string(static_cast<int>(effect)) + ": ";
  io::SimWorld world(3);
  io::FaultyFileSystem faulty(world.env().files);
  bool hit = false;
  const io::RunReport run = world.Run([&] {
    const io::Env& real = world.env();
    OpenReport report;
    auto opened = Engine::Open({faulty, real.clock, real.executor, real.random, real.log}, "store",
                               SmallOptions(), report);
    ASSERT_OK(opened);
    Prepare(real, **opened);
    faulty.FailAt(faulty.call_count() + n, {.effect = effect});
    const auto ingested = (*opened)->Ingest(std::vector<std::string>{"second", "first"});
    hit = faulty.fault_count() > 0;
    faulty.Heal();
    EXPECT_EQ(faulty.syncs_after_failure(), 0u) << what;
    const Contents now = ReadAll(**opened);
    const bool unknown = ingested.status().code() == StatusCode::kIoError;
    EXPECT_TRUE(ingested.ok() || hit) << what << ingested.status().ToString();
    EXPECT_TRUE(now == (ingested.ok() ? After() : Before()) || (unknown && now == After())) << what;
    opened->reset();
    const bool there = OpensWhole(real, what);
    const bool surely_not = !ingested.ok() && ingested.status().code() != StatusCode::kIoError &&
                            ingested.status().code() != StatusCode::kUnavailable;
    EXPECT_TRUE(!there || !surely_not) << what << ingested.status().ToString();
    EXPECT_TRUE(there || !ingested.ok()) << what;
  });
  EXPECT_EQ(run.end, io::RunEnd::kFinished) << what;
  return hit;
}

TEST(Ingest, ThatFailsAnywhereIsWholeOrNotThereWhenItIsOpenedAgain) {
  uint64_t n = 1;
  for (bool hit = true; hit && n < 500; ++n) {
    hit = false;
    for (const auto effect : {io::FaultEffect::kErrorBefore, io::FaultEffect::kErrorAfter,
                              io::FaultEffect::kErrorPartly, io::FaultEffect::kSyncLost}) {
      hit = FailOne(n, effect) || hit;
    }
  }
  EXPECT_GT(n, 30u);
  EXPECT_LT(n, 500u);
}

// Writers, snapshots and compactions beside ingests of keys in the middle: a value is only ever
// replaced by a newer one, and a snapshot repeats.
TEST_F(IngestTest, GoesOnBesideWritersReadersAndCompactions) {
  options_.level0_trigger = 2;
  ASSERT_OK(Open());
  std::atomic<bool> done = false;
  std::atomic<uint64_t> written = 0;
  const auto writer = world_.env().executor.Start("writer", [&] {
    for (uint64_t i = 0; !done; ++i) {
      ASSERT_OK(Put(Key(i % 100), "w" + std::to_string(i)));
      if (i % 500 == 499) {
        ASSERT_OK(engine_->Flush());
      }
      written = i;
    }
  });
  const auto reader = world_.env().executor.Start("reader", [&] {
    while (!done) {
      const kv::Snapshot snapshot = engine_->TakeSnapshot();
      const Contents first = ReadAll(*engine_, &snapshot);
      EXPECT_EQ(ReadAll(*engine_, &snapshot), first);
    }
  });
  const auto compactor = world_.env().executor.Start("compactor", [&] {
    while (!done) ASSERT_OK(engine_->Compact({}));
  });
  for (uint64_t round = 0; round < 30; ++round) {
    const std::string value = "i" + std::to_string(round);
    const std::string path = Make("f" + std::to_string(round), Keys(95, 20, value));
    ASSERT_OK_AND_ASSIGN(const Sequence sequence, Ingest({path}));
    const kv::Snapshot snapshot = engine_->TakeSnapshot();
    EXPECT_GE(snapshot.sequence(), sequence);
    for (uint64_t key = 100; key < 115; ++key) EXPECT_EQ(Get(Key(key)), value);
  }
  done = true;
  writer->Join();
  reader->Join();
  compactor->Join();
  EXPECT_GT(written, 0u);
  ExpectSound();
}

}  // namespace
}  // namespace aidb::lsm

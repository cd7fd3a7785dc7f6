#include "aidb/lsm/manifest.h"

#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "aidb/base/random.h"
#include "aidb/io/transfer.h"
#include "aidb/lsm/golden_file.h"
#include "aidb/lsm/test_files.h"

namespace aidb::lsm {
namespace {

constexpr Uuid kUuid{{0xA1, 0xDB, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}};

VersionEdit Adds(uint64_t number, int level = 0) {
  const std::string key = "key" + std::to_string(number);
  VersionEdit edit;
  edit.added = {{.level = level,
                 .run = number,
                 .facts = {.number = number,
                           .salt = number,
                           .size_bytes = 100,
                           .first_key = key,
                           .last_key = key + "z",
                           .lowest = Sequence{number},
                           .highest = Sequence{number},
                           .entries = 1}}};
  return edit;
}

struct Store {
  TestFiles files;
  FileNumbers numbers{1};
  std::unique_ptr<Manifest> manifest;

  Store() {
    auto created = Manifest::Create(files, "d", numbers, kUuid);
    EXPECT_TRUE(created.ok()) << created.status().ToString();
    manifest = *std::move(created);
  }
  uint64_t AppendTable() {
    const uint64_t number = numbers.Take();
    EXPECT_TRUE(manifest->Append(Adds(number)).ok());
    return number;
  }
  std::string path() const { return "d/" + ManifestName(manifest->number()); }
};

ManifestFound MustRead(TestFiles& files) {
  auto found = ReadManifest(files, "d");
  EXPECT_TRUE(found.ok()) << found.status().ToString();
  if (!found.ok() || !*found) return {};
  return **std::move(found);
}

void ExpectCorruption(TestFiles& files, std::string_view mentions) {
  const auto found = ReadManifest(files, "d");
  ASSERT_EQ(found.status().code(), StatusCode::kCorruption);
  EXPECT_NE(found.status().message().find(mentions), std::string::npos)
      << found.status().ToString();
  EXPECT_NE(found.status().message().find("aidb repair NEW_DIRECTORY --db d"), std::string::npos);
}

TEST(Manifest, GivesBackWhatWasAppended) {
  Store store;
  for (int i = 0; i < 10; ++i) store.AppendTable();
  VersionEdit edit;
  edit.removed = {{0, store.manifest->state().tables.begin()->first}};
  edit.last_sequence = Sequence{77};
  ASSERT_TRUE(store.manifest->Append(edit).ok());
  const ManifestFound found = MustRead(store.files);
  EXPECT_EQ(found.state, store.manifest->state());
  EXPECT_EQ(found.number, store.manifest->number());
  EXPECT_EQ(found.state.tables.size(), 9u);
  EXPECT_FALSE(found.torn);
  EXPECT_GE(found.next_number_free, store.numbers.next());
}

TEST(Manifest, SyncsEachEditBeforeItIsAcknowledged) {
  Store store;
  for (int i = 0; i < 20; ++i) {
    store.AppendTable();
    const auto after = store.files.PowerCut(static_cast<uint64_t>(i));
    EXPECT_EQ(MustRead(*after).state, store.manifest->state());
  }
}

TEST(Manifest, ContinuesInANewFileAndDeletesTheOldOne) {
  Store store;
  store.AppendTable();
  const std::string old_path = store.path();
  const ManifestState state = store.manifest->state();
  ManifestFound found = MustRead(store.files);
  FileNumbers numbers(found.next_number_free);
  auto next = Manifest::Continue(store.files, "d", numbers, found);
  ASSERT_TRUE(next.ok()) << next.status().ToString();
  EXPECT_GT((*next)->number(), found.number);
  EXPECT_FALSE(*store.files.Exists(old_path));
  EXPECT_EQ(MustRead(store.files).state.tables, state.tables);
  EXPECT_EQ(store.files.Paths().size(), 2u) << "CURRENT and one manifest";
}

TEST(Manifest, IsWrittenAnewWhenItOutgrowsItsSnapshot) {
  Store store;
  const uint64_t first = store.manifest->number();
  uint64_t largest = 0;
  const std::string key(10'000, 'k');
  for (int i = 0; i < 400; ++i) {
    VersionEdit edit = Adds(store.numbers.Take());
    edit.added[0].facts.first_key = edit.added[0].facts.last_key = key;
    if (!store.manifest->state().tables.empty())
      edit.removed = {{0, store.manifest->state().tables.begin()->first}};
    ASSERT_TRUE(store.manifest->Append(edit).ok());
    largest = std::max<uint64_t>(largest, store.files.Content(store.path()).size());
  }
  EXPECT_GT(store.manifest->number(), first);
  EXPECT_LT(largest, kManifestMarginBytes + 200'000);
  EXPECT_EQ(MustRead(store.files).state, store.manifest->state());
  EXPECT_EQ(store.files.Paths().size(), 2u);
}

TEST(Manifest, RefusesAnEditThatDoesNotFitAndStaysAsItWas) {
  Store store;
  VersionEdit edit;
  edit.removed = {{3, 99}};
  EXPECT_EQ(store.manifest->Append(edit).code(), StatusCode::kInternal);
  store.AppendTable();
  EXPECT_EQ(MustRead(store.files).state, store.manifest->state());
}

TEST(Manifest, RefusesAnEditLargerThanARecord) {
  Store store;
  VersionEdit edit;
  const std::string longest(kv::kKeyBytesMax, 'k');
  for (int i = 0; i < 33; ++i) {
    VersionEdit one = Adds(store.numbers.Take());
    one.added[0].facts.first_key = one.added[0].facts.last_key = longest;
    edit.added.push_back(one.added[0]);
  }
  EXPECT_EQ(store.manifest->Append(edit).code(), StatusCode::kResourceExhausted);
  edit.added.resize(31);
  EXPECT_TRUE(store.manifest->Append(edit).ok());
  EXPECT_EQ(MustRead(store.files).state, store.manifest->state());
}

// ── Failures ────────────────────────────────────────────────────────────────────────────────

TEST(Manifest, SurvivesAFailureOfAnyOneOperationByWritingANewFile) {
  for (const std::string_view kind : {"write", "sync"}) {
    Store store;
    store.AppendTable();
    const std::string dead = store.path();
    bool failed = false;
    uint64_t touched_after_death = 0;
    store.files.fail = [&](uint64_t, std::string_view what) -> Status {
      if (failed && (what == "write " + dead || what == "sync " + dead)) ++touched_after_death;
      if (failed || what != std::string(kind) + " " + dead) return {};
      failed = true;
      return IoError("no");
    };
    store.AppendTable();
    EXPECT_TRUE(failed);
    store.AppendTable();
    EXPECT_EQ(touched_after_death, 0u) << "a failed file is never used again";
    EXPECT_NE(store.path(), dead);
    EXPECT_EQ(MustRead(store.files).state, store.manifest->state());
  }
}

TEST(Manifest, SaysSoWhenReplacingFailsTooAndGoesOnWhenTheDiskDoes) {
  Store store;
  const uint64_t kept = store.AppendTable();
  bool broken = true;
  store.files.fail = [&](uint64_t, std::string_view) {
    return broken ? IoError("disk gone") : Status();
  };
  const uint64_t lost = store.numbers.Take();
  const Status status = store.manifest->Append(Adds(lost));
  EXPECT_EQ(status.code(), StatusCode::kIoError);
  EXPECT_NE(status.message().find("disk gone"), std::string::npos);
  EXPECT_FALSE(store.manifest->state().tables.contains(lost));
  broken = false;
  const uint64_t later = store.AppendTable();
  const ManifestFound found = MustRead(store.files);
  EXPECT_EQ(found.state, store.manifest->state());
  EXPECT_TRUE(found.state.tables.contains(kept) && found.state.tables.contains(later));
  EXPECT_FALSE(found.state.tables.contains(lost));
  EXPECT_EQ(store.files.Paths().size(), 2u);
}

// Runs an append on a disk that is full from its operation `stop` on. Where it says that the edit
// is not part of the store, no power cut may show it.
void FailAppendFrom(uint64_t stop, bool replacing, bool& finished) {
  Store store;
  store.AppendTable();
  const auto dead = [](uint64_t, std::string_view what) {
    return what.starts_with("write") ? IoError("dead") : Status();
  };
  if (replacing) {
    store.files.fail = dead;
    ASSERT_FALSE(store.manifest->Append(Adds(store.numbers.Take())).ok());
  }
  const uint64_t base = store.files.operations;
  store.files.fail = [&](uint64_t operation, std::string_view) {
    return operation >= base + stop ? ResourceExhausted("full") : Status();
  };
  const uint64_t added = store.numbers.Take();
  finished = store.manifest->Append(Adds(added)).ok();
  const bool in_doubt = store.manifest->edit_in_doubt();
  EXPECT_FALSE(finished && in_doubt);
  store.files.fail = nullptr;
  for (uint64_t seed = 0; !finished && !in_doubt && seed < 40; ++seed) {
    const auto files = store.files.PowerCut(seed);
    EXPECT_FALSE(MustRead(*files).state.tables.contains(added)) << "stopped at " << stop;
  }
  if (finished) return;
  EXPECT_FALSE(MustRead(store.files).state.tables.contains(added) && !in_doubt);
  store.AppendTable();
  EXPECT_FALSE(store.manifest->edit_in_doubt());
  EXPECT_FALSE(MustRead(store.files).state.tables.contains(added));
}

TEST(Manifest, KnowsWhetherAnEditThatFailedMayBeFound) {
  for (const bool replacing : {false, true}) {
    bool finished = false;
    for (uint64_t stop = 0; !finished; ++stop) {
      SCOPED_TRACE(testing::Message() << "stop " << stop << " replacing " << replacing);
      FailAppendFrom(stop, replacing, finished);
      if (HasFatalFailure()) return;
    }
  }
  // A full disk, as it mostly comes: nothing of the record was written.
  Store store;
  store.files.fail = [](uint64_t, std::string_view what) {
    return what.starts_with("write") ? ResourceExhausted("full") : Status();
  };
  EXPECT_FALSE(store.manifest->Append(Adds(store.numbers.Take())).ok());
  EXPECT_FALSE(store.manifest->edit_in_doubt());
  // The record is written, and nobody knows how much of it is on the disk.
  Store unsynced;
  unsynced.files.fail = [](uint64_t, std::string_view what) {
    return what.starts_with("sync") ? ResourceExhausted("full") : Status();
  };
  EXPECT_FALSE(unsynced.manifest->Append(Adds(unsynced.numbers.Take())).ok());
  EXPECT_TRUE(unsynced.manifest->edit_in_doubt());
}

// A nearly full disk has no room for CURRENT.tmp. Nothing names the new manifest then.
TEST(Manifest, LeavesNothingInDoubtThatFailsBeforeCurrentIsRenamed) {
  for (const std::string_view stops_at : {"create", "write", "sync"}) {
    Store store;
    const uint64_t kept = store.AppendTable();
    const std::string temporary = std::string(stops_at) + " d/CURRENT.tmp";
    const std::string record = "write " + store.path();
    store.files.fail = [&](uint64_t, std::string_view what) {
      return what == record || what == temporary ? ResourceExhausted("full") : Status();
    };
    for (int i = 0; i < 3; ++i) {
      EXPECT_FALSE(store.manifest->Append(Adds(store.numbers.Take())).ok());
      EXPECT_FALSE(store.manifest->edit_in_doubt()) << temporary;
      EXPECT_LE(store.files.Paths().size(), 3u) << "CURRENT, CURRENT.tmp and one manifest";
    }
    for (uint64_t seed = 0; seed < 40; ++seed) {
      const auto found = MustRead(*store.files.PowerCut(seed));
      EXPECT_EQ(found.state.tables.size(), 1u);
      EXPECT_TRUE(found.state.tables.contains(kept));
    }
    store.files.fail = nullptr;
    store.AppendTable();
    EXPECT_EQ(store.files.Paths().size(), 2u);
  }
  // From the rename on, CURRENT may name either manifest: both stay.
  for (const std::string_view stops_at : {"rename d/CURRENT.tmp", "sync directory d"}) {
    Store store;
    store.AppendTable();
    bool record_failed = false;
    bool prepared = false;
    store.files.fail = [&](uint64_t, std::string_view what) {
      if (what.starts_with("write") && !std::exchange(record_failed, true)) {
        return ResourceExhausted("full");
      }
      prepared = prepared || what == "sync d/CURRENT.tmp";
      return prepared && what.starts_with(stops_at) ? IoError("no") : Status();
    };
    EXPECT_FALSE(store.manifest->Append(Adds(store.numbers.Take())).ok());
    EXPECT_TRUE(store.manifest->edit_in_doubt()) << stops_at;
  }
}

// What an edit may have become when the world stopped in the middle of it.
bool IsOneOf(const ManifestState& state, const ManifestState& before, const ManifestState& after) {
  return state.tables == before.tables || state.tables == after.tables;
}

// Runs an append whose operation `stop` fails, and all after it; then cuts the power.
void CrashInAppend(uint64_t stop, bool replacing, bool& finished) {
  Store store;
  store.AppendTable();
  if (replacing) {
    store.files.fail = [](uint64_t, std::string_view what) {
      return what.starts_with("write") ? IoError("dead") : Status();
    };
    ASSERT_FALSE(store.manifest->Append(Adds(store.numbers.Take())).ok());
  }
  const ManifestState before = store.manifest->state();
  const uint64_t base = store.files.operations;
  store.files.fail = [&](uint64_t operation, std::string_view) {
    return operation >= base + stop ? IoError("stopped") : Status();
  };
  const VersionEdit edit = Adds(store.numbers.Take());
  ManifestState after = before;
  after.Apply(edit);
  finished = store.manifest->Append(edit).ok();
  for (uint64_t seed = 0; seed < 40; ++seed) {
    const auto cut = store.files.PowerCut(seed);
    const ManifestFound found = MustRead(*cut);
    ASSERT_TRUE(IsOneOf(found.state, before, after)) << "stop " << stop << " seed " << seed;
    if (finished) {
      ASSERT_EQ(found.state.tables, after.tables) << "stop " << stop << " seed " << seed;
    }
    // A second start, and a third, see the same.
    FileNumbers numbers(found.next_number_free);
    auto next = Manifest::Continue(*cut, "d", numbers, found);
    ASSERT_TRUE(next.ok()) << next.status().ToString();
    EXPECT_EQ(MustRead(*cut).state.tables, found.state.tables);
    EXPECT_EQ(MustRead(*cut->PowerCut(seed)).state.tables, found.state.tables);
  }
}

TEST(Manifest, KeepsAnAcknowledgedEditThroughAPowerCutAtEveryStep) {
  for (const bool replacing : {false, true}) {
    bool finished = false;
    uint64_t stop = 0;
    for (; !finished || stop < 12; ++stop) CrashInAppend(stop, replacing, finished);
    EXPECT_GT(stop, 2u);
  }
}

TEST(Manifest, LeavesNoStoreOrAnEmptyOneWhenCreationIsCutShort) {
  bool created = false;
  for (uint64_t stop = 0; !created; ++stop) {
    TestFiles files;
    files.fail = [&](uint64_t operation, std::string_view) {
      return operation >= stop ? IoError("stopped") : Status();
    };
    FileNumbers numbers(1);
    created = Manifest::Create(files, "d", numbers, kUuid).ok();
    for (uint64_t seed = 0; seed < 40; ++seed) {
      const auto cut = files.PowerCut(seed);
      const auto found = ReadManifest(*cut, "d");
      ASSERT_TRUE(found.ok()) << found.status().ToString();
      EXPECT_TRUE(!created || *found) << seed;
      // Either way the next start works, whatever lies around.
      FileNumbers next(*NextNumberFree(*cut, "d"));
      if (!*found) {
        EXPECT_TRUE(Manifest::Create(*cut, "d", next, kUuid).ok());
      }
      EXPECT_TRUE(MustRead(*cut).state.tables.empty());
    }
  }
}

// ── Damage ──────────────────────────────────────────────────────────────────────────────────

TEST(ReadManifest, FindsNoStoreInAnEmptyDirectory) {
  TestFiles files;
  files.SetContent("d/readme.txt", "not ours");
  const auto found = ReadManifest(files, "d");
  ASSERT_TRUE(found.ok());
  EXPECT_FALSE(*found);
}

TEST(ReadManifest, NeverTakesAStoreWithoutCurrentForAFreshOne) {
  for (const char* name : {"d/000007.log", "d/000009.sst"}) {
    TestFiles files;
    files.SetContent(name, "x");
    ExpectCorruption(files, "CURRENT is missing");
  }
}

TEST(ReadManifest, RefusesADamagedCurrent) {
  Store store;
  const std::string intact = store.files.Content("d/CURRENT");
  for (size_t i = 0; i < intact.size(); ++i) {
    for (const char flip : {1, 32, 64}) {
      std::string damaged = intact;
      damaged[i] ^= flip;
      store.files.SetContent("d/CURRENT", damaged);
      ExpectCorruption(store.files, "d/CURRENT");
    }
    store.files.SetContent("d/CURRENT", intact.substr(0, i));
    ExpectCorruption(store.files, "d/CURRENT");
  }
  store.files.SetContent("d/CURRENT", intact + "x");
  ExpectCorruption(store.files, "d/CURRENT");
}

TEST(ReadManifest, RefusesACurrentThatNamesNoManifest) {
  Store store;
  ASSERT_TRUE(store.files.Remove(store.path()).ok());
  ExpectCorruption(store.files, "MANIFEST-000001, which is missing");
}

TEST(ReadManifest, SeesEveryFlippedBitAndCutsNothingThatWasDurable) {
  Store store;
  std::vector<ManifestState> history{store.manifest->state()};
  std::vector<size_t> ends{store.files.Content(store.path()).size()};
  for (int i = 0; i < 4; ++i) {
    store.AppendTable();
    history.push_back(store.manifest->state());
    ends.push_back(store.files.Content(store.path()).size());
  }
  const std::string intact = store.files.Content(store.path());
  for (size_t bit = 0; bit < intact.size() * 8; ++bit) {
    std::string damaged = intact;
    damaged[bit / 8] ^= static_cast<char>(1 << (bit % 8));
    store.files.SetContent(store.path(), damaged);
    if (bit / 8 < ends[3]) {  // Not in the last edit.
      ExpectCorruption(store.files, store.path() + " at offset");
      continue;
    }
    const ManifestFound found = MustRead(store.files);
    EXPECT_EQ(found.state, history[3]);
    ASSERT_TRUE(found.torn);
    EXPECT_EQ(found.torn->offset, ends[3]);
    EXPECT_EQ(found.torn->bytes, intact.size() - ends[3]);
  }
}

TEST(ReadManifest, TakesATornLastEditOfSeveralFragmentsForTornWhateverPartOfItIsMissing) {
  Store store;
  store.AppendTable();
  const ManifestState before = store.manifest->state();
  const size_t begin = store.files.Content(store.path()).size();
  VersionEdit edit = Adds(store.numbers.Take());
  edit.added[0].facts.last_key = std::string(150'000, 'z');
  ASSERT_TRUE(store.manifest->Append(edit).ok());
  const std::string intact = store.files.Content(store.path());
  Rng rng(1);
  for (int i = 0; i < 200; ++i) {
    std::string torn = intact;
    // Some of its sectors never reached the disk.
    bool lost = false;
    for (size_t at = begin; at < torn.size(); at += 512) {
      if (!rng.OneIn(8)) continue;
      const size_t count = std::min<size_t>(512, torn.size() - at);
      lost |= torn.compare(at, count, std::string(count, '\0')) != 0;
      torn.replace(at, count, std::string(count, '\0'));
    }
    store.files.SetContent(store.path(), torn);
    const ManifestFound found = MustRead(store.files);
    EXPECT_EQ(found.state == before, lost);
  }
}

TEST(ReadManifest, KeepsATornTailInQuarantine) {
  Store store;
  store.AppendTable();
  const size_t begin = store.files.Content(store.path()).size();
  store.AppendTable();
  const std::string intact = store.files.Content(store.path());
  const std::string tail = intact.substr(begin, intact.size() - begin - 3);
  store.files.SetContent(store.path(), intact.substr(0, begin) + tail + std::string(100, '\0'));
  const ManifestFound found = MustRead(store.files);
  ASSERT_TRUE(found.torn);
  FileNumbers numbers(found.next_number_free);
  ASSERT_TRUE(Manifest::Continue(store.files, "d", numbers, found).ok());
  EXPECT_EQ(store.files.Content("d/quarantine/MANIFEST-000001." + std::to_string(begin)), tail);
  EXPECT_FALSE(MustRead(store.files).torn);
}

TEST(ReadManifest, NeverTakesATornSnapshotForTheWholeState) {
  Store store;
  const std::string longest(kv::kKeyBytesMax, 'k');
  for (int i = 0; i < 3; ++i) {
    VersionEdit edit = Adds(store.numbers.Take());
    edit.added[0].facts.first_key = edit.added[0].facts.last_key = longest;
    ASSERT_TRUE(store.manifest->Append(edit).ok());
  }
  ManifestFound found = MustRead(store.files);
  FileNumbers numbers(found.next_number_free);
  auto next = Manifest::Continue(store.files, "d", numbers, std::move(found));
  ASSERT_TRUE(next.ok());
  const std::string path = "d/" + ManifestName((*next)->number());
  const std::string intact = store.files.Content(path);
  for (size_t size = 0; size < intact.size(); size += 1 + size / 3) {
    store.files.SetContent(path, intact.substr(0, size));
    ExpectCorruption(store.files, path);
  }
}

TEST(ReadManifest, RefusesAManifestOfAnotherStore) {
  Store store;
  Store other;
  const std::string foreign = [&] {
    TestFiles files;
    FileNumbers numbers(1);
    auto manifest = Manifest::Create(files, "d", numbers, Uuid{{9}});
    return files.Content("d/MANIFEST-000001");
  }();
  store.files.SetContent(store.path(), foreign);
  ExpectCorruption(store.files, "offset 0");
}

TEST(ReadManifest, RefusesWhatANewerVersionWroteAndLeavesItAlone) {
  Store store;
  std::string content = store.files.Content(store.path());
  const LogFraming framing(kManifestRecordBytesMax, RecordForm::kFull);
  const std::string payload("\xC7\x01\x01x", 4);  // Field 99, required.
  const uint64_t offset = content.size();
  content.resize(offset + framing.FramedSize({payload, 1}, journal::RecordId{2}, offset));
  framing.Encode({{kUuid.bytes, 1}, offset, journal::RecordId{2}, 0}, {payload, 1},
                 std::as_writable_bytes(std::span(content)).subspan(offset));
  store.files.SetContent(store.path(), content);
  const auto found = ReadManifest(store.files, "d");
  EXPECT_EQ(found.status().code(), StatusCode::kInvalidArgument);
  EXPECT_NE(found.status().message().find("newer version"), std::string::npos);
  EXPECT_EQ(store.files.Content(store.path()), content);
}

TEST(ReadManifest, TakesNoRecordOfLogVersion2) {
  Store store;
  std::string content = store.files.Content(store.path());
  const LogFraming framing;
  const std::string payload = Adds(7).Encode();
  const uint64_t offset = content.size();
  content.resize(offset + framing.FramedSize({payload, 1}, journal::RecordId{2}, offset));
  framing.Encode({{kUuid.bytes, 1}, offset, journal::RecordId{2}, 0}, {payload, 1},
                 std::as_writable_bytes(std::span(content)).subspan(offset));
  store.files.SetContent(store.path(), content);
  EXPECT_EQ(ReadManifest(store.files, "d").status().code(), StatusCode::kInvalidArgument);
}

TEST(ReadManifest, NoticesAMissingEdit) {
  Store store;
  const size_t begin = store.files.Content(store.path()).size();
  store.AppendTable();
  store.AppendTable();
  // The second edit alone, correctly framed at the place of the first.
  std::string content = store.files.Content(store.path()).substr(0, begin);
  const LogFraming framing(kManifestRecordBytesMax, RecordForm::kFull);
  const std::string payload = Adds(7).Encode();
  content.resize(begin + framing.FramedSize({payload, 1}, journal::RecordId{3}, begin));
  framing.Encode({{kUuid.bytes, 1}, begin, journal::RecordId{3}, 0}, {payload, 1},
                 std::as_writable_bytes(std::span(content)).subspan(begin));
  store.files.SetContent(store.path(), content);
  ExpectCorruption(store.files, "edit 2 is missing");
}

TEST(CurrentFile, IsOneLineWithAChecksum) {
  const CurrentFile current{14, kUuid};
  const std::string line = current.Encode();
  EXPECT_TRUE(Golden("current_v1", line) == line)
      << "docs/formats/current.md and the format differ";
  const Result<CurrentFile> read = CurrentFile::Decode(line);
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(*read, current);
}

TEST(Manifest, WritesTheGoldenFileBitForBit) {
  Store store;
  for (int i = 0; i < 3; ++i) store.AppendTable();
  VersionEdit edit;
  edit.removed = {{0, 2}};
  edit.added = {Adds(2, 1).added[0]};
  edit.added[0].run = 0;
  edit.last_sequence = Sequence{9};
  edit.log_floor = 1;
  ASSERT_TRUE(store.manifest->Append(edit).ok());
  const std::string content = store.files.Content(store.path());
  EXPECT_TRUE(Golden("manifest_v1", content) == content)
      << "docs/formats/manifest.md and the format differ";
}

// A store with a value that expires: its edits carry the clock.
TEST(Manifest, WritesTheGoldenFileWithExpiryBitForBit) {
  constexpr int64_t kClockMs = 1'700'000'000'000;
  Store store;
  store.AppendTable();
  VersionEdit edit;
  edit.last_sequence = Sequence{9};
  edit.log_floor = 1;
  edit.clock_ms_max = kClockMs;
  ASSERT_TRUE(store.manifest->Append(edit).ok());
  edit = {};
  edit.clock_ms_max = kClockMs + 1;
  ASSERT_TRUE(store.manifest->Append(edit).ok());
  const std::string content = store.files.Content(store.path());
  EXPECT_TRUE(Golden("manifest_v1_expiry", content) == content)
      << "docs/formats/manifest.md and the format differ";
  EXPECT_EQ(store.manifest->state().clock_ms_max, kClockMs + 1);
}

// A table with range deletes has a field of its own, which readers that know none refuse.
TEST(Manifest, WritesTheGoldenFileWithRangeDeletesBitForBit) {
  Store store;
  store.AppendTable();
  VersionEdit edit = Adds(7, 0);
  edit.added[0].facts.range_deletes = 300;
  ASSERT_TRUE(store.manifest->Append(edit).ok());
  const std::string content = store.files.Content(store.path());
  EXPECT_TRUE(Golden("manifest_v1_range_deletes", content) == content)
      << "docs/formats/manifest.md and the format differ";
}

// Likewise one with operands.
TEST(Manifest, WritesTheGoldenFileWithOperandsBitForBit) {
  Store store;
  store.AppendTable();
  VersionEdit edit = Adds(7, 0);
  edit.added[0].facts.deletes = 0;
  edit.added[0].facts.operands = edit.added[0].facts.entries = 1;
  ASSERT_TRUE(store.manifest->Append(edit).ok());
  const std::string content = store.files.Content(store.path());
  EXPECT_TRUE(Golden("manifest_v1_operands", content) == content)
      << "docs/formats/manifest.md and the format differ";
  EXPECT_EQ(store.manifest->state().tables.at(7).facts.operands, 1u);
}

// So has one that was ingested; and the sequence of the ingest is kept.
TEST(Manifest, WritesTheGoldenFileWithAnIngestBitForBit) {
  Store store;
  store.AppendTable();
  VersionEdit edit = Adds(7, 6);
  edit.added[0].facts.lowest = edit.added[0].facts.highest = Sequence{300};
  edit.added[0].facts.ingested = true;
  edit.ingest_sequence = Sequence{300};
  ASSERT_TRUE(store.manifest->Append(edit).ok());
  const std::string content = store.files.Content(store.path());
  EXPECT_TRUE(Golden("manifest_v1_ingest", content) == content)
      << "docs/formats/manifest.md and the format differ";
  EXPECT_EQ(store.manifest->state().ingest_sequence, Sequence{300});
  edit = {};
  edit.ingest_sequence = Sequence{299};
  EXPECT_EQ(store.manifest->Append(edit).code(), StatusCode::kInternal);
}

}  // namespace
}  // namespace aidb::lsm

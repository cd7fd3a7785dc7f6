#include "aidb/lsm/version_edit.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "aidb/base/bytes.h"
#include "aidb/lsm/file_names.h"
#include "aidb/lsm/golden_file.h"
#include "aidb/lsm/manifest_state.h"
#include "aidb/lsm/test_files.h"

namespace aidb::lsm {
namespace {

AddedTable Table(int level, uint64_t number, std::string first, std::string last) {
  AddedTable table;
  table.level = level;
  table.facts = {.number = number,
                 .salt = 0x1122334455667788 + number,
                 .size_bytes = 1000 * number,
                 .crc = 0xABCD0000 + static_cast<uint32_t>(number),
                 .first_key = std::move(first),
                 .last_key = std::move(last),
                 .lowest = Sequence{number},
                 .highest = Sequence{number + 5},
                 .entries = 100,
                 .deletes = 7,
                 .raw_bytes = 11'600};
  return table;
}

// Every field there is.
VersionEdit FullEdit() {
  VersionEdit edit;
  edit.header = StoreHeader{.uuid = {{0xA1, 0xDB, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}},
                            .snapshot_edits = 2};
  edit.next_file_number = 300;
  edit.last_sequence = Sequence{123'456};
  edit.log_floor = 17;
  edit.clock_ms_max = 1'700'000'000'000;
  edit.clean_shutdown = ClosedLog{19, 4096, Sequence{130'000}};
  edit.closed_logs = {{17, 65'536, Sequence{100}}, {18, 70'000, Sequence{200}}};
  edit.pointers = {{1, "mango"}, {2, std::string("\0\xFF", 2)}};
  edit.removed = {{0, 12}, {1, 13}};
  edit.added = {Table(0, 20, "", "b"), Table(6, 21, "apple", "zebra")};
  edit.added[0].run = 9;
  edit.damaged = {21};
  return edit;
}

TEST(VersionEdit, ReadsBackEveryFieldItWrote) {
  const VersionEdit edit = FullEdit();
  const Result<VersionEdit> read = VersionEdit::Decode(edit.Encode());
  ASSERT_TRUE(read.ok()) << read.status().ToString();
  EXPECT_EQ(*read, edit);
  const Result<VersionEdit> empty = VersionEdit::Decode("");
  ASSERT_TRUE(empty.ok());
  EXPECT_EQ(*empty, VersionEdit());
}

TEST(VersionEdit, RefusesEveryCutButThoseBetweenFields) {
  const std::string whole = FullEdit().Encode();
  std::vector<size_t> field_ends{0};
  for (ByteReader reader(whole); !reader.empty(); field_ends.push_back(reader.position())) {
    ASSERT_TRUE(reader.Varint() && reader.LengthPrefixed());
  }
  for (size_t size = 0; size <= whole.size(); ++size) {
    const Result<VersionEdit> read = VersionEdit::Decode(std::string_view(whole).substr(0, size));
    EXPECT_EQ(read.ok(), std::ranges::count(field_ends, size) == 1) << size;
    if (!read.ok()) {
      EXPECT_EQ(read.status().code(), StatusCode::kCorruption);
    }
  }
}

std::string FieldBytes(uint64_t tag, std::string_view content) {
  std::string bytes;
  AppendVarint(bytes, tag);
  AppendLengthPrefixed(bytes, content);
  return bytes;
}

TEST(VersionEdit, RefusesRequiredFieldsOfANewerVersionAndPassesOverOptionalOnes) {
  const std::string known = FullEdit().Encode();
  const Result<VersionEdit> required = VersionEdit::Decode(known + FieldBytes(99 << 1 | 1, "new"));
  EXPECT_EQ(required.status().code(), StatusCode::kInvalidArgument);
  EXPECT_NE(required.status().message().find("newer version"), std::string::npos);
  const Result<VersionEdit> optional = VersionEdit::Decode(known + FieldBytes(99 << 1, "new"));
  ASSERT_TRUE(optional.ok());
  EXPECT_EQ(*optional, FullEdit());
}

TEST(VersionEdit, RefusesANewerFormatAndOtherKeyspaces) {
  VersionEdit edit;
  edit.header = StoreHeader{.format = kStoreFormat + 1};
  EXPECT_EQ(VersionEdit::Decode(edit.Encode()).status().code(), StatusCode::kInvalidArgument);
  VersionEdit table;
  table.added = {Table(1, 5, "a", "b")};
  std::string bytes = table.Encode();
  bytes[2] = 1;  // Tag, length, then the keyspace.
  EXPECT_EQ(VersionEdit::Decode(bytes).status().code(), StatusCode::kInvalidArgument);
}

// A reader that does not know range deletes must not read such a table: the field is another one,
// which it has to understand.
TEST(VersionEdit, ATableWithRangeDeletesHasAFieldOfItsOwn) {
  VersionEdit edit;
  edit.added = {Table(1, 5, "a", "b"), Table(1, 6, "c", "d")};
  const std::string without = edit.Encode();
  EXPECT_EQ(without[0], 10 << 1 | 1);
  edit.added[1].facts.range_deletes = 300;
  const std::string with = edit.Encode();
  EXPECT_EQ(with.size(), without.size() + 2);
  EXPECT_NE(with.find(static_cast<char>(12 << 1 | 1)), std::string::npos);
  const auto read = VersionEdit::Decode(with);
  ASSERT_TRUE(read.ok()) << read.status().ToString();
  EXPECT_EQ(*read, edit);
  std::string none = with;
  none[none.size() - 2] = '\x80';  // Overlong.
  none[none.size() - 1] = '\0';
  EXPECT_EQ(VersionEdit::Decode(none).status().code(), StatusCode::kCorruption);
}

TEST(VersionEdit, RefusesWhatNoStoreCanMean) {
  const auto refused = [](auto change) {
    VersionEdit edit;
    edit.added = {Table(1, 5, "a", "b")};
    change(edit);
    const Result<VersionEdit> read = VersionEdit::Decode(edit.Encode());
    return !read.ok() && read.status().code() == StatusCode::kCorruption;
  };
  EXPECT_FALSE(refused([](VersionEdit&) {}));
  EXPECT_TRUE(refused([](VersionEdit& e) { e.added[0].level = kLevels; }));
  EXPECT_TRUE(refused([](VersionEdit& e) { e.added[0].facts.first_key = "c"; }));
  EXPECT_TRUE(refused([](VersionEdit& e) { e.added[0].facts.entries = 0; }));
  EXPECT_FALSE(refused([](VersionEdit& e) {
    e.added[0].facts.entries = e.added[0].facts.deletes = 0;
    e.added[0].facts.range_deletes = 1;
  }));
  EXPECT_TRUE(refused([](VersionEdit& e) { e.added[0].facts.deletes = 101; }));
  EXPECT_TRUE(refused([](VersionEdit& e) { e.added[0].facts.lowest = Sequence{11}; }));
  EXPECT_TRUE(refused([](VersionEdit& e) { e.added[0].facts.highest = Sequence{1ULL << 56}; }));
  EXPECT_TRUE(refused([](VersionEdit& e) { e.last_sequence = Sequence{1ULL << 56}; }));
  EXPECT_TRUE(refused(
      [](VersionEdit& e) { e.added[0].facts.last_key = std::string(kv::kKeyBytesMax + 1, 'z'); }));
  EXPECT_FALSE(refused(
      [](VersionEdit& e) { e.added[0].facts.last_key = std::string(kv::kKeyBytesMax, 'z'); }));
  const std::string twice = FieldBytes(2 << 1 | 1, "\x05") + FieldBytes(2 << 1 | 1, "\x06");
  EXPECT_EQ(VersionEdit::Decode(twice).status().code(), StatusCode::kCorruption);
  const std::string trailing = FieldBytes(2 << 1 | 1, "\x05\x05");
  EXPECT_EQ(VersionEdit::Decode(trailing).status().code(), StatusCode::kCorruption);
}

TEST(VersionEdit, WritesTheGoldenFileBitForBit) {
  const std::string edit = FullEdit().Encode();
  EXPECT_TRUE(Golden("version_edit_v1", edit) == edit)
      << "docs/formats/manifest.md and the format differ";
}

TEST(ManifestState, AddsUpEditsAndItsSnapshotSaysTheSame) {
  ManifestState state;
  VersionEdit first;
  first.header = StoreHeader{.uuid = {{1}}};
  first.added = {Table(0, 5, "a", "m"), Table(0, 6, "b", "n")};
  first.closed_logs = {{3, 100, Sequence{9}}, {4, 100, Sequence{12}}};
  ASSERT_FALSE(state.Refusal(first));
  state.Apply(first);
  VersionEdit second;
  second.removed = {{0, 5}};
  second.added = {Table(1, 5, "a", "m")};
  second.damaged = {6};
  second.pointers = {{0, "m"}};
  second.last_sequence = Sequence{12};
  second.log_floor = 4;
  second.clean_shutdown = ClosedLog{8, 1, Sequence{12}};
  ASSERT_FALSE(state.Refusal(second));
  state.Apply(second);
  EXPECT_EQ(state.tables.at(5).level, 1);
  EXPECT_TRUE(state.tables.at(6).damaged);
  EXPECT_EQ(state.next_file_number, 7u);
  EXPECT_EQ(state.closed_logs.size(), 1u) << "those below the floor are forgotten";

  ManifestState copy;
  for (const VersionEdit& edit : state.Snapshot()) copy.Apply(edit);
  EXPECT_EQ(copy, state);
  EXPECT_TRUE(copy.clean_shutdown);
  copy.Apply({});
  EXPECT_FALSE(copy.clean_shutdown) << "an edit follows the shutdown";
}

TEST(ManifestState, CutsASnapshotOfManyTablesIntoEditsThatFitARecord) {
  ManifestState state;
  VersionEdit edit;
  const std::string longest(kv::kKeyBytesMax, 'k');
  for (uint64_t number = 1; number <= 5; ++number)
    edit.added.push_back(Table(0, number, longest, longest));
  edit.damaged = {3};
  state.Apply(edit);
  const std::vector<VersionEdit> snapshot = state.Snapshot();
  EXPECT_EQ(snapshot.size(), 5u);
  EXPECT_EQ(snapshot.front().header->snapshot_edits, 5u);
  ManifestState copy;
  for (const VersionEdit& part : snapshot) {
    EXPECT_LE(part.Encode().size(), kSnapshotEditBytes + 2 * kv::kKeyBytesMax + 1000);
    copy.Apply(part);
  }
  EXPECT_EQ(copy, state);
}

TEST(ManifestState, RefusesEditsThatDoNotFit) {
  ManifestState state;
  VersionEdit base;
  base.added = {Table(1, 5, "a", "m")};
  base.last_sequence = Sequence{10};
  base.log_floor = 3;
  state.Apply(base);
  const auto refused = [&](auto change) {
    VersionEdit edit;
    change(edit);
    return state.Refusal(edit).has_value();
  };
  EXPECT_FALSE(refused([](VersionEdit& e) { e.removed = {{1, 5}}; }));
  EXPECT_TRUE(refused([](VersionEdit& e) { e.removed = {{2, 5}}; }));
  EXPECT_TRUE(refused([](VersionEdit& e) { e.removed = {{1, 6}}; }));
  EXPECT_TRUE(refused([](VersionEdit& e) { e.removed = {{1, 5}, {1, 5}}; }));
  EXPECT_TRUE(refused([](VersionEdit& e) { e.added = {Table(2, 5, "x", "y")}; }));
  EXPECT_TRUE(
      refused([](VersionEdit& e) { e.added = {Table(2, 6, "x", "y"), Table(2, 6, "x", "y")}; }));
  EXPECT_TRUE(refused([](VersionEdit& e) { e.damaged = {9}; }));
  EXPECT_TRUE(refused([](VersionEdit& e) { e.last_sequence = Sequence{9}; }));
  EXPECT_TRUE(refused([](VersionEdit& e) { e.log_floor = 2; }));
  EXPECT_TRUE(refused([](VersionEdit& e) { e.next_file_number = 5; }));
  EXPECT_TRUE(refused([](VersionEdit& e) { e.header = StoreHeader{.comparator = "reverse"}; }));
}

TEST(FileNames, AreParsedAndPrintedOneToOne) {
  for (const uint64_t number :
       {uint64_t{0}, uint64_t{7}, uint64_t{999'999}, uint64_t{1'000'000}, ~uint64_t{0}}) {
    EXPECT_EQ(ParseFileName(LogName(number)), (FileName{FileKind::kLog, number}));
    EXPECT_EQ(ParseFileName(TableName(number)), (FileName{FileKind::kTable, number}));
    EXPECT_EQ(ParseFileName(ManifestName(number)), (FileName{FileKind::kManifest, number}));
  }
  EXPECT_EQ(TableName(12), "000012.sst");
  EXPECT_EQ(ParseFileName("CURRENT"), FileName{FileKind::kCurrent});
  EXPECT_EQ(ParseFileName("LOCK"), FileName{FileKind::kLock});
  EXPECT_EQ(ParseFileName("JOURNAL"), FileName{FileKind::kJournal});
  EXPECT_EQ(ParseFileName("ring"), FileName{FileKind::kRing});
  EXPECT_EQ(ParseFileName("quarantine"), FileName{FileKind::kQuarantine});
  EXPECT_EQ(ParseFileName("CURRENT.tmp"), FileName{FileKind::kTemporary});
  EXPECT_EQ(ParseFileName("000012.sst.tmp"), (FileName{FileKind::kTemporary, 12}));
}

TEST(FileNames, LeaveOtherNamesAlone) {
  for (const char* name :
       {"", ".", "12.log", "0000012.log", "00001x.sst", "-00001.sst", "+00001.sst", "000012.SST",
        "000012.sst ", "MANIFEST-", "MANIFEST-12", "MANIFEST-000012x", "current", "notes.tmp",
        "CURRENT.tmp.tmp", ".tmp", "tmp", "18446744073709551616.log", "000012.log.bak"}) {
    EXPECT_FALSE(ParseFileName(name)) << name;
  }
}

TEST(FileNames, NextNumberFreeIsAboveEveryFileOfOurs) {
  TestFiles files;
  EXPECT_EQ(*NextNumberFree(files, "d"), 1u);
  files.SetContent("d/000041.log", "");
  files.SetContent("d/MANIFEST-000043", "");
  files.SetContent("d/000044.sst.tmp", "");
  files.SetContent("d/99", "");
  EXPECT_EQ(*NextNumberFree(files, "d"), 45u);
  files.SetContent("d/18446744073709551615.log", "");
  EXPECT_EQ(NextNumberFree(files, "d").status().code(), StatusCode::kCorruption);
}

TEST(VersionEdit, KeepsTheOneSequenceOfIngestedTables) {
  for (const uint64_t range_deletes : {0u, 3u}) {
    VersionEdit edit;
    edit.ingest_sequence = Sequence{42};
    edit.added = {{.level = 6,
                   .run = 0,
                   .facts = {.number = 9,
                             .first_key = "a",
                             .last_key = "b",
                             .lowest = Sequence{42},
                             .highest = Sequence{42},
                             .entries = 2,
                             .range_deletes = range_deletes,
                             .ingested = true}}};
    const auto decoded = VersionEdit::Decode(edit.Encode());
    ASSERT_TRUE(decoded.ok());
    EXPECT_EQ(*decoded, edit);
    edit.added[0].facts.highest = Sequence{43};
    EXPECT_EQ(VersionEdit::Decode(edit.Encode()).status().code(), StatusCode::kCorruption);
  }
}

}  // namespace
}  // namespace aidb::lsm

// Tables with range deletes.

#include <algorithm>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "aidb/kv/range_delete.h"
#include "aidb/lsm/table_for_test.h"
#include "aidb/testing/status_matchers.h"

namespace aidb::lsm {
namespace {

struct Range {
  std::string begin;
  std::string end;
  uint64_t sequence;
};

BuiltTable Build(const std::vector<OwnedEntry>& entries, const std::vector<Range>& ranges,
                 const TableOptions& options = {}) {
  MemoryFile file{std::string()};
  TableBuilder builder(file, kTestNumber, kTestSalt, options);
  for (const OwnedEntry& entry : entries) AIDB_CHECK(builder.Add(entry.view()).ok());
  for (const Range& range : ranges) {
    AIDB_CHECK(builder.AddRangeDelete({range.begin, range.end, Sequence{range.sequence}}).ok());
  }
  auto facts = builder.Finish();
  AIDB_CHECK(facts.ok());
  return {file.bytes(), *facts};
}

OwnedEntry Put(std::string key, uint64_t sequence) {
  return {std::move(key), Sequence{sequence}, OpKind::kPut, "v"};
}

std::string Found(const TableReader& table, std::string_view key, uint64_t at) {
  const auto found = table.Get(key, Sequence{at});
  if (!found.ok()) return found.status().ToString();
  if (!*found) return "nothing";
  return ((*found)->kind == OpKind::kDelete ? "deleted at " : "put at ") +
         std::to_string(ToNumber((*found)->sequence));
}

TEST(TableRangeDeletes, HideWhatIsOlderAtTheSequenceAsked) {
  const BuiltTable built = Build({Put("a", 3), Put("b", 9), Put("b", 3), Put("c", 3), Put("f", 3)},
                                 {{"b", "e", 7}, {"b", "e", 2}, {"g", "h", 5}});
  BlockCache cache(1 << 20);
  const auto table = *OpenTable(built, cache);
  EXPECT_EQ(Found(*table, "a", 100), "put at 3");
  EXPECT_EQ(Found(*table, "b", 100), "put at 9");
  EXPECT_EQ(Found(*table, "b", 8), "deleted at 7");
  EXPECT_EQ(Found(*table, "b", 6), "put at 3");
  EXPECT_EQ(Found(*table, "b", 2), "deleted at 2");
  EXPECT_EQ(Found(*table, "b", 1), "nothing");
  EXPECT_EQ(Found(*table, "c", 100), "deleted at 7");
  EXPECT_EQ(Found(*table, "d", 100), "deleted at 7") << "a key that is not in the filter";
  EXPECT_EQ(Found(*table, "e", 100), "nothing");
  EXPECT_EQ(Found(*table, "f", 100), "put at 3");
  EXPECT_EQ(Found(*table, "g1", 100), "deleted at 5");
  EXPECT_OK(table->Check());
  const auto properties = table->ReadProperties();
  ASSERT_OK(properties);
  EXPECT_EQ(properties->facts.range_deletes, 3u);
  EXPECT_EQ(properties->facts.entries, 5u);
}

TEST(TableRangeDeletes, ATableKnowsWhichHidesAllThatItCovers) {
  BlockCache cache(1 << 20);
  const auto hides_all = [&](const BuiltTable& built, std::string_view key) {
    const auto table = *OpenTable(built, cache);
    return !table->range_deletes()->deletes().FragmentFor(key)->newest->hides_not_all.load();
  };
  const BuiltTable alone = Build({}, {{"a", "m", 7}, {"m", "z", 5}});
  EXPECT_TRUE(hides_all(alone, "b"));
  EXPECT_FALSE(hides_all(alone, "n"));
  EXPECT_FALSE(hides_all(Build({Put("a", 3)}, {{"a", "m", 7}}), "b"));
}

TEST(TableRangeDeletes, AreChargedToTheCacheWhileTheirTableIsOpen) {
  std::vector<Range> ranges;
  for (int i = 0; i < 1000; ++i) {
    ranges.push_back({"k" + std::to_string(1000 + i), "k" + std::to_string(1000 + i) + "x", 7});
  }
  const BuiltTable built = Build({Put("a", 3)}, ranges);
  BlockCache cache(1 << 20);
  {
    const auto table = *OpenTable(built, cache);
    EXPECT_EQ(cache.Stats().charged_bytes, table->range_deletes()->memory_bytes());
    EXPECT_GT(cache.Stats().charged_bytes, 50'000u);
  }
  EXPECT_EQ(cache.Stats().charged_bytes, 0u);
}

TEST(TableRangeDeletes, WidenTheBoundsAndTheSequences) {
  const auto facts = [](const std::vector<OwnedEntry>& entries, const std::vector<Range>& ranges) {
    return Build(entries, ranges).facts;
  };
  const TableFacts before = facts({Put("k", 5)}, {{"a", "b", 9}});
  EXPECT_EQ(before.first_key, "a");
  EXPECT_EQ(before.last_key, "k");
  EXPECT_EQ(before.lowest, Sequence{5});
  EXPECT_EQ(before.highest, Sequence{9});
  EXPECT_EQ(facts({Put("k", 5)}, {{"m", "z", 2}}).last_key, "z");
  EXPECT_EQ(facts({Put("k", 5)}, {{"m", "z", 2}}).first_key, "k");
  EXPECT_EQ(facts({Put("k", 5)}, {{"m", "z", 2}}).lowest, Sequence{2});
  // Cut behind "k", as where the output of a merge ends.
  EXPECT_EQ(facts({Put("k", 5)}, {{"a", kv::NextKey("k"), 2}}).last_key, "k");
  EXPECT_EQ(facts({Put("k", 5)}, {{"m", kv::NextKey("p"), 2}}).last_key, "p");
}

TEST(TableRangeDeletes, NeedNoEntries) {
  const BuiltTable built = Build({}, {{"b", "e", 7}});
  EXPECT_EQ(built.facts.entries, 0u);
  EXPECT_EQ(built.facts.first_key, "b");
  EXPECT_EQ(built.facts.last_key, "e");
  EXPECT_EQ(built.facts.highest, Sequence{7});
  BlockCache cache(1 << 20);
  const auto table = *OpenTable(built, cache);
  EXPECT_EQ(Found(*table, "c", 100), "deleted at 7");
  EXPECT_EQ(Found(*table, "c", 6), "nothing");
  EXPECT_EQ(Found(*table, "e", 100), "nothing");
  EXPECT_OK(table->Check());
  EXPECT_GT(table->memory_bytes(), 0u);
  const auto cursor = table->NewCursor(CacheFill::kFill);
  cursor->SeekToFirst();
  EXPECT_FALSE(cursor->valid());
  cursor->SeekToLast();
  EXPECT_FALSE(cursor->valid());
  cursor->Seek("c", kv::kSequenceMax);
  EXPECT_FALSE(cursor->valid());
  EXPECT_OK(cursor->status());
}

TEST(TableRangeDeletes, MakeATableOfAnotherFormat) {
  const std::string with = Build({Put("a", 3)}, {{"b", "e", 7}}).bytes;
  EXPECT_EQ(with[with.size() - 48 + 32], 2) << "what older readers refuse";
  const std::string without = Build({Put("a", 3)}, {}).bytes;
  EXPECT_EQ(without[without.size() - 48 + 32], 1);
}

// A manifest that speaks of another table than the file is noticed either way.
TEST(TableRangeDeletes, MustBeThoseThatTheManifestCounts) {
  BlockCache cache(1 << 20);
  BuiltTable with = Build({Put("a", 3)}, {{"b", "e", 7}});
  with.facts.range_deletes = 2;
  EXPECT_EQ(OpenTable(with, cache).status().code(), StatusCode::kCorruption);
  with.facts.range_deletes = 0;
  EXPECT_EQ(OpenTable(with, cache).status().code(), StatusCode::kCorruption);
  BuiltTable without = Build({Put("a", 3)}, {});
  without.facts.range_deletes = 1;
  EXPECT_EQ(OpenTable(without, cache).status().code(), StatusCode::kCorruption);
}

// Every read either fails or gives what the whole table gives.
TEST(TableRangeDeletes, ShowNothingWrongWhicheverBitIsFlipped) {
  const std::vector<Range> ranges{{"b", "e", 7}, {"e", "k", 9}, {"e", "k", 4}, {"p", "q", 1}};
  for (const bool alone : {false, true}) {
    std::vector<OwnedEntry> entries{Put("a", 3), Put("c", 8), Put("f", 5), Put("p", 2)};
    if (alone) entries.clear();
    const BuiltTable good = Build(entries, ranges, {.compression = kv::Compression::kNone});
    BlockCache none(0);
    const auto whole = *OpenTable(good, none);
    int refused = 0;
    for (size_t bit = 0; bit < good.bytes.size() * 8; ++bit) {
      BuiltTable bad = good;
      bad.bytes[bit / 8] = static_cast<char>(bad.bytes[bit / 8] ^ 1 << (bit % 8));
      const auto table = OpenTable(bad, none);
      if (!table.ok()) {
        ++refused;
        continue;
      }
      EXPECT_NE((*table)->Check().code(), StatusCode::kOk) << "bit " << bit;
      for (const char* key : {"a", "b", "c", "e", "f", "g", "p", "q"}) {
        for (const uint64_t at : {1, 5, 7, 9}) {
          const auto found = (*table)->Get(key, Sequence{at});
          if (!found.ok()) continue;
          ASSERT_EQ(Found(**table, key, at), Found(*whole, key, at)) << "bit " << bit;
        }
      }
    }
    EXPECT_GT(refused, 500);
  }
}

TEST(TableRangeDeletes, RefuseMoreThanABlockHolds) {
  MemoryFile file{std::string()};
  TableBuilder builder(file, kTestNumber, kTestSalt, {});
  Status status;
  size_t count = 0;
  for (; status.ok() && count < 100'000; ++count) {
    std::string begin(8, '\0');
    StoreLe(begin.data(), __builtin_bswap64(count));
    status = builder.AddRangeDelete({begin, begin + 'x', Sequence{1}});
  }
  EXPECT_EQ(status.code(), StatusCode::kResourceExhausted) << status.ToString();
  EXPECT_EQ(count, kBlockEntriesMax + 1);
}

}  // namespace
}  // namespace aidb::lsm

#include "aidb/lsm/version.h"

#include <algorithm>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "aidb/base/random.h"

namespace aidb::lsm {
namespace {

AddedTable Table(int level, uint64_t number, std::string first, std::string last,
                 uint64_t size_bytes = 100) {
  AddedTable table;
  table.level = level;
  table.run = level == 0 ? number : 0;
  table.facts = {.number = number,
                 .size_bytes = size_bytes,
                 .first_key = std::move(first),
                 .last_key = std::move(last),
                 .lowest = Sequence{number},
                 .highest = Sequence{number},
                 .entries = 1};
  return table;
}

std::shared_ptr<const Version> Make(std::vector<AddedTable> tables, TableUnused unused = {}) {
  VersionEdit edit;
  edit.added = std::move(tables);
  auto version = Version::Empty(std::move(unused))->Apply(edit);
  EXPECT_TRUE(version.ok()) << version.status().ToString();
  return version.ok() ? *version : nullptr;
}

Status Fails(const Version& version, const VersionEdit& edit) {
  return version.Apply(edit).status();
}

std::vector<uint64_t> Numbers(std::span<const TableRef> tables) {
  std::vector<uint64_t> numbers;
  for (const TableRef& table : tables) numbers.push_back(table->number());
  return numbers;
}

TEST(Version, FindsTheTablesForAKeyNewestFirst) {
  const auto version = Make({Table(0, 7, "c", "t"), Table(0, 9, "a", "k"), Table(1, 3, "a", "c"),
                             Table(1, 4, "d", "m"), Table(1, 5, "n", "z"), Table(2, 1, "b", "e")});
  const auto tables_for = [&](std::string_view key) {
    std::vector<uint64_t> numbers;
    version->ForEachTableFor(key, [&](int, const TableFile& table) {
      numbers.push_back(table.number());
      return true;
    });
    return numbers;
  };
  EXPECT_EQ(tables_for("d"), (std::vector<uint64_t>{9, 7, 4, 1}));
  EXPECT_EQ(tables_for("cc"), (std::vector<uint64_t>{9, 7, 1}));
  EXPECT_EQ(tables_for("a"), (std::vector<uint64_t>{9, 3}));
  EXPECT_EQ(tables_for("zz"), std::vector<uint64_t>());
  int visited = 0;
  version->ForEachTableFor("d", [&](int, const TableFile&) { return ++visited < 2; });
  EXPECT_EQ(visited, 2);
}

TEST(Version, KeepsTheTablesOfARunApart) {
  AddedTable left = Table(0, 20, "a", "f");
  AddedTable right = Table(0, 21, "g", "m");
  left.run = right.run = 20;
  const auto version = Make({left, right, Table(0, 10, "a", "z")});
  ASSERT_EQ(version->runs(0).size(), 2u);
  EXPECT_EQ(version->runs(0)[0].number(), 20u);
  EXPECT_EQ(Numbers(version->runs(0)[0].tables()), (std::vector<uint64_t>{20, 21}));
  EXPECT_EQ(version->runs(0)[1].number(), 10u);
}

TEST(Version, RefusesTablesThatOverlapInsideARun) {
  const auto empty = Version::Empty({});
  for (const auto& [first, last, good] : {std::tuple{"a", "b", true},
                                          {"a", "c", false},
                                          {"c", "c", false},
                                          {"f", "z", false},
                                          {"ff", "z", true},
                                          {"d", "e", false}}) {
    VersionEdit edit;
    edit.added = {Table(3, 1, "c", "f"), Table(3, 2, first, last)};
    const Status status = Fails(*empty, edit);
    EXPECT_EQ(status.ok(), good) << first << last;
    if (!good) {
      EXPECT_EQ(status.code(), StatusCode::kCorruption);
    }
  }
}

TEST(Version, RefusesARunWhoseSequencesAreNotNewerThanTheRunBelow) {
  const auto version = Make({Table(0, 5, "a", "z")});
  VersionEdit edit;
  edit.added = {Table(0, 6, "a", "z")};
  edit.added[0].facts.lowest = Sequence{5};
  EXPECT_EQ(Fails(*version, edit).code(), StatusCode::kCorruption);
  edit.added[0].facts.lowest = Sequence{6};
  EXPECT_TRUE(Fails(*version, edit).ok());
}

TEST(Version, RefusesSeveralRunsBelowLevelZero) {
  VersionEdit edit;
  edit.added = {Table(1, 1, "a", "b"), Table(1, 2, "c", "d")};
  edit.added[1].run = 4;
  EXPECT_EQ(Fails(*Version::Empty({}), edit).code(), StatusCode::kCorruption);
}

TEST(Version, RefusesEditsThatDoNotFit) {
  const auto version = Make({Table(1, 5, "a", "b")});
  VersionEdit removes;
  removes.removed = {{2, 5}};
  EXPECT_EQ(Fails(*version, removes).code(), StatusCode::kCorruption);
  VersionEdit marks;
  marks.damaged = {6};
  EXPECT_EQ(Fails(*version, marks).code(), StatusCode::kCorruption);
  VersionEdit changes;
  changes.removed = {{1, 5}};
  changes.added = {Table(2, 5, "a", "c")};
  EXPECT_EQ(Fails(*version, changes).code(), StatusCode::kCorruption);
}

TEST(Version, LeavesTheVersionItCameFromAsItWas) {
  const auto before = Make({Table(1, 5, "a", "b"), Table(1, 6, "c", "d")});
  VersionEdit edit;
  edit.removed = {{1, 5}};
  edit.added = {Table(2, 9, "x", "y")};
  const auto after = *before->Apply(edit);
  EXPECT_EQ(before->TableCount(1), 2u);
  EXPECT_EQ(before->TableCount(2), 0u);
  EXPECT_EQ(after->TableCount(1), 1u);
  EXPECT_EQ(after->LevelBytes(2), 100u);
  EXPECT_EQ(after->DeepestLevel(), 2);
}

TEST(TableFile, IsReportedUnusedOnceObsoleteAndHeldByNobody) {
  std::vector<uint64_t> unused;
  auto first = Make({Table(1, 5, "a", "b"), Table(1, 6, "c", "d")},
                    [&](uint64_t number) { unused.push_back(number); });
  VersionEdit edit;
  edit.removed = {{1, 5}};
  auto second = *first->Apply(edit);
  TableRef reader = first->runs(1)[0].tables()[0];
  first->MarkRemoved(edit);
  first.reset();
  EXPECT_TRUE(unused.empty()) << "a reader still holds it";
  reader.reset();
  EXPECT_EQ(unused, std::vector<uint64_t>{5});
  second.reset();
  EXPECT_EQ(unused, std::vector<uint64_t>{5}) << "closing the store deletes nothing";
}

TEST(TableFile, OutlivesTheLevelItMovesFrom) {
  std::vector<uint64_t> unused;
  auto first = Make({Table(1, 5, "a", "b")}, [&](uint64_t n) { unused.push_back(n); });
  first->Find(1, 5)->MarkDamaged();
  VersionEdit move;
  move.removed = {{1, 5}};
  move.added = {Table(2, 5, "a", "b")};
  auto second = *first->Apply(move);
  first->MarkRemoved(move);
  EXPECT_EQ(first->Find(1, 5), second->Find(2, 5)) << "one file, one object";
  EXPECT_TRUE(second->Find(2, 5)->damaged());
  first.reset();
  second.reset();
  EXPECT_TRUE(unused.empty());
}

TEST(Version, MarksDamagedTables) {
  const auto version = Make({Table(1, 5, "a", "b")});
  EXPECT_FALSE(version->Find(1, 5)->damaged());
  VersionEdit edit;
  edit.damaged = {5};
  const auto after = *version->Apply(edit);
  EXPECT_TRUE(after->Find(1, 5)->damaged());
}

TEST(Run, SearchesLikeAPlainScan) {
  for (uint64_t seed = 1; seed <= 30; ++seed) {
    Rng rng(seed);
    // Keys that share long prefixes, that differ only in length, and the empty one.
    const auto random_key = [&] {
      std::string key(rng.OneIn(2) ? 0 : 8, 'p');
      for (uint64_t i = rng.Below(4); i > 0; --i)
        key.push_back(static_cast<char>(rng.OneIn(3) ? 0 : rng.Below(3) + 0xFE));
      return key;
    };
    std::vector<std::string> keys;
    for (int i = 0; i < 60; ++i) keys.push_back(random_key());
    std::ranges::sort(keys);
    keys.erase(std::ranges::unique(keys).begin(), keys.end());
    std::vector<AddedTable> tables;
    for (size_t i = 0; i + 1 < keys.size(); i += 2)
      tables.push_back(Table(1, i + 1, keys[i], rng.OneIn(2) ? keys[i] : keys[i + 1]));
    const auto version = Make(tables);
    for (int i = 0; i < 300; ++i) {
      std::string first = random_key();
      std::string last = random_key();
      if (last < first) std::swap(first, last);
      std::vector<uint64_t> expected;
      for (const AddedTable& table : tables) {
        if (table.facts.first_key <= last && table.facts.last_key >= first)
          expected.push_back(table.facts.number);
      }
      EXPECT_EQ(Numbers(version->Overlapping(1, first, last)), expected) << "seed " << seed;
      const TableFile* table = version->runs(1)[0].TableFor(first);
      const auto it = std::ranges::find_if(tables, [&](const AddedTable& t) {
        return t.facts.first_key <= first && first <= t.facts.last_key;
      });
      EXPECT_EQ(table != nullptr, it != tables.end());
      if (table != nullptr && it != tables.end()) {
        EXPECT_EQ(table->number(), it->facts.number);
      }
    }
  }
}

}  // namespace
}  // namespace aidb::lsm

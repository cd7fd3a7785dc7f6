// Merging, level and visible cursors against plain vectors and maps.

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "aidb/base/random.h"
#include "aidb/lsm/level_cursor.h"
#include "aidb/lsm/memtable.h"
#include "aidb/lsm/merging_cursor.h"
#include "aidb/lsm/vector_cursor_for_test.h"
#include "aidb/lsm/visible_cursor.h"

namespace aidb::lsm {
namespace {

void Sort(std::vector<OwnedEntry>& entries) {
  std::ranges::sort(entries, [](const OwnedEntry& a, const OwnedEntry& b) {
    return ComesBefore(a, b.key, b.sequence);
  });
}

std::string SmallKey(Rng& rng) {
  switch (rng.Below(4)) {
    case 0:
      return std::string(rng.Below(12), '\0');
    case 1:
      return "common-prefix-" + std::to_string(rng.Below(20));
    case 2:
      return std::string(rng.Below(12), 'a') + std::string(rng.Below(2), '\0');
    default:
      return std::string(1, static_cast<char>(rng.Next()));
  }
}

// Entries with sequences 1 … count, all different, some keys with very many versions.
std::vector<OwnedEntry> RandomEntries(Rng& rng, size_t count) {
  std::vector<OwnedEntry> entries;
  const std::string hot = SmallKey(rng);
  const uint64_t deletes_one_in = rng.Between(1, 6);
  for (uint64_t sequence = 1; sequence <= count; ++sequence) {
    const bool deletes = rng.OneIn(deletes_one_in);
    entries.push_back({rng.OneIn(3) ? hot : SmallKey(rng), Sequence{sequence},
                       deletes ? OpKind::kDelete : OpKind::kPut,
                       deletes ? "" : "v" + std::to_string(sequence)});
    if (!deletes && rng.OneIn(4)) {
      entries.back().kind = OpKind::kPutExpiring;
      entries.back().expires_at_ms = 1 + rng.Below(100);
    }
  }
  return entries;
}

// Deals entries to `ways` sorted vectors.
std::vector<std::vector<OwnedEntry>> Deal(Rng& rng, const std::vector<OwnedEntry>& entries,
                                          size_t ways) {
  std::vector<std::vector<OwnedEntry>> hands(ways);
  for (const OwnedEntry& entry : entries) hands[rng.Below(ways)].push_back(entry);
  for (auto& hand : hands) Sort(hand);
  return hands;
}

std::unique_ptr<EntryCursor> Merge(const std::vector<std::vector<OwnedEntry>>& hands,
                                   size_t failing = SIZE_MAX, size_t fails_at = 0) {
  std::vector<std::unique_ptr<EntryCursor>> children;
  for (size_t i = 0; i < hands.size(); ++i) {
    children.push_back(std::make_unique<HarshCursor>(
        std::make_unique<VectorCursor>(hands[i]), i == failing ? fails_at : HarshCursor::kNever));
  }
  return NewMergingCursor(std::move(children));
}

// Random moves; `cursor` must stand where a cursor over `entries` stands.
void ExpectSameMoves(Rng& rng, EntryCursor& cursor, const std::vector<OwnedEntry>& entries) {
  VectorCursor expected(entries);
  for (int move = 0; move < 400; ++move) {
    const uint64_t dice = rng.Below(expected.valid() ? 20 : 4);
    if (dice == 0) {
      cursor.SeekToFirst();
      expected.SeekToFirst();
    } else if (dice == 1) {
      cursor.SeekToLast();
      expected.SeekToLast();
    } else if (dice < 4) {
      const std::string key = SmallKey(rng);
      const Sequence sequence{rng.Below(entries.size() + 2)};
      cursor.Seek(key, sequence);
      expected.Seek(key, sequence);
    } else if (dice < 13) {
      cursor.Next();
      expected.Next();
    } else {
      cursor.Prev();
      expected.Prev();
    }
    ASSERT_EQ(cursor.valid(), expected.valid());
    ASSERT_TRUE(cursor.status().ok());
    if (!cursor.valid()) continue;
    ASSERT_EQ(cursor.entry().key, expected.entry().key);
    ASSERT_EQ(cursor.entry().sequence, expected.entry().sequence);
    ASSERT_EQ(cursor.entry().value, expected.entry().value);
  }
}

TEST(MergingCursor, WalksAllChildrenAsOneInBothDirections) {
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE(seed);
    Rng rng(seed);
    auto entries = RandomEntries(rng, rng.Below(120));
    const auto hands = Deal(rng, entries, rng.Between(1, 9));
    Sort(entries);
    const auto cursor = Merge(hands);
    ASSERT_NO_FATAL_FAILURE(ExpectSameMoves(rng, *cursor, entries));
  }
}

TEST(MergingCursor, ShowsAnEntryOfTwoChildrenTwice) {
  const std::vector<OwnedEntry> one{{"a", Sequence{1}, OpKind::kPut, "first"}};
  const std::vector<OwnedEntry> two{{"a", Sequence{1}, OpKind::kPut, "second"},
                                    {"b", Sequence{2}, OpKind::kPut, ""}};
  const std::vector<std::vector<OwnedEntry>> hands{one, two};
  const auto cursor = Merge(hands);
  cursor->SeekToFirst();
  EXPECT_EQ(cursor->entry().value, "first");
  cursor->Next();
  EXPECT_EQ(cursor->entry().value, "second");
  cursor->Prev();
  EXPECT_EQ(cursor->entry().value, "first");
  cursor->Next();
  cursor->Next();
  EXPECT_EQ(cursor->entry().key, "b");
  cursor->Prev();
  EXPECT_EQ(cursor->entry().value, "second");
}

TEST(MergingCursor, IsEmptyWithoutChildren) {
  const auto cursor = NewMergingCursor({});
  cursor->SeekToFirst();
  EXPECT_FALSE(cursor->valid());
  cursor->Seek("a", kv::kSequenceMax);
  EXPECT_FALSE(cursor->valid());
  EXPECT_TRUE(cursor->status().ok());
}

// Whichever move of whichever child fails: what was shown until then is right, the walk ends
// with the error, and a Seek begins it anew.
TEST(MergingCursor, EndsWithTheFirstErrorOfAChild) {
  Rng rng(4);
  auto entries = RandomEntries(rng, 60);
  const auto hands = Deal(rng, entries, 3);
  Sort(entries);
  for (const bool backward : {false, true}) {
    for (size_t failing = 0; failing < hands.size(); ++failing) {
      for (size_t fails_at = 0; fails_at <= hands[failing].size(); ++fails_at) {
        const auto cursor = Merge(hands, failing, fails_at);
        size_t shown = 0;
        backward ? cursor->SeekToLast() : cursor->SeekToFirst();
        for (; cursor->valid(); ++shown) {
          const size_t at = backward ? entries.size() - 1 - shown : shown;
          ASSERT_EQ(cursor->entry().sequence, entries[at].sequence);
          backward ? cursor->Prev() : cursor->Next();
        }
        ASSERT_EQ(cursor->status().code(), StatusCode::kCorruption);
        ASSERT_LE(shown, entries.size());
        cursor->SeekToFirst();
        ASSERT_TRUE(cursor->valid());
        ASSERT_TRUE(cursor->status().ok());
      }
    }
  }
}

// A memtable child may take entries between two moves; the order must hold all the same.
TEST(MergingCursor, KeepsTheOrderWhenItTurnsRoundAfterAMemtableGrew) {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    SCOPED_TRACE(seed);
    Rng rng(seed);
    Memtable memtable({.capacity_bytes = 1 << 16});
    Memtable other({.capacity_bytes = 1 << 16});
    uint64_t sequence = 0;
    const auto add = [&](Memtable& to) {
      MutexLock lock(to.write_mutex());
      to.Add({SmallKey(rng), "", Sequence{++sequence}, OpKind::kPut});
    };
    for (int i = 0; i < 20; ++i) add(rng.OneIn(2) ? memtable : other);
    std::vector<std::unique_ptr<EntryCursor>> children;
    children.push_back(memtable.NewCursor());
    children.push_back(other.NewCursor());
    const auto cursor = NewMergingCursor(std::move(children));
    cursor->SeekToFirst();
    for (int move = 0; move < 100 && cursor->valid(); ++move) {
      const OwnedEntry last{std::string(cursor->entry().key), cursor->entry().sequence,
                            OpKind::kPut, ""};
      add(rng.OneIn(2) ? memtable : other);
      const bool up = rng.OneIn(2);
      up ? cursor->Next() : cursor->Prev();
      if (!cursor->valid()) break;
      ASSERT_EQ(ComesBefore(last, cursor->entry().key, cursor->entry().sequence), up);
      ASSERT_FALSE(last.key == cursor->entry().key && last.sequence == cursor->entry().sequence);
    }
  }
}

// Cuts sorted entries into tables between keys.
struct Level {
  std::vector<std::vector<OwnedEntry>> tables;
  std::vector<ListedTables::Bounds> bounds;
};
Level CutIntoTables(Rng& rng, const std::vector<OwnedEntry>& entries) {
  Level level;
  for (size_t i = 0; i < entries.size(); ++i) {
    if (i == 0 || (entries[i].key != entries[i - 1].key && rng.OneIn(4))) {
      level.tables.emplace_back();
    }
    level.tables.back().push_back(entries[i]);
  }
  for (const auto& table : level.tables) {
    level.bounds.push_back({table.front().key, table.back().key});
  }
  return level;
}

TEST(LevelCursor, WalksTablesAsOneInBothDirections) {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    SCOPED_TRACE(seed);
    Rng rng(seed);
    auto entries = RandomEntries(rng, rng.Below(100));
    Sort(entries);
    const Level level = CutIntoTables(rng, entries);
    LevelCursor cursor(
        ListedTables(level.bounds, [&](size_t table) -> Result<std::unique_ptr<EntryCursor>> {
          return std::unique_ptr<EntryCursor>(
              std::make_unique<HarshCursor>(std::make_unique<VectorCursor>(level.tables[table])));
        }));
    ASSERT_NO_FATAL_FAILURE(ExpectSameMoves(rng, cursor, entries));
  }
}

TEST(LevelCursor, OpensOnlyTheTablesItReaches) {
  const std::vector<std::vector<OwnedEntry>> tables{
      {{"b", Sequence{1}, OpKind::kPut, ""}, {"d", Sequence{2}, OpKind::kPut, ""}},
      {{"f", Sequence{3}, OpKind::kPut, ""}},
      {{"h", Sequence{4}, OpKind::kPut, ""}}};
  const std::vector<ListedTables::Bounds> bounds{{"b", "d"}, {"f", "f"}, {"h", "h"}};
  std::string opened;
  LevelCursor cursor(
      ListedTables(bounds, [&](size_t table) -> Result<std::unique_ptr<EntryCursor>> {
        opened += std::to_string(table);
        return std::unique_ptr<EntryCursor>(std::make_unique<VectorCursor>(tables[table]));
      }));
  cursor.Seek("e", kv::kSequenceMax);
  EXPECT_EQ(cursor.entry().key, "f");
  cursor.Seek("f", kv::kSequenceMax);
  EXPECT_EQ(opened, "1");
  cursor.Next();
  cursor.Prev();
  EXPECT_EQ(opened, "121");
  cursor.Seek("i", kv::kSequenceMax);
  EXPECT_FALSE(cursor.valid());
  EXPECT_EQ(opened, "121");
  // Only versions newer than asked for: the table's end leads on to the next table.
  cursor.Seek("d", kv::kSequenceNone);
  EXPECT_EQ(cursor.entry().key, "f");
  EXPECT_EQ(opened, "12101");
}

TEST(LevelCursor, EndsWithTheErrorOfOpeningOrReadingATable) {
  Rng rng(2);
  auto entries = RandomEntries(rng, 60);
  Sort(entries);
  const Level level = CutIntoTables(rng, entries);
  ASSERT_GT(level.tables.size(), 3u);
  for (const bool opens : {false, true}) {
    bool healthy = false;
    LevelCursor cursor(
        ListedTables(level.bounds, [&](size_t table) -> Result<std::unique_ptr<EntryCursor>> {
          if (table == 2 && !opens && !healthy) return Corruption("planted");
          return std::unique_ptr<EntryCursor>(
              std::make_unique<HarshCursor>(std::make_unique<VectorCursor>(level.tables[table]),
                                            table == 2 && opens ? 1 : HarshCursor::kNever));
        }));
    size_t shown = 0;
    for (cursor.SeekToFirst(); cursor.valid(); cursor.Next()) ++shown;
    EXPECT_EQ(shown, level.tables[0].size() + level.tables[1].size() + (opens ? 1 : 0));
    EXPECT_EQ(cursor.status().code(), StatusCode::kCorruption);
    healthy = true;
    cursor.Seek(level.bounds[2].first_key, kv::kSequenceMax);
    EXPECT_TRUE(cursor.valid());
    EXPECT_TRUE(cursor.status().ok());
  }
}

// What a reader at `at` sees of `entries` within the range when the clock says `now_ms`.
std::map<std::string, std::string> Visible(const std::vector<OwnedEntry>& entries, Sequence at,
                                           uint64_t now_ms, const KeyRange& range) {
  std::map<std::string, const OwnedEntry*> newest;
  for (const OwnedEntry& entry : entries) {
    if (entry.sequence > at || entry.key < range.lower) continue;
    if (range.upper && entry.key >= *range.upper) continue;
    const OwnedEntry*& known = newest[entry.key];
    if (known == nullptr || known->sequence < entry.sequence) known = &entry;
  }
  std::map<std::string, std::string> visible;
  for (const auto& [key, entry] : newest) {
    if (entry->kind == OpKind::kPut ||
        (entry->kind == OpKind::kPutExpiring && now_ms < entry->expires_at_ms)) {
      visible[key] = entry->value;
    }
  }
  return visible;
}

void ExpectSameVisibleMoves(Rng& rng, VisibleCursor& cursor,
                            const std::map<std::string, std::string>& model,
                            const KeyRange& range) {
  auto expected = model.end();
  for (int move = 0; move < 300; ++move) {
    const uint64_t dice = rng.Below(expected == model.end() ? 6 : 30);
    if (dice == 0) {
      cursor.SeekToFirst();
      expected = model.begin();
    } else if (dice == 1) {
      cursor.SeekToLast();
      expected = model.empty() ? model.end() : std::prev(model.end());
    } else if (dice < 6) {
      // Also the view that the seek itself ends.
      const bool own = cursor.Valid() && rng.OneIn(3);
      const std::string key = own ? std::string(cursor.key()) : SmallKey(rng);
      const std::string_view target = own ? cursor.key() : std::string_view(key);
      if (dice < 4) {
        cursor.Seek(target);
        expected = model.lower_bound(key);
        if (range.upper && key >= *range.upper) expected = model.end();
      } else {
        cursor.SeekForPrev(target);
        const auto behind = model.upper_bound(key);
        expected = behind == model.begin() ? model.end() : std::prev(behind);
      }
    } else if (dice < 18) {
      cursor.Next();
      ++expected;
    } else {
      cursor.Prev();
      expected = expected == model.begin() ? model.end() : std::prev(expected);
    }
    ASSERT_EQ(cursor.Valid(), expected != model.end());
    ASSERT_TRUE(cursor.status().ok());
    if (!cursor.Valid()) continue;
    ASSERT_EQ(cursor.key(), expected->first);
    ASSERT_EQ(cursor.value(), expected->second);
  }
}

TEST(VisibleCursor, ShowsTheNewestVisibleVersionsWithinItsBounds) {
  for (uint64_t seed = 1; seed <= 1500; ++seed) {
    SCOPED_TRACE(seed);
    Rng rng(seed);
    const auto entries = RandomEntries(rng, rng.Below(150));
    const auto hands = Deal(rng, entries, rng.Between(1, 6));
    const Sequence at{rng.Below(entries.size() + 2)};
    KeyRange range;
    if (rng.OneIn(2)) range.lower = SmallKey(rng);
    if (rng.OneIn(2)) range.upper = SmallKey(rng);
    const uint64_t now_ms = rng.Below(110);
    VisibleCursor cursor(Merge(hands), at, now_ms, range, nullptr, nullptr);
    EXPECT_FALSE(cursor.Valid());
    ASSERT_NO_FATAL_FAILURE(
        ExpectSameVisibleMoves(rng, cursor, Visible(entries, at, now_ms, range), range));
  }
}

// The bottom of the tree stores sequence 0, the last entry that a Seek can ask for.
TEST(VisibleCursor, SeesEntriesWithSequenceZero) {
  const std::vector<OwnedEntry> entries{{"a", Sequence{0}, OpKind::kPut, "1"},
                                        {"b", Sequence{7}, OpKind::kPut, "2"},
                                        {"b", Sequence{0}, OpKind::kPut, "3"},
                                        {"c", Sequence{0}, OpKind::kPut, "4"}};
  for (const auto& [at, b] : {std::pair{Sequence{0}, "3"}, std::pair{Sequence{9}, "2"}}) {
    const std::map<std::string, std::string> model{{"a", "1"}, {"b", b}, {"c", "4"}};
    VisibleCursor cursor(std::make_unique<VectorCursor>(entries), at, 0, {}, nullptr, nullptr);
    std::map<std::string, std::string> seen;
    for (cursor.SeekToFirst(); cursor.Valid(); cursor.Next())
      seen.emplace(cursor.key(), cursor.value());
    EXPECT_EQ(seen, model);
    seen.clear();
    for (cursor.SeekForPrev("c"); cursor.Valid(); cursor.Prev())
      seen.emplace(cursor.key(), cursor.value());
    EXPECT_EQ(seen, model);
    cursor.SeekForPrev("b");
    EXPECT_EQ(cursor.value(), b);
    cursor.Next();
    EXPECT_EQ(cursor.key(), "c");
  }
}

// Every move of every child fails once: nothing wrong is shown, the error is.
TEST(VisibleCursor, ShowsErrorsAndNothingWrong) {
  Rng rng(8);
  const auto entries = RandomEntries(rng, 60);
  const auto hands = Deal(rng, entries, 3);
  const Sequence at{50};
  const auto model = Visible(entries, at, 0, {});
  ASSERT_GT(model.size(), 5u);
  size_t errors = 0;
  for (const bool backward : {false, true}) {
    for (size_t failing = 0; failing < hands.size(); ++failing) {
      for (size_t fails_at = 0; fails_at < 80; ++fails_at) {
        VisibleCursor cursor(Merge(hands, failing, fails_at), at, 0, {}, nullptr, nullptr);
        std::map<std::string, std::string> seen;
        backward ? cursor.SeekToLast() : cursor.SeekToFirst();
        while (cursor.Valid()) {
          const auto expected = model.find(std::string(cursor.key()));
          ASSERT_NE(expected, model.end());
          ASSERT_EQ(cursor.value(), expected->second);
          seen.insert(*expected);
          backward ? cursor.Prev() : cursor.Next();
        }
        if (cursor.status().ok()) {
          ASSERT_EQ(seen, model);
        } else {
          ++errors;
          ASSERT_EQ(cursor.status().code(), StatusCode::kCorruption);
          ASSERT_LT(seen.size(), model.size() + 1);
          cursor.Seek(model.begin()->first);
          ASSERT_TRUE(cursor.Valid());
          ASSERT_TRUE(cursor.status().ok());
        }
      }
    }
  }
  EXPECT_GT(errors, 50u);
}

TEST(VisibleCursor, ReportsLongRunsOfDeletes) {
  constexpr uint64_t kRun = VisibleCursor::kDeleteRunMax;
  for (const uint64_t deletes : {kRun, kRun + 1}) {
    std::vector<OwnedEntry> entries{{"a", Sequence{1}, OpKind::kPut, ""}};
    for (uint64_t i = 0; i < deletes; ++i) {
      entries.push_back({"k" + std::to_string(10000 + i), Sequence{i + 2}, OpKind::kDelete, ""});
    }
    entries.push_back({"z", Sequence{1}, OpKind::kPut, ""});
    std::vector<std::pair<std::string, uint64_t>> reports;
    VisibleCursor cursor(
        std::make_unique<VectorCursor>(entries), kv::kSequenceMax, 0, {}, nullptr,
        [&](std::string_view key, uint64_t count) { reports.emplace_back(key, count); });
    cursor.SeekToFirst();
    EXPECT_TRUE(reports.empty());
    cursor.Next();
    EXPECT_EQ(cursor.key(), "z");
    cursor.Prev();
    EXPECT_EQ(cursor.key(), "a");
    if (deletes <= kRun) {
      EXPECT_TRUE(reports.empty());
      continue;
    }
    ASSERT_EQ(reports.size(), 2u);
    EXPECT_EQ(reports[0], std::pair("k" + std::to_string(10000 + kRun), kRun + 1));
    EXPECT_EQ(reports[1].second, kRun + 1);
  }
}

TEST(VisibleCursor, KeepsItsPinAndLetsItGoLast) {
  struct Probe final : EntryCursor {
    explicit Probe(std::weak_ptr<int> pinned) : pinned_(std::move(pinned)) {}
    ~Probe() override { EXPECT_FALSE(pinned_.expired()) << "the pin went before the cursor"; }
    void SeekToFirst() override {}
    void SeekToLast() override {}
    void Seek(std::string_view, Sequence) override {}
    void Next() override {}
    void Prev() override {}
    Status status() const override { return {}; }
    std::weak_ptr<int> pinned_;
  };
  auto pin = std::make_shared<int>(1);
  const std::weak_ptr<int> pinned = pin;
  {
    const VisibleCursor cursor(std::make_unique<Probe>(pinned), Sequence{1}, 0, {}, std::move(pin),
                               nullptr);
    EXPECT_FALSE(pinned.expired());
  }
  EXPECT_TRUE(pinned.expired());
}

// Counts the steps of the entries below.
class CountingCursor final : public EntryCursor {
 public:
  CountingCursor(std::unique_ptr<EntryCursor> entries, size_t& moves)
      : entries_(std::move(entries)), moves_(moves) {}
  void SeekToFirst() override { entries_->SeekToFirst(), Show(); }
  void SeekToLast() override { entries_->SeekToLast(), Show(); }
  void Seek(std::string_view key, Sequence at) override { entries_->Seek(key, at), Show(); }
  void Next() override { entries_->Next(), Show(); }
  void Prev() override { entries_->Prev(), Show(); }
  Status status() const override { return entries_->status(); }

 private:
  void Show() {
    ++moves_;
    valid_ = entries_->valid();
    if (valid_) entry_ = entries_->entry();
  }
  std::unique_ptr<EntryCursor> entries_;
  size_t& moves_;
};

TEST(VisibleCursor, JumpsOverManyVersionsOfAKey) {
  std::vector<OwnedEntry> entries{{"a", Sequence{1}, OpKind::kPut, ""},
                                  {"c", Sequence{1}, OpKind::kPut, ""}};
  for (uint64_t i = 2; i < 4000; ++i) entries.push_back({"b", Sequence{i}, OpKind::kPut, ""});
  Sort(entries);
  size_t moves = 0;
  VisibleCursor cursor(
      std::make_unique<CountingCursor>(std::make_unique<VectorCursor>(entries), moves),
      Sequence{2000}, 0, {}, nullptr, nullptr);
  std::string seen;
  for (cursor.SeekToFirst(); cursor.Valid(); cursor.Next()) seen += cursor.key();
  for (cursor.SeekToLast(); cursor.Valid(); cursor.Prev()) seen += cursor.key();
  cursor.Seek("b");
  cursor.Prev();
  seen += cursor.key();
  cursor.Next();
  seen += cursor.key();
  EXPECT_EQ(seen, "abccbaab");
  EXPECT_LT(moves, 120u);
}

}  // namespace
}  // namespace aidb::lsm

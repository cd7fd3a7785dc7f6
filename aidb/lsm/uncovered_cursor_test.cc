#include "aidb/lsm/uncovered_cursor.h"

#include <algorithm>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "aidb/base/random.h"
#include "aidb/lsm/memtable.h"
#include "aidb/lsm/merging_cursor.h"
#include "aidb/lsm/owned_entry_for_test.h"
#include "aidb/lsm/vector_cursor_for_test.h"
#include "aidb/lsm/visible_cursor.h"

namespace aidb::lsm {
namespace {

// Another cursor, and how often it was moved.
class Counting final : public EntryCursor {
 public:
  Counting(std::unique_ptr<EntryCursor> entries, uint64_t& moves)
      : entries_(std::move(entries)), moves_(moves) {}
  void SeekToFirst() override {
    Do([&] { entries_->SeekToFirst(); });
  }
  void SeekToLast() override {
    Do([&] { entries_->SeekToLast(); });
  }
  void Seek(std::string_view key, Sequence sequence) override {
    Do([&] { entries_->Seek(key, sequence); });
  }
  void Next() override {
    Do([&] { entries_->Next(); });
  }
  void Prev() override {
    Do([&] { entries_->Prev(); });
  }
  Status status() const override { return entries_->status(); }

 private:
  template <typename Move>
  void Do(const Move& move) {
    ++moves_;
    move();
    valid_ = entries_->valid();
    if (valid_) entry_ = entries_->entry();
  }

  const std::unique_ptr<EntryCursor> entries_;
  uint64_t& moves_;
};

std::string NumberedKey(uint64_t number) {
  const std::string digits = std::to_string(number);
  return "k" + std::string(8 - digits.size(), '0') + digits;
}

constexpr uint64_t kMany = 100'000;

// Memtables as the engine has them, newest first, each with its sources.
struct Sources {
  std::vector<std::shared_ptr<Memtable>> memtables;
  uint64_t moves = 0;

  std::unique_ptr<EntryCursor> NewCursor(Sequence at, const kv::ScanRange& range = {}) {
    std::vector<std::unique_ptr<EntryCursor>> children;
    std::vector<std::shared_ptr<RangeDeleteSource>> sources;
    for (const auto& memtable : memtables) {
      const RangeDeletes deletes = memtable->range_deletes();
      if (!deletes.empty()) sources.push_back(NewRangeDeleteSource(deletes, at));
      children.push_back(
          NewUncoveredCursor(std::make_unique<Counting>(memtable->NewCursor(), moves), sources,
                             deletes.empty() ? OwnRanges::kNone : OwnRanges::kLast, range));
    }
    return NewMergingCursor(std::move(children));
  }
};

std::shared_ptr<Memtable> NewMemtable() {
  return std::make_shared<Memtable>(MemtableOptions{.capacity_bytes = size_t{64} << 20});
}

void Put(Memtable& memtable, std::string_view key, uint64_t sequence) {
  MutexLock lock(memtable.write_mutex());
  memtable.Add({.key = key, .value = "v", .sequence = Sequence{sequence}, .kind = OpKind::kPut});
}

void DeleteRange(Memtable& memtable, std::string_view begin, std::string_view end,
                 uint64_t sequence) {
  MutexLock lock(memtable.write_mutex());
  memtable.AddRangeDeletes(std::vector<RangeDelete>{{begin, end, Sequence{sequence}}});
}

// The queue: it was consumed up to a key near its end. A seek may not step through what was.
void ExpectFewMoves(Sources& sources, uint64_t last) {
  VisibleCursor cursor(sources.NewCursor(Sequence{last}), Sequence{last}, 0, {"", std::nullopt},
                       nullptr, VisibleCursor::DeleteRunReport());
  cursor.SeekToFirst();
  ASSERT_TRUE(cursor.Valid());
  EXPECT_EQ(cursor.key(), NumberedKey(kMany - 2));
  EXPECT_LT(sources.moves, 40u);
  sources.moves = 0;
  cursor.Prev();
  EXPECT_FALSE(cursor.Valid());
  EXPECT_LT(sources.moves, 80u);
  sources.moves = 0;
  cursor.SeekForPrev(NumberedKey(kMany - 3));
  EXPECT_FALSE(cursor.Valid());
  EXPECT_LT(sources.moves, 80u);
}

TEST(UncoveredCursor, ASeekStepsThroughNoRangeThatWasDeletedFromAbove) {
  Sources sources;
  sources.memtables = {NewMemtable(), NewMemtable()};
  for (uint64_t i = 0; i < kMany; ++i) Put(*sources.memtables[1], NumberedKey(i), i + 1);
  DeleteRange(*sources.memtables[0], "", NumberedKey(kMany - 2), kMany + 1);
  ExpectFewMoves(sources, kMany + 1);
}

TEST(UncoveredCursor, ASeekStepsThroughNoRangeThatWasDeletedInItsOwnMemtable) {
  Sources sources;
  sources.memtables = {NewMemtable()};
  for (uint64_t i = 0; i < kMany; ++i) Put(*sources.memtables[0], NumberedKey(i), i + 1);
  DeleteRange(*sources.memtables[0], "", NumberedKey(kMany - 2), kMany + 1);
  ExpectFewMoves(sources, kMany + 1);
}

// A source as a table is one: `ranges` over the keys of a memtable, which knows nothing of them.
struct TableLike {
  explicit TableLike(std::vector<OwnedFragment> ranges, OwnRanges own_ranges)
      : list(std::move(ranges)), own(own_ranges) {
    for (uint64_t i = 0; i < kMany; ++i) Put(*memtable, NumberedKey(i), i + 1);
  }

  // What a scan of [from, to) sees at `at`; sets `moves`.
  std::vector<std::string> Scan(uint64_t from, uint64_t to, uint64_t at, kv::ScanOrder order) {
    const kv::ScanRange range{.lower = NumberedKey(from), .upper = NumberedKey(to)};
    std::vector<std::shared_ptr<RangeDeleteSource>> sources;
    sources.push_back(NewRangeDeleteSource(list.deletes(), Sequence{at}));
    moves = 0;
    VisibleCursor cursor(
        NewUncoveredCursor(std::make_unique<Counting>(memtable->NewCursor(), moves),
                           std::move(sources), own, range),
        Sequence{at}, 0, {range.lower, range.upper}, nullptr, VisibleCursor::DeleteRunReport());
    std::vector<std::string> seen;
    if (order == kv::ScanOrder::kForward) {
      for (cursor.SeekToFirst(); cursor.Valid(); cursor.Next()) seen.emplace_back(cursor.key());
    } else {
      for (cursor.SeekToLast(); cursor.Valid(); cursor.Prev()) seen.emplace_back(cursor.key());
    }
    return seen;
  }

  std::shared_ptr<Memtable> memtable = NewMemtable();
  RangeDeleteList list;
  OwnRanges own;
  uint64_t moves = 0;
};

TEST(UncoveredCursor, AScanStopsAtItsBoundsUnderARangeDeleteThatStays) {
  TableLike table({{"", "z", {Sequence{kMany + 1}}}}, OwnRanges::kLast);
  for (const kv::ScanOrder order : {kv::ScanOrder::kForward, kv::ScanOrder::kReverse}) {
    EXPECT_TRUE(table.Scan(1000, 1010, kMany + 1, order).empty());
    EXPECT_LT(table.moves, 40u);
    EXPECT_EQ(table.Scan(1000, 1010, kMany, order).size(), 10u) << "a snapshot before it";
    EXPECT_LT(table.moves, 40u);
  }
}

TEST(UncoveredCursor, PassesNeighbouringRangeDeletesAtOnce) {
  constexpr uint64_t kEach = 100;
  std::vector<OwnedFragment> fragments;
  for (uint64_t i = 0; i + kEach < kMany; i += kEach) {
    fragments.push_back({NumberedKey(i), NumberedKey(i + kEach), {Sequence{kMany + 1 + i}}});
  }
  TableLike table(fragments, OwnRanges::kNone);
  EXPECT_EQ(table.Scan(0, kMany, 3 * kMany, kv::ScanOrder::kForward).size(), kEach);
  EXPECT_LT(table.moves, kEach + 20);
  // Going down, one jump for each.
  EXPECT_EQ(table.Scan(0, kMany, 3 * kMany, kv::ScanOrder::kReverse).size(), kEach);
  EXPECT_LT(table.moves, kEach + 20 + 2 * fragments.size());
}

TEST(UncoveredCursor, FindsWhatWasWrittenIntoADeletedRange) {
  Sources sources;
  sources.memtables = {NewMemtable()};
  Memtable& memtable = *sources.memtables[0];
  for (uint64_t i = 0; i < 1000; ++i) Put(memtable, NumberedKey(i), i + 1);
  DeleteRange(memtable, "", "z", 1001);
  Put(memtable, NumberedKey(500), 1002);
  DeleteRange(memtable, NumberedKey(100), NumberedKey(200), 1003);
  const auto cursor = sources.NewCursor(Sequence{1003});
  cursor->SeekToFirst();
  ASSERT_TRUE(cursor->valid());
  EXPECT_EQ(cursor->entry().key, NumberedKey(500));
  EXPECT_EQ(cursor->entry().sequence, Sequence{1002});
  cursor->Next();
  EXPECT_FALSE(cursor->valid());
  cursor->SeekToLast();
  ASSERT_TRUE(cursor->valid());
  EXPECT_EQ(cursor->entry().sequence, Sequence{1002});
}

// A scan of [lower, upper), in both directions and with a turn at every key.
void ExpectWithin(Sources& sources, uint64_t at, const std::string& lower, const std::string& upper,
                  const std::vector<std::string>& all, Rng& rng) {
  const kv::ScanRange range{.lower = lower, .upper = upper};
  if (range.empty()) return;
  std::vector<std::string> expected;
  std::ranges::copy_if(all, std::back_inserter(expected),
                       [&](const std::string& key) { return range.Contains(key); });
  VisibleCursor cursor(sources.NewCursor(Sequence{at}, range), Sequence{at}, 0,
                       {range.lower, range.upper}, nullptr, VisibleCursor::DeleteRunReport());
  std::vector<std::string> up;
  for (cursor.SeekToFirst(); cursor.Valid(); cursor.Next()) up.emplace_back(cursor.key());
  EXPECT_EQ(up, expected) << lower << " to " << upper << " at " << at;
  std::vector<std::string> down;
  for (cursor.SeekToLast(); cursor.Valid(); cursor.Prev()) down.emplace_back(cursor.key());
  std::ranges::reverse(down);
  EXPECT_EQ(down, expected) << lower << " to " << upper << " at " << at;
  if (expected.empty()) return;
  size_t place = rng.Below(expected.size());
  cursor.Seek(expected[place]);
  for (int step = 0; step < 30; ++step) {
    ASSERT_TRUE(cursor.Valid());
    ASSERT_EQ(cursor.key(), expected[place]);
    const bool forward = place == 0 || (place + 1 < expected.size() && rng.OneIn(2));
    if (forward && place + 1 == expected.size()) return;
    place += forward ? 1 : size_t{0} - 1;
    forward ? cursor.Next() : cursor.Prev();
  }
}

// Random memtables against a map, at random sequences and in both directions.
TEST(UncoveredCursor, ShowsWhatAMapWithHistoryHolds) {
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    Rng rng(seed);
    Sources sources;
    std::vector<std::pair<uint64_t, std::vector<std::string>>> shown;  // By sequence.
    std::vector<std::string> live;
    const auto key_of = [&] { return NumberedKey(rng.Below(60)); };
    uint64_t sequence = 0;
    for (int memtable = 0; memtable < 4; ++memtable) {
      sources.memtables.insert(sources.memtables.begin(), NewMemtable());
      Memtable& newest = *sources.memtables.front();
      for (int i = 0; i < 60; ++i) {
        ++sequence;
        if (rng.OneIn(6)) {
          std::string begin = key_of();
          std::string end = key_of();
          if (begin > end) std::swap(begin, end);
          end += 'x';
          DeleteRange(newest, begin, end, sequence);
          std::erase_if(live, [&](const std::string& k) { return k >= begin && k < end; });
        } else {
          const std::string key = key_of();
          Put(newest, key, sequence);
          if (!std::ranges::binary_search(live, key)) {
            live.insert(std::ranges::lower_bound(live, key), key);
          }
        }
        if (rng.OneIn(20)) shown.emplace_back(sequence, live);
      }
    }
    shown.emplace_back(sequence, live);
    for (const auto& [at, expected] : shown) {
      VisibleCursor cursor(sources.NewCursor(Sequence{at}), Sequence{at}, 0, {"", std::nullopt},
                           nullptr, VisibleCursor::DeleteRunReport());
      std::vector<std::string> up;
      for (cursor.SeekToFirst(); cursor.Valid(); cursor.Next()) up.emplace_back(cursor.key());
      EXPECT_EQ(up, expected) << "seed " << seed << " at " << at;
      std::vector<std::string> down;
      for (cursor.SeekToLast(); cursor.Valid(); cursor.Prev()) down.emplace_back(cursor.key());
      std::ranges::reverse(down);
      EXPECT_EQ(down, expected) << "seed " << seed << " at " << at;
      for (int i = 0; i < 10; ++i) ExpectWithin(sources, at, key_of(), key_of(), expected, rng);
      for (int probe = 0; probe < 20; ++probe) {
        const std::string key = key_of();
        const auto place = std::ranges::lower_bound(expected, key);
        cursor.Seek(key);
        ASSERT_EQ(cursor.Valid(), place != expected.end());
        if (!cursor.Valid()) continue;
        EXPECT_EQ(cursor.key(), *place);
        cursor.Prev();  // Turns round.
        EXPECT_EQ(cursor.Valid(), place != expected.begin());
        if (cursor.Valid()) {
          EXPECT_EQ(cursor.key(), *(place - 1));
        }
      }
    }
  }
}

}  // namespace
}  // namespace aidb::lsm

// Range deletes in memtables.

#include <algorithm>
#include <atomic>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "aidb/base/random.h"
#include "aidb/lsm/memtable.h"

namespace aidb::lsm {
namespace {

struct Range {
  std::string begin;
  std::string end;
  uint64_t sequence;
};

void Add(Memtable& memtable, const std::vector<Range>& ranges) {
  std::vector<RangeDelete> deletes;
  for (const Range& range : ranges) {
    deletes.push_back({range.begin, range.end, Sequence{range.sequence}});
  }
  MutexLock lock(memtable.write_mutex());
  memtable.AddRangeDeletes(deletes);
}

void Put(Memtable& memtable, std::string_view key, uint64_t sequence) {
  MutexLock lock(memtable.write_mutex());
  memtable.Add({.key = key, .value = "v", .sequence = Sequence{sequence}, .kind = OpKind::kPut});
}

std::string RandomKey(Rng& rng) { return std::string(1 + rng.Below(2), 'a' + rng.Below(20)); }

std::vector<Range> RandomRanges(Rng& rng, uint64_t& sequence, uint64_t count) {
  std::vector<Range> ranges;
  for (; count > 0; --count) {
    std::string begin = RandomKey(rng);
    std::string end = RandomKey(rng);
    if (begin == end) end += 'x';
    if (end < begin) std::swap(begin, end);
    ranges.push_back({begin, end, ++sequence});
  }
  return ranges;
}

TEST(MemtableRangeDeletes, CoverWhatAListOfThemCoversAtTheEndOfEachBatch) {
  for (uint64_t seed = 1; seed <= 100; ++seed) {
    Rng rng(seed);
    Memtable memtable({.capacity_bytes = size_t{4} << 20});
    std::vector<Range> all;
    std::vector<uint64_t> ends{0};  // Of batches: where readers stand.
    uint64_t sequence = 0;
    for (int batch = 0; batch < 30; ++batch) {
      const auto ranges = RandomRanges(rng, sequence, rng.Between(1, 4));
      Add(memtable, ranges);
      all.insert(all.end(), ranges.begin(), ranges.end());
      ends.push_back(sequence);
      EXPECT_EQ(memtable.highest_sequence(), Sequence{sequence});
    }
    EXPECT_FALSE(memtable.empty());
    EXPECT_EQ(memtable.entries(), 0u);
    EXPECT_EQ(memtable.lowest_sequence(), Sequence{1});
    const auto fragments = memtable.range_deletes().fragments();
    for (size_t i = 1; i < fragments.size(); ++i) {
      EXPECT_LE(fragments[i - 1].end, fragments[i].begin);
    }
    for (int probe = 0; probe < 200; ++probe) {
      const std::string key = RandomKey(rng);
      const uint64_t at = ends[rng.Below(ends.size())];
      uint64_t expected = 0;
      for (const Range& range : all) {
        if (range.sequence <= at && range.begin <= key && key < range.end) {
          expected = range.sequence;
        }
      }
      const auto found = memtable.Get(key, Sequence{at});
      ASSERT_EQ(found.has_value(), expected != 0) << "seed " << seed;
      if (!found) continue;
      EXPECT_EQ(found->kind, OpKind::kDelete);
      EXPECT_EQ(found->sequence, Sequence{expected});
    }
  }
}

TEST(MemtableRangeDeletes, SayWhetherTheyHideAllThatIsThere) {
  Memtable memtable({.capacity_bytes = size_t{1} << 20});
  Put(memtable, "c", 1);
  Add(memtable, {{"a", "e", 2}, {"g", "k", 3}});
  const auto hides_all = [&](std::string_view key, uint64_t at) {
    return !memtable.range_deletes().FragmentFor(key)->VersionAt(Sequence{at})->hides_not_all;
  };
  EXPECT_TRUE(hides_all("c", 9));
  Put(memtable, "d", 4);
  EXPECT_FALSE(hides_all("c", 9));
  EXPECT_TRUE(hides_all("h", 9));
  Add(memtable, {{"c", "f", 5}});
  EXPECT_TRUE(hides_all("c", 9));
  EXPECT_FALSE(hides_all("c", 4));
  EXPECT_FALSE(hides_all("a", 9)) << "a piece of the one that does not";
  EXPECT_EQ(memtable.Get("d", Sequence{4})->kind, OpKind::kPut);
  EXPECT_EQ(memtable.Get("d", Sequence{5})->kind, OpKind::kDelete);
}

TEST(MemtableRangeDeletes, StayWithinTheCapacityWhileTheyFit) {
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    Rng rng(seed);
    Memtable memtable({.capacity_bytes = 20'000 + rng.Below(200'000)});
    uint64_t sequence = 0;
    int batches = 0;
    for (;; ++batches) {
      auto ranges = RandomRanges(rng, sequence, rng.Between(1, 30));
      size_t bytes = 0;
      for (Range& range : ranges) {
        range.end += std::string(rng.Below(100), 'e');
        bytes += range.begin.size() + range.end.size();
      }
      bool fits = false;
      {
        MutexLock lock(memtable.write_mutex());
        fits = memtable.Fits(bytes, 0, ranges.size(), ranges.size());
      }
      if (!fits) break;
      Add(memtable, ranges);
      ASSERT_LE(memtable.memory_bytes(), memtable.capacity_bytes()) << "seed " << seed;
    }
    EXPECT_GT(batches, 0);
  }
}

TEST(MemtableRangeDeletes, FitAMemtableThatWasMadeForThem) {
  for (const size_t count : {size_t{1}, size_t{7}, size_t{3000}}) {
    std::vector<Range> ranges;
    size_t bytes = 0;
    for (size_t i = 0; i < count; ++i) {  // Each inside the one before.
      const std::string begin = std::to_string(100'000 + i);
      const std::string end = std::to_string(200'000 - i);
      ranges.push_back({begin, end, i + 1});
      bytes += begin.size() + end.size();
    }
    Memtable memtable(Memtable::OptionsFor(bytes, count, count));
    {
      MutexLock lock(memtable.write_mutex());
      EXPECT_TRUE(memtable.Fits(bytes, 0, count, count));
    }
    Add(memtable, ranges);
    EXPECT_LE(memtable.memory_bytes(), memtable.capacity_bytes());
    EXPECT_EQ(memtable.range_deletes().fragments().size(), 2 * count - 1);
  }
}

// A reader that has learned of a sequence sees what was written up to there.
TEST(MemtableRangeDeletes, ReadersSeeThemWithoutALockWhileOthersAreAdded) {
  Memtable memtable({.capacity_bytes = size_t{64} << 20});
  std::atomic<uint64_t> visible{0};
  std::thread reader([&] {
    for (uint64_t at = 0; at < 3000;) {
      at = visible.load(std::memory_order_acquire);
      if (at == 0) continue;
      const auto found = memtable.Get("k", Sequence{at});
      ASSERT_TRUE(found);
      EXPECT_EQ(found->sequence, Sequence{at});
      EXPECT_EQ(found->kind, at % 2 == 0 ? OpKind::kDelete : OpKind::kPut);
    }
  });
  for (uint64_t sequence = 1; sequence <= 3000; ++sequence) {
    if (sequence % 2 == 1) {
      Put(memtable, "k", sequence);
    } else {
      const std::string begin(1, static_cast<char>('a' + sequence % 10));
      Add(memtable, {{begin, "x", sequence}});
    }
    visible.store(sequence, std::memory_order_release);
  }
  reader.join();
}

}  // namespace
}  // namespace aidb::lsm

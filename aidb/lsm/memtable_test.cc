#include "aidb/lsm/memtable.h"

#include <algorithm>
#include <atomic>
#include <latch>
#include <map>
#include <string>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "aidb/base/random.h"

namespace aidb::lsm {
namespace {

// Key ascending, sequence descending.
struct InternalLess {
  using Key = std::pair<std::string, uint64_t>;
  bool operator()(const Key& a, const Key& b) const {
    return a.first != b.first ? a.first < b.first : a.second > b.second;
  }
};
struct Stored {
  OpKind kind;
  std::string value;
};
using Model = std::map<InternalLess::Key, Stored, InternalLess>;

void Add(Memtable& memtable, std::string_view key, uint64_t sequence, std::string_view value,
         OpKind kind = OpKind::kPut) {
  MutexLock lock(memtable.write_mutex());
  memtable.Add({key, value, Sequence{sequence}, kind});
}

void ExpectAt(const EntryCursor& cursor, const Model& model, Model::const_iterator at) {
  ASSERT_EQ(cursor.valid(), at != model.end());
  if (!cursor.valid()) return;
  EXPECT_EQ(cursor.entry().key, at->first.first);
  EXPECT_EQ(ToNumber(cursor.entry().sequence), at->first.second);
  EXPECT_EQ(cursor.entry().kind, at->second.kind);
  EXPECT_EQ(cursor.entry().value, at->second.value);
}

void ExpectGet(const Memtable& memtable, const Model& model, const std::string& key, uint64_t at) {
  const auto found = memtable.Get(key, Sequence{at});
  const auto expected = model.lower_bound({key, at});
  ASSERT_EQ(found.has_value(), expected != model.end() && expected->first.first == key) << key;
  if (!found) return;
  EXPECT_EQ(ToNumber(found->sequence), expected->first.second);
  EXPECT_EQ(found->kind, expected->second.kind);
  EXPECT_EQ(found->value, expected->second.value);
}

void ExpectSameWalks(const Memtable& memtable, const Model& model) {
  auto cursor = memtable.NewCursor();
  cursor->SeekToFirst();
  for (auto at = model.begin(); at != model.end(); ++at) {
    ASSERT_NO_FATAL_FAILURE(ExpectAt(*cursor, model, at));
    cursor->Next();
  }
  EXPECT_FALSE(cursor->valid());
  cursor->SeekToLast();
  for (auto at = model.end(); at != model.begin();) {
    ASSERT_NO_FATAL_FAILURE(ExpectAt(*cursor, model, --at));
    cursor->Prev();
  }
  EXPECT_FALSE(cursor->valid());
  EXPECT_TRUE(cursor->status().ok());
}

// Seeks at, before and behind every entry, and steps to both sides from there.
void ExpectSameSeeks(const Memtable& memtable, const Model& model) {
  auto cursor = memtable.NewCursor();
  for (auto at = model.begin(); at != model.end(); ++at) {
    const auto& [key, sequence] = at->first;
    for (const auto& probe : {InternalLess::Key{key, sequence},
                              {key, sequence + 1},
                              {key, sequence - 1},
                              {key + '\0', 5},
                              {key + "\xff", 5}}) {
      const auto expected = model.lower_bound(probe);
      cursor->Seek(probe.first, Sequence{probe.second});
      ASSERT_NO_FATAL_FAILURE(ExpectAt(*cursor, model, expected));
      if (expected == model.end()) continue;
      if (sequence % 2 == 0) {
        cursor->Next();
        ASSERT_NO_FATAL_FAILURE(ExpectAt(*cursor, model, std::next(expected)));
        if (!cursor->valid()) continue;
        cursor->Prev();
      } else if (expected != model.begin()) {
        cursor->Prev();
        ASSERT_NO_FATAL_FAILURE(ExpectAt(*cursor, model, std::prev(expected)));
        cursor->Next();
      }
      ASSERT_NO_FATAL_FAILURE(ExpectAt(*cursor, model, expected));
    }
  }
}

enum class Shape {
  kAscending,
  kDescending,
  kRandom,
  kOutsideIn,
  kLongShared,
  kPrefixesOfEachOther,
  kZeroBytes,
  kFewKeys,
  kGrowingDifference,
  kClusters,
};

std::string Decimal(uint64_t n, size_t width) {
  std::string digits = std::to_string(n);
  return std::string(width - std::min(width, digits.size()), '0') + digits;
}

std::string KeyOf(Shape shape, uint64_t i, uint64_t count, Rng& rng) {
  switch (shape) {
    case Shape::kAscending:
      return Decimal(i, 16);
    case Shape::kDescending:
      return Decimal(count - i, 16);
    case Shape::kRandom: {
      std::string key(rng.Below(24), '\0');
      for (char& c : key) c = static_cast<char>(rng.Next());
      return key;
    }
    case Shape::kOutsideIn:
      return Decimal(i % 2 == 0 ? i : 2 * count - i, 12);
    case Shape::kLongShared:
      return std::string(rng.OneIn(8) ? 39 : 40, 's') + Decimal(rng.Below(count), 30);
    case Shape::kPrefixesOfEachOther:
      return std::string(rng.Below(300), 'p') + (rng.OneIn(2) ? "" : "q");
    case Shape::kZeroBytes:
      return std::string(rng.Below(20), '\0') + std::string(rng.Below(2), '\1');
    case Shape::kFewKeys:
      return std::string(rng.Below(5) * 7, 'k');
    case Shape::kGrowingDifference:
      return std::string(400 - i % 400, 'g') + Decimal(i, 4);
    case Shape::kClusters:
      return Decimal(i / 500, 4) + std::string(30, 'c') + Decimal(rng.Below(1000), 20);
  }
  return {};
}

class MemtableModel : public testing::TestWithParam<std::tuple<Shape, bool>> {};

TEST_P(MemtableModel, AgreesWithAnOrderedMapOfVersions) {
  const auto [shape, shuffled_sequences] = GetParam();
  const uint64_t seed = 17 + static_cast<uint64_t>(shape);
  SCOPED_TRACE(seed);
  Rng rng(seed);
  constexpr uint64_t kCount = 6000;
  // The index has room for a quarter of the keys, so that the tree must answer too.
  Memtable memtable({.capacity_bytes = 1 << 20, .expected_entry_bytes = 700});
  Model model;
  uint64_t deletes = 0;
  for (uint64_t i = 0; i < kCount; ++i) {
    // An odd multiplier modulo 8192 visits every number once, in no apparent order.
    const uint64_t sequence = shuffled_sequences ? i * 2731 % 8192 + 1 : i + 1;
    const std::string key = KeyOf(shape, i, kCount, rng);
    const OpKind kind = rng.OneIn(5) ? OpKind::kDelete : OpKind::kPut;
    const std::string value =
        kind == OpKind::kPut ? std::string(rng.Below(30), static_cast<char>(i)) : "";
    deletes += kind == OpKind::kDelete ? 1 : 0;
    Add(memtable, key, sequence, value, kind);
    model[{key, sequence}] = {kind, value};
    ASSERT_NO_FATAL_FAILURE(ExpectGet(memtable, model, key, rng.Below(9000)));
    ASSERT_NO_FATAL_FAILURE(
        ExpectGet(memtable, model, KeyOf(shape, rng.Below(kCount), kCount, rng), rng.Below(9000)));
    if (i < 40 || i % 1500 == 0) {
      ASSERT_NO_FATAL_FAILURE(ExpectSameWalks(memtable, model));
    }
  }
  ExpectSameWalks(memtable, model);
  ExpectSameSeeks(memtable, model);
  EXPECT_EQ(memtable.entries(), kCount);
  EXPECT_EQ(memtable.deletes(), deletes);
  EXPECT_EQ(ToNumber(memtable.lowest_sequence()), 1u);
  EXPECT_GE(ToNumber(memtable.highest_sequence()), kCount);
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, MemtableModel,
    testing::Combine(testing::Values(Shape::kAscending, Shape::kDescending, Shape::kRandom,
                                     Shape::kOutsideIn, Shape::kLongShared,
                                     Shape::kPrefixesOfEachOther, Shape::kZeroBytes,
                                     Shape::kFewKeys, Shape::kGrowingDifference, Shape::kClusters),
                     testing::Bool()));

TEST(Memtable, KeepsTheExpiryOfAValueWithIt) {
  Memtable memtable({.capacity_bytes = 1 << 20, .expected_entry_bytes = 100});
  Rng rng(5);
  std::map<std::string, uint64_t> expiries;
  for (uint64_t i = 0; i < 500; ++i) {
    const std::string key = Decimal(i, 4);
    const uint64_t expires_at_ms = rng.Next();
    const bool expires = rng.OneIn(2);
    MutexLock lock(memtable.write_mutex());
    memtable.Add({.key = key,
                  .value = std::string_view(key).substr(0, rng.Below(5)),
                  .sequence = Sequence{i + 1},
                  .kind = expires ? OpKind::kPutExpiring : OpKind::kPut,
                  .expires_at_ms = expires_at_ms});
    expiries[key] = expires ? expires_at_ms : 0;
  }
  const auto cursor = memtable.NewCursor();
  cursor->SeekToFirst();
  for (const auto& [key, expires_at_ms] : expiries) {
    const auto found = memtable.Get(key, kv::kSequenceMax);
    ASSERT_TRUE(found.has_value());
    EXPECT_EQ(found->expires_at_ms, expires_at_ms);
    EXPECT_TRUE(key.starts_with(found->value));
    ASSERT_TRUE(cursor->valid());
    EXPECT_EQ(cursor->entry().key, key);
    EXPECT_EQ(cursor->entry().value, found->value);
    EXPECT_EQ(cursor->entry().expires_at_ms, expires_at_ms);
    cursor->Next();
  }
  EXPECT_FALSE(cursor->valid());
}

TEST(Memtable, HoldsManyEntriesInOrder) {
  Memtable memtable({.capacity_bytes = size_t{64} << 20, .expected_entry_bytes = 100});
  Rng rng(3);
  constexpr uint64_t kCount = 300000;
  for (uint64_t i = 0; i < kCount; ++i) Add(memtable, Decimal(rng.Below(kCount), 16), i + 1, "v");
  auto cursor = memtable.NewCursor();
  uint64_t seen = 0;
  std::string last;
  uint64_t last_sequence = 0;
  for (cursor->SeekToFirst(); cursor->valid(); cursor->Next(), ++seen) {
    const Entry& entry = cursor->entry();
    ASSERT_TRUE(seen == 0 || last < entry.key ||
                (last == entry.key && last_sequence > ToNumber(entry.sequence)));
    last = entry.key;
    last_sequence = ToNumber(entry.sequence);
  }
  EXPECT_EQ(seen, kCount);
}

TEST(Memtable, IsEmptyAtFirst) {
  Memtable memtable({.capacity_bytes = 2048});
  EXPECT_FALSE(memtable.Get("", kv::kSequenceMax));
  auto cursor = memtable.NewCursor();
  cursor->SeekToFirst();
  EXPECT_FALSE(cursor->valid());
  cursor->SeekToLast();
  EXPECT_FALSE(cursor->valid());
  cursor->Seek("a", kv::kSequenceMax);
  EXPECT_FALSE(cursor->valid());
  EXPECT_EQ(memtable.entries(), 0u);
  EXPECT_EQ(memtable.mean_entry_bytes(), 0u);
  EXPECT_LE(memtable.memory_bytes(), 2048u);
}

TEST(Memtable, TakesTheLargestKeyAndALargeValue) {
  Memtable memtable({.capacity_bytes = 4096});
  const std::string key(kv::kKeyBytesMax, 'k');
  const std::string value(size_t{64} << 20, 'v');
  Add(memtable, key, 1, value);
  Add(memtable, key.substr(1), 2, "shorter");
  Add(memtable, key, 3, "newer");
  const auto found = memtable.Get(key, Sequence{2});
  ASSERT_TRUE(found);
  EXPECT_TRUE(found->value == value);
  EXPECT_EQ(memtable.Get(key.substr(1), Sequence{2})->value, "shorter");
  EXPECT_GE(memtable.memory_bytes(), key.size() + value.size());
  auto cursor = memtable.NewCursor();
  cursor->SeekToLast();
  ASSERT_TRUE(cursor->valid());
  EXPECT_TRUE(cursor->entry().value == value);
}

// Adds while Fits says yes; the memory must then be within the capacity, and well used.
void ExpectHonestFits(size_t capacity, size_t key_bytes_max, size_t value_bytes_max,
                      size_t batch_max, uint64_t seed) {
  SCOPED_TRACE(testing::Message() << capacity << " " << value_bytes_max << " seed " << seed);
  Rng rng(seed);
  Memtable memtable({.capacity_bytes = capacity, .expected_entry_bytes = 64});
  uint64_t sequence = 0;
  size_t payload = 0;
  for (;;) {
    std::vector<std::pair<std::string, std::string>> batch(rng.Between(1, batch_max));
    size_t key_bytes = 0;
    size_t value_bytes = 0;
    for (auto& [key, value] : batch) {
      key = Decimal(rng.Next(), rng.Between(1, key_bytes_max));
      value.assign(rng.Below(value_bytes_max + 1), 'v');
      key_bytes += key.size();
      value_bytes += value.size();
    }
    {
      MutexLock lock(memtable.write_mutex());
      if (!memtable.Fits(key_bytes, value_bytes, batch.size())) break;
    }
    for (const auto& [key, value] : batch) Add(memtable, key, ++sequence, value);
    payload += key_bytes + value_bytes;
    ASSERT_LE(memtable.memory_bytes(), capacity);
  }
  if (capacity >= size_t{1} << 20 && batch_max * value_bytes_max * 10 < capacity) {
    EXPECT_GT(payload, capacity / 4);
  }
}

TEST(Memtable, StaysWithinItsCapacityWhileItSaysThatEntriesFit) {
  for (uint64_t seed = 1; seed <= 6; ++seed) {
    for (const size_t capacity : {size_t{0}, size_t{2048}, size_t{20000}, size_t{300000},
                                  size_t{1} << 20, size_t{9} << 20}) {
      ExpectHonestFits(capacity, 20, 100, 1, seed);
      ExpectHonestFits(capacity, 20, 4000, 1, seed);
      ExpectHonestFits(capacity, 20, 40, 200, seed);
      ExpectHonestFits(capacity, 200, capacity / 7, 3, seed);
    }
  }
}

// The most entries that fit at once, of sizes that waste the ends of chunks.
TEST(Memtable, StaysWithinItsCapacityAfterTheLargestBatchThatFits) {
  for (const size_t capacity : {size_t{100000}, size_t{5} << 20, size_t{23} << 20}) {
    for (const size_t value_bytes : {size_t{3}, size_t{500}, size_t{1900}, size_t{4060},
                                     size_t{233100}, size_t{262000}, size_t{700000}}) {
      SCOPED_TRACE(testing::Message() << capacity << " " << value_bytes);
      Memtable memtable({.capacity_bytes = capacity, .expected_entry_bytes = 4096});
      MutexLock lock(memtable.write_mutex());
      size_t entries = 0;
      while (memtable.Fits((entries + 1) * 8, (entries + 1) * value_bytes, entries + 1)) ++entries;
      for (size_t i = 0; i < entries; ++i) {
        memtable.Add({Decimal(i * 7919 % 1000003, 8), std::string(value_bytes, 'v'),
                      Sequence{i + 1}, OpKind::kPut});
      }
      EXPECT_LE(memtable.memory_bytes(), capacity);
    }
  }
}

TEST(Memtable, FitsTheBatchThatItsOptionsWereMadeFor) {
  for (const size_t entries : {size_t{1}, size_t{2}, size_t{33}, size_t{700}, size_t{60'000}}) {
    for (const size_t value_bytes : {size_t{0}, size_t{90}, size_t{2500}, size_t{300'000}}) {
      if (entries * value_bytes > (size_t{64} << 20)) continue;
      SCOPED_TRACE(testing::Message() << entries << " of " << value_bytes);
      const size_t bytes = entries * (8 + value_bytes);
      Memtable memtable(Memtable::OptionsFor(bytes, entries));
      MutexLock lock(memtable.write_mutex());
      EXPECT_LE(memtable.memory_bytes(), Memtable::EmptyBytesMax(memtable.capacity_bytes()));
      ASSERT_TRUE(memtable.Fits(bytes, 0, entries));
      for (size_t i = 0; i < entries; ++i) {
        memtable.Add({Decimal(i * 7919 % 1000003, 8), std::string(value_bytes, 'v'),
                      Sequence{i + 1}, OpKind::kPut});
      }
      EXPECT_LE(memtable.memory_bytes(), memtable.capacity_bytes());
      EXPECT_LE(memtable.capacity_bytes(), bytes * 4 / 3 + entries * 200 + (size_t{32} << 10));
    }
  }
}

// Keys in order fill every node; a batch may then split a leaf with each entry.
TEST(Memtable, StaysWithinItsCapacityWhenEveryEntrySplitsALeaf) {
  constexpr size_t kCapacity = size_t{1} << 20;
  Memtable memtable({.capacity_bytes = kCapacity, .expected_entry_bytes = kCapacity});
  MutexLock lock(memtable.write_mutex());
  uint64_t filled = 0;
  for (; memtable.Fits(8, 0, 400); ++filled) {
    memtable.Add({Decimal(filled * 10, 8), "", Sequence{filled + 1}, OpKind::kPut});
  }
  size_t entries = 0;
  while (memtable.Fits((entries + 1) * 8, 0, entries + 1)) ++entries;
  ASSERT_GT(entries, 100u);
  ASSERT_LT(entries, filled / 32) << "else two of them meet in a leaf";
  for (size_t i = 0; i < entries; ++i) {
    const uint64_t key = i * (filled / entries) * 10 + 5;
    memtable.Add({Decimal(key, 8), "", Sequence{filled + i + 1}, OpKind::kPut});
  }
  EXPECT_LE(memtable.memory_bytes(), kCapacity);
}

TEST(Memtable, TinyCapacityTakesAFewEntries) {
  Memtable memtable({.capacity_bytes = 2048});
  MutexLock lock(memtable.write_mutex());
  EXPECT_TRUE(memtable.Fits(16, 100));
  EXPECT_FALSE(memtable.Fits(16, 2048));
}

TEST(Memtable, UsesMostOfItsCapacityForEntries) {
  Memtable memtable({.capacity_bytes = size_t{16} << 20, .expected_entry_bytes = 170});
  uint64_t sequence = 0;
  for (;;) {
    {
      MutexLock lock(memtable.write_mutex());
      if (!memtable.Fits(16, 100)) break;
    }
    ++sequence;
    Add(memtable, Decimal(sequence, 16), sequence, std::string(100, 'v'));
  }
  EXPECT_GT(memtable.memory_bytes(), (size_t{16} << 20) - 10000);
  EXPECT_GT(sequence * 116, (size_t{16} << 20) * 7 / 10);
  EXPECT_NEAR(static_cast<double>(memtable.mean_entry_bytes()), 160, 10);
}

// Runs `read(seed)` on three threads while `write_all` runs on this one; none begins before all are
// there.
template <typename Read, typename Write>
void RunTogether(const Read& read, const Write& write_all) {
  std::latch all_here(4);
  std::vector<std::thread> readers;
  for (uint64_t seed = 1; seed <= 3; ++seed) {
    readers.emplace_back([&, seed] {
      all_here.arrive_and_wait();
      read(seed);
    });
  }
  all_here.arrive_and_wait();
  write_all();
  for (std::thread& reader : readers) reader.join();
}

// One writer adds versions with values that tell their key and sequence; readers check that
// what was visible when they began is found, in order, whole.
void ExpectReadersAgreeWithTheWriter(size_t expected_entry_bytes) {
  Memtable memtable(
      {.capacity_bytes = size_t{8} << 20, .expected_entry_bytes = expected_entry_bytes});
  constexpr uint64_t kCount = 30000;
  constexpr uint64_t kKeys = 4096;
  const auto key_of = [](uint64_t sequence) { return Decimal(sequence * 2731 % kKeys, 13); };
  std::atomic<uint64_t> visible{0};
  const auto read = [&](uint64_t seed) {
    Rng rng(seed);
    auto cursor = memtable.NewCursor();
    for (uint64_t at; (at = visible.load(std::memory_order_acquire)) < kCount;) {
      if (at == 0) continue;
      const uint64_t wanted = rng.Between(at > 100 ? at - 100 : 1, at);
      const std::string key = key_of(wanted);
      const auto found = memtable.Get(key, Sequence{wanted});
      ASSERT_TRUE(found && ToNumber(found->sequence) == wanted);
      ASSERT_EQ(found->value, key + Decimal(wanted, 8));
      cursor->Seek(key, Sequence{wanted});
      ASSERT_TRUE(cursor->valid());
      ASSERT_EQ(ToNumber(cursor->entry().sequence), wanted);
      // A walk from there meets every key that was visible.
      const bool forward = rng.OneIn(2);
      for (int step = 0; step < 70 && cursor->valid(); ++step) {
        const Entry entry = cursor->entry();
        ASSERT_EQ(entry.value, std::string(entry.key) + Decimal(ToNumber(entry.sequence), 8));
        forward ? cursor->Next() : cursor->Prev();
        if (!cursor->valid()) break;
        const Entry& next = cursor->entry();
        if (next.key == entry.key) {
          ASSERT_TRUE(forward ? next.sequence < entry.sequence : next.sequence > entry.sequence);
          continue;
        }
        ASSERT_EQ(forward, next.key > entry.key);
        if (at >= kKeys) {
          const uint64_t a = std::stoull(std::string(entry.key));
          const uint64_t b = std::stoull(std::string(next.key));
          ASSERT_EQ(forward ? b : a, (forward ? a : b) + 1) << "a key was passed over";
        }
      }
    }
  };
  RunTogether(read, [&] {
    for (uint64_t sequence = 1; sequence <= kCount; ++sequence) {
      const std::string key = key_of(sequence);
      Add(memtable, key, sequence, key + Decimal(sequence, 8));
      visible.store(sequence, std::memory_order_release);
    }
  });
}

TEST(Memtable, ReadersAgreeWithTheWriterWhileItWrites) {
  for (int round = 0; round < 4; ++round) ExpectReadersAgreeWithTheWriter(600);
}

TEST(Memtable, ReadersOfTheTreeAgreeWithTheWriterWhileItWrites) {
  for (int round = 0; round < 4; ++round) ExpectReadersAgreeWithTheWriter(size_t{8} << 20);
}

// Keys beyond both ends while readers walk: the edges' prefixes are shortened under them.
TEST(Memtable, ReadersSeeBothEndsMoveOutwards) {
  Memtable memtable({.capacity_bytes = size_t{8} << 20, .expected_entry_bytes = 100});
  constexpr uint64_t kCount = 20000;
  const auto key_of = [](uint64_t i) {
    return std::string(20, 'e') + Decimal(i % 2 == 0 ? 50000 + i : 50000 - i, 5 + i % 3);
  };
  std::atomic<uint64_t> visible{0};
  const auto read = [&](uint64_t seed) {
    Rng rng(seed);
    auto cursor = memtable.NewCursor();
    for (uint64_t at; (at = visible.load(std::memory_order_acquire)) < kCount;) {
      if (at == 0) continue;
      const uint64_t wanted = rng.Between(1, at);
      const std::string key = key_of(wanted);
      ASSERT_TRUE(memtable.Get(key, kv::kSequenceMax));
      cursor->Seek(key, kv::kSequenceMax);
      ASSERT_TRUE(cursor->valid());
      ASSERT_EQ(cursor->entry().key, key);
      cursor->SeekToFirst();
      ASSERT_LE(cursor->entry().key, key);
      cursor->SeekToLast();
      ASSERT_GE(cursor->entry().key, key);
    }
  };
  RunTogether(read, [&] {
    for (uint64_t i = 1; i <= kCount; ++i) {
      Add(memtable, key_of(i), i, "");
      visible.store(i, std::memory_order_release);
    }
  });
}

TEST(Arena, HandsOutPiecesThatNeitherOverlapNorMove) {
  Arena arena(1 << 20);
  Rng rng(5);
  struct Piece {
    ArenaRef ref;
    size_t bytes;
    char fill;
  };
  std::vector<Piece> pieces;
  for (int i = 0; i < 3000; ++i) {
    const size_t bytes = rng.OneIn(100) ? rng.Between(1, 5 << 20) : rng.Between(1, 600);
    const size_t alignment = size_t{8} << rng.Below(4);
    const ArenaRef ref = arena.Allocate(bytes, alignment);
    ASSERT_NE(ref, 0u);
    ASSERT_EQ(reinterpret_cast<uintptr_t>(arena.At(ref)) % alignment, 0u);
    pieces.push_back({ref, bytes, static_cast<char>(i)});
    std::fill_n(arena.At(ref), bytes, pieces.back().fill);
  }
  for (const Piece& piece : pieces) {
    const char* at = arena.At(piece.ref);
    ASSERT_TRUE(std::all_of(at, at + piece.bytes, [&](char c) { return c == piece.fill; }));
  }
}

TEST(Arena, StaysWithinItsBudgetWithAllThatItSaysFits) {
  for (const size_t budget : {size_t{3000}, size_t{100000}, size_t{5} << 20, size_t{64} << 20}) {
    for (const size_t bytes : {size_t{8}, size_t{504}, size_t{2000}, size_t{3640}, size_t{29128},
                               size_t{233104}, size_t{262136}, size_t{3000000}}) {
      SCOPED_TRACE(testing::Message() << budget << " " << bytes);
      Arena arena(budget);
      size_t pieces = 0;
      while (arena.Fits((pieces + 1) * bytes)) ++pieces;
      for (size_t i = 0; i < pieces; ++i) arena.Allocate(bytes);
      EXPECT_LE(arena.memory_bytes(), budget);
    }
  }
}

}  // namespace
}  // namespace aidb::lsm

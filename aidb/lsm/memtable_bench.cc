// Memtable at 500,000 entries of 16 + 100 bytes: what one entry or one lookup costs.

#include <algorithm>
#include <array>
#include <memory>
#include <numeric>
#include <string>
#include <string_view>
#include <vector>

#include <benchmark/benchmark.h>

#include "aidb/base/random.h"
#include "aidb/lsm/memtable.h"

namespace aidb::lsm {
namespace {

constexpr uint64_t kEntries = 500000;
constexpr MemtableOptions kOptions{.capacity_bytes = size_t{96} << 20, .expected_entry_bytes = 190};

enum Order : int64_t { kAscending, kRandom };

// Side by side in memory, so that the caller's keys cost no cache misses of their own.
using Key = std::array<char, 16>;
std::string_view View(const Key& key) { return {key.data(), key.size()}; }

std::vector<Key> Keys(int64_t order) {
  std::vector<uint64_t> numbers(kEntries);
  std::iota(numbers.begin(), numbers.end(), 0);
  if (order == kRandom) {
    Rng rng(1);
    for (size_t i = kEntries - 1; i > 0; --i) std::swap(numbers[i], numbers[rng.Below(i + 1)]);
  }
  std::vector<Key> keys(kEntries);
  for (size_t i = 0; i < kEntries; ++i) {
    uint64_t rest = numbers[i];
    for (auto digit = keys[i].rbegin(); digit != keys[i].rend(); ++digit, rest /= 10) {
      *digit = static_cast<char>('0' + rest % 10);
    }
  }
  return keys;
}

void Fill(Memtable& memtable, const std::vector<Key>& keys, const std::string& value) {
  MutexLock lock(memtable.write_mutex());
  uint64_t sequence = 0;
  for (const Key& key : keys) {
    memtable.Add({View(key), value, Sequence{++sequence}, OpKind::kPut});
  }
}

// Shows seconds per item as the time of one entry.
void ShowPerEntry(benchmark::State& state, uint64_t entries) {
  state.counters["per_entry"] =
      benchmark::Counter(static_cast<double>(entries * state.iterations()),
                         benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

void BM_Add(benchmark::State& state) {
  const auto keys = Keys(state.range(0));
  const std::string value(100, 'v');
  for (auto _ : state) {
    state.PauseTiming();
    auto memtable = std::make_unique<Memtable>(kOptions);
    state.ResumeTiming();
    Fill(*memtable, keys, value);
    state.PauseTiming();
    memtable.reset();
    state.ResumeTiming();
  }
  ShowPerEntry(state, kEntries);
}
BENCHMARK(BM_Add)->Arg(kAscending)->Arg(kRandom)->Unit(benchmark::kMillisecond);

// `through_tree`: an index without room makes every Get seek in the tree.
void Get(benchmark::State& state, bool through_tree) {
  MemtableOptions options = kOptions;
  if (through_tree) options.expected_entry_bytes = options.capacity_bytes;
  Memtable memtable(options);
  Fill(memtable, Keys(kRandom), std::string(100, 'v'));
  auto wanted = Keys(kRandom);
  Rng rng(9);
  for (size_t i = kEntries - 1; i > 0; --i) std::swap(wanted[i], wanted[rng.Below(i + 1)]);
  size_t i = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(memtable.Get(View(wanted[i]), kv::kSequenceMax));
    if (++i == kEntries) i = 0;
  }
}
void BM_GetByHash(benchmark::State& state) { Get(state, false); }
BENCHMARK(BM_GetByHash);
void BM_GetByTree(benchmark::State& state) { Get(state, true); }
BENCHMARK(BM_GetByTree);

void BM_Walk(benchmark::State& state) {
  Memtable memtable(kOptions);
  Fill(memtable, Keys(state.range(0)), std::string(100, 'v'));
  auto cursor = memtable.NewCursor();
  for (auto _ : state) {
    for (cursor->SeekToFirst(); cursor->valid(); cursor->Next()) {
      benchmark::DoNotOptimize(cursor->entry());
    }
  }
  ShowPerEntry(state, kEntries);
}
BENCHMARK(BM_Walk)->Arg(kAscending)->Arg(kRandom)->Unit(benchmark::kMillisecond);

void BM_Seek(benchmark::State& state) {
  Memtable memtable(kOptions);
  const auto keys = Keys(kRandom);
  Fill(memtable, keys, std::string(100, 'v'));
  auto cursor = memtable.NewCursor();
  size_t i = 0;
  for (auto _ : state) {
    cursor->Seek(View(keys[i]), kv::kSequenceMax);
    benchmark::DoNotOptimize(cursor->entry());
    i = (i + 7919) % kEntries;
  }
}
BENCHMARK(BM_Seek);

}  // namespace
}  // namespace aidb::lsm

// Steps of cursors over entries of 16 + 100 bytes: per visible key.

#include <memory>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

#include "aidb/base/random.h"
#include "aidb/lsm/merging_cursor.h"
#include "aidb/lsm/vector_cursor_for_test.h"
#include "aidb/lsm/visible_cursor.h"

namespace aidb::lsm {
namespace {

constexpr size_t kEntries = 20000;

// Entries with decimal keys of 16 bytes, dealt to `ways` sorted vectors at random.
std::vector<std::vector<OwnedEntry>> Hands(size_t ways) {
  Rng rng(1);
  std::vector<std::vector<OwnedEntry>> hands(ways);
  for (size_t i = 0; i < kEntries; ++i) {
    const std::string digits = std::to_string(i);
    hands[rng.Below(ways)].push_back({std::string(16 - digits.size(), '0') + digits,
                                      Sequence{i + 1}, OpKind::kPut, std::string(100, 'v')});
  }
  return hands;
}

VisibleCursor Open(const std::vector<std::vector<OwnedEntry>>& hands) {
  std::vector<std::unique_ptr<EntryCursor>> children;
  for (const auto& hand : hands) children.push_back(std::make_unique<VectorCursor>(hand));
  return VisibleCursor(NewMergingCursor(std::move(children)), kv::kSequenceMax, 0, {}, nullptr,
                       nullptr);
}

void ShowPerKey(benchmark::State& state) {
  state.counters["per_key"] =
      benchmark::Counter(static_cast<double>(kEntries * state.iterations()),
                         benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

void BM_Next(benchmark::State& state) {
  const auto hands = Hands(static_cast<size_t>(state.range(0)));
  VisibleCursor cursor = Open(hands);
  for (auto _ : state) {
    for (cursor.SeekToFirst(); cursor.Valid(); cursor.Next()) {
      benchmark::DoNotOptimize(cursor.value());
    }
  }
  ShowPerKey(state);
}
BENCHMARK(BM_Next)->Arg(1)->Arg(4)->Arg(16);

void BM_Prev(benchmark::State& state) {
  const auto hands = Hands(static_cast<size_t>(state.range(0)));
  VisibleCursor cursor = Open(hands);
  for (auto _ : state) {
    for (cursor.SeekToLast(); cursor.Valid(); cursor.Prev()) {
      benchmark::DoNotOptimize(cursor.value());
    }
  }
  ShowPerKey(state);
}
BENCHMARK(BM_Prev)->Arg(1)->Arg(4)->Arg(16);

}  // namespace
}  // namespace aidb::lsm

// Varints and the key hash: the two things done for each key on every path.

#include <string>
#include <vector>

#include <benchmark/benchmark.h>

#include "aidb/base/bytes.h"
#include "aidb/base/hash.h"
#include "aidb/base/random.h"

namespace aidb {
namespace {

constexpr size_t kValues = 1'024;

// Values of 1 to state.range(0) bits.
std::vector<uint64_t> Values(uint64_t bits) {
  Rng rng(1);
  std::vector<uint64_t> values(kValues);
  for (uint64_t& value : values) value = rng.Next() >> (64 - rng.Between(1, bits));
  return values;
}

void BM_AppendVarint(benchmark::State& state) {
  const std::vector<uint64_t> values = Values(static_cast<uint64_t>(state.range(0)));
  std::string to;
  for (auto _ : state) {
    to.clear();
    for (const uint64_t value : values) AppendVarint(to, value);
    benchmark::DoNotOptimize(to.data());
  }
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(kValues));
}
BENCHMARK(BM_AppendVarint)->Arg(7)->Arg(20)->Arg(64);

void BM_ReadVarint(benchmark::State& state) {
  std::string bytes;
  for (const uint64_t value : Values(static_cast<uint64_t>(state.range(0)))) {
    AppendVarint(bytes, value);
  }
  for (auto _ : state) {
    ByteReader reader(bytes);
    uint64_t sum = 0;
    while (const auto value = reader.Varint()) sum += *value;
    benchmark::DoNotOptimize(sum);
  }
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(kValues));
}
BENCHMARK(BM_ReadVarint)->Arg(7)->Arg(20)->Arg(64);

void BM_Hash64(benchmark::State& state) {
  const std::string key(static_cast<size_t>(state.range(0)), 'k');
  std::string_view view(key);
  for (auto _ : state) {
    benchmark::DoNotOptimize(view);
    benchmark::DoNotOptimize(Hash64(view));
  }
}
BENCHMARK(BM_Hash64)->Arg(8)->Arg(16)->Arg(64)->Arg(200);

}  // namespace
}  // namespace aidb

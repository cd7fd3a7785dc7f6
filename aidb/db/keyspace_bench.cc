// What a keyspace costs: the same operation on the default one of a store that has no other, on the
// default one beside others, and on a named one. 16 + 100 bytes, 100,000 keys.
//
//   db_keyspace_bench --benchmark_enable_random_interleaving=true --benchmark_repetitions=9

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <benchmark/benchmark.h>

#include "aidb/base/check.h"
#include "aidb/base/random.h"
#include "aidb/db/db.h"
#include "aidb/testing/temp_directory.h"

namespace aidb {
namespace {

constexpr uint64_t kEntries = 100'000;

enum Where : int64_t { kAlone, kBeside, kNamed };

using Key = std::array<char, 16>;
std::string_view View(const Key& key) { return {key.data(), key.size()}; }

std::vector<Key> ShuffledKeys() {
  Rng rng(1);
  std::vector<Key> keys(kEntries);
  for (uint64_t i = 0; i < kEntries; ++i) {
    uint64_t rest = i;
    for (auto digit = keys[i].rbegin(); digit != keys[i].rend(); ++digit, rest /= 10) {
      *digit = static_cast<char>('0' + rest % 10);
    }
    std::swap(keys[i], keys[rng.Below(i + 1)]);
  }
  return keys;
}

// A store with all keys in one keyspace.
class Filled {
 public:
  explicit Filled(int64_t where) {
    auto opened = DB::Open(directory_.Join("store"));
    AIDB_CHECK(opened.ok());
    db_ = *std::move(opened);
    if (where != kAlone) {
      auto keyspace = db_->OpenKeyspace("users");
      AIDB_CHECK(keyspace.ok());
      keyspace_ = *std::move(keyspace);
      named_ = where == kNamed;
    }
    for (const Key& key : keys_) AIDB_CHECK(Put(key).ok());
  }

  DB& db() { return *db_; }
  const Keyspace* keyspace() const { return named_ ? &*keyspace_ : nullptr; }
  Status Put(const Key& key) { return db_->Put(View(key), value_, {.keyspace = keyspace()}); }
  // Another one each time, in an order that the cache does not foresee.
  const Key& NextKey() {
    at_ = at_ + 1 == kEntries ? 0 : at_ + 1;
    return keys_[at_];
  }

 private:
  testing::TempDirectory directory_;
  const std::vector<Key> keys_ = ShuffledKeys();
  const std::string value_ = std::string(100, 'v');
  std::unique_ptr<DB> db_;
  std::optional<Keyspace> keyspace_;
  bool named_ = false;
  uint64_t at_ = 0;
};

void BM_Put(benchmark::State& state) {
  Filled filled(state.range(0));
  for (auto _ : state) AIDB_CHECK(filled.Put(filled.NextKey()).ok());
}

void BM_PutInBatch(benchmark::State& state) {
  Filled filled(state.range(0));
  constexpr int kBatch = 100;
  const std::string value(100, 'v');
  for (auto _ : state) {
    WriteBatch batch;
    for (int i = 0; i < kBatch; ++i) batch.Put(View(filled.NextKey()), value, filled.keyspace());
    AIDB_CHECK(filled.db().Write(std::move(batch)).ok());
  }
  state.SetItemsProcessed(state.iterations() * kBatch);
}

void GetEach(benchmark::State& state, Filled& filled) {
  for (auto _ : state) {
    auto value = filled.db().GetPinned(View(filled.NextKey()), {.keyspace = filled.keyspace()});
    AIDB_CHECK(value.ok() && *value);
    benchmark::DoNotOptimize((*value)->view().data());
  }
}

void BM_GetFromMemtable(benchmark::State& state) {
  Filled filled(state.range(0));
  GetEach(state, filled);
}

void BM_GetFromTable(benchmark::State& state) {
  Filled filled(state.range(0));
  AIDB_CHECK(filled.db().Compact().ok());
  for (uint64_t i = 0; i < kEntries; ++i) {
    AIDB_CHECK(filled.db().Get(View(filled.NextKey()), {.keyspace = filled.keyspace()}).ok());
  }
  GetEach(state, filled);
}

void BM_ScanStep(benchmark::State& state) {
  Filled filled(state.range(0));
  AIDB_CHECK(filled.db().Compact().ok());
  Iterator iterator = filled.db().Scan({.keyspace = filled.keyspace()});
  uint64_t bytes = 0;
  for (auto _ : state) {
    bytes += iterator.key().size() + iterator.value().size();
    iterator.Next();
    if (!iterator.Valid()) iterator.SeekToStart();
  }
  benchmark::DoNotOptimize(bytes);
}

#define KEYSPACES ArgName("where")->Arg(kAlone)->Arg(kBeside)->Arg(kNamed)
BENCHMARK(BM_Put)->KEYSPACES;
BENCHMARK(BM_PutInBatch)->KEYSPACES;
BENCHMARK(BM_GetFromMemtable)->KEYSPACES;
BENCHMARK(BM_GetFromTable)->KEYSPACES;
BENCHMARK(BM_ScanStep)->KEYSPACES;

}  // namespace
}  // namespace aidb

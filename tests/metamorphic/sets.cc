#include "tests/metamorphic/sets.h"

#include <utility>

#include "aidb/base/random.h"

namespace aidb::metamorphic {
namespace {

constexpr uint64_t kKiB = uint64_t{1} << 10;
constexpr uint64_t kMiB = uint64_t{1} << 20;
constexpr int kWaitMs = 120'000;  // No set fails because it is slow.
// What the operations need: a few values of 100 KB in a batch.
constexpr uint64_t kBatchBytes = 256 * kKiB;

// Small in all, so that some hundred operations reach the lower levels.
Options Small() {
  Options options;
  options.memory_bytes = kMiB;
  options.write_buffer_bytes = 4 * kKiB;
  options.cache_bytes = 4 * kKiB;
  options.block_bytes = 256;
  options.level0_trigger = 2;
  options.level_base_bytes = 4 * kKiB;
  options.level_multiplier = 4;
  options.background_threads = 1;
  options.log_bytes = 64 * kKiB;
  options.batch_bytes_max = kBatchBytes;
  options.write_wait_ms = kWaitMs;
  options.sync_interval_ms = 0;
  return options;
}

template <typename Change>
OptionSet With(std::string name, Change change) {
  OptionSet set{std::move(name), Small()};
  change(set.options);
  return set;
}

OptionSet Often(std::string name, Habit habit, uint32_t one_in = 1) {
  return {std::move(name), Small(), habit, one_in};
}

OptionSet AllLeast() {
  return With("all-least", [](Options& o) {
    o.write_buffer_bytes = kKiB;
    o.cache_bytes = 1;
    o.block_bytes = 1;
    o.filter_bits_per_key = 0;
    o.compression = Compression::kNone;
    o.level0_trigger = 1;
    o.level_base_bytes = kKiB;
    o.level_multiplier = 2;
  });
}

void AddSizes(std::vector<OptionSet>& sets) {
  sets.push_back({"native-default", {}});
  sets.push_back({"for-writes", Options::ForWrites()});
  sets.push_back({"for-reads", Options::ForReads()});
  sets.push_back(With("small", [](Options&) {}));
  sets.push_back(AllLeast());
  sets.push_back(With("memtable-1k", [](Options& o) { o.write_buffer_bytes = kKiB; }));
  sets.push_back(With("memtable-2k", [](Options& o) { o.write_buffer_bytes = 2 * kKiB; }));
  sets.push_back(With("memtable-256k", [](Options& o) {
    o.memory_bytes = 4 * kMiB;
    o.write_buffer_bytes = 256 * kKiB;
  }));
  sets.push_back(With("block-1", [](Options& o) { o.block_bytes = 1; }));
  sets.push_back(With("block-64k", [](Options& o) { o.block_bytes = 64 * kKiB; }));
  sets.push_back(With("block-1m", [](Options& o) { o.block_bytes = kMiB; }));
  sets.push_back(With("cache-1", [](Options& o) { o.cache_bytes = 1; }));
  sets.push_back(With("cache-derived", [](Options& o) { o.cache_bytes = 0; }));
  sets.push_back(With("log-least-memtable-large", [](Options& o) {
    o.memory_bytes = 8 * kMiB;
    o.write_buffer_bytes = kMiB;
  }));
  sets.push_back(With("batch-2m", [](Options& o) {
    o.memory_bytes = 8 * kMiB;
    o.batch_bytes_max = 2 * kMiB;
  }));
}

void AddShapes(std::vector<OptionSet>& sets) {
  for (const int bits : {0, 1, 10, 20}) {
    sets.push_back(
        With("filter-" + std::to_string(bits), [&](Options& o) { o.filter_bits_per_key = bits; }));
  }
  constexpr std::string_view kCodecs[] = {"none", "snappy", "lz4", "zstd"};
  for (size_t codec = 0; codec < std::size(kCodecs); ++codec) {
    sets.push_back(With("codec-" + std::string(kCodecs[codec]), [&](Options& o) {
      o.compression = static_cast<Compression>(codec);
      o.block_bytes = 4 * kKiB;
    }));
  }
  for (const int trigger : {1, 4, 100}) {
    sets.push_back(With("trigger-" + std::to_string(trigger),
                        [&](Options& o) { o.level0_trigger = trigger; }));
  }
  sets.push_back(With("base-1k", [](Options& o) { o.level_base_bytes = kKiB; }));
  sets.push_back(With("base-derived", [](Options& o) { o.level_base_bytes = 0; }));
  sets.push_back(With("base-1g", [](Options& o) { o.level_base_bytes = 1024 * kMiB; }));
  for (const int multiplier : {2, 100}) {
    sets.push_back(With("multiplier-" + std::to_string(multiplier),
                        [&](Options& o) { o.level_multiplier = multiplier; }));
  }
  for (const int threads : {2, 3, 4}) {
    sets.push_back(With("threads-" + std::to_string(threads),
                        [&](Options& o) { o.background_threads = threads; }));
  }
  sets.push_back(With("sync-1ms", [](Options& o) { o.sync_interval_ms = 1; }));
}

void AddHabits(std::vector<OptionSet>& sets) {
  sets.push_back(Often("reopen-everywhere", Habit::kReopen));
  sets.push_back(Often("read-only-reopen", Habit::kReadOnly));
  sets.push_back(Often("checkpoint-and-continue", Habit::kCheckpoint));
  sets.push_back(Often("flush-everywhere", Habit::kFlush));
  sets.push_back(Often("compact-everywhere", Habit::kCompact));
  sets.push_back(Often("compact-often", Habit::kCompact, 8));
  sets.push_back(Often("sync-everywhere", Habit::kSync));
  OptionSet least = AllLeast();
  least.name = "all-least-reopen-often";
  least.habit = Habit::kReopen;
  least.habit_one_in = 5;
  sets.push_back(std::move(least));
}

#if AIDB_HAS_ROCKS
OptionSet Rocks(std::string name, Habit habit, uint32_t one_in) {
  OptionSet set{std::move(name), {}, habit, one_in};
  set.options.backend = Backend::kRocksDb;
  set.options.memory_bytes = 8 * kMiB;
  set.options.write_buffer_bytes = 64 * kKiB;
  set.options.level_base_bytes = 64 * kKiB;
  set.options.batch_bytes_max = kBatchBytes;
  set.options.sync_interval_ms = 0;
  return set;
}
#endif

void AddBackends(std::vector<OptionSet>& sets) {
  OptionSet memory{"memory-compact", {}, Habit::kCompact};
  memory.options.backend = Backend::kMemory;
  sets.push_back(std::move(memory));
#if AIDB_HAS_ROCKS
  sets.push_back(Rocks("rocksdb", Habit::kNone, 1));
  sets.push_back(Rocks("rocksdb-flush", Habit::kFlush, 10));
  sets.push_back(Rocks("rocksdb-compact", Habit::kCompact, 10));
  sets.push_back(Rocks("rocksdb-reopen", Habit::kReopen, 20));
  sets.push_back(Rocks("rocksdb-checkpoint", Habit::kCheckpoint, 20));
#endif
}

OptionSet Drawn(Rng& rng, uint64_t number) {
  OptionSet set{"random-" + std::to_string(number), Small()};
  Options& o = set.options;
  o.memory_bytes = 8 * kMiB;
  o.write_buffer_bytes = kKiB << rng.Below(9);
  o.cache_bytes = rng.OneIn(3) ? 1 : uint64_t{1} << rng.Between(8, 20);
  o.block_bytes = uint64_t{1} << rng.Below(21);
  o.filter_bits_per_key = static_cast<int>(rng.Below(21));
  o.compression = static_cast<Compression>(rng.Below(4));
  o.level0_trigger = static_cast<int>(rng.Between(1, 8));
  o.level_base_bytes = rng.OneIn(4) ? 0 : kKiB << rng.Below(12);
  o.level_multiplier = static_cast<int>(rng.Between(2, 12));
  o.background_threads = static_cast<int>(rng.Between(1, 4));
  o.log_bytes = 64 * kKiB << rng.Below(4);
  o.sync_interval_ms = rng.OneIn(3) ? 1 : 0;
  if (rng.OneIn(2)) {
    set.habit = static_cast<Habit>(rng.Between(1, 6));
    set.habit_one_in = static_cast<uint32_t>(rng.Between(1, 30));
  }
  return set;
}

}  // namespace

std::vector<OptionSet> MakeSets(uint64_t seed, uint64_t random) {
  std::vector<OptionSet> sets;
  OptionSet memory{"memory", {}};
  memory.options.backend = Backend::kMemory;
  sets.push_back(std::move(memory));
  AddSizes(sets);
  AddShapes(sets);
  AddHabits(sets);
  AddBackends(sets);
  Rng rng(seed ^ 0x5E75);
  for (uint64_t i = 0; i < random; ++i) sets.push_back(Drawn(rng, i));
  return sets;
}

}  // namespace aidb::metamorphic

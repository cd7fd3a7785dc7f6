#pragma once

// The workloads, by the names db_bench made common.

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "aidb/base/random.h"
#include "aidb/base/result.h"

#include "bench/latency.h"
#include "bench/measurement.h"
#include "bench/peers/peer.h"
#include "bench/settings.h"

namespace aidb::bench {

// In which state a store is when a run begins.
enum class StartState : unsigned char {
  kEmpty,
  kFresh,      // Every key put once in random order, closed at once: compaction is still behind.
  kCompacted,  // The same after Peer::Compact and all background work.
  kKilled,     // kFresh, a quarter overwritten without sync, then SIGKILL.
};

class Worker;

struct Workload {
  std::string_view name;
  std::string_view about;          // For --help.
  Status (*body)(Worker& worker);  // Null: opening the store is what is measured.
  bool loaded = false;             // Starts from a loaded store, not an empty one.
  bool writes = false;             // Changes the store.
  bool deletes = false;            // By deleting random keys.
  bool in_order = false;           // Puts the first keys, not random ones.
  bool synced = false;
  bool timed = false;          // Ends by the clock (Settings::seconds), not by operations.
  bool writer_beside = false;  // One more thread overwrites until the others are done.
  uint64_t value_bytes = 0;    // 0 = Settings::value_bytes.
  uint64_t share = 1;          // Of the keys and operations asked for: one in so many.
  StartState start = StartState::kEmpty;  // Of a loaded one, unless it is kFresh.
};

std::span<const Workload> AllWorkloads();

// A workload, where it starts and what it changes of the settings: "readrandom",
// "readrandom@compacted", "ycsb_a@t8@v1000", "readrandom@cold", "readwhilewriting@w50000".
struct WorkloadRun {
  std::string name;
  const Workload* workload = nullptr;
  StartState start = StartState::kEmpty;
  int threads = 0;           // 0 = Settings::threads.
  uint64_t value_bytes = 0;  // 0 = what the workload or the settings say.
  uint64_t beside_rate = 0;  // Writes per second of the writer beside; 0 = as many as it can.
  bool cold = false;         // The data is four times the memory, the system's cache included.
};
Result<WorkloadRun> FindWorkload(std::string_view name);

// What is measured in one cold run beside what fits into memory: data over all memory.
inline constexpr uint64_t kColdDataOverMemory = 4;
// Below this a process of any peer dies: code, threads and stacks want their share.
inline constexpr uint64_t kColdMemoryMin = uint64_t{64} << 20;
// All memory that a cold run may use, the system's cache of its files included.
uint64_t ColdMemoryBytes(const Settings& settings);
// `settings` with all that `run` changes. A cold run gives the engine one half of its memory.
Settings SettingsFor(const Settings& settings, const WorkloadRun& run);

// Spells keys and finds values. Each thread has its own.
class Material {
 public:
  Material(const Settings& settings, uint64_t seed);

  // Lives until the next call.
  std::string_view Key(uint64_t number);
  // Between two keys: never present.
  std::string_view MissingKey(uint64_t number);
  // The key of the insert with this number: spread between the first `keys` (binary keys), or
  // behind them (decimal keys, which have no room between).
  std::string_view InsertedKey(uint64_t keys, uint64_t number);
  // Half-compressible; the bytes live as long as this.
  std::string_view Value();

 private:
  const KeyStyle style_;
  const uint64_t value_bytes_;
  std::array<char, kKeyBytes> key_{};
  std::string pool_;
  size_t next_ = 0;
};

// One thread of a run.
class Worker {
 public:
  Worker(const Settings& settings, PeerSession& session, int index, uint64_t seed,
         uint64_t operations);

  // `index` of Settings::threads; operations [first, first + count) of the whole run are ours.
  uint64_t first() const { return first_; }
  uint64_t count() const { return count_; }
  uint64_t keys() const { return settings_.keys; }
  PeerSession& session() { return session_; }
  Material& material() { return material_; }
  Rng& rng() { return rng_; }

  // Calls `operation(i)` for each of ours, timed one by one: each pays for one look at the clock.
  template <typename Operation>
  Status Repeat(Operation operation) {
    uint64_t before = Now();
    for (uint64_t i = first_; i < first_ + count_; ++i) {
      AIDB_RETURN_IF_ERROR(operation(i));
      const uint64_t now = Now();
      latency_.Record(now - before);
      before = now;
    }
    return {};
  }
  // Calls `operation()` until Settings::seconds are over, and counts how many each second saw.
  template <typename Operation>
  Status RepeatForSeconds(Operation operation) {
    const uint64_t start = Now();
    done_ = 0;
    for (uint64_t before = start; before - start < settings_.seconds * kNanosPerSecond;) {
      AIDB_RETURN_IF_ERROR(operation());
      const uint64_t now = Now();
      latency_.Record(now - before);
      before = now;
      ++done_;
      const uint64_t second = (now - start) / kNanosPerSecond;
      if (second < settings_.seconds) ++series_[second];
    }
    return {};
  }
  // Calls `operation(n)` for batches of `size` of ours, the last one perhaps smaller; each of them
  // counts with its share of the batch's time.
  template <typename Operation>
  Status RepeatInBatches(uint64_t size, Operation operation) {
    for (uint64_t left = count_; left > 0;) {
      const uint64_t n = std::min(left, size);
      const uint64_t before = Now();
      AIDB_RETURN_IF_ERROR(operation(n));
      latency_.RecordMany(Now() - before, n);
      left -= n;
    }
    return {};
  }
  // Steps through at most `count()` entries; a step is too short to be timed alone.
  Status Walk(PeerCursor& cursor);
  Status Put(uint64_t key_number);
  Status Merge(uint64_t key_number);
  // Puts the next key that no thread has put before.
  Status Insert();
  // The key of our insert with this number.
  std::string_view InsertedKey(uint64_t number);
  void Found(uint64_t count) { found_ += count; }
  // Overwrites random keys until `stop`, at most Settings::beside_rate a second; returns how many.
  Result<uint64_t> OverwriteUntil(const std::atomic<bool>& stop);

  uint64_t found() const { return found_; }
  uint64_t inserted() const { return inserted_; }
  const std::array<uint32_t, kSecondsMax>& series() const { return series_; }
  uint64_t user_bytes() const { return user_bytes_; }
  uint64_t done() const { return done_; }
  void Done(uint64_t operations) { done_ = operations; }
  void Wrote(uint64_t bytes) { user_bytes_ += bytes; }
  const LatencyRecorder& latency() const { return latency_; }

 private:
  static constexpr uint64_t kNanosPerSecond = 1'000'000'000;
  static uint64_t Now();

  const Settings& settings_;
  PeerSession& session_;
  const uint64_t index_;
  const uint64_t first_;
  const uint64_t count_;
  uint64_t done_;
  Material material_;
  Rng rng_;
  LatencyRecorder latency_;
  uint64_t found_ = 0;
  uint64_t user_bytes_ = 0;
  uint64_t inserted_ = 0;
  std::array<uint32_t, kSecondsMax> series_{};
};

// Opens `peer` in `directory`, which is in the run's start state, and runs it.
Result<Measurement> RunWorkload(const Settings& settings, const WorkloadRun& run,
                                const PeerKind& peer, const std::string& directory, int round);
// Brings `directory` from nothing to kFresh, or from kFresh to kCompacted.
Result<Measurement> Load(const Settings& settings, bool cold, const PeerKind& peer,
                         const std::string& directory);
Result<Measurement> Compact(const Settings& settings, bool cold, const PeerKind& peer,
                            const std::string& directory);
// Does to the store in kFresh what comes before the kill of kKilled; it stays open.
Status OverwriteQuarter(const Settings& settings, const PeerKind& peer,
                        const std::string& directory);

}  // namespace aidb::bench

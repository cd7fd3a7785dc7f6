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
};

class Worker;

struct Workload {
  std::string_view name;
  std::string_view about;  // For --help.
  Status (*body)(Worker& worker);
  bool loaded = false;  // Starts from a loaded store, not an empty one.
  bool writes = false;  // Changes the store.
  bool synced = false;
  bool writer_beside = false;  // One more thread overwrites until the others are done.
};

std::span<const Workload> AllWorkloads();
// A workload and where it starts: "readrandom", "readrandom@compacted".
struct WorkloadRun {
  std::string name;
  const Workload* workload = nullptr;
  StartState start = StartState::kEmpty;
};
Result<WorkloadRun> FindWorkload(std::string_view name);

// Spells keys and finds values. Each thread has its own.
class Material {
 public:
  Material(const Settings& settings, uint64_t seed);

  // Lives until the next call.
  std::string_view Key(uint64_t number);
  // Between two keys: never present.
  std::string_view MissingKey(uint64_t number);
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
  Worker(const Settings& settings, Peer& peer, int index, uint64_t seed, uint64_t operations);

  // `index` of Settings::threads; operations [first, first + count) of the whole run are ours.
  uint64_t first() const { return first_; }
  uint64_t count() const { return count_; }
  uint64_t keys() const { return settings_.keys; }
  Peer& peer() { return peer_; }
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
  void Found(uint64_t count) { found_ += count; }
  // Overwrites random keys until `stop`; returns how many.
  Result<uint64_t> OverwriteUntil(const std::atomic<bool>& stop);

  uint64_t found() const { return found_; }
  uint64_t user_bytes() const { return user_bytes_; }
  uint64_t done() const { return done_; }
  void Done(uint64_t operations) { done_ = operations; }
  void Wrote(uint64_t bytes) { user_bytes_ += bytes; }
  const LatencyRecorder& latency() const { return latency_; }

 private:
  static uint64_t Now();

  const Settings& settings_;
  Peer& peer_;
  const uint64_t first_;
  const uint64_t count_;
  uint64_t done_;
  Material material_;
  Rng rng_;
  LatencyRecorder latency_;
  uint64_t found_ = 0;
  uint64_t user_bytes_ = 0;
};

// Opens `peer` in `directory`, which is in the run's start state, and runs it.
Result<Measurement> RunWorkload(const Settings& settings, const WorkloadRun& run,
                                const PeerKind& peer, const std::string& directory, int round);
// Brings `directory` from nothing to kFresh, or from kFresh to kCompacted.
Result<Measurement> Load(const Settings& settings, const PeerKind& peer,
                         const std::string& directory);
Result<Measurement> Compact(const Settings& settings, const PeerKind& peer,
                            const std::string& directory);

}  // namespace aidb::bench

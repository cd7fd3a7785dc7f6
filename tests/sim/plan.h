#pragma once

// What a seed means: the options of the store, the shape of the work, what goes wrong.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "aidb/base/random.h"
#include "aidb/io/sim/faults.h"
#include "aidb/io/sim/world.h"
#include "aidb/kv/options.h"

namespace aidb::sim {

enum class RunKind : unsigned char {
  kCrash,           // A healthy disk; a crash at every operation.
  kFaults,          // The disk fails calls; one crash at the end.
  kFaultsAndCrash,  // Both: a crash at every operation of a failing disk.
};
std::string_view RunKindName(RunKind kind);

// What a shrink takes away, and what a repeated run is given. Absent: as the seed says.
struct Limits {
  std::optional<int> batches{};
  std::optional<int> readers{};
  uint64_t faults_mask = ~uint64_t{0};  // Bit i keeps fault i of the plan.
};

// Thread safety: a value.
struct Plan {
  uint64_t seed = 0;
  RunKind kind = RunKind::kCrash;
  kv::Options options;
  io::SimOptions world;  // Without stacks.

  int keys = 16;
  int writers = 3;
  int readers = 2;
  int batches = 60;   // Of all writers, in all lives and processes.
  int lives = 2;      // Times each process opens the store.
  int processes = 1;  // One after the other, each killed at its end.
  uint32_t sync_one_in = 4;
  uint32_t large_one_in = 0;   // Values past a quarter of the ring; 0: none.
  uint32_t medium_one_in = 4;  // Values of up to 1.5 KiB.
  uint32_t long_pause_one_in = 30;
  uint32_t expiring_one_in = 0;     // Of the values; 0: none.
  uint32_t ranges_one_in = 0;       // Batches that delete a range as well; 0: none.
  uint32_t merge_one_in = 0;        // Of the operations; 0: none.
  uint32_t conditional_one_in = 0;  // Of the writes; 0: none.
  bool wall_jumps = false;          // The wall clock does, while the store is open.
  int draws = 2;                    // Damaged disks per crash point of the disk.
  uint32_t again_one_in = 16;       // Recoveries that are themselves crashed, at depth 2.

  std::vector<io::FaultRule> faults;
  bool lies = false;                       // One of them is a sync that lies.
  bool rots = false;                       // One of them falsifies what is read.
  std::optional<uint64_t> capacity_bytes;  // The disk is full there, until space is freed.

  // Every third seed has faults.
  static Plan Draw(uint64_t seed, const Limits& limits);
  // One line.
  std::string Describe() const;
};

// Draws of which the options above are made; also how the next life of a store is opened.
kv::Options DrawOptions(Rng& rng);

}  // namespace aidb::sim

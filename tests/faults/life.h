#pragma once

#include <cstdint>
#include <string>

#include "aidb/io/faulty/faulty_file_system.h"

namespace aidb::campaign {

// What came of one life with one fault.
struct LifeOutcome {
  bool hit = false;     // The fault happened: there is an n-th call.
  uint64_t calls = 0;   // Calls on the file system, up to the end of the life.
  uint64_t errors = 0;  // Calls on the store that failed.
  std::string wrong;    // What must not be; empty when all is well.
};

// Creates a store, writes (single, batches, synced), flushes, takes a snapshot, compacts, makes
// a checkpoint, scans, closes, opens again, all the while the `n`-th call on the file system fails
// as `fault` says. Then the disk is well again, and what was acknowledged must be there: for a
// process that reopens, and, as far as it was synced, after a power cut.
//
// Runs in a simulated world, so a hang is seen and waits cost no time. n = 0: nothing fails.
LifeOutcome RunLife(uint64_t seed, uint64_t n, const io::CallFault& fault);

}  // namespace aidb::campaign

#pragma once

// What may become of changes that no sync covered. Private to aidb/io/sim.

#include <algorithm>
#include <vector>

#include "aidb/io/sim/disk.h"

namespace aidb::io::pending {

void Apply(const SimDisk::PendingWrite& write, SimContent& content);
void Apply(const SimDisk::PendingName& change, SimDisk::Names& names);

// Behind the last change with a sequence number up to `up_to`.
template <typename Change>
auto End(std::vector<Change>& changes, uint64_t up_to) {
  return std::find_if(changes.begin(), changes.end(),
                      [up_to](const Change& change) { return change.sequence > up_to; });
}

struct SectorModel {
  uint32_t sector_bytes = 512;
  bool zeros = true;  // A sector may come back as zeros.
  // Where stale bytes come from for newly allocated space; empty: no garbage.
  std::vector<const SimContent*> garbage;
};

// `durable` after some of the sectors of `writes` arrived, each for itself, in the state after
// any of the writes that touched it.
SimContent SurviveBySector(const SimContent& durable,
                           const std::vector<SimDisk::PendingWrite>& writes, Rng& rng,
                           const SectorModel& model);

}  // namespace aidb::io::pending

#pragma once

#include <compare>
#include <cstdint>
#include <vector>

#include "aidb/kv/types.h"

namespace aidb::lsm {

// Where a read stands: the sequence it sees, and the clock by which it judges expiry.
struct Moment {
  kv::Sequence sequence{};
  uint64_t now_ms = 0;

  auto operator<=>(const Moment&) const = default;
};

// Who may read what a flush or compaction writes: readers at a snapshot of this list, or at a
// sequence above all entries; in either case with a clock that says `clock_ms` or later.
struct Readers {
  std::vector<kv::Sequence> snapshots = {};  // Ascending, each once.
  uint64_t clock_ms = 0;
};

}  // namespace aidb::lsm

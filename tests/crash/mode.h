#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "aidb/kv/options.h"

#include "tests/campaign/workload.h"

namespace aidb::campaign {

inline constexpr uint64_t kWriters = 6;

// One way to write.
struct Mode {
  std::string_view name;
  bool sync = false;
  int sync_interval_ms = 1000;
  bool large = false;  // Batches up to the limit, which pass by the ring.
};

std::span<const Mode> Modes();
// Null when there is none of that name.
const Mode* FindMode(std::string_view name);

// Options for the `round`-th life of a store: sizes change from life to life, so that what one
// left is read by another with other buffers and another ring.
kv::Options OptionsFor(const Mode& mode, uint64_t round);
WorkloadOptions WorkloadFor(const Mode& mode, uint64_t seed);

}  // namespace aidb::campaign

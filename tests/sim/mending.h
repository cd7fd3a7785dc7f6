#pragma once

// Repairs a store as a crash, or rot after it, has left it, and looks at what comes out.

#include <cstdint>
#include <optional>
#include <string>

#include "aidb/io/env.h"
#include "aidb/kv/options.h"

#include "tests/sim/history.h"
#include "tests/sim/wall_watch.h"

namespace aidb::sim {

// Repairs the store: what comes out opens, checks clean, and holds only what its keys once held.
// With a report that nothing is lost it is history, up to `least` or beyond. Nullopt, or what is
// wrong. `may_lose`: a file was damaged.
std::optional<std::string> CheckRepair(const io::Env& env, const kv::Options& options,
                                       const History& history, uint64_t least, bool may_lose,
                                       const WallWatch& wall);

}  // namespace aidb::sim

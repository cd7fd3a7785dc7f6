#pragma once

// Checkpoints of the store: that one which is there is whole, shows one moment of the call that
// made it, and stays what it is whatever becomes of the store and of the machine.

#include <cstdint>
#include <optional>
#include <string>

#include "aidb/io/env.h"
#include "aidb/kv/options.h"

#include "tests/sim/history.h"
#include "tests/sim/oracle.h"
#include "tests/sim/wall_watch.h"

namespace aidb::sim {

struct Copy {
  std::string path;
  uint64_t least = 0;     // What was acknowledged before the call.
  bool finished = false;  // The call returned ok: it is on the disk.
  // Its call failed, and history has been settled since without what it may hold.
  bool unknown = false;
  std::optional<Verdict> shown = std::nullopt;  // When it was first opened: now it holds this.
};

// Opens the copy if it is there, asks for everything, and closes it. `shown` is what to remember.
Verdict CheckCopy(const io::Env& env, const kv::Options& options, const Copy& copy,
                  const History& history, const WallWatch& wall, Rng& rng);

}  // namespace aidb::sim

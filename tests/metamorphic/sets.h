#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "aidb/db/db.h"

namespace aidb::metamorphic {

// What is done to the store between two operations, whenever nobody holds a handle.
enum class Habit : unsigned char {
  kNone,
  kReopen,
  kReadOnly,    // Reads see a store that was closed and opened read-only.
  kCheckpoint,  // The store goes on as its own checkpoint.
  kFlush,
  kCompact,
  kSync,
};

struct OptionSet {
  std::string name;
  Options options;
  Habit habit = Habit::kNone;
  uint32_t habit_one_in = 1;
};

// The first one says what is right. `random` more are drawn from `seed`.
std::vector<OptionSet> MakeSets(uint64_t seed, uint64_t random);

}  // namespace aidb::metamorphic

#pragma once

// Every planted bug must be found: silence of a harness that misses them means nothing.

#include <cstdint>
#include <optional>
#include <string_view>

#include "aidb/base/canary.h"

namespace aidb::sim {

std::string_view CanaryName(Canary canary);
std::optional<Canary> CanaryNamed(std::string_view name);
// Whether bugs are compiled in.
bool CanariesThere();
void Plant(Canary canary);

// Runs each canary, `jobs` at a time, from `first_seed` on until it is found or `points_max`
// crash points are checked, and prints the table. Returns how many were not found.
int RunCanaries(uint64_t first_seed, uint64_t points_max, uint64_t jobs);

}  // namespace aidb::sim

#pragma once

#include <cstdint>
#include <string>

// Seeds of random tests: printed, and replayable.
//
//   const uint64_t seed = SeedFromEnvironmentOr(1);     // One line on standard error.
//   SCOPED_TRACE(ReplayLine(seed));                     // And in every failure below.
//   Rng rng(seed);

namespace aidb::testing {

// AIDB_SEED from the environment (decimal, or hexadecimal after 0x), else `otherwise`. Prints
// ReplayLine to standard error at once, so that it is there after a crash too. An AIDB_SEED that
// is no number stops the program.
uint64_t SeedFromEnvironmentOr(uint64_t otherwise);

// "replay: AIDB_SEED=7 lsm_test --gtest_filter=Suite.Name", for the running test.
std::string ReplayLine(uint64_t seed);

}  // namespace aidb::testing

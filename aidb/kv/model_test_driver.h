#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "aidb/kv/conformance.h"

// Random operations on a store, each compared with an ordered map with history. For test binaries
// only: link aidb::kv_conformance.

namespace aidb::kv {

// Runs `operations` random operations made from `seed` on a fresh subject: puts with and without
// expiry, deletes, batches, steps of the clock, conditional writes, gets, multi-gets, scans in both
// orders with random bounds and prefixes, walks that turn round, snapshots and iterators held while
// others write, flushes, syncs, and where the store is durable closes and kills followed by opening
// again.
//
// The keys are few, so that they collide; some are long with a long common prefix, some are made
// of the bytes at the ends of the order. Values have 0 to 60 bytes, rarely up to 100 KB.
//
// Nothing, or a report: the seed, what differed, and the operations that lead there, after
// chunks that the failure does not need were dropped. The same seed makes the same operations.
//
// Where no value expires a store may do more with merges.
enum class ModelValues : unsigned char { kSomeExpire, kNoneExpires };
std::optional<std::string> RunModelTest(const SubjectMaker& make, Abilities abilities,
                                        uint64_t seed, size_t operations,
                                        ModelValues values = ModelValues::kSomeExpire);

// How many operations a model test runs: the environment variable AIDB_MODEL_OPERATIONS, else
// 100,000.
size_t ModelOperations();

}  // namespace aidb::kv

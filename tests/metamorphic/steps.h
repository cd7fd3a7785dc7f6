#pragma once

// The operations that every option set performs.

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace aidb::metamorphic {

enum class StepKind : unsigned char {
  kPut,
  kPutExpiring,
  kDelete,
  kMerge,
  kBatch,
  kPlainBatch,  // Of which no value expires.
  kTransaction,
  kAdvanceClock,
  kGet,
  kMultiGet,
  kScan,
  kOpenWalk,
  kMoveWalk,
  kTakeSnapshot,
  kDropHandles,  // All walks and snapshots.
  kFlush,
  kSync,
  kCompact,
  kWrongCall,  // One that every store refuses.
};
std::string_view StepName(StepKind kind);

// All arguments of a step come from its seed, so that dropping one step changes no other.
struct Step {
  StepKind kind;
  uint64_t seed;
};

// With an even seed no value expires, so that merges may wait as operands.
std::vector<Step> MakeSteps(uint64_t seed, size_t count);

}  // namespace aidb::metamorphic

#include "tests/metamorphic/steps.h"

#include "aidb/base/random.h"

namespace aidb::metamorphic {
namespace {

struct Weight {
  StepKind kind;
  uint64_t weight;
  std::string_view name;
};

// Handles are dropped often: a store with none can be opened again.
constexpr Weight kWeights[] = {
    {StepKind::kPut, 220, "put"},
    {StepKind::kPutExpiring, 50, "put expiring"},
    {StepKind::kDelete, 70, "delete"},
    {StepKind::kMerge, 50, "merge"},
    {StepKind::kBatch, 60, "batch"},
    {StepKind::kTransaction, 20, "transaction"},
    {StepKind::kAdvanceClock, 30, "advance clock"},
    {StepKind::kGet, 180, "get"},
    {StepKind::kMultiGet, 30, "multiget"},
    {StepKind::kScan, 30, "scan"},
    {StepKind::kOpenWalk, 10, "open walk"},
    {StepKind::kMoveWalk, 100, "move walk"},
    {StepKind::kTakeSnapshot, 12, "take snapshot"},
    {StepKind::kDropHandles, 15, "drop handles"},
    {StepKind::kFlush, 4, "flush"},
    {StepKind::kSync, 4, "sync"},
    {StepKind::kCompact, 2, "compact"},
    {StepKind::kWrongCall, 4, "wrong call"},
};

StepKind WithoutExpiry(StepKind kind) {
  if (kind == StepKind::kPutExpiring) return StepKind::kMerge;
  return kind == StepKind::kBatch ? StepKind::kPlainBatch : kind;
}

}  // namespace

std::string_view StepName(StepKind kind) {
  for (const Weight& one : kWeights) {
    if (one.kind == kind) return one.name;
  }
  if (kind == StepKind::kPlainBatch) return "plain batch";
  return "?";
}

std::vector<Step> MakeSteps(uint64_t seed, size_t count) {
  uint64_t total = 0;
  for (const Weight& one : kWeights) total += one.weight;
  Rng rng(seed);
  std::vector<Step> steps;
  steps.reserve(count);
  for (size_t i = 0; i < count; ++i) {
    uint64_t choice = rng.Below(total);
    const Weight* at = kWeights;
    while (choice >= at->weight) choice -= (at++)->weight;
    const bool some_expire = seed % 2 != 0;
    steps.push_back({some_expire ? at->kind : WithoutExpiry(at->kind), rng.Next()});
  }
  return steps;
}

}  // namespace aidb::metamorphic

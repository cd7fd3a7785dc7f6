#include "tests/sim/plan.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace aidb::sim {
namespace {

constexpr uint64_t kKiB = 1024;

template <typename T, size_t n>
T Pick(Rng& rng, const T (&choices)[n]) {
  return choices[rng.Below(n)];
}

io::FaultRule DrawFault(Rng& rng) {
  using io::Fault;
  using io::FileCall;
  struct Choice {
    FileCall call;
    Fault fault;
  };
  static constexpr Choice kChoices[] = {
      {FileCall::kSync, Fault::kSyncKeepsCache},  {FileCall::kSync, Fault::kSyncKeepsCache},
      {FileCall::kSync, Fault::kSyncDropsCache},  {FileCall::kSync, Fault::kSyncDropsCache},
      {FileCall::kSync, Fault::kSyncLies},        {FileCall::kSync, Fault::kNoSpace},
      {FileCall::kSync, Fault::kStall},           {FileCall::kWrite, Fault::kError},
      {FileCall::kWrite, Fault::kErrorAfterPart}, {FileCall::kWrite, Fault::kNoSpace},
      {FileCall::kWrite, Fault::kShort},          {FileCall::kWrite, Fault::kStall},
      {FileCall::kRead, Fault::kError},           {FileCall::kRead, Fault::kShort},
      {FileCall::kRead, Fault::kReadFlipsBit},    {FileCall::kRead, Fault::kReadStale},
      {FileCall::kRead, Fault::kReadMisplaced},   {FileCall::kOpen, Fault::kTooManyFiles},
      {FileCall::kOpen, Fault::kError},           {FileCall::kRename, Fault::kError},
      {FileCall::kSyncDirectory, Fault::kError},  {FileCall::kRemove, Fault::kError},
      {FileCall::kClose, Fault::kError},          {FileCall::kTruncate, Fault::kError},
      {FileCall::kList, Fault::kError},
  };
  static constexpr std::string_view kFiles[] = {"", "", ".log", ".sst", "MANIFEST"};
  const Choice choice = Pick(rng, kChoices);
  static constexpr uint64_t kTimes[] = {1, 1, 2, 8, io::FaultRule::kForEver};
  return {.call = choice.call,
          .fault = choice.fault,
          .path_contains = std::string(Pick(rng, kFiles)),
          .skip = rng.Below(rng.OneIn(3) ? 10 : 120),
          .times = Pick(rng, kTimes),
          .one_in = rng.OneIn(3) ? 4u : 1u,
          .stall = std::chrono::milliseconds(rng.Between(1, 8'000))};
}

bool Falsifies(io::Fault fault) {
  return fault == io::Fault::kReadFlipsBit || fault == io::Fault::kReadStale ||
         fault == io::Fault::kReadMisplaced;
}

void DrawFaults(Rng& rng, const Limits& limits, Plan& plan) {
  const uint64_t count = rng.Between(1, 4);
  for (uint64_t i = 0; i < count; ++i) {
    const io::FaultRule fault = DrawFault(rng);
    if ((limits.faults_mask >> i & 1) == 0) continue;
    plan.faults.push_back(fault);
  }
  const uint64_t capacity = rng.Between(300, 900) * kKiB;
  const bool nothing_else = rng.OneIn(2);
  if (rng.OneIn(5) && (limits.faults_mask >> count & 1) != 0) {
    plan.capacity_bytes = capacity;
    if (nothing_else) plan.faults.clear();
  }
  for (const io::FaultRule& fault : plan.faults) {
    plan.lies = plan.lies || fault.fault == io::Fault::kSyncLies;
    plan.rots = plan.rots || Falsifies(fault.fault);
  }
}

}  // namespace

std::string_view RunKindName(RunKind kind) {
  switch (kind) {
    case RunKind::kCrash:
      return "crash";
    case RunKind::kFaults:
      return "faults";
    case RunKind::kFaultsAndCrash:
      return "faults and crash";
  }
  return "";
}

kv::Options DrawOptions(Rng& rng) {
  // The smallest log ring; a larger one would never be full here.
  static constexpr uint64_t kMemory[] = {1024 * kKiB, 1024 * kKiB};
  static constexpr uint64_t kBuffers[] = {1 * kKiB, 2 * kKiB, 4 * kKiB, 16 * kKiB};
  static constexpr uint64_t kCaches[] = {1, 4 * kKiB, 0};
  static constexpr uint64_t kBlocks[] = {1, 64, 256, 256, 1024};
  static constexpr int kFilters[] = {0, 1, 10, 20};
  static constexpr uint64_t kBases[] = {1 * kKiB, 2 * kKiB, 4 * kKiB, 0};
  static constexpr int kMultipliers[] = {2, 3, 10};
  static constexpr int kThreads[] = {1, 2, 3};
  static constexpr int kIntervals[] = {0, 1, 20, 1000};
  kv::Options options;
  options.memory_bytes = Pick(rng, kMemory);
  options.write_buffer_bytes = Pick(rng, kBuffers);
  options.cache_bytes = Pick(rng, kCaches);
  options.block_bytes = Pick(rng, kBlocks);
  options.filter_bits_per_key = Pick(rng, kFilters);
  options.compression = static_cast<kv::Compression>(rng.Below(4));
  options.level0_trigger = static_cast<int>(rng.Between(1, 3));
  options.level_base_bytes = Pick(rng, kBases);
  options.level_multiplier = Pick(rng, kMultipliers);
  options.background_threads = Pick(rng, kThreads);
  options.sync_interval_ms = Pick(rng, kIntervals);
  options.log_bytes = 64 * kKiB;
  options.batch_bytes_max = 128 * kKiB;
  options.write_wait_ms = rng.OneIn(4) ? 50 : 10'000;
  return options;
}

Plan Plan::Draw(uint64_t seed, const Limits& limits) {
  // One stream per question: a new draw in one place does not shift the others.
  Rng shape(io::SimRandom::SeedFor(seed, "shape"));
  Rng options(io::SimRandom::SeedFor(seed, "options"));
  Rng world(io::SimRandom::SeedFor(seed, "world"));
  Rng faults(io::SimRandom::SeedFor(seed, "faults"));
  Rng kinds(io::SimRandom::SeedFor(seed, "kinds"));
  Rng merges(io::SimRandom::SeedFor(seed, "merges"));
  Rng conditions(io::SimRandom::SeedFor(seed, "conditions"));
  Rng ranges(io::SimRandom::SeedFor(seed, "ranges"));
  Rng scrubs(io::SimRandom::SeedFor(seed, "scrubs"));
  Plan plan;
  plan.seed = seed;
  plan.kind = seed % 3 != 0   ? RunKind::kCrash
              : seed % 6 != 0 ? RunKind::kFaults
                              : RunKind::kFaultsAndCrash;
  plan.options = DrawOptions(options);
  if (scrubs.OneIn(3)) plan.options.scrub_period_s = static_cast<int>(scrubs.Between(0, 2));

  plan.keys = static_cast<int>(shape.Between(4, 28));
  plan.writers = static_cast<int>(shape.Between(1, 4));
  plan.readers = limits.readers.value_or(static_cast<int>(shape.Between(0, 2)));
  plan.batches = limits.batches.value_or(static_cast<int>(shape.Between(20, 90)));
  plan.lives = static_cast<int>(shape.Between(1, 3));
  plan.sync_one_in = static_cast<uint32_t>(shape.Between(1, 12));
  plan.large_one_in = shape.OneIn(4) ? 20 : 0;
  plan.medium_one_in = static_cast<uint32_t>(shape.Between(2, 12));
  plan.long_pause_one_in = static_cast<uint32_t>(shape.Between(8, 40));

  if (kinds.OneIn(2)) plan.expiring_one_in = static_cast<uint32_t>(kinds.Between(2, 8));
  if (merges.OneIn(2)) plan.merge_one_in = static_cast<uint32_t>(merges.Between(2, 6));
  if (conditions.OneIn(3)) {
    plan.conditional_one_in = static_cast<uint32_t>(conditions.Between(2, 6));
  }
  plan.wall_jumps = plan.expiring_one_in > 0 && kinds.OneIn(2);
  if (ranges.OneIn(2)) plan.ranges_one_in = static_cast<uint32_t>(ranges.Between(3, 30));

  plan.world.scheduler.switch_one_in = static_cast<uint32_t>(world.Between(1, 6));
  plan.world.scheduler.spurious_wake_one_in = world.OneIn(8) ? 20 : 0;
  plan.world.scheduler.steps_max = 5'000'000;
  plan.world.scheduler.time_max = std::chrono::hours(2);
  plan.world.files.short_transfer_one_in = world.OneIn(2) ? 16 : 0;
  plan.world.files.region_write_back_one_in = static_cast<uint32_t>(world.Between(8, 128));
  plan.world.files.sync_latency = std::chrono::microseconds(world.Between(1, 2'000));
  if (world.OneIn(4)) plan.world.files.region_support = io::RegionSupport::kRefused;

  if (plan.kind != RunKind::kCrash) DrawFaults(faults, limits, plan);
  // Without a ring that outlives the process nothing proves the log's last group: a read that is
  // falsified at open makes it look torn (docs/formats/log.md says so openly).
  const bool private_ring = plan.world.files.region_support == io::RegionSupport::kRefused;
  if (plan.rots && private_ring) plan.lives = 1;
  // A process remembers that a sync failed, and may not sync that file again; the next one cannot.
  if (plan.kind != RunKind::kCrash) plan.processes = std::exchange(plan.lives, 1);
  return plan;
}

std::string Plan::Describe() const {
  std::string text = "seed " + std::to_string(seed) + " (" + std::string(RunKindName(kind)) +
                     "): " + std::to_string(batches) + " batches, " + std::to_string(writers) +
                     " writers, " + std::to_string(readers) + " readers, " +
                     std::to_string(lives * processes) + " lives, write buffer " +
                     std::to_string(options.write_buffer_bytes) + ", sync interval " +
                     std::to_string(options.sync_interval_ms) + " ms, level 0 trigger " +
                     std::to_string(options.level0_trigger);
  if (options.scrub_period_s < 60) {
    text += ", scrub period " + std::to_string(options.scrub_period_s) + " s";
  }
  if (world.files.region_support == io::RegionSupport::kRefused) text += ", private ring";
  if (ranges_one_in > 0) {
    text += ", 1 batch in " + std::to_string(ranges_one_in) + " deletes a range";
  }
  if (expiring_one_in > 0) text += ", 1 value in " + std::to_string(expiring_one_in) + " expires";
  if (wall_jumps) text += ", the wall clock jumps";
  if (merge_one_in > 0) text += ", 1 operation in " + std::to_string(merge_one_in) + " merges";
  if (conditional_one_in > 0) {
    text += ", 1 write in " + std::to_string(conditional_one_in) + " has a condition";
  }
  for (const io::FaultRule& fault : faults) {
    text += "; fault " + std::to_string(static_cast<int>(fault.fault)) + " at " +
            std::string(io::FileCallName(fault.call)) + " of '" + fault.path_contains + "' after " +
            std::to_string(fault.skip) + ", " +
            (fault.times == io::FaultRule::kForEver ? "for ever" : std::to_string(fault.times)) +
            " times, one in " + std::to_string(fault.one_in);
  }
  if (capacity_bytes) text += "; full at " + std::to_string(*capacity_bytes) + " bytes";
  return text;
}

}  // namespace aidb::sim

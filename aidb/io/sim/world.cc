#include "aidb/io/sim/world.h"

#include <utility>

namespace aidb::io {

SimWorld::SimWorld(uint64_t seed, SimDisk disk, const SimOptions& options)
    : scheduler_(SimRandom::SeedFor(seed, "scheduler"), options.scheduler,
                 options.stacks != nullptr ? *options.stacks : own_stacks_, trace_),
      files_(std::move(disk), options.files, SimRandom::SeedFor(seed, "files"), scheduler_, trace_),
      clock_(scheduler_, trace_),
      executor_(scheduler_, options.parallelism),
      random_(seed, "random"),
      env_{files_, clock_, executor_, random_, log_} {
  scheduler_.set_on_death([this] {
    at_death_ = files_.Snapshot();
    files_.Detach();
  });
}

SimDisk SimWorld::disk() { return at_death_ ? *at_death_ : files_.Snapshot(); }

}  // namespace aidb::io

#pragma once

// One simulated process on one disk: an Env whose every choice comes from a seed.
//
//   SimWorld world(seed, disk);
//   const RunReport report = world.Run([&] { … use world.env() … });
//   SimDisk after = world.disk().PowerCut(rng, PowerCutModel::Draw(rng));
//   SimWorld next(seed + 1, std::move(after));     // the same machine, started again

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

#include "aidb/io/env.h"
#include "aidb/io/sim/disk.h"
#include "aidb/io/sim/env.h"
#include "aidb/io/sim/fiber_stacks.h"
#include "aidb/io/sim/file_system.h"
#include "aidb/io/sim/scheduler.h"
#include "aidb/io/sim/trace.h"

namespace aidb::io {

struct SimOptions {
  SchedulerOptions scheduler;
  SimFileSystemOptions files;
  int parallelism = 2;
  // Shared with other worlds for speed; borrowed. Null: this world has its own.
  FiberStackPool* stacks = nullptr;
};

// Thread safety: none. One world runs at a time in a program; worlds nest (see SimScheduler).
// Lifetime: outlives everything made with its Env.
class SimWorld {
 public:
  explicit SimWorld(uint64_t seed, SimDisk disk = {}, const SimOptions& options = {});
  SimWorld(const SimWorld&) = delete;
  SimWorld& operator=(const SimWorld&) = delete;

  // Outside Run its calls act at once: a test may prepare files, and look at them afterwards.
  Env& env() { return env_; }
  // See SimScheduler::Run.
  RunReport Run(std::function<void()> main) { return scheduler_.Run(std::move(main)); }
  // The process is gone: what it wrote is on the disk, what it held in memory is not.
  void Kill() { scheduler_.Kill(); }
  // The disk now or, of a world that died, at the instant of its death.
  SimDisk disk();

  SimScheduler& scheduler() { return scheduler_; }
  SimFileSystem& files() { return files_; }
  SimClock& clock() { return clock_; }
  SimLogger& log() { return log_; }
  // Equal for equal seeds, options, disks and code, in every process.
  uint64_t trace_hash() const { return trace_.hash(); }

 private:
  FiberStackPool own_stacks_;
  SimTrace trace_;
  SimScheduler scheduler_;
  SimFileSystem files_;
  SimClock clock_;
  SimExecutor executor_;
  SimRandom random_;
  SimLogger log_;
  Env env_;
  std::optional<SimDisk> at_death_;
};

}  // namespace aidb::io

#pragma once

// Runs seeds: a workload in a simulated world, a crash at every operation that can change what a
// restart finds, and for each damaged disk that may be left a recovery and all oracles.

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "aidb/io/sim/fiber_stacks.h"
#include "aidb/io/sim/world.h"

#include "tests/sim/copies.h"
#include "tests/sim/history.h"
#include "tests/sim/oracle.h"
#include "tests/sim/plan.h"
#include "tests/sim/wall_watch.h"
#include "tests/sim/workload.h"

namespace aidb::sim {

enum class Damage : unsigned char {
  kKill,
  kPowerCut,
  kMove,
  kRot,  // Killed, and a log or a table is damaged at rest.
};

// One damaged disk: which, of all that a seed makes.
struct CrashPoint {
  uint64_t operation = 0;
  io::SimFileSystem::Phase phase = io::SimFileSystem::Phase::kBefore;
  int draw = 0;
};

struct Failure {
  uint64_t seed = 0;
  std::optional<CrashPoint> point;  // Absent: the running store was wrong.
  std::string message;
};

// What was done. Counts, and a hash of every way that was taken.
struct Tally {
  uint64_t seeds = 0;
  uint64_t points = 0;  // Damaged disks recovered and checked, those at depth 2 included.
  uint64_t kills = 0;
  uint64_t cuts = 0;
  uint64_t moves = 0;
  uint64_t rots = 0;
  uint64_t again = 0;    // Points at depth 2: a crash during recovery.
  uint64_t second = 0;   // Recoveries of a recovered store.
  uint64_t refused = 0;  // Opens refused with a file's name, after a device that lied.
  uint64_t copies = 0;   // Checkpoints looked at after a crash.
  uint64_t repairs = 0;
  uint64_t operations = 0;
  uint64_t flushes = 0;
  uint64_t compactions = 0;
  uint64_t redriven = 0;
  std::array<uint64_t, io::kFaultKinds> faults{};  // Hits, by io::Fault.
  uint64_t hash = 0;

  void Add(const Tally& other);
};

// Thread safety: none.
class Campaign {
 public:
  // Runs one seed; with `only`, just that point of it.
  std::optional<Failure> RunSeed(uint64_t seed, const Limits& limits,
                                 const std::optional<CrashPoint>& only = std::nullopt);
  // Fewer batches, no readers, fewer faults, as long as the seed still fails.
  Limits Shrink(const Failure& failure, Limits limits);
  const Tally& tally() const { return tally_; }
  // Prints every operation of the disk, and what the engine logs, of all worlds.
  void set_verbose(bool verbose) { verbose_ = verbose; }

 private:
  // The last sequences that must be there.
  struct Floor {
    uint64_t after_kill = 0;
    uint64_t after_cut = 0;
  };
  // How a disk came to be, so that each recovery has dice of its own.
  struct Origin {
    uint64_t seed = 0;
    int depth = 1;
    bool may_refuse = false;
    bool may_rot = false;  // The ring tells all that was acknowledged.
    bool rotten = false;   // A file was damaged at rest.
  };

  // What all processes of a seed have in common.
  struct Machine {
    io::SimDisk disk;
    WallEnd wall;
    uint64_t operations = 0;
    std::vector<Copy> copies;
  };

  // What is known of a run that is crashed.
  struct Known {
    const History& history;
    const std::vector<Copy>& copies;
    WallEnd wall;
  };

  // A seed in progress.
  struct Scene {
    io::SimWorld& world;
    const WallWatch& wall;
    const Plan& plan;
    const History& history;
    const std::vector<Copy>& copies;
    const Workload& workload;
  };

  // One process on the machine as the one before left it.
  void RunProcess(const Plan& plan, History& history, int process,
                  const std::optional<CrashPoint>& only, Machine& machine);
  void CrashHere(const Scene& scene, const CrashPoint& point);
  struct Recovery;

  std::optional<std::string> Recover(const Plan& plan, const Known& known, io::SimDisk disk,
                                     const Floor& floor, const Origin& origin);
  std::optional<std::string> Mend(const Plan& plan, const Known& known, io::SimDisk disk,
                                  uint64_t least, const Origin& origin);
  void AskCopies(Recovery& now, const Plan& plan);
  void OpenAndAsk(Recovery& now, const Plan& plan, const kv::Options& options);
  void CrashRecovery(const Plan& plan, Recovery& now, Rng& rng);
  std::optional<std::string> CrashAgain(const Plan& plan, const Known& known,
                                        const io::SimDisk& disk, const Floor& floor,
                                        const Origin& origin, Rng& rng);
  std::optional<std::string> RecoverAgain(const Plan& plan, io::SimDisk disk, const WallEnd& wall,
                                          const Verdict& before, uint64_t seed);
  Floor FloorNow(const Scene& scene);
  void Mix(uint64_t word);

  void Show(io::SimWorld& world, int depth, const io::SimOperation& operation) const;
  void ShowLog(io::SimWorld& world, int depth) const;

  bool verbose_ = false;
  io::FiberStackPool stacks_;
  Tally tally_;
  std::optional<Failure> failure_;
  bool sync_failed_ = false;  // In the seed at hand.
};

// The line that repeats a failure.
std::string RepeatLine(const Failure& failure, const Limits& limits);

}  // namespace aidb::sim

#include "tests/sim/campaign.h"

#include <algorithm>
#include <cstdio>
#include <iterator>
#include <utility>
#include <vector>

#include "aidb/lsm/open.h"

#include "tests/sim/mending.h"
#include "tests/sim/scrubbing.h"

namespace aidb::sim {
namespace {

using io::FileCall;
using io::SimDisk;
using Phase = io::SimFileSystem::Phase;

// A healthy disk takes a sync in at most 4 ms; the flusher needs a few steps around it.
constexpr Duration kSyncSlack = std::chrono::milliseconds(40);

// Of the crashes after which the store is repaired, too; and those after which the checkpoints are
// looked at.
constexpr uint64_t kMendedOneIn = 24;
constexpr uint64_t kMendedOfRottenOneIn = 2;
constexpr uint64_t kCopiesOneIn = 3;

// Whether a crash on either side of the call can leave different disks. Between two of these
// calls only the ring changes, and its bytes are seen at the next one.
bool ChangesTheDisk(FileCall call) {
  switch (call) {
    case FileCall::kRead:
    case FileCall::kSize:
    case FileCall::kExists:
    case FileCall::kList:
    case FileCall::kClose:
    case FileCall::kFreeBytes:
      return false;
    default:
      return true;
  }
}

uint64_t Blend(uint64_t a, uint64_t b) { return Rng(a * 0x9E3779B97F4A7C15 + b).Next(); }

// Rot is drawn where the ring of an open store tells everything that was acknowledged. Without it
// the last group of a log that rots reads as torn, and nobody can know better.
Damage DrawDamage(bool may_rot, Rng& rng) {
  const uint64_t dice = rng.Below(16);
  if (dice < 4) return Damage::kKill;
  if (dice < 6) return Damage::kMove;
  if (dice == 6 && may_rot) return Damage::kRot;
  return Damage::kPowerCut;
}

// Damages one of the logs and tables. False when there is none, or nothing to damage.
bool DamageAFile(SimDisk& disk, Rng& rng) {
  std::vector<std::string> paths;
  for (std::string& path : disk.AllFiles()) {
    if (path.ends_with(".log") || path.ends_with(".sst")) paths.push_back(std::move(path));
  }
  if (paths.empty()) return false;
  const std::string& path = paths[rng.Below(paths.size())];
  static constexpr io::Rot kKinds[] = {io::Rot::kFlipBit, io::Rot::kFlipBit, io::Rot::kZeroPage,
                                       io::Rot::kTruncate, io::Rot::kStalePage};
  const io::Rot kind = kKinds[rng.Below(std::size(kKinds))];
  return disk.Damage(path, kind, rng).has_value();
}

// How much later by its wall clock a machine starts again: mostly soon, sometimes before it ended.
std::chrono::milliseconds DrawLater(Rng& rng) {
  const auto by = std::chrono::milliseconds(rng.Below(rng.OneIn(3) ? 100'000 : 3'000));
  return rng.OneIn(4) ? -by : by;
}

std::string FirstLines(const std::string& text) { return text.substr(0, 2'000); }

}  // namespace

void Tally::Add(const Tally& other) {
  seeds += other.seeds;
  points += other.points;
  kills += other.kills;
  cuts += other.cuts;
  moves += other.moves;
  rots += other.rots;
  again += other.again;
  second += other.second;
  refused += other.refused;
  copies += other.copies;
  repairs += other.repairs;
  operations += other.operations;
  flushes += other.flushes;
  compactions += other.compactions;
  for (size_t i = 0; i < faults.size(); ++i) faults[i] += other.faults[i];
  hash ^= other.hash;  // Whatever the order of the parts.
}

void Campaign::Mix(uint64_t word) { tally_.hash = Blend(tally_.hash, word); }

Campaign::Floor Campaign::FloorNow(const Scene& scene) {
  const auto& [world, wall, plan, history, copies, workload] = scene;
  Floor floor{.after_kill = history.acknowledged(), .after_cut = history.durable()};
  if (plan.options.sync_interval_ms > 0) {
    const Duration bound = std::chrono::milliseconds(2 * plan.options.sync_interval_ms);
    floor.after_cut = plan.kind == RunKind::kCrash
                          ? history.DurableWithin(
                                bound + kSyncSlack,
                                std::min(world.scheduler().PeekNow(), workload.unwatched_since()))
                          : history.DurableWithinSpan(bound);
  }
  // Nothing but the process has what the kernel could not write and has dropped.
  const bool private_ring = plan.world.files.region_support == io::RegionSupport::kRefused;
  sync_failed_ = sync_failed_ || world.files().sync_has_failed();
  if (private_ring && sync_failed_) floor.after_kill = std::min(floor.after_kill, floor.after_cut);
  return floor;
}

void Campaign::Show(io::SimWorld& world, int depth, const io::SimOperation& operation) const {
  std::printf("%*s%llu %s %.*s %llu+%llu at %.6f s\n", depth * 4, "",
              static_cast<unsigned long long>(operation.number),
              std::string(io::FileCallName(operation.call)).c_str(),
              static_cast<int>(operation.path.size()), operation.path.data(),
              static_cast<unsigned long long>(operation.offset),
              static_cast<unsigned long long>(operation.size),
              static_cast<double>(world.scheduler().PeekNow().ns) / 1e9);
}

void Campaign::ShowLog(io::SimWorld& world, int depth) const {
  if (!verbose_) return;
  for (const auto& line : world.log().lines()) {
    std::printf("%*slog: %s\n", depth * 4, "", line.text.c_str());
  }
}

std::optional<Failure> Campaign::RunSeed(uint64_t seed, const Limits& limits,
                                         const std::optional<CrashPoint>& only) {
  Plan plan = Plan::Draw(seed, limits);
  plan.world.stacks = &stacks_;
  failure_.reset();
  sync_failed_ = false;
  ++tally_.seeds;
  History history(plan.keys);
  Machine machine;
  for (int process = 0; process < plan.processes && !failure_; ++process) {
    RunProcess(plan, history, process, only, machine);
  }
  return failure_;
}

void Campaign::RunProcess(const Plan& plan, History& history, int process,
                          const std::optional<CrashPoint>& only, Machine& machine) {
  const uint64_t seed = process == 0 ? plan.seed : Blend(plan.seed, static_cast<uint64_t>(process));
  io::SimWorld world(seed, std::move(machine.disk), plan.world);
  WallWatch wall(world.clock(), machine.wall, std::chrono::milliseconds(process));
  const uint64_t before = machine.operations;  // Each process has numbers of its own.
  for (const io::FaultRule& fault : plan.faults) world.files().faults().Add(fault);
  Workload workload(world, wall, plan, history, machine.copies, process, sync_failed_);
  const Scene scene{world, wall, plan, history, machine.copies, workload};
  const bool everywhere = plan.kind != RunKind::kFaults;
  world.files().set_on_operation([&](const io::SimOperation& operation, Phase phase) {
    if (verbose_ && !failure_) Show(world, 0, operation);
    if (failure_ || !ChangesTheDisk(operation.call) || workload.complaint()) return;
    // A failing disk that is not crashed everywhere is crashed now and then.
    if (!everywhere && operation.number % 64 != 0) return;
    for (int draw = 0; draw < plan.draws && !failure_; ++draw) {
      const uint64_t number = before + operation.number;
      if (only && (only->operation != number || only->phase != phase || only->draw != draw)) {
        continue;
      }
      CrashHere(scene, {number, phase, draw});
    }
  });
  const io::RunReport report = world.Run([&] { workload.Main(); });
  ShowLog(world, 0);
  machine.operations += world.files().operations();
  tally_.operations += world.files().operations();
  tally_.flushes += workload.counts().flushes;
  tally_.compactions += workload.counts().compactions;
  for (size_t kind = 0; kind < io::kFaultKinds; ++kind) {
    tally_.faults[kind] += world.files().faults().hits(static_cast<io::Fault>(kind));
  }
  Mix(world.trace_hash());
  const auto fail = [&](std::string what) {
    if (!failure_) failure_ = Failure{plan.seed, std::nullopt, std::move(what)};
  };
  if (!report.finished()) fail("the run does not end:\n" + FirstLines(report.fibers));
  if (workload.complaint()) fail(*workload.complaint());
  if (!world.files().rule_violations().empty()) fail(world.files().rule_violations().front());
  if (!failure_ && !only) CrashHere(scene, {machine.operations + 1});
  machine.disk = world.disk().Kill();
  machine.wall = wall.End();
}

void Campaign::CrashHere(const Scene& scene, const CrashPoint& point) {
  const Plan& plan = scene.plan;
  const bool may_rot = plan.kind == RunKind::kCrash &&
                       plan.world.files.region_support == io::RegionSupport::kTrusted &&
                       scene.workload.unwatched_since() == Instant::Never();
  const uint64_t seed =
      Blend(Blend(plan.seed, point.operation * 2 + static_cast<uint64_t>(point.phase)),
            static_cast<uint64_t>(point.draw));
  Rng rng(seed);
  const Known known{scene.history, scene.copies, scene.wall.End()};
  const auto complaint = CrashAgain(plan, known, scene.world.files().Snapshot(), FloorNow(scene),
                                    {.seed = seed, .may_rot = may_rot}, rng);
  if (complaint) failure_ = Failure{plan.seed, point, *complaint};
}

std::optional<std::string> Campaign::CrashAgain(const Plan& plan, const Known& known,
                                                const SimDisk& disk, const Floor& floor,
                                                const Origin& origin, Rng& rng) {
  ++tally_.points;
  if (origin.depth > 1) ++tally_.again;
  const Damage damage = DrawDamage(origin.may_rot, rng);
  std::string_view how;
  Floor left = floor;
  SimDisk after;
  Origin next = origin;
  switch (damage) {
    case Damage::kKill:
      ++tally_.kills;
      how = "kill";
      after = disk.Kill();
      break;
    case Damage::kMove:
      ++tally_.moves;
      how = "move";
      after = disk.Move();
      left.after_cut = left.after_kill;
      break;
    case Damage::kRot:
      ++tally_.rots;
      how = "kill and rot";
      after = disk.Kill();
      next.rotten = DamageAFile(after, rng);
      next.may_refuse = next.rotten;
      break;
    case Damage::kPowerCut:
      ++tally_.cuts;
      how = "power cut";
      after = disk.PowerCut(rng, io::PowerCutModel::Draw(rng));
      left.after_kill = left.after_cut;
      // A device that said ok and did nothing may have lost anything; silence is not allowed.
      if (plan.lies) next.may_refuse = true;
      if (plan.lies) left = {};
      break;
  }
  Rng dice(Blend(origin.seed, static_cast<uint64_t>(origin.depth) + 1'000));
  const bool mend = dice.OneIn(next.rotten ? kMendedOfRottenOneIn : kMendedOneIn);
  std::optional<std::string> complaint;
  if (mend && !plan.lies) complaint = Mend(plan, known, after, left.after_kill, next);
  if (!complaint) complaint = Recover(plan, known, std::move(after), left, next);
  if (complaint) *complaint = "after a " + std::string(how) + ", " + *complaint;
  return complaint;
}

// One recovery, while it runs.
struct Campaign::Recovery {
  io::SimWorld& world;
  WallWatch& wall;
  const Known& known;
  const Origin& origin;
  Floor floor;  // What must survive a crash now: more once the store has shown what it holds.
  Rng rng;
  std::optional<std::string> complaint{};
  Verdict verdict{};
  bool probed = false;  // It took one more write, synced.
};

// The same disk in other hands: nobody opens the store, somebody repairs it.
std::optional<std::string> Campaign::Mend(const Plan& plan, const Known& known, SimDisk disk,
                                          uint64_t least, const Origin& origin) {
  ++tally_.repairs;
  Rng rng(Blend(origin.seed, static_cast<uint64_t>(origin.depth) + 2'000));
  io::SimWorld world(rng.Next(), std::move(disk), plan.world);
  WallWatch wall(world.clock(), known.wall, DrawLater(rng));
  std::optional<std::string> complaint;
  const io::RunReport report = world.Run([&] {
    complaint = CheckRepair(world.env(), plan.options, known.history, least, origin.rotten, wall);
  });
  ShowLog(world, origin.depth);
  Mix(world.trace_hash());
  if (complaint) return complaint;
  if (!report.finished()) return "a repair does not end:\n" + FirstLines(report.fibers);
  return std::nullopt;
}

std::optional<std::string> Campaign::Recover(const Plan& plan, const Known& known, SimDisk disk,
                                             const Floor& floor, const Origin& origin) {
  Rng rng(Blend(origin.seed, static_cast<uint64_t>(origin.depth)));
  io::SimOptions world_options = plan.world;
  // Whether a ring may be had can change from one open to the next.
  if (rng.OneIn(6)) world_options.files.region_support = io::RegionSupport::kRefused;
  io::SimWorld world(rng.Next(), std::move(disk), world_options);
  const bool crash_again = origin.depth < 2 && !origin.rotten && rng.OneIn(plan.again_one_in);
  kv::Options options = rng.OneIn(4) ? DrawOptions(rng) : plan.options;
  options.sync_interval_ms = plan.options.sync_interval_ms;
  options.write_wait_ms = 10'000;
  if (origin.rotten) options.scrub_period_s = 1;
  Rng later(Blend(origin.seed, static_cast<uint64_t>(origin.depth) + 3'000));
  WallWatch wall(world.clock(), known.wall, DrawLater(later));
  Recovery now{world, wall, known, origin, floor, Rng(rng.Next())};
  if (crash_again || verbose_) {
    world.files().set_on_operation([&](const io::SimOperation& operation, Phase) {
      if (verbose_ && !now.complaint) Show(world, origin.depth, operation);
      if (crash_again && ChangesTheDisk(operation.call)) CrashRecovery(plan, now, rng);
    });
  }
  const io::RunReport report = world.Run([&] { OpenAndAsk(now, plan, options); });
  ShowLog(world, origin.depth);
  Mix(world.trace_hash());
  Mix(now.verdict.last);
  if (now.complaint) return now.complaint;
  if (!report.finished()) return "recovery does not end:\n" + FirstLines(report.fibers);
  if (report.parked_fibers > 0) return "recovery leaves fibers behind";
  if (!world.files().rule_violations().empty()) return world.files().rule_violations().front();
  if (!now.probed || origin.rotten || !rng.OneIn(4)) return std::nullopt;
  SimDisk left = world.disk();
  // What a device lied about may still be lost.
  left = plan.lies || rng.OneIn(2) ? left.Kill() : left.PowerCut(rng, io::PowerCutModel::Draw(rng));
  return RecoverAgain(plan, std::move(left), wall.End(), now.verdict, rng.Next());
}

void Campaign::CrashRecovery(const Plan& plan, Recovery& now, Rng& rng) {
  if (now.complaint || !rng.OneIn(8)) return;
  Rng dice(rng.Next());
  const Origin next{dice.Next(), now.origin.depth + 1, now.origin.may_refuse};
  const Known known{now.known.history, now.known.copies, now.wall.End()};
  now.complaint = CrashAgain(plan, known, now.world.files().Snapshot(), now.floor, next, dice);
  if (now.complaint) *now.complaint = "and again during that recovery: " + *now.complaint;
}

void Campaign::AskCopies(Recovery& now, const Plan& plan) {
  Rng dice(Blend(now.origin.seed, static_cast<uint64_t>(now.origin.depth) + 4'000));
  if (plan.lies || plan.rots || now.origin.rotten || !dice.OneIn(kCopiesOneIn)) return;
  for (const Copy& copy : now.known.copies) {
    ++tally_.copies;
    now.complaint =
        CheckCopy(now.world.env(), plan.options, copy, now.known.history, now.wall, now.rng)
            .complaint;
    if (now.complaint) return;
  }
}

void Campaign::OpenAndAsk(Recovery& now, const Plan& plan, const kv::Options& options) {
  auto opened = lsm::OpenStore(now.world.env(), kDirectory, options);
  if (now.complaint) return;
  if (!opened.ok()) {
    if (now.origin.may_refuse && NamesAFile(opened.status())) {
      ++tally_.refused;
    } else {
      now.complaint = "open is refused: " + opened.status().ToString();
    }
    return;
  }
  // What an open store shows is on the disk.
  const uint64_t last = ToNumber(opened->store->Stats().sequence);
  const Floor before = std::exchange(now.floor, {.after_kill = last, .after_cut = last});
  StoreClock clock(now.wall);
  now.verdict = CheckStore(*opened->store, now.known.history, before.after_kill, clock, now.rng);
  if (now.verdict.refused && now.origin.may_refuse) {
    ++tally_.refused;
    if (now.origin.rotten) now.complaint = CheckScrub(now.world.env(), options, *opened->store);
    return;
  }
  if (verbose_) {
    std::printf("%*srecovered to sequence %llu, at least %llu\n", now.origin.depth * 4, "",
                static_cast<unsigned long long>(now.verdict.last),
                static_cast<unsigned long long>(before.after_kill));
  }
  now.complaint = now.verdict.complaint;
  if (now.complaint) return;
  AskCopies(now, plan);
  if (now.complaint) return;
  // The probe is no part of history.
  now.world.files().set_on_operation({});
  now.complaint = CheckAcceptsWrites(*opened->store, now.verdict.last);
  now.probed = !now.complaint;
  if (now.complaint) return;
  if (now.origin.rotten) {
    now.complaint = CheckScrub(now.world.env(), options, *opened->store);
    return;
  }
  if (now.rng.OneIn(2)) return;
  if (Status status = opened->store->Close(); !status.ok()) {
    now.complaint = "close after the recovery failed: " + status.ToString();
  }
}

// The disk of a store that was recovered, given one synced write, and closed or not.
std::optional<std::string> Campaign::RecoverAgain(const Plan& plan, SimDisk disk,
                                                  const WallEnd& wall_end, const Verdict& before,
                                                  uint64_t seed) {
  ++tally_.second;
  Rng rng(seed);
  io::SimWorld world(rng.Next(), std::move(disk), plan.world);
  WallWatch wall(world.clock(), wall_end, DrawLater(rng));
  std::optional<std::string> complaint;
  const io::RunReport report = world.Run([&] {
    auto opened = lsm::OpenStore(world.env(), kDirectory, plan.options);
    if (!opened.ok()) {
      complaint = "the second open is refused: " + opened.status().ToString();
      return;
    }
    StoreClock clock(wall);
    Verdict now = LookAt(*opened->store, clock);
    if (now.complaint) {
      complaint = "after the second recovery, " + *now.complaint;
      return;
    }
    if (now.last != before.last + 1) {
      complaint = "the second recovery ends at sequence " + std::to_string(now.last) +
                  ", the first and one write at " + std::to_string(before.last + 1);
      return;
    }
    // The probe sorts behind all other keys.
    if (!now.contents.empty()) now.contents.pop_back();
    complaint = DiffersBesidesExpiry(before, now);
    if (complaint) *complaint = "after the second recovery " + *complaint;
  });
  Mix(world.trace_hash());
  if (complaint) return complaint;
  if (!report.finished()) return "the second recovery does not end:\n" + FirstLines(report.fibers);
  return std::nullopt;
}

Limits Campaign::Shrink(const Failure& failure, Limits limits) {
  const auto fails = [&](const Limits& tried) { return RunSeed(failure.seed, tried).has_value(); };
  const Plan plan = Plan::Draw(failure.seed, limits);
  int batches = plan.batches;
  for (int step = batches / 2; step > 0;) {
    Limits fewer = limits;
    fewer.batches = batches - step;
    if (*fewer.batches > 0 && fails(fewer)) {
      batches -= step;
      limits = fewer;
    } else {
      step /= 2;
    }
  }
  Limits no_readers = limits;
  no_readers.readers = 0;
  if (plan.readers > 0 && fails(no_readers)) limits = no_readers;
  for (uint64_t i = 0; i < 5 && plan.kind != RunKind::kCrash; ++i) {
    Limits fewer = limits;
    fewer.faults_mask &= ~(uint64_t{1} << i);
    if (fails(fewer)) limits = fewer;
  }
  return limits;
}

std::string RepeatLine(const Failure& failure, const Limits& limits) {
  std::string line = "./dev sim --seed " + std::to_string(failure.seed);
  if (failure.point) {
    line += " --op " + std::to_string(failure.point->operation) +
            (failure.point->phase == Phase::kAfter ? " --after" : "") + " --draw " +
            std::to_string(failure.point->draw);
  }
  if (limits.batches) line += " --batches " + std::to_string(*limits.batches);
  if (limits.readers) line += " --readers " + std::to_string(*limits.readers);
  if (~limits.faults_mask != 0) line += " --faults " + std::to_string(limits.faults_mask & 31);
  return line;
}

}  // namespace aidb::sim

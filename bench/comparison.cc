#include "bench/comparison.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <memory>
#include <string_view>

#include "bench/memory_limit.h"
#include "bench/process.h"
#include "bench/scratch.h"

namespace aidb::bench {
namespace {

constexpr int kWarmUpRound = -1;
constexpr uint64_t kWarmUpShare = 10;

std::string_view NameOf(StartState state) {
  switch (state) {
    case StartState::kEmpty:
      return "empty";
    case StartState::kFresh:
      return "fresh";
    case StartState::kCompacted:
      return "compacted";
    case StartState::kKilled:
      return "killed";
  }
  return "unknown";
}

double MedianOf(std::vector<double> values) {
  std::ranges::sort(values);
  const size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

template <typename RatioOfRound>
Ratio RatioOf(const PeerRuns& ours, const PeerRuns& theirs, RatioOfRound ratio_of_round) {
  std::vector<double> ratios;
  for (size_t i = 0; i < ours.rounds.size(); ++i) {
    ratios.push_back(ratio_of_round(ours.rounds[i], theirs.rounds[i]));
  }
  return {.median = MedianOf(ratios),
          .low = std::ranges::min(ratios),
          .high = std::ranges::max(ratios)};
}

// A tenth of the work: what a first run pays for alone (page cache, clock rate) is paid here.
Settings WarmUpSettings(const Settings& settings) {
  Settings shorter = settings;
  shorter.operations = std::max<uint64_t>(settings.operations / kWarmUpShare, 1);
  shorter.seconds = std::max<uint64_t>(settings.seconds / kWarmUpShare, 1);
  return shorter;
}

}  // namespace

Ratio SpeedRatio(const PeerRuns& ours, const PeerRuns& theirs) {
  return RatioOf(ours, theirs, [](const Measurement& us, const Measurement& them) {
    return us.PerSecond() / them.PerSecond();
  });
}

Ratio CpuRatio(const PeerRuns& ours, const PeerRuns& theirs) {
  return RatioOf(ours, theirs, [](const Measurement& us, const Measurement& them) {
    return them.CpuMicrosPerOperation() / us.CpuMicrosPerOperation();
  });
}

const Measurement& MedianRun(const PeerRuns& runs) {
  std::vector<const Measurement*> sorted;
  for (const Measurement& round : runs.rounds) sorted.push_back(&round);
  std::ranges::sort(sorted, std::less{}, [](const Measurement* m) { return m->PerSecond(); });
  return *sorted[(sorted.size() - 1) / 2];
}

std::string Comparison::StateDirectory(const WorkloadRun& run, const Settings& settings,
                                       const PeerKind& kind, StartState state) const {
  return settings_.directory + "/" + std::string(kind.name) + ".v" +
         std::to_string(settings.value_bytes) + (run.cold ? ".cold." : ".") +
         std::string(NameOf(state));
}

Result<std::string> Comparison::Prepare(const WorkloadRun& run, const Settings& settings,
                                        const PeerKind& kind, StartState state) {
  const std::string directory = StateDirectory(run, settings, kind, state);
  if (std::filesystem::exists(directory)) return directory;
  std::fprintf(stderr, "load %s\n", directory.c_str());
  if (state == StartState::kFresh) {
    AIDB_RETURN_IF_ERROR(
        InChild([&] { return Load(settings, run.cold, kind, directory); }).status());
    return directory;
  }
  AIDB_ASSIGN_OR_RETURN(const std::string fresh, Prepare(run, settings, kind, StartState::kFresh));
  CopyTree(fresh, directory);
  if (state == StartState::kKilled) {
    AIDB_RETURN_IF_ERROR(
        InKilledChild([&] { return OverwriteQuarter(settings, kind, directory); }));
  } else {
    AIDB_RETURN_IF_ERROR(
        InChild([&] { return Compact(settings, run.cold, kind, directory); }).status());
  }
  return directory;
}

Result<Measurement> Comparison::RunOnce(const Settings& settings, WorkloadRuns& runs,
                                        const PeerKind& kind, int round) {
  const WorkloadRun& run = runs.run;
  const std::string directory = settings_.directory + "/run";
  RemoveTree(directory);
  if (run.start != StartState::kEmpty) {
    AIDB_ASSIGN_OR_RETURN(const std::string source, Prepare(run, settings, kind, run.start));
    CopyTree(source, directory);
  }
  if (!settings.brief || run.cold) SyncFileSystem(settings_.directory);
  std::unique_ptr<MemoryLimit> limit;
  if (run.cold) {
    DropCache(directory);
    auto made = MemoryLimit::Make(ColdMemoryBytes(settings));
    runs.bound = made.ok()
                     ? "memory cgroup"
                     : "cache dropped before the run, then unbounded; " + made.status().ToString();
    if (made.ok()) limit = std::move(*made);
  }
  Result<Measurement> result = InChild([&]() -> Result<Measurement> {
    if (limit) AIDB_RETURN_IF_ERROR(limit->Enter());
    return RunWorkload(settings, run, kind, directory, round);
  });
  RemoveTree(directory);
  if (!result.ok()) {
    return std::move(result).status().Annotate(run.name + " on " + std::string(kind.name));
  }
  std::fprintf(stderr, "%s %s %s: %.0f/s\n", run.name.c_str(),
               round == kWarmUpRound ? "warm-up" : std::to_string(round).c_str(),
               std::string(kind.name).c_str(), result->PerSecond());
  return result;
}

Result<WorkloadRuns> Comparison::Run(const WorkloadRun& run) {
  WorkloadRuns all{.run = run, .settings = SettingsFor(settings_, run), .bound = {}, .peers = {}};
  for (const PeerKind* kind : peers_) all.peers.push_back({.kind = kind, .rounds = {}});
  const Settings warm_up = WarmUpSettings(all.settings);
  for (const PeerKind* kind : peers_) {
    if (settings_.brief) break;
    AIDB_RETURN_IF_ERROR(RunOnce(warm_up, all, *kind, kWarmUpRound).status());
  }
  for (int round = 0; round < settings_.pairs; ++round) {
    std::vector<PeerRuns*> order;
    for (PeerRuns& peer : all.peers) order.push_back(&peer);
    if (round % 2 == 1) std::ranges::reverse(order);
    for (PeerRuns* peer : order) {
      AIDB_ASSIGN_OR_RETURN(const Measurement measured,
                            RunOnce(all.settings, all, *peer->kind, round));
      peer->rounds.push_back(measured);
    }
  }
  return all;
}

}  // namespace aidb::bench

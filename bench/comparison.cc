#include "bench/comparison.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <functional>

#include "bench/process.h"
#include "bench/scratch.h"

namespace aidb::bench {
namespace {

constexpr int kWarmUpRound = -1;
constexpr uint64_t kWarmUpShare = 10;

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
  const uint64_t operations = settings.operations != 0 ? settings.operations : settings.keys;
  shorter.operations = std::max<uint64_t>(operations / kWarmUpShare, 1);
  shorter.synced_operations = std::max<uint64_t>(settings.synced_operations / kWarmUpShare, 1);
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

std::string Comparison::StateDirectory(const PeerKind& kind, StartState state) const {
  return settings_.directory + "/" + std::string(kind.name) +
         (state == StartState::kFresh ? ".fresh" : ".compacted");
}

Result<std::string> Comparison::Prepare(const PeerKind& kind, StartState state) {
  const std::string directory = StateDirectory(kind, state);
  if (std::filesystem::exists(directory)) return directory;
  std::fprintf(stderr, "load %s\n", directory.c_str());
  if (state == StartState::kFresh) {
    AIDB_RETURN_IF_ERROR(InChild([&] { return Load(settings_, kind, directory); }).status());
  } else {
    AIDB_ASSIGN_OR_RETURN(const std::string fresh, Prepare(kind, StartState::kFresh));
    CopyTree(fresh, directory);
    AIDB_RETURN_IF_ERROR(InChild([&] { return Compact(settings_, kind, directory); }).status());
  }
  return directory;
}

Result<Measurement> Comparison::RunOnce(const Settings& settings, const WorkloadRun& run,
                                        const PeerKind& kind, int round) {
  const std::string directory = settings_.directory + "/run";
  RemoveTree(directory);
  if (run.start != StartState::kEmpty) {
    AIDB_ASSIGN_OR_RETURN(const std::string source, Prepare(kind, run.start));
    CopyTree(source, directory);
  }
  SyncFileSystem(settings_.directory);
  Result<Measurement> result =
      InChild([&] { return RunWorkload(settings, run, kind, directory, round); });
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
  WorkloadRuns all{.run = run, .peers = {}};
  for (const PeerKind* kind : peers_) all.peers.push_back({.kind = kind, .rounds = {}});
  const Settings warm_up = WarmUpSettings(settings_);
  for (const PeerKind* kind : peers_) {
    AIDB_RETURN_IF_ERROR(RunOnce(warm_up, run, *kind, kWarmUpRound).status());
  }
  for (int round = 0; round < settings_.pairs; ++round) {
    std::vector<PeerRuns*> order;
    for (PeerRuns& peer : all.peers) order.push_back(&peer);
    if (round % 2 == 1) std::ranges::reverse(order);
    for (PeerRuns* peer : order) {
      AIDB_ASSIGN_OR_RETURN(const Measurement measured,
                            RunOnce(settings_, run, *peer->kind, round));
      peer->rounds.push_back(measured);
    }
  }
  return all;
}

}  // namespace aidb::bench

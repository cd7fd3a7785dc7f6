#pragma once

#include <string>
#include <vector>

#include "aidb/base/result.h"

#include "bench/machine.h"
#include "bench/measurement.h"
#include "bench/settings.h"
#include "bench/workload.h"

namespace aidb::bench {

// The runs of one workload on one peer, one per round.
struct PeerRuns {
  const PeerKind* kind = nullptr;
  std::vector<Measurement> rounds;
};

// How much better the first peer is than another, from each round's ratio of the two.
struct Ratio {
  double median = 0;
  double low = 0;
  double high = 0;
};
// Of operations per second: what a user gets.
Ratio SpeedRatio(const PeerRuns& ours, const PeerRuns& theirs);
// Of CPU time per operation, background work included: on a machine that others use as well it
// repeats better than time does.
Ratio CpuRatio(const PeerRuns& ours, const PeerRuns& theirs);
// The run with the median rate; of an even number the slower middle one.
const Measurement& MedianRun(const PeerRuns& runs);

struct WorkloadRuns {
  WorkloadRun run;
  Settings settings;            // Those of the run itself.
  std::string bound;            // What bounds the memory of a cold run, in words; else empty.
  std::vector<PeerRuns> peers;  // In the order asked for.
};

// Runs every workload on every peer, interleaved: all peers in each round, in turned order from
// one round to the next, each in a process of its own, after a round that warms up and is thrown
// away. Progress goes to standard error.
class Comparison {
 public:
  Comparison(const Settings& settings, std::vector<const PeerKind*> peers)
      : settings_(settings), peers_(std::move(peers)) {}

  Result<WorkloadRuns> Run(const WorkloadRun& run);

 private:
  std::string StateDirectory(const WorkloadRun& run, const Settings& settings, const PeerKind& kind,
                             StartState state) const;
  // The store of `kind` in `state`, made when first asked for.
  Result<std::string> Prepare(const WorkloadRun& run, const Settings& settings,
                              const PeerKind& kind, StartState state);
  Result<Measurement> RunOnce(const Settings& settings, WorkloadRuns& runs, const PeerKind& kind,
                              int round);

  const Settings& settings_;
  const std::vector<const PeerKind*> peers_;
};

}  // namespace aidb::bench

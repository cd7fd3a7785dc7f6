#pragma once

#include <span>
#include <string>
#include <vector>

#include "bench/comparison.h"

namespace aidb::bench {

struct BenchReport {
  Settings settings;
  Machine machine;
  std::vector<const PeerKind*> peers;
  std::vector<WorkloadRuns> workloads;
};

// For people: one block per workload, one line per peer. Figures of the median run; the ratio is
// how much faster the first peer is.
std::string MachineText(const BenchReport& report);
std::string WorkloadText(const WorkloadRuns& runs);
// For tools: everything, each round by itself. The layout is described in bench/README.md.
std::string ToJson(const BenchReport& report);

}  // namespace aidb::bench

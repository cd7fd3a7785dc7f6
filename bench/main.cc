// aidb_bench: see README.md beside this file, and --help.

#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

#include "bench/comparison.h"
#include "bench/machine.h"
#include "bench/peers/peer.h"
#include "bench/report.h"
#include "bench/scratch.h"
#include "bench/settings.h"
#include "bench/workload.h"

namespace aidb::bench {
namespace {

Result<std::vector<const PeerKind*>> FindPeers(const Settings& settings) {
  std::vector<const PeerKind*> found;
  if (settings.peers.empty()) {
    found = AllPeers();
    if (settings.brief) {
      std::erase_if(found, [](const PeerKind* kind) { return kind->slow_to_open; });
    }
  }
  for (const std::string& name : settings.peers) {
    const size_t before = found.size();
    for (const PeerKind* kind : AllPeers()) {
      if (kind->name == name) found.push_back(kind);
    }
    if (found.size() == before) return InvalidArgument("no peer " + name + "; see --help");
  }
  return found;
}

int Help() {
  std::printf("%s\npeers:\n", Usage().c_str());
  for (const PeerKind* kind : AllPeers()) {
    std::printf("  %-16s %s; %s\n", std::string(kind->name).c_str(), kind->version.c_str(),
                std::string(kind->terms).c_str());
  }
  std::printf("\nworkloads:\n");
  for (const Workload& workload : AllWorkloads()) {
    std::printf("  %-16s %s\n", std::string(workload.name).c_str(),
                std::string(workload.about).c_str());
  }
  return 0;
}

Status Run(std::span<char* const> arguments) {
  BenchReport report;
  AIDB_ASSIGN_OR_RETURN(report.settings, ParseSettings(arguments));
  AIDB_ASSIGN_OR_RETURN(report.peers, FindPeers(report.settings));
  std::vector<WorkloadRun> runs;
  for (const std::string& name : report.settings.workloads) {
    AIDB_ASSIGN_OR_RETURN(WorkloadRun run, FindWorkload(name));
    runs.push_back(std::move(run));
  }
  AIDB_RETURN_IF_ERROR(ClaimScratch(report.settings.directory));
  report.machine = LookAtMachine(report.settings.directory);
  std::printf("%s", MachineText(report).c_str());
  Comparison comparison(report.settings, report.peers);
  for (const WorkloadRun& run : runs) {
    AIDB_ASSIGN_OR_RETURN(WorkloadRuns measured, comparison.Run(run));
    std::printf("%s", WorkloadText(measured).c_str());
    std::fflush(stdout);
    report.workloads.push_back(std::move(measured));
  }
  AIDB_RETURN_IF_ERROR(ClaimScratch(report.settings.directory));
  if (report.settings.output.empty()) return {};
  std::ofstream file(report.settings.output, std::ios::trunc);
  file << ToJson(report);
  file.close();
  return file ? Status() : IoError("write " + report.settings.output);
}

}  // namespace
}  // namespace aidb::bench

int main(int argc, char** argv) {
  const std::span<char* const> arguments(argv + 1, static_cast<size_t>(argc - 1));
  if (arguments.size() == 1 && std::string_view(arguments[0]) == "--help") {
    return aidb::bench::Help();
  }
  const aidb::Status status = aidb::bench::Run(arguments);
  if (status.ok()) return 0;
  std::fprintf(stderr, "aidb_bench: %s\n", status.ToString().c_str());
  return 1;
}

#include "tests/sim/scrubbing.h"

#include <algorithm>
#include <chrono>
#include <vector>

#include "aidb/lsm/check.h"

#include "tests/sim/workload.h"

namespace aidb::sim {

std::optional<std::string> CheckScrub(const io::Env& env, const kv::Options& options,
                                      kv::Store& store) {
  // The second period is for a scrub that yields to the writes before.
  env.clock.SleepFor(std::chrono::seconds(2 * options.scrub_period_s));
  const std::vector<kv::DamagedFile> told = store.Stats().damaged;
  if (!store.Close().ok()) return std::nullopt;  // Whoever asks for writes tells that.
  const auto check = lsm::CheckStore(env, kDirectory);
  if (!check.ok()) return std::nullopt;
  for (const lsm::StoreProblem& problem : check->problems) {
    if (!problem.file.ends_with(".sst")) continue;
    const auto same = [&](const kv::DamagedFile& damaged) { return damaged.file == problem.file; };
    if (std::ranges::none_of(told, same)) {
      return "in two periods the scrub does not tell: " + problem.what;
    }
  }
  return std::nullopt;
}

}  // namespace aidb::sim

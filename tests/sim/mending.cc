#include "tests/sim/mending.h"

#include <utility>

#include "aidb/lsm/check.h"
#include "aidb/lsm/open.h"
#include "aidb/lsm/repair.h"

#include "tests/sim/oracle.h"
#include "tests/sim/workload.h"

namespace aidb::sim {
namespace {

constexpr std::string_view kTarget = "mended";

std::string Describe(const kv::RepairLoss& loss) {
  return loss.file + " at " + std::to_string(loss.offset) + ": " + loss.what;
}

// That no key holds what it never held.
std::optional<std::string> CheckNothingInvented(const Pairs& contents, const History& history) {
  for (const auto& [name, value] : contents) {
    const std::optional<int> key = history.KeyNamed(name);
    if (!key) return "a repair invents the key '" + name + "'";
    if (!history.EverHeld(*key, value)) {
      return "a repair invents a value of key " + std::to_string(*key);
    }
  }
  return std::nullopt;
}

std::optional<std::string> CheckMended(const io::Env& env, const kv::Options& options,
                                       const kv::RepairReport& report, const History& history,
                                       uint64_t least, const WallWatch& wall) {
  const auto check = lsm::CheckStore(env, kTarget);
  if (!check.ok()) return "what a repair made is not checked: " + check.status().ToString();
  if (!check->problems.empty()) {
    return "what a repair made is damaged: " + check->problems.front().file + ": " +
           check->problems.front().what;
  }
  kv::Options as_it_is = options;
  as_it_is.mode = kv::StoreMode::kMustExist;
  auto opened = lsm::OpenStore(env, kTarget, as_it_is);
  if (!opened.ok()) return "what a repair made does not open: " + opened.status().ToString();
  StoreClock clock(wall);
  const Verdict found = LookAt(*opened->store, clock);
  if (found.complaint) return "what a repair made: " + *found.complaint;
  if (auto complaint = CheckNothingInvented(found.contents, history)) return complaint;
  if (found.contents.size() > report.keys) return "a repair reports fewer keys than it kept";
  if (!report.losses.empty()) return std::nullopt;
  if (found.last < least) {
    return "a repair that reports no loss ends at sequence " + std::to_string(found.last) +
           "; history must reach " + std::to_string(least);
  }
  const auto matched = history.Match(found.last, found.contents, found.now_ms);
  if (matched.complaint) return "after a repair that reports no loss: " + *matched.complaint;
  return std::nullopt;
}

}  // namespace

std::optional<std::string> CheckRepair(const io::Env& env, const kv::Options& options,
                                       const History& history, uint64_t least, bool may_lose,
                                       const WallWatch& wall) {
  const auto report = lsm::RepairStore(env, kDirectory, kTarget);
  if (!report.ok()) {
    const StatusCode code = report.status().code();
    // Nothing can be saved; or the store was not yet there.
    const bool expected = (code == StatusCode::kCorruption && may_lose) ||
                          (code == StatusCode::kInvalidArgument && least == 0);
    const auto left = env.files.Exists(kTarget);
    if (!left.ok() || *left) return "a repair that fails leaves its target";
    if (expected) return std::nullopt;
    return "the repair fails: " + report.status().ToString();
  }
  if (!may_lose && !report->losses.empty()) {
    return "a repair of an undamaged store reports a loss: " + Describe(report->losses.front());
  }
  return CheckMended(env, options, *report, history, least, wall);
}

}  // namespace aidb::sim

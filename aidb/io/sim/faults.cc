#include "aidb/io/sim/faults.h"

#include <numeric>
#include <utility>

#include "aidb/base/check.h"

namespace aidb::io {

std::string_view FileCallName(FileCall call) {
  static constexpr std::string_view kNames[] = {
      "open",   "read",  "write",          "sync", "truncate",   "allocate",
      "size",   "close", "exists",         "list", "mkdir",      "rename",
      "remove", "link",  "sync directory", "lock", "free bytes", "open region"};
  return kNames[static_cast<size_t>(call)];
}

namespace {

// Whether the fault can happen to the call: a rule that does nothing would prove nothing.
bool Applies(Fault fault, FileCall call) {
  const bool is_read = call == FileCall::kRead;
  const bool is_sync = call == FileCall::kSync || call == FileCall::kSyncDirectory;
  switch (fault) {
    case Fault::kShort:
      return is_read || call == FileCall::kWrite;
    case Fault::kTooManyFiles:
      return !is_sync;
    case Fault::kSyncKeepsCache:
    case Fault::kSyncDropsCache:
    case Fault::kSyncLies:
      return is_sync;
    case Fault::kReadFlipsBit:
    case Fault::kReadStale:
    case Fault::kReadMisplaced:
      return is_read;
    case Fault::kError:
    case Fault::kErrorAfterPart:
    case Fault::kNoSpace:
    case Fault::kStall:
      return true;
  }
  return false;
}

}  // namespace

void FaultPlan::Add(FaultRule rule) {
  AIDB_CHECK(rules_.size() < kRulesMax && rule.one_in > 0 && Applies(rule.fault, rule.call));
  rules_.push_back(std::move(rule));
}

uint64_t FaultPlan::hits() const {
  return std::accumulate(hits_.begin(), hits_.end(), uint64_t{0});
}

std::optional<FaultPlan::Drawn> FaultPlan::Draw(FileCall call, std::string_view path, Rng& rng) {
  for (FaultRule& rule : rules_) {
    if (rule.call != call || rule.times == 0) continue;
    if (path.find(rule.path_contains) == std::string_view::npos) continue;
    if (rule.skip > 0) {
      --rule.skip;
      continue;
    }
    if (rule.one_in > 1 && !rng.OneIn(rule.one_in)) continue;
    if (rule.times != FaultRule::kForEver) --rule.times;
    ++hits_[static_cast<size_t>(rule.fault)];
    return Drawn{rule.fault, rule.stall};
  }
  return std::nullopt;
}

}  // namespace aidb::io

// What may have been read while writes were under way: of those nobody knows yet where they stand.

#include <algorithm>

#include "aidb/base/escape.h"

#include "tests/sim/history.h"

namespace aidb::sim {
namespace {

// With more unknown batches on one key every answer passes.
constexpr size_t kUnknownMax = 8;
constexpr size_t kShown = 40;

std::string Show(const std::optional<std::string>& value) {
  return value ? "'" + EscapeForMessage(*value, kShown) + "'" : "nothing";
}

}  // namespace

std::vector<int> History::OpenOn(int key) const {
  std::vector<int> found;
  for (const int batch : open_) {
    if (std::ranges::any_of(At(batch).operations,
                            [&](const Operation& operation) { return operation.Touches(key); })) {
      found.push_back(batch);
    }
  }
  return found;
}

void History::Take(Possible& possible, const Version& version) const {
  for (auto& [taken, states] : possible) {
    states.Take(*version.operation, At(version.batch).clock);
  }
}

// Each of `unknown` that was not taken may be taken now, in any order. A larger set comes behind
// all sets that it grows from.
void History::Spread(Possible& possible, int key, std::span<const int> unknown) const {
  for (auto at = possible.begin(); at != possible.end(); ++at) {
    for (size_t i = 0; i < unknown.size(); ++i) {
      const uint32_t bit = uint32_t{1} << i;
      if ((at->first & bit) != 0) continue;
      KeyStates states = at->second;
      for (const Operation& operation : At(unknown[i]).operations) {
        if (operation.Touches(key)) states.Take(operation, At(unknown[i]).clock);
      }
      const auto [there, added] = possible.try_emplace(at->first | bit, states);
      if (!added) there->second.Join(states);
    }
  }
}

std::optional<std::string> History::CheckRead(int key, const std::optional<std::string>& value,
                                              uint64_t acknowledged_before, ClockSpan clock) const {
  const std::vector<int> unknown = OpenOn(key);
  if (unknown.size() > kUnknownMax) return std::nullopt;
  const auto& versions = versions_[static_cast<size_t>(key)];
  const uint64_t from = std::min(solid_, acknowledged_before);
  auto next = std::ranges::upper_bound(versions, from, {}, &Version::sequence);
  Possible possible{{0, StatesOf(key, from, {})}};
  while (true) {
    Spread(possible, key, unknown);
    const bool seen = next == versions.end() || next->sequence > acknowledged_before;
    if (seen && std::ranges::any_of(possible, [&](const auto& entry) {
          return entry.second.MayShow(value, clock);
        })) {
      return std::nullopt;
    }
    if (next == versions.end()) break;
    for (const int batch = next->batch; next != versions.end() && next->batch == batch; ++next) {
      Take(possible, *next);
    }
  }
  return "a read of key " + std::to_string(key) + " gave " + Show(value) +
         "; acknowledged before it was " + StatesOf(key, acknowledged_before, {}).Show();
}

bool History::EverHeld(int key, const std::string& value) const {
  const std::vector<int> unknown = OpenOn(key);
  if (unknown.size() > kUnknownMax) return true;
  const auto& versions = versions_[static_cast<size_t>(key)];
  Possible possible{{0, KeyStates()}};
  for (auto next = versions.begin();;) {
    Spread(possible, key, unknown);
    if (std::ranges::any_of(possible,
                            [&](const auto& entry) { return entry.second.Holds(value); })) {
      return true;
    }
    if (next == versions.end()) return false;
    for (const int batch = next->batch; next != versions.end() && next->batch == batch; ++next) {
      Take(possible, *next);
    }
  }
}

std::optional<std::string> History::CheckCondition(int batch, uint64_t since,
                                                   std::span<const int> keys) const {
  const Batch& b = At(batch);
  if (b.outcome != Outcome::kPresent) return std::nullopt;
  for (const int key : keys) {
    const auto& versions = versions_[static_cast<size_t>(key)];
    const auto between = std::ranges::upper_bound(versions, since, {}, &Version::sequence);
    if (between == versions.end() || between->sequence >= b.first) continue;
    // What was absent and is absent again may count as unchanged.
    if (!StatesOf(key, since, {}).IsThere() && !StatesOf(key, b.first - 1, {}).IsThere()) continue;
    return "a write at sequence " + std::to_string(b.first) + " went through, though key " +
           std::to_string(key) + " was written at " + std::to_string(between->sequence) +
           ", behind its snapshot at " + std::to_string(since);
  }
  return std::nullopt;
}

bool History::MayBeRefused(int batch, uint64_t since, std::span<const int> keys) const {
  return std::ranges::any_of(keys, [&](int key) {
    const auto& versions = versions_[static_cast<size_t>(key)];
    if (!versions.empty() && versions.back().sequence > since) return true;
    return std::ranges::any_of(OpenOn(key), [&](int other) { return other != batch; });
  });
}

}  // namespace aidb::sim

#include "tests/sim/key_states.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "aidb/base/escape.h"

namespace aidb::sim {
namespace {

constexpr size_t kStatesMax = 64;
constexpr size_t kShown = 40;

// Of the small numbers that the writers add; 0 for other bytes.
int64_t NumberIn(const std::string& bytes) {
  const size_t sign = bytes.starts_with('-') ? 1 : 0;
  if (bytes.size() == sign || bytes.size() > 18) return 0;
  if (bytes.find_first_not_of("0123456789", sign) != std::string::npos) return 0;
  return std::strtoll(bytes.c_str(), nullptr, 10);
}

}  // namespace

void KeyStates::Set(const Operation& operation) {
  states_.clear();
  anything_ = false;
  states_.push_back(operation.value ? State(Held{*operation.value, operation.expires_at_ms})
                                    : std::nullopt);
}

// Shares no code with the store.
KeyStates::State KeyStates::Merged(const Operation& operation, const State& before) {
  const std::string& operand = *operation.value;
  if (*operation.merge == kv::MergeOperator::kAddI64) {
    const int64_t sum = (before ? NumberIn(before->bytes) : 0) + NumberIn(operand);
    return Held{std::to_string(sum), before ? before->expires_at_ms : std::nullopt};
  }
  if (!before) return Held{operand, std::nullopt};
  Held after = *before;
  if (*operation.merge == kv::MergeOperator::kAppend) after.bytes += operand;
  if (*operation.merge == kv::MergeOperator::kMax && after.bytes < operand) after.bytes = operand;
  if (*operation.merge == kv::MergeOperator::kMin && operand < after.bytes) after.bytes = operand;
  return after;
}

void KeyStates::Take(const Operation& operation, ClockSpan written) {
  if (!operation.merge) return Set(operation);
  const std::vector<State> before = std::exchange(states_, {});
  for (const State& state : before) {
    const auto until = state ? state->expires_at_ms : std::nullopt;
    const bool may_be_gone = until && *until <= written.end_ms;
    const bool is_gone = until && *until <= written.begin_ms;
    if (!is_gone) Add(Merged(operation, state));
    if (may_be_gone) Add(Merged(operation, std::nullopt));
  }
}

void KeyStates::Join(const KeyStates& other) {
  anything_ = anything_ || other.anything_;
  for (const State& state : other.states_) Add(state);
}

void KeyStates::Add(State state) {
  if (std::ranges::find(states_, state) != states_.end()) return;
  if (states_.size() == kStatesMax) {
    anything_ = true;
    return;
  }
  states_.push_back(std::move(state));
}

bool KeyStates::MayShow(const std::optional<std::string>& value, ClockSpan read) const {
  return anything_ || std::ranges::any_of(states_, [&](const State& state) {
           if (!state) return !value;
           const auto until = state->expires_at_ms;
           if (!value) return until && *until <= read.end_ms;
           return state->bytes == *value && (!until || *until > read.begin_ms);
         });
}

bool KeyStates::Holds(const std::string& value) const {
  return anything_ || std::ranges::any_of(states_, [&](const State& state) {
           return state && state->bytes == value;
         });
}

bool KeyStates::IsThere() const {
  return !anything_ && std::ranges::all_of(states_, [](const State& state) {
    return state && !state->expires_at_ms;
  });
}

std::string KeyStates::Show() const {
  std::string text;
  for (const State& state : states_) {
    if (!text.empty()) text += " or ";
    text += state ? "'" + EscapeForMessage(state->bytes, kShown) + "'" : "nothing";
    if (state && state->expires_at_ms) text += " until " + std::to_string(*state->expires_at_ms);
  }
  return text;
}

}  // namespace aidb::sim

#pragma once

// What one key may hold: what its operations make of it, and which of them nobody can know.

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "aidb/kv/types.h"

namespace aidb::sim {

struct Operation {
  int key = 0;
  int end = 0;  // Above `key`: a delete of all keys in front of this one, or without an end.
  std::optional<std::string> value = std::nullopt;  // Absent: a delete. Of a merge the operand.
  std::optional<uint64_t> expires_at_ms = std::nullopt;
  std::optional<kv::MergeOperator> merge = std::nullopt;  // One of the built-in ones.

  // Behind the last key that it touches.
  int behind() const { return std::max(end, key + 1); }
  bool Touches(int other) const { return key <= other && other < behind(); }
  bool Expired(uint64_t now_ms) const { return expires_at_ms && *expires_at_ms <= now_ms; }
};

// The store's clock before and after a call.
struct ClockSpan {
  uint64_t begin_ms = 0;
  uint64_t end_ms = 0;
};

// One state mostly; several where nobody saw the clock by which a merge judged what it found.
//
// Thread safety: a value.
class KeyStates {
 public:
  // Nothing but what `operation` says, which is no merge.
  void Set(const Operation& operation);
  // `written`: when the operation was folded, if it is a merge.
  void Take(const Operation& operation, ClockSpan written);
  // These, or those.
  void Join(const KeyStates& other);

  // Whether a read by a clock within `read` may give `value`.
  bool MayShow(const std::optional<std::string>& value, ClockSpan read) const;
  // Whether it is there, expired or not.
  bool Holds(const std::string& value) const;
  // Whether something is there for certain that never expires.
  bool IsThere() const;
  std::string Show() const;

 private:
  struct Held {
    std::string bytes;
    std::optional<uint64_t> expires_at_ms;
    bool operator==(const Held&) const = default;
  };
  using State = std::optional<Held>;

  static State Merged(const Operation& operation, const State& before);
  void Add(State state);

  std::vector<State> states_{std::nullopt};
  bool anything_ = false;  // Too many to tell.
};

}  // namespace aidb::sim

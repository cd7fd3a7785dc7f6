#pragma once

#include <string>

#include "aidb/lsm/entry.h"

namespace aidb::lsm {

// An entry that holds its bytes, for tests and benchmarks.
struct OwnedEntry {
  std::string key;
  Sequence sequence{};
  OpKind kind = OpKind::kPut;
  std::string value;

  Entry view() const { return {.key = key, .value = value, .sequence = sequence, .kind = kind}; }
  bool operator==(const OwnedEntry&) const = default;
};

}  // namespace aidb::lsm

#pragma once

#include <cstdint>
#include <string>

#include "aidb/lsm/entry.h"

namespace aidb::lsm {

// An entry that holds its bytes, for tests and benchmarks.
struct OwnedEntry {
  std::string key;
  Sequence sequence{};
  OpKind kind = OpKind::kPut;
  std::string value;
  uint64_t expires_at_ms = 0;

  Entry view() const {
    return {.key = key,
            .value = value,
            .sequence = sequence,
            .kind = kind,
            .expires_at_ms = expires_at_ms};
  }
  bool operator==(const OwnedEntry&) const = default;
};

}  // namespace aidb::lsm

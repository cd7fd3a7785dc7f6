#pragma once

#include <cstdint>
#include <string>

#include "aidb/lsm/entry.h"

namespace aidb::lsm {

// What the manifest repeats of a table, and what opening it is checked against.
struct TableFacts {
  uint64_t number = 0;
  uint64_t salt = 0;
  uint64_t size_bytes = 0;
  uint32_t crc = 0;         // crc32c of the whole file.
  std::string first_key{};  // Nothing lies before it, ...
  std::string last_key{};   // ... or behind it: no entry, and nothing that a range delete covers.
  Sequence lowest{};
  Sequence highest{};
  uint64_t entries = 0;
  uint64_t deletes = 0;
  uint64_t raw_bytes = 0;      // Keys and values as the user wrote them.
  uint64_t range_deletes = 0;  // Versions of fragments (range_deletes.h); no entries.
  uint64_t operands = 0;       // Of the entries, those of merges (operands.h).
  // Whether it came as a sorted file, which is as it was made: then everything in it counts as of
  // the sequence `lowest`, which is `highest`, and it was born with another number.
  bool ingested = false;

  bool operator==(const TableFacts&) const = default;
};

}  // namespace aidb::lsm

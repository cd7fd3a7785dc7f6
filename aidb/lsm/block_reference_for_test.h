#pragma once

// The slow reading of a block, written from docs/formats/table.md alone: front to back, checking
// nothing that a block which was accepted cannot break.

#include <string>
#include <string_view>
#include <vector>

#include "aidb/base/bytes.h"
#include "aidb/base/check.h"
#include "aidb/lsm/table_for_test.h"

namespace aidb::lsm {

inline std::vector<OwnedEntry> SlowDecode(std::string_view block) {
  ByteReader reader(block);
  const size_t n = *reader.Le<uint16_t>();
  const uint8_t flags = *reader.Le<uint8_t>();
  const uint8_t interval = *reader.Le<uint8_t>();
  const std::string_view common = [&] {
    const size_t common_bytes = *reader.Le<uint16_t>();
    return *ByteReader(block.substr(14)).Bytes(common_bytes);
  }();
  const uint64_t base = *reader.Le<uint64_t>();
  reader = ByteReader(block.substr(14 + common.size()));
  if ((flags & 2) != 0) AIDB_CHECK(reader.Bytes(n));
  std::vector<std::string> prefixes;
  for (size_t i = 0; i < n; ++i) {
    std::string prefix(*reader.Bytes(8));
    std::ranges::reverse(prefix);
    prefixes.push_back(prefix);
  }
  AIDB_CHECK(reader.Bytes(n * ((flags & 1) != 0 ? 4 : 2)));

  std::vector<OwnedEntry> entries;
  std::string rest;
  for (size_t i = 0; i < n; ++i) {
    const uint64_t suffix = *reader.Varint();
    const uint64_t shared = i % interval != 0 ? *reader.Varint() : 0;
    const uint64_t rest_bytes = suffix > 8 ? suffix - 8 : 0;
    rest = rest.substr(0, shared) + std::string(*reader.Bytes(rest_bytes - shared));
    uint64_t word = (flags & 4) != 0 ? *reader.Le<uint8_t>() : *reader.Varint();
    const uint64_t expires_at_ms = (word & 15) == 5 ? *reader.Le<uint64_t>() : 0;
    const std::string_view value = *reader.Bytes(*reader.Varint());
    entries.push_back({std::string(common) + prefixes[i].substr(0, suffix) + rest,
                       Sequence{base + (word >> 4)}, static_cast<OpKind>(word & 15),
                       std::string(value), expires_at_ms});
  }
  AIDB_CHECK(reader.empty());
  return entries;
}

}  // namespace aidb::lsm

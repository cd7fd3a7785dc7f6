#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "aidb/base/bytes.h"

namespace aidb::lsm {

// The 8 bytes of `key` behind its first `skip` ones as a big-endian number, short keys padded
// with zeros. Of keys that share those first bytes, different prefixes order two as the keys
// are ordered; equal ones say nothing.
inline uint64_t KeyPrefix(std::string_view key, size_t skip = 0) {
  if (skip >= key.size()) return 0;
  const size_t rest = key.size() - skip;
  if (rest >= 8) return std::byteswap(LoadLe<uint64_t>(key.data() + skip));
  if (key.size() >= 8) {
    return std::byteswap(LoadLe<uint64_t>(key.data() + key.size() - 8)) << (8 * (8 - rest));
  }
  uint64_t prefix = 0;
  for (size_t i = 0; i < rest; ++i) {
    prefix |= uint64_t{static_cast<uint8_t>(key[skip + i])} << (56 - 8 * i);
  }
  return prefix;
}

// How many bytes two keys have in common at their beginning.
inline size_t SharedBytes(std::string_view a, std::string_view b) {
  const size_t n = std::min(a.size(), b.size());
  size_t i = 0;
  for (; n - i >= 8; i += 8) {
    const uint64_t difference = LoadLe<uint64_t>(a.data() + i) ^ LoadLe<uint64_t>(b.data() + i);
    if (difference != 0) return i + static_cast<size_t>(std::countr_zero(difference)) / 8;
  }
  while (i < n && a[i] == b[i]) ++i;
  return i;
}

}  // namespace aidb::lsm

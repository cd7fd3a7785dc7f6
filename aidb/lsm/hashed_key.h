#pragma once

#include <concepts>
#include <cstdint>
#include <string_view>

#include "aidb/base/hash.h"

namespace aidb::lsm {

// A key that is looked up, with the hash that memtables, filters and blocks ask for: made once,
// however many of them are asked.
//
// Lifetime: borrows the bytes.
struct HashedKey {
  template <typename Bytes>
    requires std::convertible_to<const Bytes&, std::string_view>
  HashedKey(const Bytes& key) : bytes(key), hash(Hash64(bytes)) {}  // NOLINT: a key is its bytes.

  std::string_view bytes;
  uint64_t hash;
};

}  // namespace aidb::lsm

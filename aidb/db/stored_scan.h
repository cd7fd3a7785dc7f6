#pragma once

#include <optional>
#include <string_view>

#include "aidb/kv/keyspace.h"
#include "aidb/kv/options.h"

namespace aidb {

// The stored keys of those that `range` means in `keyspace`. `bounded` says that behind the default
// keyspace's there may be others'.
kv::ScanRange StoredRange(const kv::Keyspace* keyspace, const kv::ScanRange& range, bool bounded);

// The scan of a store that shows what `options` mean in their keyspace.
//
// Lifetime: borrows the views of `options` and the snapshot; lives as long as its own options are
// used.
class StoredScan {
 public:
  StoredScan(const kv::ScanOptions& options, bool bounded);
  StoredScan(const StoredScan&) = delete;
  StoredScan& operator=(const StoredScan&) = delete;

  kv::ScanOptions options() const;
  kv::ScanRange range() const { return range_ ? *range_ : kv::RangeOf(given_); }

 private:
  const kv::ScanOptions given_;
  std::optional<kv::ScanRange> range_;  // Absent: they are the same.
};

// The keyspace that `options` mean, for Iterator::ShowKeysOf.
inline kv::KeyspaceId KeyspaceOf(const kv::ScanOptions& options) {
  return options.keyspace != nullptr ? options.keyspace->id() : kv::kDefaultKeyspace;
}

}  // namespace aidb

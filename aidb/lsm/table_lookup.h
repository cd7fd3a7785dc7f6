#pragma once

#include <cstddef>
#include <optional>

#include "aidb/base/result.h"
#include "aidb/lsm/block_cache.h"
#include "aidb/lsm/hashed_key.h"
#include "aidb/lsm/table_reader.h"

namespace aidb::lsm {

// One key's way through the entries of one table, step by step:
//
//   Enter ──► AskFilter ──► FindChild ──► FetchBlock ──► Search
//
// TableReader::Get takes them one after the other. Who looks up many keys takes each step for all
// of them before the next, and asks the memory in between for what the next step reads: the waits
// of the keys then overlap.
//
// Thread safety: none.
// Lifetime: borrows table, key and counters, which may be null.
class TableLookup {
 public:
  TableLookup(const TableReader& table, const HashedKey& key, Sequence at, ReadCounters* counters)
      : table_(&table), key_(&key), at_(at), counters_(counters) {}

  // False: the table has no entry of the key.
  bool Enter();
  Result<bool> AskFilter();
  Status FindChild();
  Status FetchBlock();
  Result<std::optional<TableReader::Found>> Search();

  // Behind Enter, and before AskFilter. Between the two PinFilter, which waits for what the first
  // asked for.
  void PrefetchFilter() const;
  Status PinFilter();
  // Before FindChild.
  void PrefetchIndex() const;
  // Before FetchBlock.
  void PrefetchBlock() const;

 private:
  const BlockHandle& filter_handle() const { return table_->root_entries_[partition_].filter; }
  Status FetchIndex();
  Result<bool> NextChild();

  const TableReader* table_;
  const HashedKey* key_;
  Sequence at_;
  ReadCounters* counters_;
  bool filtered_ = false;
  size_t partition_ = 0;
  size_t child_ = 0;
  BlockRef filter_;
  BlockRef index_;
  BlockRef block_;
};

}  // namespace aidb::lsm

#pragma once

#include <cstddef>
#include <memory>
#include <string_view>

#include "aidb/lsm/block_cache.h"
#include "aidb/lsm/block_reader.h"
#include "aidb/lsm/entry.h"
#include "aidb/lsm/table_reader.h"

namespace aidb::lsm {

// A walk over one table: at most one index partition and one data block pinned at a time.
//
// Thread safety: none.
// Lifetime: keeps the table alive.
class TableCursor final : public EntryCursor {
 public:
  TableCursor(std::shared_ptr<const TableReader> table, CacheFill fill)
      : table_(std::move(table)), fill_(fill), cursor_(entry_) {}

  void SeekToFirst() override;
  void SeekToLast() override;
  void Seek(std::string_view key, Sequence sequence) override;
  void Next() override;
  void Prev() override;
  Status status() const override { return status_; }

 private:
  static constexpr size_t kNowhere = ~size_t{0};

  // Each makes the named part the current one; false: status_ says why not.
  bool LoadPartition(size_t partition);
  bool LoadBlock(size_t child);
  // To the block behind or before; false at the end of the table or on an error.
  bool LoadNextBlock();
  bool LoadPrevBlock();
  bool Fail(Status why);

  const std::shared_ptr<const TableReader> table_;
  const CacheFill fill_;
  ReadAhead ahead_;  // Data blocks only; used when they do not enter the cache.
  Status status_;
  size_t partition_ = kNowhere;
  BlockRef index_;
  size_t child_ = kNowhere;
  BlockRef block_;
  BlockCursor cursor_;
};

}  // namespace aidb::lsm

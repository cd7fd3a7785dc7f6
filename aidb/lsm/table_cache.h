#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "aidb/base/result.h"
#include "aidb/base/sync.h"
#include "aidb/io/file_system.h"
#include "aidb/lsm/block_cache.h"
#include "aidb/lsm/table_reader.h"

namespace aidb::lsm {

// Open tables by number, a bounded count of them, opened when first asked for.
//
// Policy: CLOCK, one bit a table. Tables that somebody still uses stay open beyond their place
// here, so the count of open files may exceed the bound by those in use.
//
// Thread safety: any thread may call any method. Files are opened outside the lock.
// Lifetime: borrows the file system and the block cache; the readers it hands out borrow the
// block cache too and must not outlive it.
class TableCache {
 public:
  // Tables lie in `directory`. `tables_max` at least 1.
  TableCache(io::FileSystem& files, std::string directory, BlockCache& blocks, size_t tables_max);

  Result<std::shared_ptr<const TableReader>> Get(const TableFacts& facts) AIDB_EXCLUDES(mu_);
  // Forgets the table: its file is about to be deleted. A reader in use stays alive.
  void Evict(uint64_t number) AIDB_EXCLUDES(mu_);

  size_t size() const AIDB_EXCLUDES(mu_);
  // What the open tables hold beside the block cache.
  size_t memory_bytes() const AIDB_EXCLUDES(mu_);

 private:
  struct Slot {
    std::shared_ptr<const TableReader> table;  // Null: free.
    bool used = false;
  };

  size_t FreeSlot() AIDB_REQUIRES(mu_);

  io::FileSystem& files_;
  const std::string directory_;
  BlockCache& blocks_;
  const size_t tables_max_;

  mutable Mutex mu_;
  std::unordered_map<uint64_t, size_t> slot_of_ AIDB_GUARDED_BY(mu_);
  std::vector<Slot> slots_ AIDB_GUARDED_BY(mu_);
  size_t hand_ AIDB_GUARDED_BY(mu_) = 0;
};

}  // namespace aidb::lsm

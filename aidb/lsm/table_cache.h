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
#include "aidb/lsm/version.h"

namespace aidb::lsm {

// An open table, for as long as this lives and its TableFile does.
class OpenTable {
 public:
  explicit OpenTable(const TableReader* resident) : reader_(resident) {}
  explicit OpenTable(std::shared_ptr<const TableReader> shared)
      : shared_(std::move(shared)), reader_(shared_.get()) {}

  const TableReader* operator->() const { return reader_; }
  const TableReader& operator*() const { return *reader_; }

 private:
  std::shared_ptr<const TableReader> shared_;  // Null for one that stays open anyway.
  const TableReader* reader_;
};

// Open tables by number, a bounded count of them, opened when first asked for.
//
// Three quarters of the places are for residents: the first tables that reads come to for a
// second time stay open until their files go, and are found in their TableFile, without a lock and
// without a count. The others share the rest of the places.
//
// Policy there: CLOCK, one bit a table. Tables that somebody still uses stay open beyond their
// place here, so the count of open files may exceed the bound by those in use.
//
// Thread safety: any thread may call any method. Files are opened outside the lock.
// Lifetime: borrows the file system and the block cache; the readers it hands out borrow the
// block cache too and must not outlive it.
class TableCache {
 public:
  // Tables lie in `directory`. `tables_max` at least 1.
  TableCache(io::FileSystem& files, std::string directory, BlockCache& blocks, size_t tables_max);

  Result<OpenTable> Open(const TableFile& file) AIDB_EXCLUDES(mu_) {
    if (const TableReader* resident = file.resident()) [[likely]]
      return OpenTable(resident);
    return OpenSlowly(file);
  }
  // The same for a caller that comes once, as a compaction does: it makes no table resident.
  Result<std::shared_ptr<const TableReader>> Get(const TableFacts& facts) AIDB_EXCLUDES(mu_);
  // Forgets the table: its TableFile is gone, and its file is about to be deleted. A reader in use
  // stays alive.
  void Evict(uint64_t number) AIDB_EXCLUDES(mu_);

  size_t size() const AIDB_EXCLUDES(mu_);
  // What the open tables hold beside the block cache.
  size_t memory_bytes() const AIDB_EXCLUDES(mu_);

 private:
  struct Slot {
    std::shared_ptr<const TableReader> table;  // Null: free.
    bool used = false;
    bool resident = false;
  };

  Result<OpenTable> OpenSlowly(const TableFile& file) AIDB_EXCLUDES(mu_);
  size_t FreeSlot() AIDB_REQUIRES(mu_);

  io::FileSystem& files_;
  const std::string directory_;
  BlockCache& blocks_;
  const size_t tables_max_;
  const size_t residents_max_;

  mutable Mutex mu_;
  std::unordered_map<uint64_t, size_t> slot_of_ AIDB_GUARDED_BY(mu_);
  std::vector<Slot> slots_ AIDB_GUARDED_BY(mu_);
  size_t hand_ AIDB_GUARDED_BY(mu_) = 0;
  size_t residents_ AIDB_GUARDED_BY(mu_) = 0;
};

}  // namespace aidb::lsm

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "aidb/base/result.h"
#include "aidb/io/file_system.h"
#include "aidb/kv/options.h"
#include "aidb/lsm/block_builder.h"
#include "aidb/lsm/codec.h"
#include "aidb/lsm/entry.h"
#include "aidb/lsm/filter.h"
#include "aidb/lsm/range_deletes.h"
#include "aidb/lsm/table_format.h"

namespace aidb::lsm {

struct TableOptions {
  uint64_t block_bytes = 4096;   // Unpacked target of a data block.
  int filter_bits_per_key = 10;  // 0 = no filter.
  kv::Compression compression = kv::Compression::kLz4;
  int level = 0;     // Where the table is born: repair rebuilds levels from it.
  uint64_t run = 0;  // Likewise.
};

// Writes one table, front to back, to a new empty file.
//
// Nothing is readable before Finish, nothing durable before the caller syncs file and
// directory. Data goes out in pieces of kWriteBytes; index and filter partitions wait in memory
// for the end of the data, about 2 % of it.
//
// Thread safety: none.
// Lifetime: borrows the file.
class TableBuilder {
 public:
  TableBuilder(io::File& file, uint64_t number, uint64_t salt, const TableOptions& options);

  // Entries come in internal order, kinds put, put-expiring and delete only, deletes without value:
  // anything else is a programmer error. After an error every further call gives it again.
  Status Add(const Entry& entry);
  // The versions of a fragment come in a row, newest first, and fragments in key order; they need
  // not keep step with the entries.
  Status AddRangeDelete(const RangeDelete& range);
  // Writes what is left, index to footer. Needs at least one entry or range delete; the last call.
  Result<TableFacts> Finish();

  bool empty() const { return facts_.entries == 0 && facts_.range_deletes == 0; }
  uint64_t entries() const { return facts_.entries; }
  uint64_t range_deletes() const { return facts_.range_deletes; }
  // Of the last entry. Needs one.
  std::string_view last_key() const { return facts_.last_key; }
  // About what the file would have if Finish were called now.
  uint64_t size_bytes() const;
  size_t memory_bytes() const;

  static constexpr size_t kWriteBytes = size_t{256} << 10;
  static constexpr size_t kIndexPartitionBytes = 4096;

 private:
  // An index partition that waits, and the filter beside it.
  struct Partition {
    std::string first_key;  // Of its first index entry.
    IndexEntry entry;       // For the root; handles still empty.
    std::string index;
    std::string filter;
  };

  void NoteExpiry(uint64_t expires_at_ms);
  void NoteSequence(Sequence sequence);
  void CoverRangeDeletes();
  void BeginBlock(const Entry& entry, bool same_key);
  Status FinishBlock();
  void FinishPartition();
  Status WritePartitions(BlockHandle* root);
  enum class Packing : bool { kNever, kIfItPays };
  Result<BlockHandle> WriteBlock(BlockKind kind, std::string_view raw, Packing packing);
  Status Flush();

  io::File& file_;
  const TableOptions options_;
  TableFacts facts_;
  uint64_t expiry_lowest_ms_ = 0;  // As TableProperties has them.
  uint64_t expiry_highest_ms_ = 0;
  bool expires_ = false;  // Some entry does.
  Status status_;         // Why it stopped; ok while healthy.

  BlockBuilder block_{BlockTags::kPresent};
  std::string block_key_;  // First key of the block, or a shorter stand-in.
  IndexEntry block_entry_;

  BlockBuilder range_block_{BlockTags::kAbsent};
  std::string ranges_begin_;  // Of the first fragment.
  std::string ranges_end_;    // Of the last one.

  BlockBuilder index_{BlockTags::kAbsent};
  FilterBuilder filter_;
  Partition partition_;  // The one that is growing.
  uint64_t partition_entries_ = 0;
  uint64_t partition_hiding_ = 0;
  std::vector<Partition> partitions_;
  size_t partitions_bytes_ = 0;

  uint64_t last_hash_ = 0;
  Sequence last_sequence_{};

  Packer packer_;
  std::string out_;       // Written blocks that wait for Flush.
  uint64_t flushed_ = 0;  // Bytes already in the file.
  std::string scratch_;
};

}  // namespace aidb::lsm

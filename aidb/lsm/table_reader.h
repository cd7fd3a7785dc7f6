#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "aidb/base/result.h"
#include "aidb/io/file_system.h"
#include "aidb/kv/pinned_value.h"
#include "aidb/lsm/block_cache.h"
#include "aidb/lsm/entry.h"
#include "aidb/lsm/hashed_key.h"
#include "aidb/lsm/range_deletes.h"
#include "aidb/lsm/table_format.h"

namespace aidb::lsm {

// What reads did, added up by whoever reads.
struct ReadCounters {
  uint64_t cache_hits = 0;
  uint64_t cache_misses = 0;
  uint64_t bytes_read = 0;     // From the file.
  uint64_t filter_useful = 0;  // A filter spared the rest of the lookup.
  uint64_t filter_false = 0;   // A filter said maybe, and the key was not there.
};

// Whether blocks read from the file may enter the cache, and hits count there.
enum class CacheFill : bool { kPassBy, kFill };

// Bytes read ahead of a walk that goes forward, so that a scan or a compaction makes few large
// reads. Part of a cursor.
class ReadAhead {
 public:
  // `size` bytes at `offset`; more are read when this continues the request before.
  Result<std::string_view> Bytes(const io::File& file, uint64_t file_bytes, uint64_t offset,
                                 uint64_t size);

  static constexpr uint64_t kWindowMin = uint64_t{16} << 10;
  static constexpr uint64_t kWindowMax = uint64_t{256} << 10;

 private:
  std::string buffer_;
  uint64_t begin_ = 0;  // Of the buffer in the file.
  uint64_t valid_ = 0;  // Bytes in it.
  uint64_t continues_at_ = 0;
  uint64_t window_ = kWindowMin;
};

// The block at `handle`, verified and unpacked; `ahead` may be null. The error says what is wrong,
// not in which file.
Result<Block> ReadTableBlock(const io::File& file, uint64_t file_bytes, uint64_t salt,
                             BlockKind kind, BlockHandle handle, Unpacker& unpacker,
                             ReadAhead* ahead);
// Everything in a block of an ingested table counts as of `sequence`. kCorruption when it holds
// several. Index blocks, which have none, stay as they are.
Status GiveSequence(Block& block, Sequence sequence);

// One open table.
//
// Every block is verified when it is read from the file; a damaged one fails only the reads that
// need it, with kCorruption naming file, offset, what was found, and the keys that are lost.
//
// Thread safety: immutable; any thread may call any method.
// Memory: its range deletes are charged to the cache; of its blocks the index root alone is not.
// Lifetime: owns the file; borrows the cache. Cursors and pinned values keep alive what they
// need: a cursor the reader, a value its block.
class TableReader : public std::enable_shared_from_this<TableReader> {
 public:
  // Checks size, footer and salt against `expected`, and reads the index root and the range
  // deletes: while these cannot be read, no key of the table can.
  static Result<std::shared_ptr<TableReader>> Open(std::unique_ptr<io::File> file,
                                                   TableFacts expected, BlockCache& cache);
  // What the table says of itself, for a repair without manifest; reads the whole file for its
  // checksum, but verifies only footer and properties: Open and Check do the rest.
  static Result<TableFacts> ReadFacts(const io::File& file);

  ~TableReader();
  TableReader(const TableReader&) = delete;
  TableReader& operator=(const TableReader&) = delete;

  const TableFacts& facts() const { return facts_; }
  std::string_view path() const { return file_->path(); }
  // What it holds beside the cache.
  size_t memory_bytes() const;

  struct Found {
    OpKind kind{};
    Sequence sequence{};
    kv::PinnedValue value;  // Empty for a delete.
    uint64_t expires_at_ms = 0;
  };
  // The newest version of `key` that is not newer than `at`; a key that a range delete covers is
  // found as a delete.
  Result<std::optional<Found>> Get(const HashedKey& key, Sequence at,
                                   ReadCounters* counters = nullptr) const;

  // Entries that a range delete hides are among those it walks.
  std::unique_ptr<EntryCursor> NewCursor(CacheFill fill) const;
  // Null when there are none. May outlive the reader.
  const std::shared_ptr<const RangeDeleteList>& range_deletes() const { return range_deletes_; }

  Result<TableProperties> ReadProperties() const;

  // Reads every byte: checksum of the file, every block, order and bounds of keys, counts, tags,
  // index keys, the filter of every key, and that no byte lies between blocks. Calls `progress`
  // now and then with the bytes done so far, out of twice the size of the file (one pass over the
  // file, one over its blocks).
  using Progress = std::function<void(uint64_t bytes_done)>;
  Status Check(const Progress& progress = {}) const;

 private:
  friend class TableCursor;
  friend class TableCheck;
  friend class TableLookup;

  TableReader(std::unique_ptr<io::File> file, TableFacts facts, BlockCache& cache)
      : file_(std::move(file)), facts_(std::move(facts)), cache_(cache) {}

  // None in a table of range deletes alone.
  size_t partitions() const { return root_entries_.size(); }
  Status ReadRoot();
  Status ReadRangeDeletes();
  Result<std::optional<Found>> GetEntry(const HashedKey& key, Sequence at,
                                        ReadCounters* counters) const;
  // From cache or file. `hint` is the one kept beside `handle`.
  Result<BlockRef> Fetch(BlockKind kind, BlockHandle handle, const BlockHint& hint, CacheFill fill,
                         ReadAhead* ahead, ReadCounters* counters) const;
  // From the file, verified and unpacked. `ahead` may be null.
  Result<Block> ReadBlock(BlockKind kind, BlockHandle handle, ReadAhead* ahead) const;
  // Entry i of the index partition `partition`, checked.
  Result<IndexEntry> ChildAt(size_t partition, const EntryBlock& index, size_t i) const;
  // Adds file and offset.
  Status Damaged(uint64_t offset, const Status& why) const;
  // Adds the keys that cannot be read: those of child i of `index`, which is partition
  // `partition`, or those of the whole partition when `index` is null.
  Status Lost(Status why, size_t partition, const EntryBlock* index, size_t i) const;

  const std::unique_ptr<io::File> file_;
  const TableFacts facts_;
  BlockCache& cache_;
  Footer footer_;
  std::optional<Block> root_;             // If there are entries.
  std::vector<IndexEntry> root_entries_;  // The root's values, decoded.
  struct RootHints {
    BlockHint index;
    BlockHint filter;
  };
  std::unique_ptr<RootHints[]> root_hints_;  // One for each of root_entries_.
  std::shared_ptr<const RangeDeleteList> range_deletes_;
};

}  // namespace aidb::lsm

#pragma once

// Unpacked blocks of tables in a fixed number of bytes.
//
// Policy: S3-FIFO (Yang et al., "FIFO queues are all you need for cache eviction", SOSP 2023). A
// new block enters the small queue (a tenth of the room); one that is asked for again there
// moves on to the main queue, any other leaves only its fingerprint in the ghost list; a block
// whose fingerprint is still there when it comes back enters the main queue at once. In the main
// queue a counter of two bits buys that many further rounds. A scan thus passes through the small
// queue and disturbs nothing, and a hit moves nothing: it raises a counter. (LevelDB's LRU is
// emptied by one scan and relinks on every hit.)
//
//   new ──► [small 10 %] ──asked again──► [main 90 %] ──counter 0──► gone
//                └──────► gone, (ghost) ──comes back──► main
//
// Index and filter partitions enter the main queue: every lookup needs them.

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "aidb/base/result.h"
#include "aidb/base/sync.h"
#include "aidb/lsm/block_reader.h"
#include "aidb/lsm/codec.h"
#include "aidb/lsm/filter.h"

namespace aidb::lsm {

// An unpacked block, checked, whatever its kind.
//
// Thread safety: immutable.
class Block {
 public:
  static Result<Block> Parse(BlockKind kind, BlockBuffer bytes);

  BlockKind kind() const { return kind_; }
  std::string_view bytes() const { return bytes_.view(); }
  const EntryBlock& entries() const { return entries_; }  // All kinds but filters.
  const FilterReader& filter() const { return filter_; }  // Filters.
  size_t memory_bytes() const { return sizeof(Block) + bytes_.memory_bytes(); }

 private:
  BlockKind kind_{};
  BlockBuffer bytes_;
  EntryBlock entries_;
  FilterReader filter_;
};

// A block in use. Holding it is the pin: the block stays where it is until the last one goes,
// whether or not the cache still has it, and even if the cache is gone.
using BlockRef = std::shared_ptr<const Block>;

struct BlockKey {
  uint64_t table;
  uint64_t offset;

  bool operator==(const BlockKey&) const = default;
};

struct BlockCacheStats {
  std::array<uint64_t, kBlockKinds> hits{};  // By BlockKind.
  std::array<uint64_t, kBlockKinds> misses{};
  std::array<uint64_t, kBlockKinds> evictions{};
  uint64_t blocks = 0;
  uint64_t cached_bytes = 0;    // Blocks and what keeping them costs; at most the capacity.
  uint64_t pinned_bytes = 0;    // Of these, in use at the moment.
  uint64_t resident_bytes = 0;  // All blocks made here that still live, cached or not.
};

// Whether a lookup counts as a use that the policy should remember.
enum class CacheTouch : bool { kPassBy, kRemember };

// Thread safety: any thread may call any method. A hit holds one shard's lock for a few
// instructions.
// Lifetime: blocks may outlive the cache.
class BlockCache {
 public:
  // 0: nothing is kept, every block is private to its reader.
  explicit BlockCache(uint64_t capacity_bytes);
  ~BlockCache();
  BlockCache(const BlockCache&) = delete;
  BlockCache& operator=(const BlockCache&) = delete;

  uint64_t capacity_bytes() const { return capacity_; }

  // Null on a miss.
  BlockRef Lookup(BlockKey key, BlockKind kind, CacheTouch touch);
  // Keeps the block and returns it; if the cache has the key already, returns that one. A block
  // for which no room is found, because it is larger than half a shard or too many others are
  // pinned, is returned without being kept.
  BlockRef Insert(BlockKey key, Block block);
  // Counted, not kept.
  BlockRef MakePrivate(Block block);

  // For whoever makes blocks.
  Unpacker& unpacker() { return unpacker_; }

  // A picture for statistics; walks the cache.
  BlockCacheStats Stats() const;

 private:
  class Shard;

  Shard& ShardOf(uint64_t hash) const;

  const uint64_t capacity_;
  Unpacker unpacker_;
  const std::shared_ptr<std::atomic<uint64_t>> resident_;  // Shared with the blocks.
  std::vector<std::unique_ptr<Shard>> shards_;             // A power of two; empty: capacity 0.
};

}  // namespace aidb::lsm

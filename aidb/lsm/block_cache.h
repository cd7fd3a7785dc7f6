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
//
// A hit takes no lock and looks nothing up: whoever holds a block's handle keeps a BlockHint beside
// it, which remembers the frame the block was last found in (pointer swizzling, as in LeanStore,
// ICDE 2018). Frames are never freed while the cache lives, so the hint may be followed at any
// time: pin the frame, then see whether it still holds that block.

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "aidb/base/result.h"
#include "aidb/base/sync.h"
#include "aidb/kv/pinned_value.h"
#include "aidb/lsm/block_reader.h"
#include "aidb/lsm/codec.h"
#include "aidb/lsm/filter.h"

namespace aidb::lsm {

struct BlockFrame;

// Where a block was found last. A hint that is wrong costs a lookup, no more.
//
// Thread safety: any thread may call any method.
class BlockHint {
 public:
  BlockFrame* Get() const { return frame_.load(std::memory_order_acquire); }
  // Starts to fetch what a lookup with this hint reads first.
  inline void Prefetch() const;
  // A frame of the cache that is asked with this hint.
  void Set(BlockFrame* frame) const { frame_.store(frame, std::memory_order_release); }

 private:
  mutable std::atomic<BlockFrame*> frame_{nullptr};
};

// An unpacked block, checked, whatever its kind.
//
// Thread safety: immutable, but for its hints.
class Block {
 public:
  static Result<Block> Parse(BlockKind kind, BlockBuffer bytes);

  BlockKind kind() const { return kind_; }
  std::string_view bytes() const { return bytes_.view(); }
  const EntryBlock& entries() const { return entries_; }  // All kinds but filters.
  const FilterReader& filter() const { return filter_; }  // Filters.
  // See EntryBlock; before the block is shared.
  void SetSequence(Sequence sequence) { entries_.SetSequence(sequence); }
  // Of entry i of an index partition: where its child is.
  const BlockHint& hint(size_t i) const { return hints_[i]; }
  size_t memory_bytes() const {
    const size_t hints = hints_ != nullptr ? entries_.entries() * sizeof(BlockHint) : 0;
    return sizeof(Block) + bytes_.memory_bytes() + hints;
  }

 private:
  BlockKind kind_{};
  BlockBuffer bytes_;
  EntryBlock entries_;
  FilterReader filter_;
  std::unique_ptr<BlockHint[]> hints_;  // Index partitions only.
};

struct BlockKey {
  uint64_t table = 0;
  uint64_t offset = 0;

  bool operator==(const BlockKey&) const = default;
};

// One block in memory, and how many use it.
//
// The cache itself holds one reference to each of its frames, full or free, so that a frame that
// is nobody's goes with its last user. What is behind `key` changes only while the frame is not
// live and nobody uses it: whoever finds it live in the step that pins it may read it.
struct alignas(64) BlockFrame {
  static constexpr uint64_t kLive = uint64_t{1} << 63;
  static constexpr uint64_t kReferences = kLive - 1;

  explicit BlockFrame(std::shared_ptr<std::atomic<uint64_t>> living_total)
      : living(std::move(living_total)) {}
  ~BlockFrame() { Empty(); }
  BlockFrame(const BlockFrame&) = delete;
  BlockFrame& operator=(const BlockFrame&) = delete;

  void Fill(Block filling);
  void Empty();
  void Unpin() {
    // Release: what the user read comes before it is replaced. Acquire: and before it is freed.
    if (state.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }

  std::atomic<uint64_t> state{1};  // References, and kLive: the cache holds the block of `key`.
  std::atomic<uint64_t> hits{0};   // Since it was filled. Relaxed: a statistic.
  std::atomic<uint8_t> uses{0};    // The policy's counter. Relaxed: a lost one does no harm.
  BlockKey key;
  Block block;
  uint64_t bytes = 0;  // Of the block, as they count in *living.
  const std::shared_ptr<std::atomic<uint64_t>> living;

  // The shard's, under its lock.
  uint64_t hash = 0;
  uint32_t charge = 0;  // In units of 64 bytes.
  uint32_t chain = 0;   // Next in the bucket, or next free.
  uint32_t older = 0;   // Neighbours in its queue.
  uint32_t newer = 0;
};

// The frame's state and key, and where its block lies.
void BlockHint::Prefetch() const {
  const auto* const frame = reinterpret_cast<const char*>(Get());
  if (frame == nullptr) return;
  for (size_t line = 0; line < sizeof(BlockFrame) / 64; ++line) {
    __builtin_prefetch(frame + line * 64);
  }
}

// A block in use. Holding it is the pin: the block stays where it is until the last one goes,
// whether or not the cache still has it, and even if the cache is gone.
class BlockRef {
 public:
  BlockRef() = default;
  BlockRef(std::nullptr_t) {}  // NOLINT: as with any pointer.
  // Takes over one reference.
  explicit BlockRef(BlockFrame* pinned) : frame_(pinned) {}
  BlockRef(BlockRef&& other) noexcept : frame_(std::exchange(other.frame_, nullptr)) {}
  BlockRef& operator=(BlockRef&& other) noexcept {
    BlockRef taken(std::move(other));
    std::swap(frame_, taken.frame_);
    return *this;
  }
  ~BlockRef() {
    if (frame_ != nullptr) frame_->Unpin();
  }

  const Block& operator*() const { return frame_->block; }
  const Block* operator->() const { return &frame_->block; }
  bool operator==(const BlockRef& other) const { return frame_ == other.frame_; }
  bool operator==(std::nullptr_t) const { return frame_ == nullptr; }

  // Hands the pin on: `value` is a part of the block.
  kv::PinnedValue PinValue(std::string_view value) && {
    return {value, kv::ValuePin(std::exchange(frame_, nullptr),
                                [](void* frame) { static_cast<BlockFrame*>(frame)->Unpin(); })};
  }

 private:
  BlockFrame* frame_ = nullptr;
};

struct BlockCacheStats {
  std::array<uint64_t, kBlockKinds> hits{};  // By BlockKind.
  std::array<uint64_t, kBlockKinds> misses{};
  std::array<uint64_t, kBlockKinds> evictions{};
  uint64_t blocks = 0;
  uint64_t cached_bytes = 0;    // Blocks and what keeping them costs; at most the capacity.
  uint64_t pinned_bytes = 0;    // Of these, in use at the moment.
  uint64_t charged_bytes = 0;   // See Charge.
  uint64_t resident_bytes = 0;  // All blocks made here that still live, cached or not.
};

// Whether a lookup counts as a use that the policy should remember.
enum class CacheTouch : bool { kPassBy, kRemember };

// Thread safety: any thread may call any method. A hit by a hint that is right takes no lock, any
// other holds one shard's for a few instructions.
// Lifetime: blocks may outlive the cache.
class BlockCache {
 public:
  // 0: nothing is kept, every block is private to its reader.
  explicit BlockCache(uint64_t capacity_bytes);
  ~BlockCache();
  BlockCache(const BlockCache&) = delete;
  BlockCache& operator=(const BlockCache&) = delete;

  uint64_t capacity_bytes() const { return capacity_; }

  // Null on a miss. `hint` belongs to `key` and to this cache; it is set right.
  BlockRef Lookup(BlockKey key, BlockKind kind, CacheTouch touch, const BlockHint& hint) {
    if (BlockRef found = FollowHint(key, touch, hint); found != nullptr) [[likely]]
      return found;
    return LookUpHash(key, kind, touch, hint);
  }
  // Keeps the block and returns it; if the cache has the key already, returns that one. A block
  // for which no room is found, because it is larger than half a shard or too many others are
  // pinned, is returned without being kept.
  BlockRef Insert(BlockKey key, Block block, const BlockHint& hint);
  // Counted, not kept.
  BlockRef MakePrivate(Block block);

  // Somebody takes `bytes` of the cache's memory for something else, or gives them back (negative).
  // From then on so much less is kept, but at least half of the capacity.
  void Charge(int64_t bytes) { charged_.fetch_add(bytes, std::memory_order_relaxed); }

  // For whoever makes blocks.
  Unpacker& unpacker() { return unpacker_; }

  // A picture for statistics; walks the cache.
  BlockCacheStats Stats() const;

 private:
  class Shard;

  static constexpr uint8_t kUsesMax = 3;  // Two bits.

  static void Touch(BlockFrame& frame, CacheTouch touch) {
    frame.hits.fetch_add(1, std::memory_order_relaxed);
    if (touch == CacheTouch::kPassBy) return;
    const uint8_t uses = frame.uses.load(std::memory_order_relaxed);
    if (uses < kUsesMax) frame.uses.store(uses + 1, std::memory_order_relaxed);
  }
  static BlockRef FollowHint(BlockKey key, CacheTouch touch, const BlockHint& hint) {
    BlockFrame* const frame = hint.Get();
    if (frame == nullptr) return nullptr;
    // Acquire pairs with the release that made the frame live.
    const uint64_t state = frame->state.fetch_add(1, std::memory_order_acquire);
    BlockRef pinned(frame);
    if ((state & BlockFrame::kLive) == 0 || frame->key != key) [[unlikely]]
      return nullptr;
    Touch(*frame, touch);
    return pinned;
  }
  BlockRef LookUpHash(BlockKey key, BlockKind kind, CacheTouch touch, const BlockHint& hint);
  Shard& ShardOf(uint64_t hash) const;

  const uint64_t capacity_;
  Unpacker unpacker_;
  const std::shared_ptr<std::atomic<uint64_t>> resident_;  // Shared with the blocks.
  std::atomic<int64_t> charged_{0};             // Relaxed: a late view keeps a block more or less.
  std::vector<std::unique_ptr<Shard>> shards_;  // A power of two; empty: capacity 0.
};

}  // namespace aidb::lsm

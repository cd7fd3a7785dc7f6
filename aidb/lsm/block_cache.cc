#include "aidb/lsm/block_cache.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "aidb/base/check.h"

namespace aidb::lsm {

namespace {

constexpr size_t kShardsMax = 16;
constexpr uint64_t kShardBytesMin = uint64_t{512} << 10;  // Smaller caches have fewer shards.
constexpr uint64_t kBlockBytesTypical = 4096;             // Sizes the hash table and the ghosts.
constexpr uint8_t kUsesMax = 3;                           // Two bits.
// Frames looked at for one that may go, under the lock. Where all of these are pinned or were used
// lately, the new block stays out; the next one goes on from there.
constexpr int kEvictStepsMax = 256;
constexpr uint32_t kNone = ~uint32_t{0};

uint64_t HashOf(BlockKey key) {
  uint64_t hash = key.table * 0x9E3779B97F4A7C15 ^ key.offset * 0xC2B2AE3D27D4EB4F;
  hash ^= hash >> 29;
  hash *= 0xBF58476D1CE4E5B9;
  return hash ^ hash >> 32;
}

// What a BlockRef really points into: the block, and the count of living bytes it belongs to.
struct Resident {
  Resident(Block b, std::shared_ptr<std::atomic<uint64_t>> total)
      : block(std::move(b)), bytes(block.memory_bytes()), living(std::move(total)) {
    living->fetch_add(bytes, std::memory_order_relaxed);
  }
  ~Resident() { living->fetch_sub(bytes, std::memory_order_relaxed); }
  Resident(const Resident&) = delete;
  Resident& operator=(const Resident&) = delete;

  const Block block;
  const uint64_t bytes;
  const std::shared_ptr<std::atomic<uint64_t>> living;
};

BlockRef MakeResident(Block block, const std::shared_ptr<std::atomic<uint64_t>>& living) {
  auto resident = std::make_shared<const Resident>(std::move(block), living);
  const Block* inner = &resident->block;
  return {std::move(resident), inner};
}

}  // namespace

Result<Block> Block::Parse(BlockKind kind, BlockBuffer bytes) {
  Block block;
  block.kind_ = kind;
  block.bytes_ = std::move(bytes);
  if (kind == BlockKind::kFilter) {
    AIDB_ASSIGN_OR_RETURN(block.filter_, FilterReader::Parse(block.bytes_.view()));
  } else {
    AIDB_ASSIGN_OR_RETURN(block.entries_, EntryBlock::Parse(kind, block.bytes_));
  }
  return block;
}

// One lock's worth of the cache: frames in a slab, a chained hash table over them, two FIFO
// queues and the ghosts.
class BlockCache::Shard {
 public:
  explicit Shard(uint64_t capacity);

  BlockRef Lookup(BlockKey key, uint64_t hash, BlockKind kind, CacheTouch touch) AIDB_EXCLUDES(mu_);
  BlockRef Insert(BlockKey key, uint64_t hash, BlockRef block) AIDB_EXCLUDES(mu_);
  void AddTo(BlockCacheStats& stats) const AIDB_EXCLUDES(mu_);

 private:
  struct Frame {
    BlockKey key;
    BlockRef block;  // Null: the frame is free.
    uint64_t hash;
    uint32_t charge;  // In units of 64 bytes.
    uint32_t chain;   // Next in the bucket, or next free.
    uint32_t older;   // Neighbours in its queue.
    uint32_t newer;
    uint8_t uses;
    bool in_main;
  };
  struct Queue {
    uint32_t oldest = kNone;
    uint32_t newest = kNone;
    uint64_t bytes = 0;
    uint32_t frames = 0;
  };
  struct Ghost {
    uint32_t fingerprint = 0;
    uint32_t born = 0;  // Value of ghosts_born_ when it came.
  };
  static constexpr uint64_t kChargeUnit = 64;
  // What a kept block costs beside itself: its frame, its Resident, its share of hash table and
  // ghosts.
  static constexpr uint64_t kFrameBytes =
      sizeof(Frame) + sizeof(Resident) - sizeof(Block) + 16 + sizeof(uint32_t) + sizeof(Ghost);

  static uint64_t BytesOf(const Frame& frame) { return frame.charge * kChargeUnit; }

  uint32_t Find(BlockKey key, uint64_t hash) const AIDB_REQUIRES(mu_);
  void Push(Queue& queue, uint32_t at) AIDB_REQUIRES(mu_);
  void Unlink(Queue& queue, uint32_t at) AIDB_REQUIRES(mu_);
  // Removes one unpinned frame; false when none of kEvictStepsMax could go.
  bool EvictOne() AIDB_REQUIRES(mu_);
  // Takes the oldest of the queue out or gives it another round; true when it was freed.
  bool StepSmall() AIDB_REQUIRES(mu_);
  bool StepMain() AIDB_REQUIRES(mu_);
  void FreeFrame(uint32_t at) AIDB_REQUIRES(mu_);
  void RememberGhost(uint64_t hash) AIDB_REQUIRES(mu_);
  bool ForgetGhost(uint64_t hash) AIDB_REQUIRES(mu_);

  const uint64_t capacity_;
  const uint64_t small_capacity_;

  mutable Mutex mu_;
  std::vector<uint32_t> buckets_ AIDB_GUARDED_BY(mu_);
  std::vector<Frame> frames_ AIDB_GUARDED_BY(mu_);
  uint32_t free_ AIDB_GUARDED_BY(mu_) = kNone;
  Queue small_ AIDB_GUARDED_BY(mu_);
  Queue main_ AIDB_GUARDED_BY(mu_);
  std::vector<Ghost> ghosts_ AIDB_GUARDED_BY(mu_);
  uint32_t ghosts_born_ AIDB_GUARDED_BY(mu_) = 0;
  BlockCacheStats counts_ AIDB_GUARDED_BY(mu_);
};

BlockCache::Shard::Shard(uint64_t capacity) : capacity_(capacity), small_capacity_(capacity / 10) {
  const uint64_t slots = std::bit_ceil(std::max<uint64_t>(16, capacity / kBlockBytesTypical));
  buckets_.assign(slots, kNone);
  ghosts_.resize(slots);
}

uint32_t BlockCache::Shard::Find(BlockKey key, uint64_t hash) const {
  uint32_t at = buckets_[hash & (buckets_.size() - 1)];
  while (at != kNone && frames_[at].key != key) at = frames_[at].chain;
  return at;
}

BlockRef BlockCache::Shard::Lookup(BlockKey key, uint64_t hash, BlockKind kind, CacheTouch touch) {
  const MutexLock lock(mu_);
  const uint32_t at = Find(key, hash);
  if (at == kNone) {
    ++counts_.misses[static_cast<size_t>(kind)];
    return nullptr;
  }
  Frame& frame = frames_[at];
  ++counts_.hits[static_cast<size_t>(kind)];
  if (touch == CacheTouch::kRemember && frame.uses < kUsesMax) ++frame.uses;
  return frame.block;
}

BlockRef BlockCache::Shard::Insert(BlockKey key, uint64_t hash, BlockRef block) {
  const uint64_t bytes =
      (block->memory_bytes() + kFrameBytes + kChargeUnit - 1) / kChargeUnit * kChargeUnit;
  if (bytes > capacity_ / 2) return block;
  const MutexLock lock(mu_);
  if (const uint32_t at = Find(key, hash); at != kNone) return frames_[at].block;
  while (small_.bytes + main_.bytes + bytes > capacity_) {
    if (!EvictOne()) return block;
  }
  uint32_t at = free_;
  if (at == kNone) {
    at = static_cast<uint32_t>(frames_.size());
    frames_.emplace_back();
  } else {
    free_ = frames_[at].chain;
  }
  uint32_t& bucket = buckets_[hash & (buckets_.size() - 1)];
  const bool known = ForgetGhost(hash);
  Frame& frame = frames_[at];
  frame = {.key = key,
           .block = block,
           .hash = hash,
           .charge = static_cast<uint32_t>(bytes / kChargeUnit),
           .chain = bucket,
           .older = kNone,
           .newer = kNone,
           .uses = 0,
           .in_main = known || block->kind() != BlockKind::kData};
  bucket = at;
  Push(frame.in_main ? main_ : small_, at);
  return block;
}

void BlockCache::Shard::Push(Queue& queue, uint32_t at) {
  Frame& frame = frames_[at];
  frame.older = queue.newest;
  frame.newer = kNone;
  if (queue.newest != kNone) frames_[queue.newest].newer = at;
  queue.newest = at;
  if (queue.oldest == kNone) queue.oldest = at;
  queue.bytes += BytesOf(frame);
  ++queue.frames;
}

void BlockCache::Shard::Unlink(Queue& queue, uint32_t at) {
  Frame& frame = frames_[at];
  (frame.older == kNone ? queue.oldest : frames_[frame.older].newer) = frame.newer;
  (frame.newer == kNone ? queue.newest : frames_[frame.newer].older) = frame.older;
  queue.bytes -= BytesOf(frame);
  --queue.frames;
}

bool BlockCache::Shard::EvictOne() {
  for (int step = 0; step < kEvictStepsMax && small_.frames + main_.frames != 0; ++step) {
    const bool from_small =
        main_.frames == 0 || (small_.frames != 0 && small_.bytes > small_capacity_);
    if (from_small ? StepSmall() : StepMain()) return true;
  }
  return false;
}

bool BlockCache::Shard::StepSmall() {
  const uint32_t at = small_.oldest;
  Frame& frame = frames_[at];
  Unlink(small_, at);
  // Nobody else can take a pin meanwhile: that needs this shard's lock.
  if (frame.uses > 1 || frame.block.use_count() > 1) {
    frame.uses = 0;
    frame.in_main = true;
    Push(main_, at);
    return false;
  }
  RememberGhost(frame.hash);
  FreeFrame(at);
  return true;
}

bool BlockCache::Shard::StepMain() {
  const uint32_t at = main_.oldest;
  Frame& frame = frames_[at];
  Unlink(main_, at);
  if (frame.uses > 0 || frame.block.use_count() > 1) {
    if (frame.uses > 0) --frame.uses;
    Push(main_, at);
    return false;
  }
  FreeFrame(at);
  return true;
}

void BlockCache::Shard::FreeFrame(uint32_t at) {
  Frame& frame = frames_[at];
  ++counts_.evictions[static_cast<size_t>(frame.block->kind())];
  uint32_t* link = &buckets_[frame.hash & (buckets_.size() - 1)];
  while (*link != at) link = &frames_[*link].chain;
  *link = frame.chain;
  frame.block.reset();
  frame.chain = free_;
  free_ = at;
}

void BlockCache::Shard::RememberGhost(uint64_t hash) {
  Ghost& ghost = ghosts_[(hash >> 32) & (ghosts_.size() - 1)];
  ghost = {static_cast<uint32_t>(hash) | 1, ++ghosts_born_};
}

bool BlockCache::Shard::ForgetGhost(uint64_t hash) {
  Ghost& ghost = ghosts_[(hash >> 32) & (ghosts_.size() - 1)];
  if (ghost.fingerprint != (static_cast<uint32_t>(hash) | 1)) return false;
  // The list is as long as the main queue; what came before that is forgotten.
  const bool remembered = ghosts_born_ - ghost.born <= std::max<uint32_t>(main_.frames, 16);
  ghost.fingerprint = 0;
  return remembered;
}

void BlockCache::Shard::AddTo(BlockCacheStats& stats) const {
  const MutexLock lock(mu_);
  for (size_t kind = 0; kind < kBlockKinds; ++kind) {
    stats.hits[kind] += counts_.hits[kind];
    stats.misses[kind] += counts_.misses[kind];
    stats.evictions[kind] += counts_.evictions[kind];
  }
  stats.blocks += small_.frames + main_.frames;
  stats.cached_bytes += small_.bytes + main_.bytes;
  for (const Frame& frame : frames_) {
    if (frame.block != nullptr && frame.block.use_count() > 1) stats.pinned_bytes += BytesOf(frame);
  }
}

BlockCache::BlockCache(uint64_t capacity_bytes)
    : capacity_(capacity_bytes), resident_(std::make_shared<std::atomic<uint64_t>>(0)) {
  if (capacity_ == 0) return;
  const size_t count =
      std::bit_floor(std::clamp<uint64_t>(capacity_ / kShardBytesMin, 1, kShardsMax));
  for (size_t i = 0; i < count; ++i) {
    shards_.push_back(std::make_unique<Shard>(capacity_ / count));
  }
}

BlockCache::~BlockCache() = default;

BlockCache::Shard& BlockCache::ShardOf(uint64_t hash) const {
  return *shards_[(hash >> 60) & (shards_.size() - 1)];
}

BlockRef BlockCache::Lookup(BlockKey key, BlockKind kind, CacheTouch touch) {
  if (shards_.empty()) return nullptr;
  const uint64_t hash = HashOf(key);
  return ShardOf(hash).Lookup(key, hash, kind, touch);
}

BlockRef BlockCache::Insert(BlockKey key, Block block) {
  BlockRef made = MakePrivate(std::move(block));
  if (shards_.empty()) return made;
  const uint64_t hash = HashOf(key);
  return ShardOf(hash).Insert(key, hash, std::move(made));
}

BlockRef BlockCache::MakePrivate(Block block) { return MakeResident(std::move(block), resident_); }

BlockCacheStats BlockCache::Stats() const {
  BlockCacheStats stats;
  for (const auto& shard : shards_) shard->AddTo(stats);
  stats.resident_bytes = resident_->load(std::memory_order_relaxed);
  return stats;
}

}  // namespace aidb::lsm

#include "aidb/lsm/block_cache.h"

#include <algorithm>
#include <bit>
#include <utility>

namespace aidb::lsm {

namespace {

constexpr size_t kShardsMax = 16;
constexpr uint64_t kShardBytesMin = uint64_t{512} << 10;  // Smaller caches have fewer shards.
constexpr uint64_t kBlockBytesTypical = 4096;             // Sizes the hash table and the ghosts.
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
  if (kind == BlockKind::kIndex) {
    block.hints_ = std::make_unique<BlockHint[]>(block.entries_.entries());
  }
  return block;
}

void BlockFrame::Fill(Block filling) {
  block = std::move(filling);
  bytes = block.memory_bytes();
  hits.store(0, std::memory_order_relaxed);
  uses.store(0, std::memory_order_relaxed);
  living->fetch_add(bytes, std::memory_order_relaxed);
}

void BlockFrame::Empty() {
  living->fetch_sub(std::exchange(bytes, 0), std::memory_order_relaxed);
  block = Block();
}

// One lock's worth of the cache: frames in a slab, a chained hash table over them, two FIFO
// queues and the ghosts.
class BlockCache::Shard {
 public:
  // Of the cache's charge it bears one part in `shards`.
  Shard(uint64_t capacity, std::shared_ptr<std::atomic<uint64_t>> living,
        const std::atomic<int64_t>& charged, size_t shards);
  ~Shard();
  Shard(const Shard&) = delete;
  Shard& operator=(const Shard&) = delete;

  BlockRef Lookup(BlockKey key, uint64_t hash, BlockKind kind, CacheTouch touch,
                  const BlockHint& hint) AIDB_EXCLUDES(mu_);
  // Leaves `block` as it is and returns null where there is no room for it.
  BlockRef Insert(BlockKey key, uint64_t hash, Block& block, const BlockHint& hint)
      AIDB_EXCLUDES(mu_);
  void AddTo(BlockCacheStats& stats) const AIDB_EXCLUDES(mu_);

 private:
  using Frame = BlockFrame;
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
  // What a kept block costs beside itself: its frame, its share of hash table and ghosts.
  static constexpr uint64_t kFrameBytes =
      sizeof(Frame) - sizeof(Block) + sizeof(Frame*) + sizeof(uint32_t) + sizeof(Ghost);

  static uint64_t BytesOf(const Frame& frame) { return frame.charge * kChargeUnit; }

  uint32_t Find(BlockKey key, uint64_t hash) const AIDB_REQUIRES(mu_);
  void Push(Queue& queue, uint32_t at) AIDB_REQUIRES(mu_);
  void Unlink(Queue& queue, uint32_t at) AIDB_REQUIRES(mu_);
  // What is kept, and the frames that wait for a block.
  uint64_t UsedBytes() const AIDB_REQUIRES(mu_) {
    return small_.bytes + main_.bytes + free_frames_ * kFrameBytes;
  }
  uint64_t Limit() const {
    const auto charged =
        static_cast<uint64_t>(std::max<int64_t>(0, charged_.load(std::memory_order_relaxed)));
    return capacity_ - std::min(capacity_ / 2, charged / shards_);
  }
  // Removes one unpinned frame; false when none of kEvictStepsMax could go.
  bool EvictOne() AIDB_REQUIRES(mu_);
  // Takes the oldest of the queue out or gives it another round; true when it was freed.
  bool StepSmall() AIDB_REQUIRES(mu_);
  bool StepMain() AIDB_REQUIRES(mu_);
  // Takes the frame from the cache; false when somebody uses it.
  bool Retire(uint32_t at) AIDB_REQUIRES(mu_);
  // A pin of a live frame that cannot go meanwhile.
  BlockRef Pin(Frame& frame, const BlockHint& hint) AIDB_REQUIRES(mu_);
  void RememberGhost(uint64_t hash) AIDB_REQUIRES(mu_);
  bool ForgetGhost(uint64_t hash) AIDB_REQUIRES(mu_);

  const uint64_t capacity_;
  const uint64_t small_capacity_;
  const std::shared_ptr<std::atomic<uint64_t>> living_;
  const std::atomic<int64_t>& charged_;
  const size_t shards_;

  mutable Mutex mu_;
  std::vector<uint32_t> buckets_ AIDB_GUARDED_BY(mu_);
  // One reference each. None is freed before the cache: hints point to them.
  std::vector<Frame*> frames_ AIDB_GUARDED_BY(mu_);
  uint32_t free_ AIDB_GUARDED_BY(mu_) = kNone;
  uint64_t free_frames_ AIDB_GUARDED_BY(mu_) = 0;
  Queue small_ AIDB_GUARDED_BY(mu_);
  Queue main_ AIDB_GUARDED_BY(mu_);
  std::vector<Ghost> ghosts_ AIDB_GUARDED_BY(mu_);
  uint32_t ghosts_born_ AIDB_GUARDED_BY(mu_) = 0;
  BlockCacheStats counts_ AIDB_GUARDED_BY(mu_);
};

BlockCache::Shard::Shard(uint64_t capacity, std::shared_ptr<std::atomic<uint64_t>> living,
                         const std::atomic<int64_t>& charged, size_t shards)
    : capacity_(capacity),
      small_capacity_(capacity / 10),
      living_(std::move(living)),
      charged_(charged),
      shards_(shards) {
  const uint64_t slots = std::bit_ceil(std::max<uint64_t>(16, capacity / kBlockBytesTypical));
  buckets_.assign(slots, kNone);
  ghosts_.resize(slots);
}

BlockCache::Shard::~Shard() {
  const MutexLock lock(mu_);
  for (Frame* frame : frames_) {
    frame->state.fetch_and(~Frame::kLive, std::memory_order_relaxed);
    frame->Unpin();
  }
}

uint32_t BlockCache::Shard::Find(BlockKey key, uint64_t hash) const {
  uint32_t at = buckets_[hash & (buckets_.size() - 1)];
  while (at != kNone && frames_[at]->key != key) at = frames_[at]->chain;
  return at;
}

BlockRef BlockCache::Shard::Pin(Frame& frame, const BlockHint& hint) {
  frame.state.fetch_add(1, std::memory_order_relaxed);  // The lock orders the rest.
  hint.Set(&frame);
  return BlockRef(&frame);
}

BlockRef BlockCache::Shard::Lookup(BlockKey key, uint64_t hash, BlockKind kind, CacheTouch touch,
                                   const BlockHint& hint) {
  const MutexLock lock(mu_);
  const uint32_t at = Find(key, hash);
  if (at == kNone) {
    ++counts_.misses[static_cast<size_t>(kind)];
    return nullptr;
  }
  Touch(*frames_[at], touch);
  return Pin(*frames_[at], hint);
}

BlockRef BlockCache::Shard::Insert(BlockKey key, uint64_t hash, Block& block,
                                   const BlockHint& hint) {
  const uint64_t bytes =
      (block.memory_bytes() + kFrameBytes + kChargeUnit - 1) / kChargeUnit * kChargeUnit;
  if (bytes > capacity_ / 2) return nullptr;
  const MutexLock lock(mu_);
  if (const uint32_t at = Find(key, hash); at != kNone) return Pin(*frames_[at], hint);
  // A free frame that is taken counts twice here: a little is evicted too early.
  const uint64_t limit = Limit();
  while (UsedBytes() + bytes > limit) {
    if (!EvictOne()) return nullptr;
  }
  uint32_t at = free_;
  if (at == kNone) {
    at = static_cast<uint32_t>(frames_.size());
    frames_.push_back(new Frame(living_));
  } else {
    free_ = frames_[at]->chain;
    --free_frames_;
  }
  uint32_t& bucket = buckets_[hash & (buckets_.size() - 1)];
  Frame& frame = *frames_[at];
  // Who follows an old hint may pin it meanwhile, but looks no further at one that is not live.
  frame.key = key;
  const bool in_main = ForgetGhost(hash) || block.kind() != BlockKind::kData;
  frame.Fill(std::move(block));
  frame.hash = hash;
  frame.charge = static_cast<uint32_t>(bytes / kChargeUnit);
  frame.chain = bucket;
  bucket = at;
  Push(in_main ? main_ : small_, at);
  // Release pairs with the acquire of who follows a hint.
  frame.state.fetch_or(Frame::kLive, std::memory_order_release);
  return Pin(frame, hint);
}

void BlockCache::Shard::Push(Queue& queue, uint32_t at) {
  Frame& frame = *frames_[at];
  frame.older = queue.newest;
  frame.newer = kNone;
  if (queue.newest != kNone) frames_[queue.newest]->newer = at;
  queue.newest = at;
  if (queue.oldest == kNone) queue.oldest = at;
  queue.bytes += BytesOf(frame);
  ++queue.frames;
}

void BlockCache::Shard::Unlink(Queue& queue, uint32_t at) {
  const Frame& frame = *frames_[at];
  (frame.older == kNone ? queue.oldest : frames_[frame.older]->newer) = frame.newer;
  (frame.newer == kNone ? queue.newest : frames_[frame.newer]->older) = frame.older;
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
  Frame& frame = *frames_[at];
  Unlink(small_, at);
  const uint64_t hash = frame.hash;
  if (frame.uses.load(std::memory_order_relaxed) <= 1 && Retire(at)) {
    RememberGhost(hash);
    return true;
  }
  frame.uses.store(0, std::memory_order_relaxed);
  Push(main_, at);
  return false;
}

bool BlockCache::Shard::StepMain() {
  const uint32_t at = main_.oldest;
  Frame& frame = *frames_[at];
  Unlink(main_, at);
  const uint8_t uses = frame.uses.load(std::memory_order_relaxed);
  if (uses == 0 && Retire(at)) return true;
  if (uses > 0) frame.uses.store(uses - 1, std::memory_order_relaxed);
  Push(main_, at);
  return false;
}

bool BlockCache::Shard::Retire(uint32_t at) {
  Frame& frame = *frames_[at];
  // Only the cache's own reference is left. Acquire pairs with the release of Unpin.
  uint64_t unused = Frame::kLive | 1;
  if (!frame.state.compare_exchange_strong(unused, 1, std::memory_order_acquire)) return false;
  const auto kind = static_cast<size_t>(frame.block.kind());
  ++counts_.evictions[kind];
  counts_.hits[kind] += frame.hits.load(std::memory_order_relaxed);
  uint32_t* link = &buckets_[frame.hash & (buckets_.size() - 1)];
  while (*link != at) link = &frames_[*link]->chain;
  *link = frame.chain;
  frame.Empty();
  frame.chain = free_;
  free_ = at;
  ++free_frames_;
  return true;
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
  for (const Frame* frame : frames_) {
    const uint64_t state = frame->state.load(std::memory_order_relaxed);
    if ((state & Frame::kLive) == 0) continue;
    const auto kind = static_cast<size_t>(frame->block.kind());
    stats.hits[kind] += frame->hits.load(std::memory_order_relaxed);
    if ((state & Frame::kReferences) > 1) stats.pinned_bytes += BytesOf(*frame);
  }
}

BlockCache::BlockCache(uint64_t capacity_bytes)
    : capacity_(capacity_bytes), resident_(std::make_shared<std::atomic<uint64_t>>(0)) {
  if (capacity_ == 0) return;
  const size_t count =
      std::bit_floor(std::clamp<uint64_t>(capacity_ / kShardBytesMin, 1, kShardsMax));
  for (size_t i = 0; i < count; ++i) {
    shards_.push_back(std::make_unique<Shard>(capacity_ / count, resident_, charged_, count));
  }
}

BlockCache::~BlockCache() = default;

BlockCache::Shard& BlockCache::ShardOf(uint64_t hash) const {
  return *shards_[(hash >> 60) & (shards_.size() - 1)];
}

BlockRef BlockCache::LookUpHash(BlockKey key, BlockKind kind, CacheTouch touch,
                                const BlockHint& hint) {
  if (shards_.empty()) return nullptr;
  const uint64_t hash = HashOf(key);
  return ShardOf(hash).Lookup(key, hash, kind, touch, hint);
}

BlockRef BlockCache::Insert(BlockKey key, Block block, const BlockHint& hint) {
  if (!shards_.empty()) {
    const uint64_t hash = HashOf(key);
    BlockRef kept = ShardOf(hash).Insert(key, hash, block, hint);
    if (kept != nullptr) return kept;
  }
  return MakePrivate(std::move(block));
}

BlockRef BlockCache::MakePrivate(Block block) {
  auto* const frame = new BlockFrame(resident_);
  frame->Fill(std::move(block));
  return BlockRef(frame);
}

BlockCacheStats BlockCache::Stats() const {
  BlockCacheStats stats;
  for (const auto& shard : shards_) shard->AddTo(stats);
  stats.charged_bytes =
      static_cast<uint64_t>(std::max<int64_t>(0, charged_.load(std::memory_order_relaxed)));
  stats.resident_bytes = resident_->load(std::memory_order_relaxed);
  return stats;
}

}  // namespace aidb::lsm

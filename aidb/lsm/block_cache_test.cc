#include "aidb/lsm/block_cache.h"

#include <thread>

#include <gtest/gtest.h>

#include "aidb/base/random.h"
#include "aidb/lsm/block_builder.h"

namespace aidb::lsm {
namespace {

// A block that says which one it is.
Block Numbered(uint64_t number, size_t value_bytes = 4000, BlockKind kind = BlockKind::kIndex) {
  BlockBuilder builder(BlockTags::kAbsent);
  builder.Add(std::to_string(number), std::string(value_bytes, 'v'));
  return *Block::Parse(kind, BlockBuffer::CopyOf(builder.Finish()));
}

Block Data(uint64_t number, size_t value_bytes = 4000) {
  BlockBuilder builder(BlockTags::kPresent);
  const std::string key = std::to_string(number);
  const std::string value(value_bytes, 'v');
  builder.Add({.key = key, .value = value, .sequence = Sequence{1}, .kind = OpKind::kPut}, 0);
  return *Block::Parse(BlockKind::kData, BlockBuffer::CopyOf(builder.Finish()));
}

BlockKey Key(uint64_t number) { return {.table = 1 + number % 3, .offset = number * 4096}; }

// By the hash, as whoever comes with a fresh hint.
BlockRef Find(BlockCache& cache, uint64_t number, CacheTouch touch = CacheTouch::kRemember,
              BlockKind kind = BlockKind::kData) {
  return cache.Lookup(Key(number), kind, touch, BlockHint());
}

BlockRef Put(BlockCache& cache, uint64_t number, Block block) {
  return cache.Insert(Key(number), std::move(block), BlockHint());
}

TEST(BlockCache, ReturnsWhatWasPutIntoIt) {
  BlockCache cache(1 << 20);
  EXPECT_EQ(Find(cache, 1), nullptr);
  const BlockRef put = Put(cache, 1, Data(1));
  EXPECT_EQ(Find(cache, 1), put);
  EXPECT_EQ(put->entries().KeyAt(0), "1");
  // Whoever comes second gets the first one's.
  EXPECT_EQ(Put(cache, 1, Data(1)), put);
  const BlockCacheStats stats = cache.Stats();
  EXPECT_EQ(stats.hits[static_cast<size_t>(BlockKind::kData)], 1u);
  EXPECT_EQ(stats.misses[static_cast<size_t>(BlockKind::kData)], 1u);
  EXPECT_EQ(stats.blocks, 1u);
}

TEST(BlockCache, KeepsLessWhileOthersTakeOfItsMemory) {
  constexpr uint64_t kCapacity = 1 << 20;
  BlockCache cache(kCapacity);
  const auto fill = [&](uint64_t from) {
    for (uint64_t i = from; i < from + 1000; ++i) Put(cache, i, Data(i));
    return cache.Stats().cached_bytes;
  };
  EXPECT_GT(fill(0), kCapacity * 8 / 10);
  cache.Charge(kCapacity / 4);
  EXPECT_EQ(cache.Stats().charged_bytes, kCapacity / 4);
  EXPECT_LE(fill(1000), kCapacity * 3 / 4);
  cache.Charge(kCapacity * 2);
  EXPECT_LE(fill(2000), kCapacity / 2);
  EXPECT_GT(fill(3000), kCapacity * 3 / 10) << "the cache is not starved";
  cache.Charge(-static_cast<int64_t>(kCapacity * 9 / 4));
  EXPECT_GT(fill(4000), kCapacity * 8 / 10);
}

TEST(BlockCache, WithoutCapacityKeepsNothing) {
  BlockCache cache(0);
  const BlockRef block = Put(cache, 1, Data(1));
  EXPECT_EQ(block->entries().KeyAt(0), "1");
  EXPECT_EQ(Find(cache, 1), nullptr);
  EXPECT_GT(cache.Stats().resident_bytes, 4000u);
  EXPECT_EQ(cache.Stats().cached_bytes, 0u);
}

TEST(BlockCache, NeverHoldsMoreThanItsCapacity) {
  for (const uint64_t capacity : {uint64_t{20'000}, uint64_t{1} << 20, uint64_t{16} << 20}) {
    BlockCache cache(capacity);
    Rng rng(1);
    for (uint64_t i = 0; i < 20'000; ++i) {
      const uint64_t number = rng.Below(6000);
      if (Find(cache, number) == nullptr) {
        Put(cache, number, Data(number, rng.Below(8000)));
      }
      if (i % 1000 == 0) {
        const BlockCacheStats stats = cache.Stats();
        ASSERT_LE(stats.cached_bytes, capacity);
        ASSERT_LE(stats.resident_bytes, stats.cached_bytes);
        ASSERT_EQ(stats.pinned_bytes, 0u);
      }
    }
    EXPECT_GT(cache.Stats().cached_bytes, capacity / 2);
    EXPECT_GT(cache.Stats().evictions[static_cast<size_t>(BlockKind::kData)], 0u);
  }
}

TEST(BlockCache, NeverFreesABlockInUseAndCountsIt) {
  constexpr uint64_t kCapacity = 400'000;
  BlockCache cache(kCapacity);
  std::vector<BlockRef> pins;
  for (uint64_t i = 0; i < 300; ++i) {
    pins.push_back(Put(cache, i, Data(i)));
    const BlockCacheStats stats = cache.Stats();
    ASSERT_LE(stats.cached_bytes, kCapacity);
    // What does not fit beside the pins is private to its user.
    ASSERT_GE(stats.resident_bytes, pins.size() * 4000);
    ASSERT_LE(stats.resident_bytes, kCapacity + pins.size() * 4400);
  }
  for (uint64_t i = 0; i < 300; ++i) EXPECT_EQ(pins[i]->entries().KeyAt(0), std::to_string(i));
  EXPECT_EQ(cache.Stats().pinned_bytes, cache.Stats().cached_bytes);
  EXPECT_EQ(cache.Stats().evictions[static_cast<size_t>(BlockKind::kData)], 0u);
  pins.clear();
  EXPECT_EQ(cache.Stats().pinned_bytes, 0u);
  EXPECT_LE(cache.Stats().resident_bytes, kCapacity);
  Put(cache, 1000, Data(1000));
  EXPECT_NE(Find(cache, 1000), nullptr);
}

TEST(BlockCache, ABlockMayOutliveTheCache) {
  BlockRef block;
  {
    BlockCache cache(1 << 20);
    block = Put(cache, 1, Data(1));
  }
  EXPECT_EQ(block->entries().KeyAt(0), "1");
}

TEST(BlockCache, DoesNotKeepWhatWouldFillHalfAShard) {
  BlockCache cache(100'000);
  EXPECT_NE(Put(cache, 1, Data(1, 60'000)), nullptr);
  EXPECT_EQ(Find(cache, 1), nullptr);
  Put(cache, 2, Data(2, 40'000));
  EXPECT_NE(Find(cache, 2), nullptr);
}

TEST(BlockCache, AScanDoesNotDisturbWhatIsUsed) {
  BlockCache cache(500'000);  // About a hundred blocks.
  constexpr uint64_t kHot = 60;
  for (int round = 0; round < 4; ++round) {
    for (uint64_t i = 0; i < kHot; ++i) {
      if (Find(cache, i) == nullptr) Put(cache, i, Data(i));
    }
  }
  for (uint64_t i = 1000; i < 3000; ++i) {
    if (Find(cache, i) == nullptr) Put(cache, i, Data(i));
  }
  uint64_t kept = 0;
  for (uint64_t i = 0; i < kHot; ++i) kept += Find(cache, i) != nullptr;
  EXPECT_EQ(kept, kHot);
}

TEST(BlockCache, AScanThatPassesByLeavesNoTrace) {
  BlockCache cache(100'000);
  Put(cache, 1, Data(1));
  for (int i = 0; i < 10; ++i) Find(cache, 1, CacheTouch::kPassBy);
  // It counts as never asked for again: twenty newer blocks push it out of the small queue.
  for (uint64_t i = 2; i < 40; ++i) Put(cache, i, Data(i));
  EXPECT_EQ(Find(cache, 1), nullptr);
}

TEST(BlockCache, ABlockThatComesBackSoonEntersTheMainQueue) {
  BlockCache cache(100'000);  // About twenty blocks.
  constexpr uint64_t kBlock = 7;
  Put(cache, kBlock, Data(kBlock));
  for (uint64_t i = 100; i < 130; ++i) Put(cache, i, Data(i));
  ASSERT_EQ(Find(cache, kBlock), nullptr);
  Put(cache, kBlock, Data(kBlock));
  // Others that are read once pass it by.
  for (uint64_t i = 200; i < 260; ++i) Put(cache, i, Data(i));
  EXPECT_NE(Find(cache, kBlock), nullptr);
}

TEST(BlockCache, ForgetsFingerprintsOfBlocksThatStayAwayLong) {
  BlockCache cache(100'000);
  constexpr uint64_t kBlock = 7;
  Put(cache, kBlock, Data(kBlock));
  for (uint64_t i = 100; i < 1100; ++i) Put(cache, i, Data(i));
  Put(cache, kBlock, Data(kBlock));
  for (uint64_t i = 2000; i < 2060; ++i) Put(cache, i, Data(i));
  EXPECT_EQ(Find(cache, kBlock), nullptr);
}

TEST(BlockCache, FindsRoomAgainAfterEveryBlockWasUsedALot) {
  BlockCache cache(512 << 10);  // One shard of about 110 blocks.
  for (int round = 0; round < 5; ++round) {
    for (uint64_t i = 0; i < 100; ++i) {
      if (Find(cache, i) == nullptr) Put(cache, i, Data(i));
    }
  }
  // Each refusal brings the queue a part of the way round.
  uint64_t tries = 0;
  for (; tries < 100 && Find(cache, 1000) == nullptr; ++tries) Put(cache, 1000, Data(1000));
  EXPECT_LT(tries, 10u);
}

TEST(BlockCache, PartitionsEnterTheMainQueue) {
  BlockCache cache(200'000);
  Put(cache, 1, Numbered(1));
  // Data that is read once does not push it out.
  for (uint64_t i = 2; i < 1000; ++i) Put(cache, i, Data(i));
  EXPECT_NE(Find(cache, 1, CacheTouch::kRemember, BlockKind::kIndex), nullptr);
}

TEST(BlockCache, AHintFindsItsBlockAndNoOther) {
  BlockCache cache(100'000);  // About twenty blocks.
  std::vector<BlockHint> hints(200);
  const auto find = [&](uint64_t number) {
    return cache.Lookup(Key(number), BlockKind::kData, CacheTouch::kPassBy, hints[number]);
  };
  EXPECT_EQ(find(1), nullptr);
  EXPECT_EQ(hints[1].Get(), nullptr);
  cache.Insert(Key(1), Data(1), hints[1]);
  ASSERT_NE(hints[1].Get(), nullptr);
  EXPECT_EQ(find(1)->entries().KeyAt(0), "1");
  EXPECT_EQ(find(1), Find(cache, 1, CacheTouch::kPassBy));
  // Its frame goes to others. The hint stays, and is not believed.
  for (uint64_t i = 2; i < 200; ++i) cache.Insert(Key(i), Data(i), hints[i]);
  ASSERT_NE(hints[1].Get(), nullptr);
  EXPECT_EQ(find(1), nullptr);
  uint64_t found = 0;
  for (uint64_t i = 0; i < 200; ++i) {
    const BlockRef block = find(i);
    if (block == nullptr) continue;
    ++found;
    EXPECT_EQ(block->entries().KeyAt(0), std::to_string(i));
  }
  EXPECT_GT(found, 10u);
  EXPECT_EQ(cache.Stats().hits[static_cast<size_t>(BlockKind::kData)], found + 3);
  // A block that comes back is found by the hash, and the hint is right again.
  Put(cache, 1, Data(1));
  EXPECT_NE(find(1), nullptr);
  EXPECT_EQ(hints[1].Get()->key, Key(1));
}

TEST(BlockCache, ServesManyThreads) {
  BlockCache cache(2 << 20);
  std::vector<BlockHint> hints(2000);
  std::vector<std::thread> threads;
  for (uint64_t seed = 0; seed < 4; ++seed) {
    threads.emplace_back([&cache, &hints, seed] {
      Rng rng(seed);
      std::vector<BlockRef> pins(16);
      for (int i = 0; i < 20'000; ++i) {
        const uint64_t number = rng.Below(rng.OneIn(3) ? 2000 : 200);
        BlockRef block =
            cache.Lookup(Key(number), BlockKind::kData, CacheTouch::kRemember, hints[number]);
        if (block == nullptr) {
          block = cache.Insert(Key(number), Data(number, 3000), hints[number]);
        }
        ASSERT_EQ(block->entries().KeyAt(0), std::to_string(number));
        pins[rng.Below(pins.size())] = std::move(block);
        if (i % 2000 == 0) {
          ASSERT_LE(cache.Stats().cached_bytes, cache.capacity_bytes());
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(cache.Stats().pinned_bytes, 0u);
  EXPECT_LE(cache.Stats().resident_bytes, cache.capacity_bytes());
}

}  // namespace
}  // namespace aidb::lsm

#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "aidb/lsm/arena.h"
#include "aidb/lsm/record.h"

namespace aidb::lsm {

// From a key to the record of its newest version, in one cache line as a rule.
//
//   slot   u64 = low half of the key's hash << 32 | record;  0 = free
//   bucket 8 slots, filled from the left, never freed; a full bucket overflows into the next
//
// It does not grow. A key that finds its four buckets full is left out for ever, and from then
// on the index says that it is incomplete: an absent key must then be sought in the tree.
//
// Thread safety: one thread at a time calls Claim and Set; any thread may call Find meanwhile.
// A record is found by whoever has seen Set return.
class HashIndex {
 public:
  using Slot = std::atomic<uint64_t>;

  // Room for about `keys` keys. Borrows the arena, which holds the records.
  HashIndex(const Arena& arena, size_t keys);

  static size_t MemoryBytes(size_t keys) { return Buckets(keys) * sizeof(Bucket); }
  size_t memory_bytes() const { return buckets_count_ * sizeof(Bucket); }

  // Starts to fetch the line that Find or Claim will read.
  void Prefetch(uint64_t hash) const { __builtin_prefetch(&buckets_[Home(hash)]); }

  // The newest version of `key`, or 0.
  RecordRef Find(uint64_t hash, std::string_view key) const;

  // The slot of `key`, or a free one for it; null, and incomplete from now on, if there is none.
  Slot* Claim(uint64_t hash, std::string_view key);
  static RecordRef RecordOf(const Slot& slot) {
    return static_cast<RecordRef>(slot.load(std::memory_order_acquire));
  }
  static void Set(Slot& slot, uint64_t hash, RecordRef record) {
    slot.store(hash << 32 | record, std::memory_order_release);
  }

  bool incomplete() const { return incomplete_.load(std::memory_order_acquire); }

 private:
  static constexpr size_t kBucketSlots = 8;
  static constexpr size_t kProbesMax = 4;

  struct alignas(64) Bucket {
    std::array<Slot, kBucketSlots> slots{};
  };

  // Filled to three quarters by `keys` keys.
  static size_t Buckets(size_t keys) {
    return (keys + keys / 3) / kBucketSlots + 1 + (kProbesMax - 1);
  }
  // The high half of the hash, scaled to the buckets that have kProbesMax - 1 behind them.
  size_t Home(uint64_t hash) const {
    return static_cast<size_t>((hash >> 32) * (buckets_count_ - (kProbesMax - 1)) >> 32);
  }
  bool Holds(uint64_t word, uint64_t hash, std::string_view key) const {
    return (word >> 32) == (hash & 0xFFFFFFFF) &&
           Record::At(arena_, static_cast<RecordRef>(word)).key() == key;
  }

  const Arena& arena_;
  const size_t buckets_count_;
  const std::unique_ptr<Bucket[]> buckets_;
  std::atomic<bool> incomplete_{false};
};

}  // namespace aidb::lsm

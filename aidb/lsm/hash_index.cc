#include "aidb/lsm/hash_index.h"

#include "aidb/base/check.h"

namespace aidb::lsm {

HashIndex::HashIndex(const Arena& arena, size_t keys)
    : arena_(arena),
      buckets_count_(Buckets(keys)),
      buckets_(std::make_unique<Bucket[]>(buckets_count_)) {
  AIDB_CHECK(buckets_count_ < (uint64_t{1} << 32));
}

RecordRef HashIndex::Find(uint64_t hash, std::string_view key) const {
  const Bucket* bucket = &buckets_[Home(hash)];
  for (size_t probe = 0; probe < kProbesMax; ++probe, ++bucket) {
    for (const Slot& slot : bucket->slots) {
      const uint64_t word = slot.load(std::memory_order_acquire);
      if (word == 0) return 0;
      if (Holds(word, hash, key)) return static_cast<RecordRef>(word);
    }
  }
  return 0;
}

HashIndex::Slot* HashIndex::Claim(uint64_t hash, std::string_view key) {
  Bucket* bucket = &buckets_[Home(hash)];
  for (size_t probe = 0; probe < kProbesMax; ++probe, ++bucket) {
    for (Slot& slot : bucket->slots) {
      const uint64_t word = slot.load(std::memory_order_relaxed);
      if (word == 0 || Holds(word, hash, key)) return &slot;
    }
  }
  incomplete_.store(true, std::memory_order_release);
  return nullptr;
}

}  // namespace aidb::lsm

#pragma once

// Blocked Bloom filter over the keys of one index partition.
//
//   64-byte lines, one after the other | u8 kind = 1 | u8 bits per key | u8 probes | u8 0 | u32
//   lines
//
// A key with hash h (Hash64) has one line and `probes` bits in it:
//
//   line  = (low 32 bits of h) * lines >> 32
//   mixed = h * 0x9E3779B97F4A7C15 mod 2^64
//   bit i = (mixed >> (55 - 9 * i)) & 511,   i in [0, probes);   bit b is bit b mod 8 of byte b / 8
//
// Source: Putze, Sanders, Singler, "Cache-, Hash- and Space-Efficient Bloom Filters", 2007. One
// line is one cache miss where the classic layout has one per probe; the price at 10 bits and 6
// probes is 0.96 % false positives instead of 0.84 %.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "aidb/base/bytes.h"
#include "aidb/base/result.h"

namespace aidb::lsm {

inline constexpr size_t kFilterLineBytes = 64;
inline constexpr size_t kFilterTailBytes = 8;
inline constexpr int kFilterProbesMax = 7;  // 7 * 9 bits come out of one 64-bit product.
inline constexpr int kFilterBitsPerKeyMax = 64;
inline constexpr uint64_t kFilterMix = 0x9E3779B97F4A7C15;

// Thread safety: none.
class FilterBuilder {
 public:
  // 1 to kFilterBitsPerKeyMax.
  explicit FilterBuilder(int bits_per_key);

  void Add(uint64_t hash) { hashes_.push_back(hash); }
  bool empty() const { return hashes_.empty(); }
  size_t memory_bytes() const { return hashes_.capacity() * sizeof(uint64_t); }

  // The filter of the hashes added since the last Finish.
  std::string Finish();

 private:
  const int bits_per_key_;
  std::vector<uint64_t> hashes_;
};

// Thread safety: immutable.
// Lifetime: borrows its bytes.
class FilterReader {
 public:
  FilterReader() = default;  // Only to be assigned to.
  // kCorruption saying what is wrong.
  static Result<FilterReader> Parse(std::string_view bytes);

  // Starts to fetch the line that MayContain will read.
  void Prefetch(uint64_t hash) const { __builtin_prefetch(LineOf(hash)); }
  bool MayContain(uint64_t hash) const {
    const char* line = LineOf(hash);
    uint64_t mixed = hash * kFilterMix;
    bool all = true;
    for (int i = 0; i < probes_; ++i, mixed <<= 9) {
      const uint64_t bit = mixed >> 55;
      all &= (static_cast<uint8_t>(line[bit / 8]) >> (bit % 8)) & 1;
    }
    return all;
  }
  int bits_per_key() const { return bits_per_key_; }

 private:
  const char* LineOf(uint64_t hash) const {
    return lines_ + (((hash & 0xFFFFFFFF) * line_count_) >> 32) * kFilterLineBytes;
  }

  const char* lines_ = nullptr;
  uint64_t line_count_ = 0;
  int probes_ = 0;
  int bits_per_key_ = 0;
};

}  // namespace aidb::lsm

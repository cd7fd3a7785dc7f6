#pragma once

// Log-linear histograms (the layout of HdrHistogram, Gil Tene): every octave [2^k, 2^(k+1)) is cut
// into 32 buckets of equal width, so a bucket is never wider than 1/32 of the values in it.
//
//     values     0 1 2 … 63 | 64-65 66-67 … 126-127 | 128-131 … 252-255 | … up to 2^64 - 1
//     width      1          | 2                     | 4                 |
//     bucket     0 1 2 … 63 | 64    65    … 95      | 96      … 127     | … 1919
//
// A value v with its highest bit at position k >= 6 falls, with shift = k - 5, into bucket
// shift * 32 + (v >> shift).

#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "aidb/metrics/counter.h"

namespace aidb::metrics {

inline constexpr unsigned kSubBucketsLog2 = 5;
// 64 one-wide buckets, then 32 for each of the octaves 6 to 63: 1,920; 15 KiB of counts.
inline constexpr size_t kHistogramBuckets = 64 + 58 * 32;

constexpr size_t BucketOf(uint64_t value) {
  const unsigned shift =
      static_cast<unsigned>(std::bit_width(value | (1u << kSubBucketsLog2))) - kSubBucketsLog2 - 1;
  return (size_t{shift} << kSubBucketsLog2) + static_cast<size_t>(value >> shift);
}
constexpr uint64_t LowestOfBucket(size_t bucket) {
  if (bucket < (size_t{2} << kSubBucketsLog2)) return bucket;
  const size_t shift = (bucket >> kSubBucketsLog2) - 1;
  return static_cast<uint64_t>(bucket - (shift << kSubBucketsLog2)) << shift;
}
constexpr uint64_t HighestOfBucket(size_t bucket) {
  return bucket + 1 == kHistogramBuckets ? std::numeric_limits<uint64_t>::max()
                                         : LowestOfBucket(bucket + 1) - 1;
}

// What a Histogram held at one moment. A value: merge those of several threads, shards or nodes.
class HistogramSnapshot {
 public:
  HistogramSnapshot() : counts_(kHistogramBuckets) {}

  void Merge(const HistogramSnapshot& other);

  uint64_t Count() const { return count_; }
  // Wraps at 2^64: in nanoseconds, 584 years of time spent.
  uint64_t Sum() const { return sum_; }
  // Exact; 0 when there is no value, as is everything below.
  uint64_t Min() const { return count_ == 0 ? 0 : min_; }
  uint64_t Max() const { return max_; }
  double Mean() const;
  // The value that `percent` of all values do not exceed: the middle of its bucket, so at most
  // 1/64 (1.6 %) beside the truth. 0 gives Min, 100 Max; both exact.
  uint64_t Percentile(double percent) const;
  // How many values are at most `value`: exact for 2^k - 1, else with its whole bucket.
  uint64_t CountAtMost(uint64_t value) const;

 private:
  friend class Histogram;
  std::vector<uint64_t> counts_;
  uint64_t count_ = 0;  // The sum of counts_.
  uint64_t sum_ = 0;
  uint64_t min_ = std::numeric_limits<uint64_t>::max();
  uint64_t max_ = 0;
};

// Counts values by size: latencies in nanoseconds, sizes in bytes.
//
// Thread safety: any thread may call any method; nothing blocks. A snapshot taken beside running
// records holds those that happened before it, and of each of the others possibly a part: its
// sum may miss a value that its count has, or the reverse.
class Histogram {
 public:
  void Record(uint64_t value) {
    Lower(min_, value);
    Raise(max_, value);
    sum_.Increment(value);
    // Pairs with the acquire in Snapshot: who sees the count sees bounds that contain the value.
    counts_[BucketOf(value)].fetch_add(1, std::memory_order_release);
  }
  HistogramSnapshot Snapshot() const;

 private:
  static void Lower(std::atomic<uint64_t>& bound, uint64_t value) {
    uint64_t seen = bound.load(std::memory_order_relaxed);
    while (value < seen && !bound.compare_exchange_weak(seen, value, std::memory_order_relaxed)) {
    }
  }
  static void Raise(std::atomic<uint64_t>& bound, uint64_t value) {
    uint64_t seen = bound.load(std::memory_order_relaxed);
    while (value > seen && !bound.compare_exchange_weak(seen, value, std::memory_order_relaxed)) {
    }
  }

  Counter sum_;
  std::atomic<uint64_t> min_{std::numeric_limits<uint64_t>::max()};
  std::atomic<uint64_t> max_{0};
  std::array<std::atomic<uint64_t>, kHistogramBuckets> counts_{};
};

}  // namespace aidb::metrics

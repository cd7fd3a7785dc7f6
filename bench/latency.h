#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>

#include "aidb/metrics/histogram.h"

namespace aidb::bench {

// An operation that takes so long waited for something: a stall of writes, the device, another
// thread. Told the same way for every engine, whether it counts its stalls or not.
inline constexpr uint64_t kHeldNs = 1'000'000;

// Latencies of one thread, in the buckets of metrics::Histogram. That one is made for many
// threads and pays for it at each record; here a record is one increment.
class LatencyRecorder {
 public:
  void Record(uint64_t ns) {
    ++(*counts_)[metrics::BucketOf(ns)];
    max_ = std::max(max_, ns);
    ++count_;
    if (ns >= kHeldNs) held_ns_ += ns;
  }
  // `operations` that took `ns` together: each is counted with their mean.
  void RecordMany(uint64_t ns, uint64_t operations) {
    if (operations == 0) return;
    (*counts_)[metrics::BucketOf(ns / operations)] += operations;
    max_ = std::max(max_, ns / operations);
    count_ += operations;
    if (ns / operations >= kHeldNs) held_ns_ += ns;
  }
  void Merge(const LatencyRecorder& other) {
    for (size_t i = 0; i < counts_->size(); ++i) (*counts_)[i] += (*other.counts_)[i];
    max_ = std::max(max_, other.max_);
    count_ += other.count_;
    held_ns_ += other.held_ns_;
  }
  // The upper end of the bucket that holds the value `percent` of all do not exceed.
  uint64_t Percentile(double percent) const {
    const auto rank = static_cast<uint64_t>(percent / 100 * static_cast<double>(count_));
    uint64_t seen = 0;
    for (size_t i = 0; i < counts_->size(); ++i) {
      seen += (*counts_)[i];
      if (seen > rank) return std::min(metrics::HighestOfBucket(i), max_);
    }
    return max_;
  }
  uint64_t Max() const { return max_; }
  // The time of all operations that took kHeldNs or longer.
  uint64_t HeldNs() const { return held_ns_; }

 private:
  using Counts = std::array<uint64_t, metrics::kHistogramBuckets>;
  std::unique_ptr<Counts> counts_ = std::make_unique<Counts>();
  uint64_t count_ = 0;
  uint64_t max_ = 0;
  uint64_t held_ns_ = 0;
};

}  // namespace aidb::bench

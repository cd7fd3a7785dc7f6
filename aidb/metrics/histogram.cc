#include "aidb/metrics/histogram.h"

#include <algorithm>
#include <cmath>

#include "aidb/base/check.h"

namespace aidb::metrics {

void HistogramSnapshot::Merge(const HistogramSnapshot& other) {
  for (size_t i = 0; i < counts_.size(); ++i) counts_[i] += other.counts_[i];
  count_ += other.count_;
  sum_ += other.sum_;
  min_ = std::min(min_, other.min_);
  max_ = std::max(max_, other.max_);
}

double HistogramSnapshot::Mean() const {
  return count_ == 0 ? 0 : static_cast<double>(sum_) / static_cast<double>(count_);
}

uint64_t HistogramSnapshot::Percentile(double percent) const {
  AIDB_CHECK(percent >= 0 && percent <= 100);
  if (percent == 0) return Min();
  if (percent == 100) return max_;
  const double rank = std::ceil(percent / 100 * static_cast<double>(count_));
  uint64_t seen = 0;
  for (size_t i = 0; i < counts_.size(); ++i) {
    seen += counts_[i];
    if (counts_[i] == 0 || static_cast<double>(seen) < rank) continue;
    const uint64_t lowest = LowestOfBucket(i);
    return std::clamp(lowest + (HighestOfBucket(i) - lowest) / 2, min_, max_);
  }
  return max_;  // No value: 0.
}

uint64_t HistogramSnapshot::CountAtMost(uint64_t value) const {
  uint64_t count = 0;
  const size_t last = BucketOf(value);
  for (size_t i = 0; i <= last; ++i) count += counts_[i];
  return count;
}

HistogramSnapshot Histogram::Snapshot() const {
  HistogramSnapshot snapshot;
  for (size_t i = 0; i < counts_.size(); ++i) {
    // Pairs with the release in Record.
    snapshot.counts_[i] = counts_[i].load(std::memory_order_acquire);
    snapshot.count_ += snapshot.counts_[i];
  }
  if (snapshot.count_ == 0) return snapshot;  // Bounds of a record that is still on its way.
  snapshot.sum_ = sum_.Value();
  snapshot.min_ = min_.load(std::memory_order_relaxed);
  snapshot.max_ = max_.load(std::memory_order_relaxed);
  return snapshot;
}

}  // namespace aidb::metrics

#include "aidb/metrics/histogram.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "aidb/base/random.h"
#include "aidb/metrics/gauge.h"

namespace aidb::metrics {
namespace {

TEST(Buckets, CoverEveryValueOnceInOrder) {
  EXPECT_EQ(LowestOfBucket(0), 0u);
  for (size_t i = 0; i < kHistogramBuckets; ++i) {
    const uint64_t lowest = LowestOfBucket(i);
    const uint64_t highest = HighestOfBucket(i);
    EXPECT_LE(lowest, highest);
    EXPECT_EQ(BucketOf(lowest), i);
    EXPECT_EQ(BucketOf(highest), i);
    if (i + 1 < kHistogramBuckets) {
      EXPECT_EQ(BucketOf(highest + 1), i + 1);
    }
    EXPECT_LE((highest - lowest) * 32, lowest) << "bucket " << i << " is too wide";
  }
  EXPECT_EQ(BucketOf(~uint64_t{0}), kHistogramBuckets - 1);
}

TEST(Buckets, KeepTheMemoryOfAHistogramSmall) { EXPECT_LT(sizeof(Histogram), 16 * 1024u); }

TEST(Histogram, IsZeroWhenEmpty) {
  const HistogramSnapshot empty = Histogram().Snapshot();
  EXPECT_EQ(empty.Count(), 0u);
  EXPECT_EQ(empty.Sum(), 0u);
  EXPECT_EQ(empty.Min(), 0u);
  EXPECT_EQ(empty.Max(), 0u);
  EXPECT_EQ(empty.Mean(), 0);
  for (const double percent : {0.0, 50.0, 99.9, 100.0}) EXPECT_EQ(empty.Percentile(percent), 0u);
}

TEST(Histogram, IsExactForSmallValues) {
  Histogram histogram;
  for (uint64_t value = 0; value < 64; ++value) histogram.Record(value);
  const HistogramSnapshot snapshot = histogram.Snapshot();
  EXPECT_EQ(snapshot.Count(), 64u);
  EXPECT_EQ(snapshot.Sum(), 63u * 64 / 2);
  EXPECT_EQ(snapshot.Mean(), 31.5);
  EXPECT_EQ(snapshot.Percentile(50), 31u);
  EXPECT_EQ(snapshot.Percentile(25), 15u);
  EXPECT_EQ(snapshot.Percentile(1), 0u);
  EXPECT_EQ(snapshot.CountAtMost(20), 21u);
}

TEST(Histogram, OneValueIsEveryPercentile) {
  for (const uint64_t value : {uint64_t{0}, uint64_t{1'000'003}, ~uint64_t{0}}) {
    Histogram histogram;
    histogram.Record(value);
    const HistogramSnapshot snapshot = histogram.Snapshot();
    for (const double percent : {0.0, 0.1, 50.0, 99.99, 100.0}) {
      EXPECT_EQ(snapshot.Percentile(percent), value);
    }
    EXPECT_EQ(snapshot.Min(), value);
    EXPECT_EQ(snapshot.Max(), value);
  }
}

TEST(Histogram, CountsExactlyBelowEveryPowerOfTwo) {
  Histogram histogram;
  for (unsigned k = 0; k < 64; ++k) {
    histogram.Record((uint64_t{1} << k) - 1);
    histogram.Record(uint64_t{1} << k);
  }
  const HistogramSnapshot snapshot = histogram.Snapshot();
  for (unsigned k = 0; k < 64; ++k) {
    EXPECT_EQ(snapshot.CountAtMost((uint64_t{1} << k) - 1), 2 * k + 1) << k;
  }
  EXPECT_EQ(snapshot.CountAtMost(~uint64_t{0}), 128u);
}

struct Distribution {
  const char* name;
  std::function<uint64_t(Rng&)> draw;
};

double Unit01(Rng& rng) {
  return (static_cast<double>(rng.Next() >> 11) + 0.5) / 9007199254740992.0;
}

const Distribution kDistributions[] = {
    {"uniform", [](Rng& rng) { return rng.Below(1'000'000); }},
    {"small", [](Rng& rng) { return rng.Below(40); }},
    {"exponential", [](Rng& rng) { return static_cast<uint64_t>(-5e5 * std::log(Unit01(rng))); }},
    {"heavy tail",
     [](Rng& rng) { return static_cast<uint64_t>(1'000 / std::pow(Unit01(rng), 1.5)); }},
    {"every magnitude", [](Rng& rng) { return rng.Next() >> rng.Below(64); }},
    {"two peaks",
     [](Rng& rng) { return rng.OneIn(100) ? 5'000'000 + rng.Below(9) : 900 + rng.Below(9); }},
    {"constant", [](Rng&) { return uint64_t{123'456'789}; }},
};

TEST(Histogram, PercentilesAreWithinOneSixtyFourthOfTheExactOnes) {
  for (const Distribution& distribution : kDistributions) {
    Rng rng(11);
    Histogram histogram;
    std::vector<uint64_t> values(50'000);
    uint64_t sum = 0;
    for (uint64_t& value : values) {
      value = distribution.draw(rng);
      sum += value;
      histogram.Record(value);
    }
    std::ranges::sort(values);
    const HistogramSnapshot snapshot = histogram.Snapshot();
    EXPECT_EQ(snapshot.Count(), values.size()) << distribution.name;
    EXPECT_EQ(snapshot.Sum(), sum) << distribution.name;
    EXPECT_EQ(snapshot.Min(), values.front()) << distribution.name;
    EXPECT_EQ(snapshot.Max(), values.back()) << distribution.name;
    for (const double percent : {0.01, 1.0, 10.0, 50.0, 75.0, 90.0, 99.0, 99.9, 99.99}) {
      const auto rank = static_cast<size_t>(std::ceil(percent / 100 * 50'000));
      const auto exact = static_cast<double>(values[rank - 1]);
      EXPECT_NEAR(static_cast<double>(snapshot.Percentile(percent)), exact, exact / 64)
          << distribution.name << ", percentile " << percent;
    }
  }
}

TEST(Histogram, PercentilesNeverFallAsThePercentageRises) {
  Rng rng(12);
  Histogram histogram;
  for (int i = 0; i < 1'000; ++i) histogram.Record(rng.Next() >> rng.Below(64));
  const HistogramSnapshot snapshot = histogram.Snapshot();
  uint64_t last = 0;
  for (int tenth = 0; tenth <= 1'000; ++tenth) {
    const uint64_t value = snapshot.Percentile(tenth / 10.0);
    EXPECT_GE(value, last);
    last = value;
  }
}

TEST(HistogramSnapshot, MergingIsRecordingAllInOne) {
  Rng rng(13);
  Histogram parts[3];
  Histogram whole;
  for (int i = 0; i < 30'000; ++i) {
    const uint64_t value = rng.Next() >> rng.Below(50);
    parts[i % 3].Record(value);
    whole.Record(value);
  }
  HistogramSnapshot merged;
  for (const Histogram& part : parts) merged.Merge(part.Snapshot());
  merged.Merge(HistogramSnapshot());
  const HistogramSnapshot expected = whole.Snapshot();
  EXPECT_EQ(merged.Count(), expected.Count());
  EXPECT_EQ(merged.Sum(), expected.Sum());
  EXPECT_EQ(merged.Min(), expected.Min());
  EXPECT_EQ(merged.Max(), expected.Max());
  for (size_t i = 0; i < kHistogramBuckets; ++i) {
    ASSERT_EQ(merged.CountAtMost(LowestOfBucket(i)), expected.CountAtMost(LowestOfBucket(i)));
  }
}

TEST(Histogram, LosesNothingBetweenThreads) {
  constexpr uint64_t kThreads = 4;
  constexpr uint64_t kEach = 20'000;
  Histogram histogram;
  Counter counter;
  Gauge gauge;
  std::vector<std::thread> threads;
  for (uint64_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (uint64_t i = 0; i < kEach; ++i) {
        histogram.Record(1 + t * kEach + i);
        counter.Increment(2);
        gauge.Add(t % 2 == 0 ? 1 : -1);
      }
    });
  }
  // Snapshots beside the writers: whatever is counted lies inside the bounds.
  uint64_t seen = 0;
  while (seen < kThreads * kEach) {
    const HistogramSnapshot snapshot = histogram.Snapshot();
    EXPECT_GE(snapshot.Count(), seen);
    seen = snapshot.Count();
    if (seen == 0) continue;
    EXPECT_GE(snapshot.Min(), 1u);
    EXPECT_LE(snapshot.Min(), snapshot.Percentile(50));
    EXPECT_LE(snapshot.Percentile(50), snapshot.Max());
  }
  for (std::thread& thread : threads) thread.join();
  const uint64_t n = kThreads * kEach;
  const HistogramSnapshot snapshot = histogram.Snapshot();
  EXPECT_EQ(snapshot.Count(), n);
  EXPECT_EQ(snapshot.Sum(), n * (n + 1) / 2);
  EXPECT_EQ(snapshot.Min(), 1u);
  EXPECT_EQ(snapshot.Max(), n);
  EXPECT_EQ(counter.Value(), 2 * n);
  EXPECT_EQ(gauge.Value(), 0);
}

TEST(Gauge, KeepsTheLastValueSet) {
  Gauge gauge;
  EXPECT_EQ(gauge.Value(), 0);
  gauge.Set(-7);
  gauge.Add(3);
  EXPECT_EQ(gauge.Value(), -4);
}

}  // namespace
}  // namespace aidb::metrics

#pragma once

#include <cstdint>

#include "aidb/base/random.h"

namespace aidb::bench {

// The sum of 1 / i^theta for i from 1 to n.
double Zeta(uint64_t n, double theta);

// Ranks with a zipfian distribution: rank 0 is drawn most often, rank i with a probability near
// 1 / ((i + 1)^theta * Zeta(n, theta)), for the first two ranks exactly so.
//
// Source: Gray, Sundaresan, Englert, Baclawski, Weinberger, "Quickly Generating Billion-Record
// Synthetic Databases", SIGMOD 1994; the constants are YCSB's (Cooper and others, SoCC 2010).
//
// Thread safety: none.
class Zipfian {
 public:
  static constexpr double kTheta = 0.99;

  explicit Zipfian(uint64_t items);

  // Below items().
  uint64_t Draw(Rng& rng) const { return RankOf(Uniform(rng)); }
  // The rank that `uniform`, in [0, 1), stands for.
  uint64_t RankOf(double uniform) const;
  // One more item.
  void Grow();
  uint64_t items() const { return items_; }

 private:
  static double Uniform(Rng& rng) { return static_cast<double>(rng.Next() >> 11) * 0x1p-53; }
  void SetEta();

  uint64_t items_;
  double zeta_;
  double eta_ = 0;
};

// FNV-1a over the eight bytes of `number`, the lowest first: spreads ranks over keys.
uint64_t Fnv1a(uint64_t number);

// Items of which some are far more popular than others, the popular ones spread over all: as
// YCSB's ScrambledZipfianGenerator, ranks among 10^10, hashed. Every number of items then has
// the same popular share.
class ScrambledZipfian {
 public:
  explicit ScrambledZipfian(uint64_t items) : items_(items), ranks_(kRanks) {}
  uint64_t Draw(Rng& rng) const { return Fnv1a(ranks_.Draw(rng)) % items_; }

 private:
  static constexpr uint64_t kRanks = 10'000'000'000;

  const uint64_t items_;
  const Zipfian ranks_;
};

}  // namespace aidb::bench

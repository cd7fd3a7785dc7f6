#include "bench/zipfian.h"

#include <algorithm>
#include <cmath>

namespace aidb::bench {

// The first terms one by one, the rest by the Euler-Maclaurin formula: with the integral, the
// ends and the first derivative what is missing is below 1e-12.
double Zeta(uint64_t n, double theta) {
  constexpr uint64_t kSummed = 1000;
  double sum = 0;
  for (uint64_t i = 1; i <= std::min(n, kSummed); ++i) {
    sum += std::pow(static_cast<double>(i), -theta);
  }
  if (n <= kSummed) return sum;
  const auto low = static_cast<double>(kSummed);
  const auto high = static_cast<double>(n);
  return sum + (std::pow(high, 1 - theta) - std::pow(low, 1 - theta)) / (1 - theta) +
         (std::pow(high, -theta) - std::pow(low, -theta)) / 2 -
         theta / 12 * (std::pow(high, -theta - 1) - std::pow(low, -theta - 1));
}

Zipfian::Zipfian(uint64_t items) : items_(items), zeta_(Zeta(items, kTheta)) { SetEta(); }

void Zipfian::SetEta() {
  // With one item or two RankOf never comes to where eta is used.
  if (items_ <= 2) return;
  eta_ =
      (1 - std::pow(2.0 / static_cast<double>(items_), 1 - kTheta)) / (1 - Zeta(2, kTheta) / zeta_);
}

uint64_t Zipfian::RankOf(double uniform) const {
  const double scaled = uniform * zeta_;
  if (scaled < 1 || items_ == 1) return 0;
  if (scaled < 1 + std::pow(0.5, kTheta) || items_ == 2) return 1;
  const double rank =
      static_cast<double>(items_) * std::pow(eta_ * uniform - eta_ + 1, 1 / (1 - kTheta));
  return std::min(static_cast<uint64_t>(rank), items_ - 1);
}

void Zipfian::Grow() {
  ++items_;
  zeta_ += std::pow(static_cast<double>(items_), -kTheta);
  SetEta();
}

uint64_t Fnv1a(uint64_t number) {
  uint64_t hash = 0xCBF29CE484222325;
  for (int i = 0; i < 8; ++i, number >>= 8) {
    hash ^= number & 0xFF;
    hash *= 0x100000001B3;
  }
  return hash;
}

}  // namespace aidb::bench

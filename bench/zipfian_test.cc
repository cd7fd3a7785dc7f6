#include "bench/zipfian.h"

#include <cmath>
#include <vector>

#include <gtest/gtest.h>

namespace aidb::bench {
namespace {

TEST(Zeta, SumsWhatItSays) {
  EXPECT_DOUBLE_EQ(Zeta(1, 0.99), 1);
  EXPECT_DOUBLE_EQ(Zeta(2, 0.99), 1 + std::pow(0.5, 0.99));
  double sum = 0;
  for (int i = 1; i <= 100'000; ++i) sum += std::pow(i, -0.99);
  EXPECT_NEAR(Zeta(100'000, 0.99), sum, 1e-10);
}

// ScrambledZipfianGenerator.ZETAN of YCSB, which was summed term by term.
TEST(Zeta, MeetsThePublishedConstantForTenBillion) {
  EXPECT_NEAR(Zeta(10'000'000'000, 0.99), 26.46902820178302, 1e-8);
}

TEST(Zipfian, GivesTheFirstTwoRanksTheirExactShare) {
  const Zipfian ranks(1000);
  const double zeta = Zeta(1000, Zipfian::kTheta);
  const double first = 1 / zeta;
  const double second = (1 + std::pow(0.5, Zipfian::kTheta)) / zeta;
  EXPECT_EQ(ranks.RankOf(0), 0U);
  EXPECT_EQ(ranks.RankOf(first - 1e-9), 0U);
  EXPECT_EQ(ranks.RankOf(first + 1e-9), 1U);
  EXPECT_EQ(ranks.RankOf(second - 1e-9), 1U);
  EXPECT_EQ(ranks.RankOf(second + 1e-9), 2U);
  EXPECT_EQ(ranks.RankOf(1 - 0x1p-53), 999U);
}

// The paper's generator approximates the distribution from the third rank on: its cumulative
// shares stay within 0.015 of the exact ones, too large for the ranks after the second.
TEST(Zipfian, DrawsRanksWithTheirCumulativeShare) {
  constexpr uint64_t kItems = 10'000;
  constexpr int kDraws = 400'000;
  const Zipfian ranks(kItems);
  Rng rng(7);
  std::vector<int> drawn(kItems);
  for (int i = 0; i < kDraws; ++i) ++drawn[ranks.Draw(rng)];
  uint64_t next = 0;
  double share = 0;
  for (const uint64_t below : {1, 2, 10, 100, 1000, 5000}) {
    for (; next < below; ++next) share += static_cast<double>(drawn[next]) / kDraws;
    const double exact = Zeta(below, Zipfian::kTheta) / Zeta(kItems, Zipfian::kTheta);
    EXPECT_NEAR(share, exact, 0.015) << "ranks below " << below;
  }
}

TEST(Zipfian, GrownDrawsAsOneMadeWithAllItems) {
  Zipfian grown(100);
  for (int i = 0; i < 900; ++i) grown.Grow();
  const Zipfian whole(1000);
  ASSERT_EQ(grown.items(), whole.items());
  for (double uniform = 0; uniform < 1; uniform += 0.0009765) {
    EXPECT_EQ(grown.RankOf(uniform), whole.RankOf(uniform)) << uniform;
  }
}

TEST(Zipfian, NeverLeavesItsItems) {
  for (const uint64_t items : {1, 2, 3, 10}) {
    const Zipfian ranks(items);
    Rng rng(items);
    for (int i = 0; i < 10'000; ++i) ASSERT_LT(ranks.Draw(rng), items);
  }
}

// Computed with an implementation of its own: FNV-1a over the eight bytes, the lowest first. That
// of no bytes is the offset basis, that of one 'a' is af63dc4c8601ec8c.
TEST(Fnv1a, MeetsKnownAnswers) {
  EXPECT_EQ(Fnv1a(0), 0xA8C7F832281A39C5);
  EXPECT_EQ(Fnv1a(1), 0x89CD31291D2AEFA4);
  EXPECT_EQ(Fnv1a(0x0123456789ABCDEF), 0x37EB3F3347761C55);
}

TEST(ScrambledZipfian, GivesOneKeyTheShareOfTheFirstRankWhereverItLies) {
  constexpr uint64_t kItems = 1000;
  constexpr int kDraws = 400'000;
  const ScrambledZipfian keys(kItems);
  Rng rng(11);
  std::vector<int> drawn(kItems);
  for (int i = 0; i < kDraws; ++i) ++drawn[keys.Draw(rng)];
  const uint64_t popular = Fnv1a(0) % kItems;
  const double zeta = Zeta(10'000'000'000, Zipfian::kTheta);
  for (uint64_t key = 0; key < kItems; ++key) EXPECT_LE(drawn[key], drawn[popular]);
  // Its own share, and a thousandth of what is spread evenly.
  EXPECT_NEAR(static_cast<double>(drawn[popular]) / kDraws, 1 / zeta + 1.0 / kItems, 0.002);
}

}  // namespace
}  // namespace aidb::bench

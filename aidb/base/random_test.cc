#include "aidb/base/random.h"

#include <set>
#include <vector>

#include <gtest/gtest.h>

#include "aidb/base/hash.h"
#include "aidb/base/uuid.h"

namespace aidb {
namespace {

// Hands out the numbers of a seeded Rng.
class SeededRandom final : public Random {
 public:
  explicit SeededRandom(uint64_t seed) : rng_(seed) {}
  uint64_t Next() override { return rng_.Next(); }

 private:
  Rng rng_;
};

// These numbers are what "replay with this seed" means, in every old bug report: they never
// change.
TEST(Rng, GivesTheSameNumbersForEver) {
  // The first output of xoshiro256** is rotl(s1 * 5, 7) * 9, with s1 the second splitmix64 value.
  const auto first = [](uint64_t seed, size_t count) {
    Rng rng(seed);
    std::vector<uint64_t> numbers(count);
    for (uint64_t& number : numbers) number = rng.Next();
    return numbers;
  };
  EXPECT_EQ(first(0, 4), (std::vector<uint64_t>{0x99EC5F36CB75F2B4, 0xBF6E1F784956452A,
                                                0x1A5F849D4933E6E0, 0x6AA594F1262D2D2C}));
  EXPECT_EQ(first(42, 4), (std::vector<uint64_t>{0x15780B2E0C2EC716, 0x6104D9866D113A7E,
                                                 0xAE17533239E499A1, 0xECB8AD4703B360A1}));
  EXPECT_EQ(first(~uint64_t{0}, 2),
            (std::vector<uint64_t>{0x8F5520D52A7EAD08, 0xC476A018CAA1802D}));
}

TEST(Rng, BelowAndBetweenGiveTheSameNumbersForEver) {
  Rng rng(1);
  std::vector<uint64_t> numbers;
  for (int i = 0; i < 6; ++i) numbers.push_back(rng.Below(1'000));
  for (int i = 0; i < 4; ++i) numbers.push_back(rng.Between(10, 19));
  EXPECT_EQ(numbers, (std::vector<uint64_t>{702, 520, 574, 391, 697, 143, 10, 13, 18, 15}));
}

TEST(Rng, StaysInsideItsBoundsAndReachesBoth) {
  Rng rng(5);
  std::set<uint64_t> below;
  std::set<uint64_t> between;
  int ones = 0;
  for (int i = 0; i < 10'000; ++i) {
    below.insert(rng.Below(7));
    between.insert(rng.Between(3, 5));
    ones += rng.OneIn(10) ? 1 : 0;
    EXPECT_EQ(rng.Below(1), 0u);
    EXPECT_TRUE(rng.OneIn(1));
  }
  EXPECT_EQ(below, (std::set<uint64_t>{0, 1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(between, (std::set<uint64_t>{3, 4, 5}));
  EXPECT_NEAR(ones, 1'000, 150);  // Five standard deviations.
}

TEST(Rng, IsUniform) {
  Rng rng(6);
  std::vector<int> counts(64);
  for (int i = 0; i < 64'000; ++i) ++counts[rng.Below(64)];
  double chi_square = 0;
  for (const int count : counts) chi_square += (count - 1'000.0) * (count - 1'000.0) / 1'000.0;
  EXPECT_LT(chi_square, 120);  // 63 degrees of freedom: 0.99999 quantile 119.
  EXPECT_GT(chi_square, 25);
}

// Tags and filters of tables are made of these: a change would make old tables lose keys.
TEST(Hash64, IsXxh3WithSeedZeroForEver) {
  EXPECT_EQ(Hash64(""), 0x2D06800538D394C2u);  // xxHash's own published vector.
  std::string rising(300, '\0');
  for (size_t i = 0; i < rising.size(); ++i) rising[i] = static_cast<char>(i);
  const std::string_view bytes(rising);
  // One per branch of XXH3: 1-3, 4-8, 9-16, 17-128, 129-240 bytes, and the long loop.
  EXPECT_EQ(Hash64(bytes.substr(0, 3)), 0x5F4299FC161C9CBBu);
  EXPECT_EQ(Hash64(bytes.substr(0, 8)), 0x3A1C2D7C85AF88F8u);
  EXPECT_EQ(Hash64(bytes.substr(0, 16)), 0x8355E3A6F61770DBu);
  EXPECT_EQ(Hash64(bytes.substr(0, 100)), 0x004E4F921A64BD1Cu);
  EXPECT_EQ(Hash64(bytes.substr(0, 200)), 0xF42A8864FEAF0703u);
  EXPECT_EQ(Hash64(bytes.substr(0, 300)), 0xD44052F5A3485425u);
}

TEST(Uuid, HasVersionAndVariantOfRfc9562) {
  SeededRandom random(1);
  std::set<Uuid> seen;
  for (int i = 0; i < 1'000; ++i) {
    const Uuid uuid = Uuid::Generate(random);
    const std::string text = uuid.ToString();
    EXPECT_EQ(text[14], '4') << text;
    EXPECT_NE(std::string_view("89ab").find(text[19]), std::string_view::npos) << text;
    EXPECT_TRUE(seen.insert(uuid).second) << text;
  }
}

TEST(Uuid, IsReadBackFromItsText) {
  SeededRandom random(2);
  for (int i = 0; i < 100; ++i) {
    const Uuid uuid = Uuid::Generate(random);
    EXPECT_EQ(*Uuid::Parse(uuid.ToString()), uuid);
  }
  const Uuid uuid = *Uuid::Parse("F81D4FAE-7dec-11d0-a765-00a0c91e6bf6");
  EXPECT_EQ(uuid.ToString(), "f81d4fae-7dec-11d0-a765-00a0c91e6bf6");
  EXPECT_EQ(uuid.AsView().substr(0, 4), "\xF8\x1D\x4F\xAE");
  EXPECT_EQ(Uuid().ToString(), "00000000-0000-0000-0000-000000000000");
}

TEST(Uuid, RefusesEveryOtherText) {
  const std::string good = "f81d4fae-7dec-11d0-a765-00a0c91e6bf6";
  for (size_t i = 0; i < good.size(); ++i) {
    for (const char wrong : {'g', 'G', '/', ':', '@', '`', ' ', '\0', '\xFF'}) {
      std::string text = good;
      text[i] = wrong;
      EXPECT_EQ(Uuid::Parse(text).status().code(), StatusCode::kInvalidArgument) << text;
    }
  }
  for (const std::string_view text : {"", "f81d4fae", "f81d4fae7dec11d0a76500a0c91e6bf6"}) {
    EXPECT_FALSE(Uuid::Parse(text).ok()) << text;
  }
  EXPECT_FALSE(Uuid::Parse(good + "0").ok());
  EXPECT_EQ(Uuid::Parse("no\n").status().message(), "\"no\\x0a\" is not a uuid");
}

}  // namespace
}  // namespace aidb

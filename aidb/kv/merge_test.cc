#include "aidb/kv/merge.h"

#include <map>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "aidb/base/random.h"

namespace aidb::kv {
namespace {

constexpr MergeOperator kUsers{200};

// "key(value)operand"
class Telling final : public MergeFunction {
 public:
  std::string Merge(MergeOperator /*op*/, std::string_view key,
                    std::optional<std::string_view> value,
                    std::string_view operand) const override {
    return std::string(key) + "(" + std::string(value.value_or("nothing")) + ")" +
           std::string(operand);
  }
};

std::string Applied(MergeOperator op, std::optional<std::string_view> value,
                    std::string_view operand) {
  const Result<std::string> result = Merger().Apply(op, "k", value, operand);
  return result.ok() ? *result : result.status().ToString();
}

TEST(Merger, AddsDecimalNumbersAndTakesAnythingElseForZero) {
  constexpr MergeOperator kAdd = MergeOperator::kAddI64;
  EXPECT_EQ(Applied(kAdd, std::nullopt, "5"), "5");
  EXPECT_EQ(Applied(kAdd, "37", "5"), "42");
  EXPECT_EQ(Applied(kAdd, "-37", "-5"), "-42");
  EXPECT_EQ(Applied(kAdd, "no number", "5"), "5");
  EXPECT_EQ(Applied(kAdd, "7 ", "5"), "5");
  EXPECT_EQ(Applied(kAdd, "7", ""), "7");
  EXPECT_EQ(Applied(kAdd, "99999999999999999999", "1"), "1");
  EXPECT_EQ(Applied(kAdd, std::nullopt, "007"), "7");
  EXPECT_EQ(Applied(kAdd, "9223372036854775807", "1"), "-9223372036854775808");
}

TEST(Merger, AppendsAndTakesTheLargerOrSmallerBytes) {
  EXPECT_EQ(Applied(MergeOperator::kAppend, std::nullopt, "b"), "b");
  EXPECT_EQ(Applied(MergeOperator::kAppend, "a", "b"), "ab");
  EXPECT_EQ(Applied(MergeOperator::kMax, std::nullopt, "b"), "b");
  EXPECT_EQ(Applied(MergeOperator::kMax, "\x80", "b"), "\x80");
  EXPECT_EQ(Applied(MergeOperator::kMax, "a", "ab"), "ab");
  EXPECT_EQ(Applied(MergeOperator::kMin, std::nullopt, "b"), "b");
  EXPECT_EQ(Applied(MergeOperator::kMin, "\x80", "b"), "b");
  EXPECT_EQ(Applied(MergeOperator::kMin, "", "b"), "");
}

TEST(Merger, AUsersOperatorNeedsItsFunction) {
  EXPECT_EQ(Applied(kUsers, "v", "o"),
            "invalid argument: merge operator 200 is the user's: open the store with its merge "
            "function");
  const Telling telling;
  EXPECT_EQ(*Merger(&telling).Apply(kUsers, "k", "v", "o"), "k(v)o");
  EXPECT_EQ(*Merger(&telling).Apply(kUsers, "k", std::nullopt, "o"), "k(nothing)o");
  EXPECT_EQ(*Merger(&telling).Apply(MergeOperator::kAppend, "k", "v", "o"), "vo");
  EXPECT_EQ(Merger(&telling).Check(MergeOperator{5}).code(), StatusCode::kInvalidArgument);
}

// What a store holds, by key.
class FoldMergesTest : public ::testing::Test {
 protected:
  // The operations after folding, as text.
  std::string Fold(const WriteBatch& batch) {
    const auto folded =
        FoldMerges(batch, merger_, now_ms_, bytes_max_,
                   [this](std::string_view key) -> Result<std::optional<PinnedValue>> {
                     ++reads_;
                     const auto found = store_.find(std::string(key));
                     if (found == store_.end()) return std::optional<PinnedValue>();
                     PinnedValue value(found->second.first);
                     if (found->second.second) value.set_expires_at_ms(*found->second.second);
                     return std::optional(std::move(value));
                   });
    if (!folded.ok()) return folded.status().ToString();
    EXPECT_EQ(folded->count(), batch.count());
    std::string text;
    WriteBatch::Reader reader = folded->operations_reader();
    for (auto next = reader.Next(); next.ok() && *next; next = reader.Next()) {
      const WriteBatch::Operation& one = **next;
      text += one.kind == OpKind::kDelete ? "-" : "";
      text += std::string(one.key) + (one.kind == OpKind::kDelete ? "" : "=");
      text += std::string(one.value);
      if (Expires(one.kind)) text += "@" + std::to_string(one.expires_at_ms);
      text += " ";
    }
    return text;
  }

  std::map<std::string, std::pair<std::string, std::optional<uint64_t>>> store_;
  Merger merger_;
  uint64_t bytes_max_ = 1 << 20;
  uint64_t now_ms_ = 100;
  int reads_ = 0;
};

TEST_F(FoldMergesTest, StartsFromWhatTheStoreHolds) {
  store_["n"] = {"40", std::nullopt};
  WriteBatch batch;
  batch.Merge("n", MergeOperator::kAddI64, "2");
  batch.Merge("absent", MergeOperator::kAppend, "x");
  batch.Put("other", "v");
  EXPECT_EQ(Fold(batch), "n=42 absent=x other=v ");
  EXPECT_EQ(reads_, 2);
}

TEST_F(FoldMergesTest, SeesTheOperationsInFrontOfIt) {
  store_["k"] = {"old", std::nullopt};
  store_["d"] = {"old", std::nullopt};
  WriteBatch batch;
  batch.Put("k", "a");
  batch.Merge("k", MergeOperator::kAppend, "b");
  batch.Merge("k", MergeOperator::kAppend, "c");
  batch.Delete("d");
  batch.Merge("d", MergeOperator::kAppend, "e");
  batch.Put("p", "v", 101);
  batch.Merge("p", MergeOperator::kAppend, "w");
  batch.Put("q", "v", 100);
  batch.Merge("q", MergeOperator::kAppend, "w");
  EXPECT_EQ(Fold(batch), "k=a -k k=abc -d d=e p=v@101 p=vw@101 q=v@100 q=w ");
  EXPECT_EQ(reads_, 0);
}

TEST_F(FoldMergesTest, KeepsTheExpiryOfWhatItMeets) {
  store_["k"] = {"1", 500};
  WriteBatch batch;
  batch.Merge("k", MergeOperator::kAddI64, "1");
  batch.Merge("k", MergeOperator::kAddI64, "1");
  EXPECT_EQ(Fold(batch), "-k k=3@500 ");
  EXPECT_EQ(reads_, 1);
}

TEST_F(FoldMergesTest, GivesNoMoreThanWhatTheKeysHoldAtTheEnd) {
  store_["k"] = {std::string(10'000, 'v'), std::nullopt};
  bytes_max_ = 11'500;
  WriteBatch batch;
  for (int i = 0; i < 100; ++i) batch.Merge("k", MergeOperator::kAppend, "x");
  EXPECT_THAT(Fold(batch), testing::EndsWith(std::string(100, 'x') + " "));
  EXPECT_EQ(reads_, 1);
}

TEST_F(FoldMergesTest, StopsAsSoonAsTooMuchComesOut) {
  WriteBatch batch;
  for (int i = 0; i < 100; ++i) {
    store_[std::to_string(i)] = {std::string(1'000, 'v'), std::nullopt};
    batch.Merge(std::to_string(i), MergeOperator::kAppend, "x");
  }
  bytes_max_ = 5'500;
  EXPECT_THAT(Fold(batch), testing::HasSubstr("batch_bytes_max"));
  EXPECT_EQ(reads_, 6);
}

TEST_F(FoldMergesTest, RefusesAnOperatorThatNobodyHereKnows) {
  WriteBatch batch;
  batch.Merge("k", kUsers, "1");
  EXPECT_NE(Fold(batch).find("merge operator 200"), std::string::npos);
}

}  // namespace
}  // namespace aidb::kv

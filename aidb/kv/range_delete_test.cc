#include "aidb/kv/range_delete.h"

#include <limits>
#include <optional>
#include <string>

#include <gtest/gtest.h>

namespace aidb::kv {
namespace {

using std::string_literals::operator""s;

constexpr uint64_t kNoLimit = std::numeric_limits<uint64_t>::max();
const std::string kLastOfAll(kKeyBytesMax, '\xFF');

Result<WriteBatch> Closed(const WriteBatch& batch, const std::optional<std::string>& last,
                          uint64_t bytes_max = kNoLimit) {
  return CloseRanges(batch, bytes_max, [&] { return last; });
}

WriteBatch Open(std::string_view begin) {
  WriteBatch batch;
  batch.DeleteRange(begin, std::nullopt);
  return batch;
}

WriteBatch Range(std::string_view begin, std::string_view end) {
  WriteBatch batch;
  batch.DeleteRange(begin, end);
  return batch;
}

TEST(NextKey, IsTheShortestExtensionWhereThatIsAKey) {
  EXPECT_EQ(NextKey(""), "\0"s);
  EXPECT_EQ(NextKey("a\xFF"), "a\xFF\0"s);
  EXPECT_EQ(NextKey(std::string(kKeyBytesMax - 1, 'k')), std::string(kKeyBytesMax - 1, 'k') + '\0');
}

TEST(NextKey, OfAKeyOfFullLengthIsTheNextOneThatIsShorter) {
  std::string key(kKeyBytesMax, '\xFF');
  key.replace(0, 2, "ab");
  EXPECT_EQ(NextKey(key), "ac");
  EXPECT_EQ(NextKey(std::string(kKeyBytesMax, 'k')), std::string(kKeyBytesMax - 1, 'k') + 'l');
  EXPECT_EQ(NextKey(kLastOfAll), "");
}

TEST(CloseRanges, EndsBehindTheLastKeyOfTheStore) {
  EXPECT_EQ(Closed(Open("b"), "k")->operations(), Range("b", "k\0"s).operations());
  EXPECT_EQ(Closed(Open("b"), "a")->operations(), Range("b", "b\0"s).operations());
  EXPECT_EQ(Closed(Open(""), std::nullopt)->operations(), Range("", "\0"s).operations());
}

TEST(CloseRanges, CountsTheOperationsInFront) {
  WriteBatch batch;
  batch.Put("m", "v");
  batch.Merge("x", MergeOperator::kAppend, "o");
  batch.DeleteRange("a", std::nullopt);
  batch.Put("z", "v", 17);
  batch.Delete("d");
  batch.DeleteRange("e", "f");
  WriteBatch expected;
  expected.Put("m", "v");
  expected.Merge("x", MergeOperator::kAppend, "o");
  expected.DeleteRange("a", "x\0"s);
  expected.Put("z", "v", 17);
  expected.Delete("d");
  expected.DeleteRange("e", "f");
  const auto closed = Closed(batch, "k");
  ASSERT_TRUE(closed.ok());
  EXPECT_EQ(closed->operations(), expected.operations());
  EXPECT_FALSE(closed->has_open_range());
  EXPECT_EQ(closed->range_deletes(), 2u);
}

TEST(CloseRanges, DeletesTheLastKeyThatCanBeByItself) {
  WriteBatch expected = Range("b", kLastOfAll);
  expected.Delete(kLastOfAll);
  EXPECT_EQ(Closed(Open("b"), kLastOfAll)->operations(), expected.operations());
  WriteBatch alone;
  alone.Delete(kLastOfAll);
  EXPECT_EQ(Closed(Open(kLastOfAll), kLastOfAll)->operations(), alone.operations());
}

TEST(CloseRanges, ObeysTheLimitOfABatch) {
  EXPECT_EQ(Closed(Open("b"), std::string(1000, 'k'), 999).status().code(),
            StatusCode::kInvalidArgument);
  EXPECT_TRUE(Closed(Open("b"), std::string(1000, 'k'), 1100).ok());
}

TEST(CloseRanges, PassesOnTheErrorOfTheRead) {
  const auto closed = CloseRanges(Open("b"), kNoLimit, []() -> Result<std::optional<std::string>> {
    return IoError("no disk");
  });
  EXPECT_EQ(closed.status().code(), StatusCode::kIoError);
}

}  // namespace
}  // namespace aidb::kv

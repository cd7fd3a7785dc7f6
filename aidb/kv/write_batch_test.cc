#include "aidb/kv/write_batch.h"

#include <limits>
#include <string>

#include <gtest/gtest.h>

namespace aidb::kv {
namespace {

using std::string_literals::operator""s;

constexpr uint64_t kNoLimit = std::numeric_limits<uint64_t>::max();

Status FirstError(std::string_view operations) {
  WriteBatch::Reader reader(operations);
  while (true) {
    const auto next = reader.Next();
    if (!next.ok()) return next.status();
    if (!*next) return {};
  }
}

TEST(WriteBatch, EncodesKindThenPrefixedKeyThenPrefixedValue) {
  WriteBatch batch;
  batch.Put("key", "value");
  batch.Delete("gone");
  batch.Put("", "");
  EXPECT_EQ(batch.operations(), "\x01\x03key\x05value\x02\x04gone\x01\0\0"s);
  EXPECT_EQ(batch.count(), 3u);
  EXPECT_EQ(batch.size_bytes(), batch.operations().size());
}

TEST(WriteBatch, AnExpiryStandsBetweenKeyAndValue) {
  WriteBatch batch;
  batch.Put("key", "value");
  EXPECT_FALSE(batch.has_expiry());
  batch.Put("key", "value", 0x0102030405060708);
  EXPECT_TRUE(batch.has_expiry());
  EXPECT_EQ(batch.operations(),
            "\x01\x03key\x05value\x05\x03key\x08\x07\x06\x05\x04\x03\x02\x01\x05value"s);
  WriteBatch::Reader reader = batch.operations_reader();
  ASSERT_TRUE(reader.Next().ok());
  const auto put = reader.Next();
  ASSERT_TRUE(put.ok() && put->has_value());
  EXPECT_EQ((*put)->kind, OpKind::kPutExpiring);
  EXPECT_EQ((*put)->key, "key");
  EXPECT_EQ((*put)->value, "value");
  EXPECT_EQ((*put)->expires_at_ms, 0x0102030405060708u);
  batch.Clear();
  EXPECT_FALSE(batch.has_expiry());
}

TEST(WriteBatch, ARangeDeleteHoldsItsEndInThePlaceOfAValue) {
  WriteBatch batch;
  batch.DeleteRange("a", "bc");
  EXPECT_EQ(batch.range_deletes(), 1u);
  EXPECT_FALSE(batch.has_open_range());
  batch.DeleteRange("d", std::nullopt);
  EXPECT_TRUE(batch.has_open_range());
  EXPECT_EQ(batch.operations(),
            "\x04\x01"
            "a"
            "\x02"
            "bc"
            "\x04\x01"
            "d"
            "\0"s);
  EXPECT_EQ(batch.count(), 2u);
  WriteBatch::Reader reader = batch.operations_reader();
  const auto closed = reader.Next();
  ASSERT_TRUE(closed.ok() && closed->has_value());
  EXPECT_EQ((*closed)->kind, OpKind::kDeleteRange);
  EXPECT_EQ((*closed)->key, "a");
  EXPECT_EQ((*closed)->value, "bc");
  const auto open = reader.Next();
  ASSERT_TRUE(open.ok() && open->has_value());
  EXPECT_EQ((*open)->value, "");
  batch.Clear();
  EXPECT_EQ(batch.range_deletes(), 0u);
  EXPECT_FALSE(batch.has_open_range());
}

TEST(WriteBatch, ARangeThatEndsWhereItBeginsIsNotInTheBatch) {
  WriteBatch batch;
  batch.DeleteRange("k", "k");
  batch.DeleteRange("", "");
  EXPECT_TRUE(batch.empty());
  EXPECT_TRUE(batch.Validate(kNoLimit).ok());
}

TEST(WriteBatch, ValidateRefusesARangeThatEndsBeforeItBegins) {
  WriteBatch batch;
  batch.DeleteRange("begin\n", "a");
  const Status status = batch.Validate(kNoLimit);
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(status.message(),
            "a range delete that begins at \"begin\\x0a\" ends before that, at \"a\"");
  batch.Clear();
  EXPECT_TRUE(batch.Validate(kNoLimit).ok());
}

TEST(WriteBatch, ValidateHoldsTheEndOfARangeAgainstTheLimitOfKeys) {
  WriteBatch batch;
  batch.DeleteRange("a", std::string(kKeyBytesMax, 'k'));
  EXPECT_TRUE(batch.Validate(kNoLimit).ok());
  batch.DeleteRange("a", std::string(kKeyBytesMax + 1, 'k'));
  EXPECT_EQ(batch.Validate(kNoLimit).code(), StatusCode::kInvalidArgument);
}

TEST(WriteBatch, ARangeThatIsNoneIsCorruption) {
  EXPECT_EQ(FirstError("\x04\x01"
                       "a"
                       "\x01"
                       "a"s)
                .code(),
            StatusCode::kCorruption);
  EXPECT_EQ(FirstError("\x04\x01"
                       "b"
                       "\x01"
                       "a"s)
                .code(),
            StatusCode::kCorruption);
  EXPECT_EQ(FirstError("\x04\x01"
                       "a"
                       "\x02"
                       "a"s)
                .code(),
            StatusCode::kCorruption);
  EXPECT_TRUE(FirstError("\x04\x01"
                         "a"
                         "\x02"
                         "a\0"s)
                  .ok());
}

TEST(WriteBatch, AMergeCarriesItsOperator) {
  WriteBatch batch;
  batch.Put("key", "value");
  EXPECT_FALSE(batch.has_merge());
  batch.Merge("n", MergeOperator::kAddI64, "5");
  batch.Merge("", MergeOperator{255}, "");
  EXPECT_TRUE(batch.has_merge());
  EXPECT_EQ(batch.operations(),
            "\x01\x03key\x05value\x03\x01n\x01\x01"
            "5\x03\0\xFF\0"s);
  WriteBatch::Reader reader = batch.operations_reader();
  ASSERT_TRUE(reader.Next().ok());
  const auto merge = reader.Next();
  ASSERT_TRUE(merge.ok() && merge->has_value());
  EXPECT_EQ((*merge)->kind, OpKind::kMerge);
  EXPECT_EQ((*merge)->merge_operator, MergeOperator::kAddI64);
  EXPECT_EQ((*merge)->value, "5");
  batch.Clear();
  EXPECT_FALSE(batch.has_merge());
}

TEST(WriteBatch, LengthsAbove127TakeTwoBytes) {
  WriteBatch batch;
  batch.Put("k", std::string(128, 'v'));
  EXPECT_EQ(batch.operations(), "\x01\x01k\x80\x01"s + std::string(128, 'v'));
}

TEST(WriteBatch, ReadsBackWhatWasPutInOrder) {
  WriteBatch batch;
  batch.Put("a", "1");
  batch.Delete("a");
  WriteBatch::Reader reader = batch.operations_reader();

  const auto put = reader.Next();
  ASSERT_TRUE(put.ok() && put->has_value());
  EXPECT_EQ((*put)->kind, OpKind::kPut);
  EXPECT_EQ((*put)->key, "a");
  EXPECT_EQ((*put)->value, "1");

  const auto erase = reader.Next();
  ASSERT_TRUE(erase.ok() && erase->has_value());
  EXPECT_EQ((*erase)->kind, OpKind::kDelete);
  EXPECT_EQ((*erase)->key, "a");
  EXPECT_EQ((*erase)->value, "");

  const auto end = reader.Next();
  ASSERT_TRUE(end.ok());
  EXPECT_FALSE(end->has_value());
}

TEST(WriteBatch, ClearForgetsEverythingTheLongestKeyIncluded) {
  WriteBatch batch;
  batch.Put(std::string(kKeyBytesMax + 1, 'k'), "v");
  EXPECT_FALSE(batch.Validate(kNoLimit).ok());
  batch.Clear();
  EXPECT_TRUE(batch.empty());
  EXPECT_EQ(batch.size_bytes(), 0u);
  EXPECT_TRUE(batch.Validate(0).ok());
}

TEST(WriteBatch, ValidateNamesTheKeyLimitAndTheKeyLength) {
  WriteBatch batch;
  batch.Delete(std::string(kKeyBytesMax, 'k'));
  EXPECT_TRUE(batch.Validate(kNoLimit).ok());
  batch.Delete(std::string(kKeyBytesMax + 1, 'k'));
  EXPECT_EQ(batch.Validate(kNoLimit).ToString(),
            "invalid argument: a key of 1048577 bytes; at most 1048576 are allowed");
}

TEST(WriteBatch, ValidateNamesTheBatchLimitAndTheBatchSize) {
  WriteBatch batch;
  batch.Put("key", "value");
  EXPECT_TRUE(batch.Validate(11).ok());
  EXPECT_EQ(batch.Validate(10).ToString(),
            "invalid argument: a batch of 11 bytes; batch_bytes_max allows 10");
}

TEST(WriteBatchReader, SaysAtWhichByteTheDamageIs) {
  EXPECT_EQ(FirstError("\x02\x01k\x01\x01k\x05val"s).ToString(),
            "corruption: batch operation at byte 3: the value does not fit in what is left");
  EXPECT_EQ(FirstError("\x05\x01k1234567"s).ToString(),
            "corruption: batch operation at byte 0: the expiry does not fit in what is left");
  EXPECT_EQ(FirstError("\x02\x05key"s).ToString(),
            "corruption: batch operation at byte 0: the key does not fit in what is left");
}

TEST(WriteBatchReader, NeverDecodesZeros) {
  EXPECT_EQ(FirstError(std::string(16, '\0')).code(), StatusCode::kCorruption);
}

TEST(WriteBatchReader, RefusesKindsOfANewerVersionInsteadOfSkippingThem) {
  for (const int kind : {6, 7, 8, 9, 10, 11, 12, 13, 14, 16, 0x7F, 0x80, 0x81, 0xFF}) {
    const std::string operations = static_cast<char>(kind) + "\x01k\x01v"s;
    const Status status = FirstError(operations);
    EXPECT_EQ(status.code(), StatusCode::kInvalidArgument) << kind;
    EXPECT_NE(status.message().find("newer version"), std::string_view::npos) << kind;
  }
}

TEST(WriteBatchReader, RefusesOperatorsOfANewerVersion) {
  for (const int op : {0, 5, 127}) {
    const Status status = FirstError("\x03\x01k"s + static_cast<char>(op) + "\x01v");
    EXPECT_EQ(status.code(), StatusCode::kInvalidArgument) << op;
    EXPECT_NE(status.message().find("newer version"), std::string_view::npos) << op;
  }
  EXPECT_EQ(FirstError("\x03\x01k"s).code(), StatusCode::kCorruption);
  EXPECT_TRUE(FirstError("\x03\x01k\x80\x01v"s).ok());
}

TEST(WriteBatchReader, RefusesASecondEncodingOfTheSameLength) {
  EXPECT_EQ(FirstError("\x02\x83\x00key"s).code(), StatusCode::kCorruption);
}

TEST(WriteBatchReader, RefusesKeysThatNoBatchMayHold) {
  WriteBatch batch;
  batch.Delete(std::string(kKeyBytesMax, 'k'));
  EXPECT_TRUE(FirstError(batch.operations()).ok());
  batch.Clear();
  batch.Delete(std::string(kKeyBytesMax + 1, 'k'));
  EXPECT_EQ(FirstError(batch.operations()).code(), StatusCode::kCorruption);
}

TEST(WriteBatch, TakesEachOperationThatAReaderGives) {
  WriteBatch batch;
  batch.Put("a", "1");
  batch.Put("b", "2", 77);
  batch.Delete("c");
  batch.Merge("d", MergeOperator::kAddI64, "4");
  batch.DeleteRange("e", "f");
  batch.DeleteRange("g", std::nullopt);
  WriteBatch again;
  WriteBatch::Reader reader = batch.operations_reader();
  for (auto next = reader.Next(); next.ok() && *next; next = reader.Next()) again.Add(**next);
  EXPECT_EQ(again.operations(), batch.operations());
  EXPECT_EQ(again.count(), 6u);
  EXPECT_TRUE(again.has_expiry());
  EXPECT_TRUE(again.has_merge());
}

TEST(WriteBatchReader, StaysAtTheOperationItCouldNotRead) {
  const std::string operations = "\x02\x01k\x00"s;
  WriteBatch::Reader reader(operations);
  ASSERT_TRUE(reader.Next().ok());
  const std::string first = reader.Next().status().ToString();
  EXPECT_EQ(reader.Next().status().ToString(), first);
}

}  // namespace
}  // namespace aidb::kv

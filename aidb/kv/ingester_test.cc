#include "aidb/kv/ingester.h"

#include <string>

#include <gtest/gtest.h>

namespace aidb::kv {
namespace {

IngestNote Two() {
  return {.files = {{.path = "in/a.sst",
                     .table = 12,
                     .size_bytes = 4711,
                     .crc = 0xDEADBEEF,
                     .entries = 3,
                     .range_deletes = 1,
                     .first_key = "",
                     .last_key = std::string("m\0n", 3)},
                    {.path = "b", .size_bytes = 1, .first_key = "x", .last_key = "y"}}};
}

WriteBatch::Operation OnlyOperationIn(const std::string& operations) {
  WriteBatch::Reader reader(operations);
  const auto operation = reader.Next();
  EXPECT_TRUE(operation.ok() && *operation);
  const auto end = reader.Next();
  EXPECT_TRUE(end.ok() && !*end);
  return operation.ok() && *operation ? **operation : WriteBatch::Operation{};
}

TEST(IngestNote, ComesBackAsItWasWritten) {
  const std::string operations = Two().Encode();
  const WriteBatch::Operation operation = OnlyOperationIn(operations);
  EXPECT_TRUE(IngestNote::Is(operation));
  const auto decoded = IngestNote::Decode(operation.value);
  ASSERT_TRUE(decoded.ok());
  EXPECT_EQ(*decoded, Two());
}

TEST(IngestNote, IsRefusedWhereItIsCutOrChanged) {
  const std::string operations = Two().Encode();
  const std::string value(OnlyOperationIn(operations).value);
  for (size_t size = 0; size < value.size(); ++size) {
    EXPECT_EQ(IngestNote::Decode(value.substr(0, size)).status().code(), StatusCode::kCorruption)
        << size;
  }
  EXPECT_EQ(IngestNote::Decode(value + "x").status().code(), StatusCode::kCorruption);
  std::string newer = value;
  newer[0] = 2;
  EXPECT_EQ(IngestNote::Decode(newer).status().code(), StatusCode::kInvalidArgument);
}

TEST(IngestNote, CannotBeWrittenAsABatch) {
  const std::string operations = Two().Encode();
  WriteBatch batch;
  batch.Put("k", "v");
  EXPECT_TRUE(batch.Validate(1 << 20).ok());
  batch.Add(OnlyOperationIn(operations));
  const Status status = batch.Validate(1 << 20);
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument) << status.ToString();
  batch.Clear();
  batch.Put("k", "v");
  EXPECT_TRUE(batch.Validate(1 << 20).ok());
}

TEST(IngestCount, HasALimit) {
  EXPECT_EQ(CheckIngestCount(0).code(), StatusCode::kInvalidArgument);
  EXPECT_TRUE(CheckIngestCount(1).ok());
  EXPECT_TRUE(CheckIngestCount(kIngestFilesMax).ok());
  EXPECT_EQ(CheckIngestCount(kIngestFilesMax + 1).code(), StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace aidb::kv

#include "aidb/journal/file_table.h"

#include <gtest/gtest.h>

#include "aidb/testing/status_matchers.h"

namespace aidb::journal {
namespace {

class FileTableTest : public ::testing::Test {
 protected:
  // The number of the file that has the record.
  uint64_t FileOf(uint64_t id) {
    const auto reader = table_.Attach(RecordId{id}, kUnlimited);
    if (!reader.ok()) return 0;
    const auto found = table_.Find(**reader, RecordId{id});
    table_.Detach(*reader);
    return found.ok() ? found->file.number : 0;
  }

  static constexpr uint64_t kUnlimited = UINT64_MAX;
  FileTable table_;
};

TEST_F(FileTableTest, KnowsTheFileOfEachRecord) {
  table_.AddRecovered(3, RecordId{10}, RecordId{20}, 500);
  table_.AddRecovered(4, RecordId{20}, RecordId{30}, 700);
  table_.Begin(6, RecordId{30}, 0);
  table_.Begin(7, RecordId{40}, 900);
  EXPECT_EQ(table_.oldest(), RecordId{10});
  EXPECT_EQ(FileOf(9), 0u);
  EXPECT_EQ(FileOf(10), 3u);
  EXPECT_EQ(FileOf(29), 4u);
  EXPECT_EQ(FileOf(30), 6u);
  EXPECT_EQ(FileOf(39), 6u);
  EXPECT_EQ(FileOf(40), 7u);
  EXPECT_EQ(FileOf(1'000), 7u);
}

TEST_F(FileTableTest, PassesOverAFileWithoutRecords) {
  table_.Begin(1, RecordId{1}, 0);
  table_.Begin(2, RecordId{5}, 100);
  table_.Begin(3, RecordId{5}, 150);
  EXPECT_EQ(FileOf(4), 1u);
  EXPECT_EQ(FileOf(5), 3u);
}

TEST_F(FileTableTest, BeginsBehindAGap) {
  table_.AddRecovered(3, RecordId{10}, RecordId{20}, 500);
  table_.AddRecovered(5, RecordId{25}, RecordId{30}, 700);
  table_.Begin(6, RecordId{30}, 0);
  EXPECT_EQ(table_.oldest(), RecordId{25});
  FileTable other;
  other.AddRecovered(3, RecordId{10}, RecordId{20}, 500);
  other.Begin(6, RecordId{30}, 0);
  EXPECT_EQ(other.oldest(), RecordId{30});
}

TEST_F(FileTableTest, PutsAReDrivenFileInThePlaceOfWhatItRepeats) {
  table_.Begin(1, RecordId{1}, 0);
  table_.Begin(2, RecordId{10}, 1'000);
  table_.Begin(3, RecordId{20}, 2'000);
  // Of file 2 the first 500 bytes are durable: ids 10 to 14.
  table_.Replace(/*from=*/1'500, /*to=*/2'600, 4, RecordId{15}, /*size=*/1'300);
  EXPECT_EQ(FileOf(9), 1u);
  EXPECT_EQ(FileOf(14), 2u);
  EXPECT_EQ(FileOf(15), 4u);
  EXPECT_EQ(FileOf(30), 4u);
  const auto reader = table_.Attach(RecordId{12}, kUnlimited);
  ASSERT_OK(reader);
  EXPECT_EQ(table_.Find(**reader, RecordId{12})->file.end, 500u);
  const auto fresh = table_.Find(**reader, RecordId{16})->file;
  EXPECT_EQ(fresh.ring_offset, 1'300u);
  EXPECT_EQ(*fresh.start + fresh.ring_offset, 2'600u);
  table_.Detach(*reader);
}

TEST_F(FileTableTest, ForgetsAFileOfWhichNothingIsDurable) {
  table_.AddRecovered(1, RecordId{1}, RecordId{5}, 300);
  table_.Begin(2, RecordId{5}, 0);
  table_.Replace(0, 40, 3, RecordId{5}, 1'000);  // It starts "before" position 0.
  EXPECT_EQ(FileOf(4), 1u);
  EXPECT_EQ(FileOf(5), 3u);
  // Again: everything in front of 60 is durable by now.
  table_.Replace(60, 90, 4, RecordId{8}, 500);
  EXPECT_EQ(FileOf(7), 3u);
  EXPECT_EQ(FileOf(8), 4u);
}

TEST_F(FileTableTest, KeepsWhatAReaderNeeds) {
  table_.Begin(1, RecordId{1}, 0);
  table_.Begin(2, RecordId{10}, 1'000);
  table_.Begin(3, RecordId{20}, 2'000);
  EXPECT_EQ(table_.Release(2, 2'500), 2u);
  ASSERT_OK_AND_ASSIGN(const auto reader, table_.Attach(RecordId{12}, 1'500));
  EXPECT_EQ(table_.Release(3, 2'500), 2u);
  EXPECT_EQ(table_.LagBytes(2'500), 1'500u);
  table_.Advance(*reader, RecordId{14}, 2, 400);
  EXPECT_EQ(table_.LagBytes(2'500), 1'100u);
  EXPECT_EQ(table_.Release(3, 2'900), 2u);  // At the limit.
  EXPECT_OK(table_.Find(*reader, RecordId{14}));
  // It has read the file to its end: the record that it waits for is in the next.
  table_.Advance(*reader, RecordId{20}, 2, 1'000);
  EXPECT_EQ(table_.Release(3, 2'900), 3u);
  EXPECT_OK(table_.Find(*reader, RecordId{20}));
  table_.Detach(reader);
}

TEST_F(FileTableTest, CountsNothingFromBeforeAReaderBegan) {
  table_.Begin(1, RecordId{1}, 0);
  ASSERT_OK_AND_ASSIGN(const auto reader, table_.Attach(RecordId{12}, 100, 1'000));
  EXPECT_EQ(table_.LagBytes(1'000), 0u);
  table_.Begin(2, RecordId{15}, 1'100);
  EXPECT_EQ(table_.LagBytes(1'100), 100u);
  EXPECT_EQ(table_.Release(2, 1'100), 1u);
  // Nor once it looks for its place in the file.
  table_.Advance(*reader, RecordId{12}, 1, 0);
  EXPECT_EQ(table_.LagBytes(1'100), 100u);
  table_.Advance(*reader, RecordId{14}, 1, 1'090);
  EXPECT_EQ(table_.LagBytes(1'100), 10u);
  EXPECT_EQ(table_.Release(2, 1'191), 2u);
  table_.Detach(reader);
}

TEST_F(FileTableTest, CutsOffAReaderThatIsBeyondItsLimit) {
  table_.Begin(1, RecordId{1}, 0);
  table_.Begin(2, RecordId{10}, 1'000);
  ASSERT_OK_AND_ASSIGN(const auto slow, table_.Attach(RecordId{1}, 1'500));
  ASSERT_OK_AND_ASSIGN(const auto patient, table_.Attach(RecordId{1}, 1'501));
  // No log has to go: nobody is cut off, however far behind.
  EXPECT_EQ(table_.Release(1, 9'000), 1u);
  EXPECT_OK(table_.Find(*slow, RecordId{1}));
  EXPECT_EQ(table_.Release(2, 1'501), 1u);
  EXPECT_FAILS(table_.Find(*slow, RecordId{1}), StatusCode::kResourceExhausted,
               "more than 1500 bytes behind");
  EXPECT_OK(table_.Find(*patient, RecordId{1}));
  EXPECT_EQ(table_.Release(2, 1'502), 2u);
  EXPECT_FAILS(table_.Find(*patient, RecordId{1}), StatusCode::kResourceExhausted,
               "begin with record 10");
  EXPECT_FAILS(table_.Attach(RecordId{9}, 1), StatusCode::kResourceExhausted,
               "does not hold record 9 any more");
  EXPECT_EQ(table_.readers(), 2u);
  table_.Detach(slow);
  table_.Detach(patient);
  EXPECT_EQ(table_.readers(), 0u);
}

}  // namespace
}  // namespace aidb::journal

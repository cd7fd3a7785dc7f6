#include "aidb/lsm/failing_tables.h"

#include <vector>

#include <gtest/gtest.h>

#include "aidb/testing/status_matchers.h"

namespace aidb::lsm {
namespace {

constexpr Instant kNow{1};

TableRef Table(uint64_t number) {
  TableFacts facts;
  facts.number = number;
  return std::make_shared<const TableFile>(facts, TableUnused());
}

void FailOften(FailingTables& failing, const std::vector<TableRef>& tables) {
  for (int i = 0; i < FailingTables::kFailuresMax; ++i) {
    failing.Failed(tables, IoError("read 5"), kNow);
  }
}

TEST(FailingTables, AvoidsATableFromTheLastFailureOn) {
  FailingTables failing;
  const std::vector<TableRef> tables = {Table(5)};
  for (int failures = 1; failures <= FailingTables::kFailuresMax; ++failures) {
    EXPECT_FALSE(tables[0]->avoided());
    EXPECT_OK(failing.trouble());
    failing.Failed(tables, IoError("read 5"), kNow);
  }
  EXPECT_TRUE(tables[0]->avoided());
  EXPECT_FAILS(failing.trouble(), StatusCode::kIoError, "000005.sst");
  EXPECT_FAILS(failing.trouble(), StatusCode::kIoError, "read 5");
}

TEST(FailingTables, ForgetsWhatHasBeenMerged) {
  FailingTables failing;
  const std::vector<TableRef> tables = {Table(5), Table(6)};
  FailOften(failing, tables);
  failing.Succeeded(5);
  failing.Succeeded(7);
  EXPECT_FALSE(tables[0]->avoided());
  EXPECT_TRUE(tables[1]->avoided());
  failing.Failed({tables.data(), 1}, IoError("read 5"), kNow);
  EXPECT_FALSE(tables[0]->avoided()) << "it counts anew";
}

TEST(FailingTables, TriesAgainAfterAWhileAndAvoidsAtTheNextFailure) {
  FailingTables failing;
  const std::vector<TableRef> tables = {Table(5)};
  FailOften(failing, tables);
  failing.TryAgain(kNow + (FailingTables::kAvoidTime - Duration{1}));
  EXPECT_TRUE(tables[0]->avoided());
  failing.TryAgain(kNow + FailingTables::kAvoidTime);
  EXPECT_FALSE(tables[0]->avoided());
  EXPECT_FALSE(failing.trouble().ok()) << "not yet well";
  failing.Failed(tables, IoError("read 5"), kNow + FailingTables::kAvoidTime);
  EXPECT_TRUE(tables[0]->avoided());
}

TEST(FailingTables, AvoidsNoMoreThanItsLimit) {
  FailingTables failing;
  for (uint64_t number = 1; number <= FailingTables::kAvoidedMax; ++number) {
    const std::vector<TableRef> tables = {Table(number)};
    FailOften(failing, tables);
    EXPECT_TRUE(tables[0]->avoided());
  }
  const std::vector<TableRef> more = {Table(100)};
  FailOften(failing, more);
  EXPECT_FALSE(more[0]->avoided());
  failing.Succeeded(1);
  failing.Failed(more, IoError("read 5"), kNow);
  EXPECT_TRUE(more[0]->avoided());
}

}  // namespace
}  // namespace aidb::lsm

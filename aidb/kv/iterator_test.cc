#include "aidb/kv/iterator.h"

#include <gtest/gtest.h>

namespace aidb::kv {
namespace {

TEST(Iterator, MovingOrReadingWhereNothingIsStopsTheProgram) {
  Iterator nowhere = FailedIterator({});
  EXPECT_DEATH(nowhere.Next(), "check failed");
  EXPECT_DEATH(nowhere.Prev(), "check failed");
  EXPECT_DEATH((void)nowhere.key(), "check failed");
  EXPECT_DEATH((void)nowhere.value(), "check failed");
}

TEST(FailedIterator, KeepsItsErrorWhateverIsSought) {
  Iterator failed = FailedIterator(IoError("disk on fire"));
  EXPECT_FALSE(failed.Valid());
  EXPECT_EQ(failed.status().message(), "disk on fire");
  failed.Seek("a");
  failed.SeekForPrev("a");
  failed.SeekToEnd();
  EXPECT_FALSE(failed.Valid());
  EXPECT_EQ(failed.status().message(), "disk on fire");
}

}  // namespace
}  // namespace aidb::kv

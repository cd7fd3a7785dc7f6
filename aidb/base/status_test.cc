#include "aidb/base/status.h"

#include <gtest/gtest.h>

#include "aidb/base/result.h"

namespace aidb {
namespace {

Result<int> Half(int n) {
  if (n % 2 != 0) return InvalidArgument("odd");
  return n / 2;
}

Result<int> Quarter(int n) {
  AIDB_ASSIGN_OR_RETURN(const int half, Half(n));
  return Half(half);
}

TEST(Result, PassesErrorsUpUnchanged) {
  EXPECT_EQ(*Quarter(12), 3);
  EXPECT_EQ(Quarter(6).status().message(), "odd");
}

TEST(Result, RefusesToGiveAValueItDoesNotHave) {
  const Result<int> none = Half(3);
  EXPECT_DEATH((void)*none, "check failed");
}

TEST(Status, AnnotateSaysWhatWasAttempted) {
  EXPECT_EQ(Half(3).status().Annotate("halve 3").ToString(), "invalid argument: halve 3: odd");
  EXPECT_EQ(Status().Annotate("halve 2").ToString(), "ok");
}

TEST(Status, CopiesAreIndependent) {
  Status first = Corruption("block 7");
  const Status second = first;
  first = Status();
  EXPECT_TRUE(first.ok());
  EXPECT_EQ(second.code(), StatusCode::kCorruption);
  EXPECT_EQ(second.message(), "block 7");
}

TEST(Status, EveryCodeHasAName) {
  const Status all[] = {InvalidArgument("m"), Conflict("m"),         ResourceExhausted("m"),
                        Unavailable("m"),     DeadlineExceeded("m"), PermissionDenied("m"),
                        IoError("m"),         Corruption("m"),       Internal("m")};
  for (const Status& status : all) {
    EXPECT_NE(StatusCodeName(status.code()), "unknown status");
    EXPECT_EQ(status.message(), "m");
  }
}

}  // namespace
}  // namespace aidb

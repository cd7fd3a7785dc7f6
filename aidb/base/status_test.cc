#include "aidb/base/status.h"

#include <memory>
#include <utility>

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

TEST(Result, CarriesValuesThatCanOnlyMove) {
  Result<std::unique_ptr<int>> owner = std::make_unique<int>(7);
  const std::unique_ptr<int> value = *std::move(owner);
  EXPECT_EQ(*value, 7);
  Result<std::string> text = "abc";  // Made from what a string is made from.
  EXPECT_EQ(text->size(), 3u);
  *text += "d";
  EXPECT_EQ(*std::as_const(text), "abcd");
}

TEST(Result, RefusesAnOkStatusInPlaceOfAValue) {
  EXPECT_DEATH((void)Result<int>(Status()), "check failed");
}

TEST(Result, GivesItsStatusByCopyAndByMove) {
  Result<int> none = Half(3);
  EXPECT_EQ(none.status().ToString(), "invalid argument: odd");
  EXPECT_EQ(std::move(none).status().message(), "odd");
  EXPECT_TRUE(Half(2).status().ok());
}

Status HalveTwice(int n, int& steps) {
  AIDB_RETURN_IF_ERROR(Half(n).status());
  ++steps;
  AIDB_RETURN_IF_ERROR(Half(n / 2).status());
  ++steps;
  return {};
}

TEST(Status, ReturnIfErrorLeavesAtTheFirstError) {
  int steps = 0;
  EXPECT_EQ(HalveTwice(6, steps).message(), "odd");
  EXPECT_EQ(steps, 1);
  EXPECT_TRUE(HalveTwice(4, steps).ok());
  EXPECT_EQ(steps, 3);
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

TEST(Status, AssigningItselfChangesNothing) {
  Status status = Corruption("block 7");
  const Status& same = status;
  status = same;
  EXPECT_EQ(status.ToString(), "corruption: block 7");
}

TEST(Status, OkCarriesNoMessage) {
  EXPECT_EQ(Status().ToString(), "ok");
  EXPECT_EQ(Status().code(), StatusCode::kOk);
  EXPECT_EQ(Status().message(), "");
  EXPECT_DEATH((void)Status(StatusCode::kOk, "fine"), "check failed");
}

TEST(Status, EachCodeHasItsName) {
  EXPECT_EQ(StatusCodeName(StatusCode::kInvalidArgument), "invalid argument");
  EXPECT_EQ(StatusCodeName(StatusCode::kResourceExhausted), "resource exhausted");
  EXPECT_EQ(StatusCodeName(StatusCode::kDeadlineExceeded), "deadline exceeded");
  EXPECT_EQ(StatusCodeName(StatusCode::kIoError), "i/o error");
  EXPECT_EQ(StatusCodeName(static_cast<StatusCode>(200)), "unknown status");
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

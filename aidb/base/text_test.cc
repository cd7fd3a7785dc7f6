#include <gtest/gtest.h>

#include "aidb/base/check.h"
#include "aidb/base/escape.h"
#include "aidb/base/log.h"

namespace aidb {
namespace {

TEST(EscapeForMessage, KeepsPrintableAsciiAndShowsTheRestInHex) {
  EXPECT_EQ(EscapeForMessage("city:beijing ~!", 100), "city:beijing ~!");
  EXPECT_EQ(EscapeForMessage(std::string_view("a\0\n\x7F\xFF", 5), 100), "a\\x00\\x0a\\x7f\\xff");
  EXPECT_EQ(EscapeForMessage("é", 100), "\\xc3\\xa9");
  EXPECT_EQ(EscapeForMessage("a\\x00", 100), "a\\\\x00");  // Not to be taken for a zero byte.
  EXPECT_EQ(EscapeForMessage("", 0), "");
}

TEST(EscapeForMessage, CutsWhatIsTooLongAndSaysHowLongItWas) {
  EXPECT_EQ(EscapeForMessage("abcd", 4), "abcd");
  EXPECT_EQ(EscapeForMessage("abcde", 4), "abcd…(5 bytes)");
  EXPECT_EQ(EscapeForMessage("abcde", 0), "…(5 bytes)");
  EXPECT_EQ(EscapeForMessage(std::string(1'000'000, '\x01'), 2), "\\x01\\x01…(1000000 bytes)");
}

TEST(StderrLogger, WritesOneLinePerCallFromItsLevelUp) {
  StderrLogger logger(LogLevel::kInfo);
  testing::internal::CaptureStderr();
  logger.Log(LogLevel::kDebug, "unseen");
  logger.Log(LogLevel::kInfo, "recovered 3 records");
  logger.Log(LogLevel::kWarning, "");
  logger.Log(LogLevel::kError, "disk full");
  EXPECT_EQ(testing::internal::GetCapturedStderr(),
            "info recovered 3 records\nwarning \nerror disk full\n");
}

TEST(NullLogger, DropsEverything) {
  NullLogger logger;
  testing::internal::CaptureStderr();
  logger.Log(LogLevel::kError, "unseen");
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

TEST(Check, StopsTheProgramAndNamesThePlace) {
  const int two = 2;
  AIDB_CHECK(two == 2);
  EXPECT_DEATH(AIDB_CHECK(two == 3), "text_test.cc:[0-9]+: check failed: two == 3");
}

TEST(Check, EvaluatesItsConditionOnce) {
  int evaluations = 0;
  AIDB_CHECK(++evaluations == 1);
  EXPECT_EQ(evaluations, 1);
}

}  // namespace
}  // namespace aidb

#include "aidb/testing/status_matchers.h"

#include <ostream>

#include <gtest/gtest.h>

namespace aidb {

void PrintTo(const Status& status, std::ostream* out) { *out << status.ToString(); }
void PrintTo(StatusCode code, std::ostream* out) { *out << StatusCodeName(code); }

namespace testing {

::testing::AssertionResult IsOk::operator()(const char*, const Status& status) const {
  if (status.ok()) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << text << "\n  is " << status.ToString() << "\n";
}

::testing::AssertionResult Fails::operator()(const char*, const Status& status) const {
  if (status.code() == code && status.message().contains(part)) {
    return ::testing::AssertionSuccess();
  }
  ::testing::AssertionResult failure = ::testing::AssertionFailure();
  failure << text << "\n  is " << status.ToString() << "\n  not " << StatusCodeName(code);
  if (!part.empty()) failure << " with \"" << part << '"';
  return failure << "\n";
}

}  // namespace testing
}  // namespace aidb

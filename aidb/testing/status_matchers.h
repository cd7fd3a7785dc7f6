#pragma once

// Assertions on Status and Result that print the status. Include gtest beside this header.
//
//   EXPECT_OK(db->Put("a", "1"));
//   ASSERT_OK_AND_ASSIGN(auto file, fs.Open(path, OpenMode::kRead));
//   EXPECT_FAILS(reader.Open(path), StatusCode::kCorruption, "block 7");

#include <iosfwd>
#include <string_view>

#include "aidb/base/result.h"
#include "aidb/base/status.h"

namespace testing {
class AssertionResult;
}

namespace aidb {

// Found by gtest: "corruption: block 7" and "corruption" instead of bytes.
void PrintTo(const Status& status, std::ostream* out);
void PrintTo(StatusCode code, std::ostream* out);

namespace testing {

inline Status StatusOf(Status status) { return status; }
template <typename T>
Status StatusOf(const Result<T>& result) {
  return result.status();
}

// Predicate formatters of the macros below; `text` is the source of what was evaluated.
struct IsOk {
  const char* text;
  ::testing::AssertionResult operator()(const char*, const Status& status) const;
};
struct Fails {
  const char* text;
  StatusCode code;
  std::string_view part;
  ::testing::AssertionResult operator()(const char*, const Status& status) const;
};

}  // namespace testing
}  // namespace aidb

#define EXPECT_OK(expr) \
  EXPECT_PRED_FORMAT1(::aidb::testing::IsOk{#expr}, ::aidb::testing::StatusOf(expr))
#define ASSERT_OK(expr) \
  ASSERT_PRED_FORMAT1(::aidb::testing::IsOk{#expr}, ::aidb::testing::StatusOf(expr))

// `part` is a stretch of the message; "" for any message.
#define EXPECT_FAILS(expr, code, part) \
  EXPECT_PRED_FORMAT1((::aidb::testing::Fails{#expr, code, part}), ::aidb::testing::StatusOf(expr))

// Declares `decl` in the enclosing scope.
#define ASSERT_OK_AND_ASSIGN(decl, expr) \
  AIDB_ASSERT_OK_AND_ASSIGN_IMPL(AIDB_CONCAT(aidb_result_, __LINE__), decl, expr)
#define AIDB_ASSERT_OK_AND_ASSIGN_IMPL(result, decl, expr)                              \
  auto result = (expr);                                                                 \
  ASSERT_PRED_FORMAT1(::aidb::testing::IsOk{#expr}, ::aidb::testing::StatusOf(result)); \
  decl = *std::move(result)

#include "aidb/testing/seed.h"

#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include <gtest/gtest.h>

#include "aidb/base/check.h"

namespace aidb::testing {

uint64_t SeedFromEnvironmentOr(uint64_t otherwise) {
  uint64_t seed = otherwise;
  if (const char* const variable = std::getenv("AIDB_SEED")) {
    std::string_view text(variable);
    const bool hexadecimal = text.starts_with("0x");
    if (hexadecimal) text.remove_prefix(2);
    const char* const last = text.data() + text.size();
    const auto [end, error] = std::from_chars(text.data(), last, seed, hexadecimal ? 16 : 10);
    AIDB_CHECK(error == std::errc() && end == last && "AIDB_SEED is a number below 2^64");
  }
  std::fprintf(stderr, "%s\n", ReplayLine(seed).c_str());
  return seed;
}

std::string ReplayLine(uint64_t seed) {
  std::string line =
      "replay: AIDB_SEED=" + std::to_string(seed) + " " + program_invocation_short_name;  // glibc.
  if (const auto* const test = ::testing::UnitTest::GetInstance()->current_test_info()) {
    line.append(" --gtest_filter=")
        .append(test->test_suite_name())
        .append(".")
        .append(test->name());
  }
  return line;
}

}  // namespace aidb::testing

#pragma once

namespace aidb {

// Prints "file:line: check failed: expression" to standard error and aborts.
[[noreturn]] void CheckFailed(const char* file, int line, const char* expression);

}  // namespace aidb

// For programmer errors, in release builds too. Never for bytes from disk or network: those
// are kCorruption or kInvalidArgument.
#define AIDB_CHECK(condition)                          \
  (static_cast<bool>(condition) ? static_cast<void>(0) \
                                : ::aidb::CheckFailed(__FILE__, __LINE__, #condition))

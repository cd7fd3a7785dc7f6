#pragma once

#include <string_view>

namespace aidb {

enum class LogLevel : unsigned char { kDebug, kInfo, kWarning, kError };

// Where a component says what an operator should know: recovery reports, failed background
// work, refused files. One line per call, no newline. Never values, never secrets.
//
// Thread safety: any thread may call Log.
class Logger {
 public:
  virtual ~Logger() = default;
  virtual void Log(LogLevel level, std::string_view line) = 0;
};

// Drops everything.
class NullLogger final : public Logger {
 public:
  void Log(LogLevel /*level*/, std::string_view /*line*/) override {}
};

// Writes "<level> <line>" to standard error.
class StderrLogger final : public Logger {
 public:
  explicit StderrLogger(LogLevel level_min) : level_min_(level_min) {}
  void Log(LogLevel level, std::string_view line) override;

 private:
  const LogLevel level_min_;
};

}  // namespace aidb

#pragma once

#include "aidb/base/log.h"
#include "aidb/io/env.h"
#include "aidb/io/posix/posix_clock.h"
#include "aidb/io/posix/posix_executor.h"
#include "aidb/io/posix/posix_file_system.h"
#include "aidb/io/posix/posix_random.h"

namespace aidb::io {

// The real world, owned in one piece.
//
// Lifetime: outlives everything that was given its env(). `log` is borrowed and outlives it.
class PosixEnv {
 public:
  // Warnings and errors go to standard error.
  PosixEnv() : log_(stderr_log_) {}
  explicit PosixEnv(Logger& log) : log_(log) {}
  PosixEnv(const PosixEnv&) = delete;
  PosixEnv& operator=(const PosixEnv&) = delete;

  Env env() { return {files_, clock_, executor_, random_, log_}; }

 private:
  PosixFileSystem files_;
  PosixClock clock_;
  PosixExecutor executor_;
  PosixRandom random_;
  StderrLogger stderr_log_{LogLevel::kWarning};
  Logger& log_;
};

}  // namespace aidb::io

#pragma once

#include "aidb/base/clock.h"
#include "aidb/base/log.h"
#include "aidb/base/random.h"
#include "aidb/io/executor.h"
#include "aidb/io/file_system.h"

namespace aidb::io {

// The world, handed in: everything that is not a pure function of its arguments. Borrowed
// references; whoever made them outlives every user of the Env.
//
// Implementations: PosixEnv (io/posix), SimWorld (io/sim), FaultyFileSystem as a wrapper
// (io/faulty).
struct Env {
  FileSystem& files;
  Clock& clock;
  Executor& executor;
  Random& random;
  Logger& log;
};

}  // namespace aidb::io

#include "aidb/io/posix/posix_random.h"

#include <sys/random.h>

#include "aidb/base/check.h"
#include "aidb/io/posix/system_error.h"

namespace aidb::io {

uint64_t PosixRandom::Next() {
  uint64_t number = 0;
  // Up to 256 bytes come whole or not at all, and only a kernel before 3.17 says no.
  const ssize_t got =
      posix::RetryInterrupted([&] { return ::getrandom(&number, sizeof number, 0); });
  AIDB_CHECK(got == sizeof number);
  return number;
}

}  // namespace aidb::io

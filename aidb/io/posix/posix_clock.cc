#include "aidb/io/posix/posix_clock.h"

#include <thread>

namespace aidb::io {

Instant PosixClock::Now() const {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return {std::chrono::duration_cast<Duration>(now).count()};
}

int64_t PosixClock::WallMillis() const {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
}

void PosixClock::SleepFor(Duration duration) { std::this_thread::sleep_for(duration); }

}  // namespace aidb::io

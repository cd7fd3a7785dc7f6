#pragma once

#include "aidb/base/clock.h"

namespace aidb::io {

// CLOCK_MONOTONIC, which is std::chrono::steady_clock's epoch too: CondVar::WaitUntil hands
// these instants to the standard library.
//
// Thread safety: any thread may call any method.
class PosixClock final : public Clock {
 public:
  Instant Now() const override;
  int64_t WallMillis() const override;
  void SleepFor(Duration duration) override;
};

}  // namespace aidb::io

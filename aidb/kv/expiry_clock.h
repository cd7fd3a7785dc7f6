#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>

#include "aidb/base/canary.h"
#include "aidb/base/clock.h"

namespace aidb::kv {

// The wall clock that expiry is judged by, in milliseconds since 1970. It never runs backwards:
// where the clock handed in jumps back, the highest value seen holds until that is passed. Times
// before 1970 count as 0.
//
// Thread safety: any thread may call any method.
// Lifetime: borrows the clock.
class ExpiryClock {
 public:
  explicit ExpiryClock(const Clock& clock) : clock_(clock) {}

  uint64_t NowMs() const {
    const auto now_ms = static_cast<uint64_t>(std::max<int64_t>(clock_.WallMillis(), 0));
    if (AIDB_CANARY_HIT(kClockSetBack)) return now_ms;
    Raise(now_ms);
    return highest_ms();
  }
  // The last answer of NowMs, or what Raise made of it.
  uint64_t highest_ms() const { return highest_ms_.load(std::memory_order_relaxed); }
  // Never answers less than this again: what an earlier life of the store has seen.
  void Raise(uint64_t ms) const {
    uint64_t seen = highest_ms();
    while (seen < ms && !highest_ms_.compare_exchange_weak(seen, ms, std::memory_order_relaxed)) {
    }
  }

 private:
  const Clock& clock_;
  // Relaxed: readers need only that this one word never falls, which holds for each atomic.
  mutable std::atomic<uint64_t> highest_ms_{0};
};

}  // namespace aidb::kv

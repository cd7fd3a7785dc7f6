#pragma once

#include <atomic>
#include <cstdint>
#include <string_view>

#include "aidb/base/clock.h"
#include "aidb/base/sync.h"

namespace aidb::lsm {

// How far background work lags, as the engine sees it.
struct Backlog {
  // Which state of the engine it describes; a later state has a larger number.
  uint64_t state_number = 0;
  uint64_t runs_over_trigger = 0;  // Runs of level 0 beyond the compaction trigger.
  uint64_t debt_bytes = 0;         // Bytes above the targets of the levels.
  uint64_t memtable_bytes = 0;
  uint64_t memtable_budget_bytes = 1;
};

// How long background work waits before it tries again what failed so often in a row.
Duration RetryDelay(int failures);

// Slows writers smoothly when flush or compaction lags, so that they never have to stop: one
// rule instead of soft, hard and stop limits.
//
//   drain     bytes/s that flush and compaction achieve, a 10 s average, at least 16 MiB/s
//   pressure  max(runs over the trigger / 16, debt / (60 s * drain), memtable bytes / budget)
//   up to pressure 0.5 no delay; above, a token bucket at drain * max(0.05, 2 - 2 * pressure);
//   a write is never delayed by more than 10 ms
//
// Thread safety: any thread may call any method.
class Controller {
 public:
  static constexpr uint64_t kDrainBytesMin = uint64_t{16} << 20;
  static constexpr Duration kDelayMax = std::chrono::milliseconds(10);
  static constexpr uint64_t kRunsMax = 16;

  // Flush or compaction wrote so many bytes in that time.
  void Drained(uint64_t bytes, Duration time, Instant now) AIDB_EXCLUDES(mu_);
  // Of an older state than the last one's it is ignored: whoever computed it was overtaken.
  void SetBacklog(const Backlog& backlog) AIDB_EXCLUDES(mu_);
  // False while every delay would be 0; spares writers the lock and the clock.
  bool Slows() const { return slows_.load(std::memory_order_relaxed); }
  // How long a write of so many bytes should wait at `now`; mostly 0.
  Duration DelayFor(uint64_t bytes, Instant now) AIDB_EXCLUDES(mu_);

  double pressure() const AIDB_EXCLUDES(mu_);
  // "level 0", "compaction debt" or "memtables": what the pressure comes from; empty without.
  std::string_view reason() const AIDB_EXCLUDES(mu_);

 private:
  double DrainRate() const AIDB_REQUIRES(mu_);

  // Whether pressure_ is above kPressureFree. Relaxed: a late view delays one write more or less.
  std::atomic<bool> slows_{false};

  mutable Mutex mu_;
  uint64_t state_number_ AIDB_GUARDED_BY(mu_) = 0;  // Of the backlog in force.
  double pressure_ AIDB_GUARDED_BY(mu_) = 0;
  std::string_view reason_ AIDB_GUARDED_BY(mu_);
  double drained_bytes_ AIDB_GUARDED_BY(mu_) = 0;    // Decaying with a half-life of 10 s.
  double drained_seconds_ AIDB_GUARDED_BY(mu_) = 0;  // Likewise.
  Instant decayed_at_ AIDB_GUARDED_BY(mu_){0};
  Instant bucket_empty_at_ AIDB_GUARDED_BY(mu_){0};  // When all admitted bytes are paid for.
};

}  // namespace aidb::lsm

#include "aidb/lsm/controller.h"

#include <algorithm>
#include <cmath>

namespace aidb::lsm {
namespace {

constexpr double kPressureFree = 0.5;  // Up to here nobody waits.
constexpr double kHalfLifeSeconds = 10;
constexpr double kDebtSecondsMax = 60;
constexpr double kNanosPerSecond = 1e9;

}  // namespace

Duration RetryDelay(int failures) {
  constexpr Duration kFirst = std::chrono::milliseconds(100);
  constexpr Duration kLast = std::chrono::seconds(1);
  return std::min(kLast, kFirst * (1 << std::clamp(failures - 1, 0, 4)));
}

void Controller::Drained(uint64_t bytes, Duration time, Instant now) {
  MutexLock lock(mu_);
  const double age = static_cast<double>((now - decayed_at_).count()) / kNanosPerSecond;
  const double keep = age > 0 ? std::exp2(-age / kHalfLifeSeconds) : 1;
  drained_bytes_ = drained_bytes_ * keep + static_cast<double>(bytes);
  drained_seconds_ = drained_seconds_ * keep + static_cast<double>(time.count()) / kNanosPerSecond;
  decayed_at_ = now;
}

double Controller::DrainRate() const {
  const double measured = drained_seconds_ > 0 ? drained_bytes_ / drained_seconds_ : 0;
  return std::max(measured, static_cast<double>(kDrainBytesMin));
}

void Controller::SetBacklog(const Backlog& backlog) {
  MutexLock lock(mu_);
  if (backlog.state_number < state_number_) return;
  state_number_ = backlog.state_number;
  const double runs = static_cast<double>(backlog.runs_over_trigger) / kRunsMax;
  const double debt = static_cast<double>(backlog.debt_bytes) / (kDebtSecondsMax * DrainRate());
  const double memory = static_cast<double>(backlog.memtable_bytes) /
                        static_cast<double>(std::max<uint64_t>(backlog.memtable_budget_bytes, 1));
  pressure_ = runs;
  reason_ = runs > 0 ? "level 0" : "";
  if (debt > pressure_) {
    pressure_ = debt;
    reason_ = "compaction debt";
  }
  if (memory > pressure_) {
    pressure_ = memory;
    reason_ = "memtables";
  }
  slows_.store(pressure_ > kPressureFree, std::memory_order_relaxed);
}

Duration Controller::DelayFor(uint64_t bytes, Instant now) {
  MutexLock lock(mu_);
  if (pressure_ <= kPressureFree) return Duration{0};
  const double rate = DrainRate() * std::max(0.05, 2 - 2 * pressure_);
  const auto cost =
      Duration(static_cast<int64_t>(static_cast<double>(bytes) / rate * kNanosPerSecond));
  bucket_empty_at_ = std::max(bucket_empty_at_, now) + cost;
  // What the cap forgives is forgotten, or a burst would be paid for long after it.
  bucket_empty_at_ = std::min(bucket_empty_at_, now + kDelayMax);
  return bucket_empty_at_ - now;
}

double Controller::pressure() const {
  MutexLock lock(mu_);
  return pressure_;
}

std::string_view Controller::reason() const {
  MutexLock lock(mu_);
  return reason_;
}

}  // namespace aidb::lsm

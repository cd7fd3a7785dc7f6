#include "aidb/lsm/scrub_pace.h"

#include <algorithm>
#include <chrono>

namespace aidb::lsm {
namespace {

using Seconds = std::chrono::duration<double>;

constexpr int kNapsInPeriod = 16;
// The rest is for what comes beside the reading.
constexpr double kReadingPart = 7.0 / 8;
constexpr Duration kWaitMin = std::chrono::milliseconds(1);

}  // namespace

ScrubPace::ScrubPace(Duration period, Instant now)
    : period_(period),
      nap_(std::min(period / kNapsInPeriod, kNapMax)),
      start_(now + std::min(period / kNapsInPeriod, kStartMax)),
      paid_at_(start_) {}

Duration ScrubPace::Wait(uint64_t bytes, bool yields, Instant now) {
  if (now < start_) return start_ - now;
  double rate = static_cast<double>(bytes) / (Seconds(period_).count() * kReadingPart);
  rate = std::min(rate, static_cast<double>(kBytesPerSecondMax));
  if (yields) rate /= kYield;
  owed_bytes_ -= rate * Seconds(now - paid_at_).count();
  paid_at_ = now;
  if (owed_bytes_ <= 0) {
    owed_bytes_ = 0;
    return bytes > 0 ? Duration{0} : nap_;
  }
  const Seconds wait(rate > 0 ? owed_bytes_ / rate : Seconds(nap_).count());
  if (wait >= nap_) return nap_;
  return std::max(kWaitMin, std::chrono::duration_cast<Duration>(wait));
}

}  // namespace aidb::lsm

#pragma once

#include <cstdint>

#include "aidb/base/clock.h"

namespace aidb::lsm {

// How fast a scrub reads: what there is to read once in a period, and never faster than
// kBytesPerSecondMax, so that a period that is too short for the store only takes longer.
//
//   rate   bytes there are / (7/8 of the period), at most kBytesPerSecondMax;
//          an eighth of that while others need the disk more
//
// A read is paid for afterwards: the next one waits for as long as the bytes of this one take at
// the rate of the moment. Time in which nobody waits is not saved up.
//
// Thread safety: none.
class ScrubPace {
 public:
  static constexpr uint64_t kBytesPerSecondMax = uint64_t{16} << 20;
  static constexpr int kYield = 8;
  // The first read comes no sooner, or a sixteenth of the period if that is less: who opens a
  // store wants it for something else.
  static constexpr Duration kStartMax = std::chrono::minutes(1);
  // How long one may sleep at most before asking again: what there is to read changes.
  static constexpr Duration kNapMax = std::chrono::minutes(10);

  ScrubPace(Duration period, Instant now);

  // How long to wait from `now` on before asking again; zero: read. `bytes`: what there is to read
  // in a period.
  Duration Wait(uint64_t bytes, bool yields, Instant now);
  void Spend(uint64_t bytes) { owed_bytes_ += static_cast<double>(bytes); }
  // How long to wait while there is nothing to read.
  Duration nap() const { return nap_; }

 private:
  const Duration period_;
  const Duration nap_;
  const Instant start_;
  Instant paid_at_;
  double owed_bytes_ = 0;
};

}  // namespace aidb::lsm

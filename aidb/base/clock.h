#pragma once

#include <chrono>
#include <compare>
#include <cstdint>
#include <limits>

namespace aidb {

using Duration = std::chrono::nanoseconds;

// A point on the monotonic clock. Comparable only with instants of the same Clock.
struct Instant {
  int64_t ns = 0;

  static constexpr Instant Never() { return {std::numeric_limits<int64_t>::max()}; }
  auto operator<=>(const Instant&) const = default;
};

constexpr Instant operator+(Instant at, Duration d) {
  if (at == Instant::Never()) return at;
  return {at.ns > Instant::Never().ns - d.count() ? Instant::Never().ns : at.ns + d.count()};
}
constexpr Duration operator-(Instant a, Instant b) { return Duration(a.ns - b.ns); }

// Time, handed in. Implementations: io::PosixClock, io::SimClock.
//
// Thread safety: any thread may call any method.
class Clock {
 public:
  virtual ~Clock() = default;

  // Never goes backwards. CondVar deadlines are instants of this clock.
  virtual Instant Now() const = 0;
  // Milliseconds since 1970-01-01 UTC. May jump in either direction.
  virtual int64_t WallMillis() const = 0;
  // Blocks the calling thread or fiber.
  virtual void SleepFor(Duration duration) = 0;
};

}  // namespace aidb

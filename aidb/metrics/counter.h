#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace aidb::metrics {

// A number that only grows: events, bytes.
//
// One atomic would travel between the caches of all cores that count, so there are several, each
// on its own cache line, and a thread adds to one chosen by where its stack lies. That costs three
// instructions, needs no thread-local storage (which fibers would share wrongly), and is right
// whatever it chooses: Value is the sum. Stacks are at least 64 KiB apart, so the address is taken
// in such units; a deep call that crosses one merely adds elsewhere.
//
// Thread safety: any thread may call any method. All accesses are relaxed: a Value read beside
// running increments holds those that happened before it, and some of the others.
class Counter {
 public:
  void Increment(uint64_t by = 1) {
    stripes_[Stripe()].value.fetch_add(by, std::memory_order_relaxed);
  }
  // Wraps at 2^64.
  uint64_t Value() const;

 private:
  static constexpr unsigned kStripesLog2 = 3;
  struct alignas(64) StripeOfOneLine {
    std::atomic<uint64_t> value{0};
  };

  static size_t Stripe() {
    const auto stack = reinterpret_cast<uintptr_t>(__builtin_frame_address(0)) >> 16;
    return static_cast<size_t>((stack * 0x9E3779B97F4A7C15) >> (64 - kStripesLog2));
  }

  std::array<StripeOfOneLine, size_t{1} << kStripesLog2> stripes_;
};

}  // namespace aidb::metrics

#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "aidb/base/sync.h"

namespace aidb {

// Counts calls in progress: so that Close can shut the door and wait until all have left, and so
// that whoever replaced what calls look at knows when nobody looks at the old any more.
//
// The second use is read-copy-update with readers that may sleep (McKenney, "Sleepable
// read-copy update", 2006): a call loads a pointer once it is inside, without taking a reference;
// whoever replaces the pointer frees what it pointed to after WaitForThoseInside.
//
// Threads count on stripes of their own cache line each, so that readers on many cores do not
// meet here. A call costs two uncontended atomic additions.
//
// Thread safety: any thread may call any method.
// Lifetime: may be destroyed once ShutAndWait has returned, and every WaitForThoseInside.
class CallGate {
 public:
  // What a call that got in must bring back to Leave.
  class Ticket {
   public:
    explicit operator bool() const { return stripe_ != kNone; }

   private:
    friend class CallGate;
    static constexpr uint32_t kNone = UINT32_MAX;
    uint32_t stripe_ = kNone;
    uint32_t phase_ = 0;
  };

  // False once it is shut; then Leave must not be called.
  Ticket Enter();
  void Leave(Ticket ticket);
  // Returns when nobody is inside; true the first time.
  bool ShutAndWait() AIDB_EXCLUDES(mu_);
  // Returns when all have left who were inside at the call, and perhaps some who came in since;
  // others coming in never keep it from returning. What was stored before it, with release, is
  // seen by all who are inside after it and load it with acquire. Not to be called from inside.
  void WaitForThoseInside() AIDB_EXCLUDES(waiting_mu_, mu_);

 private:
  static constexpr size_t kStripes = 16;
  static constexpr uint32_t kPhases = 2;
  static constexpr uint64_t kShut = uint64_t{1} << 63;
  // Somebody waits for this count to become zero.
  static constexpr uint64_t kWatched = uint64_t{1} << 62;
  static constexpr uint64_t kInside = kWatched - 1;
  // Who comes in counts on that of the current phase; so the other's can come to rest. How many
  // are inside, kShut and kWatched.
  struct alignas(64) Stripe {
    std::array<std::atomic<uint64_t>, kPhases> states{};
  };

  static size_t StripeOfThisThread();
  void LeaveState(std::atomic<uint64_t>& state) AIDB_EXCLUDES(mu_);
  void WaitForPhase(uint32_t phase) AIDB_EXCLUDES(mu_);

  std::array<Stripe, kStripes> stripes_;
  // Only a hint where to count: whoever reads it late counts on the other, which is waited for
  // as well.
  std::atomic<uint32_t> phase_{0};
  // Held while waiting: one at a time.
  Mutex waiting_mu_;
  Mutex mu_;
  CondVar left_;
};

// Leaves on destruction, if it got in.
class CallPass {
 public:
  explicit CallPass(CallGate& gate) : gate_(gate), ticket_(gate.Enter()) {}
  ~CallPass() {
    if (ticket_) gate_.Leave(ticket_);
  }
  CallPass(const CallPass&) = delete;
  CallPass& operator=(const CallPass&) = delete;

  explicit operator bool() const { return static_cast<bool>(ticket_); }

 private:
  CallGate& gate_;
  const CallGate::Ticket ticket_;
};

}  // namespace aidb

#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "aidb/base/sync.h"

namespace aidb {

// Counts calls in progress, so that Close can shut the door and wait until all have left.
//
// Threads count on stripes of their own cache line each, so that readers on many cores do not
// meet here. A call costs two uncontended atomic additions.
//
// Thread safety: any thread may call any method.
// Lifetime: may be destroyed once ShutAndWait has returned.
class CallGate {
 public:
  // What a call that got in must bring back to Leave.
  class Ticket {
   public:
    explicit operator bool() const { return stripe_ != kNone; }

   private:
    friend class CallGate;
    static constexpr size_t kNone = SIZE_MAX;
    size_t stripe_ = kNone;
  };

  // False once it is shut; then Leave must not be called.
  Ticket Enter();
  void Leave(Ticket ticket);
  // Returns when nobody is inside; true the first time.
  bool ShutAndWait() AIDB_EXCLUDES(mu_);

 private:
  static constexpr size_t kStripes = 16;
  static constexpr uint64_t kShut = uint64_t{1} << 63;
  struct alignas(64) Stripe {
    std::atomic<uint64_t> state{0};  // How many are inside, and kShut.
  };

  static size_t StripeOfThisThread();
  void LeaveStripe(Stripe& stripe) AIDB_EXCLUDES(mu_);

  std::array<Stripe, kStripes> stripes_;
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

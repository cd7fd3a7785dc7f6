#include "aidb/base/call_gate.h"

namespace aidb {

// Stacks lie far apart, so that an address on one names its thread well enough.
size_t CallGate::StripeOfThisThread() {
  const char here = 0;
  const uint64_t region = static_cast<uint64_t>(reinterpret_cast<uintptr_t>(&here)) >> 16;
  return (region * 0x9E37'79B9'7F4A'7C15u) >> 60;  // Fibonacci hashing (Knuth, 6.4).
}

CallGate::Ticket CallGate::Enter() {
  static_assert(kStripes == 16, "a stripe is four bits of a hash");
  Ticket ticket;
  const size_t mine = StripeOfThisThread();
  Stripe& stripe = stripes_[mine];
  // Acquire pairs with the release of ShutAndWait.
  if ((stripe.state.fetch_add(1, std::memory_order_acquire) & kShut) == 0) [[likely]] {
    ticket.stripe_ = mine;
  } else {
    LeaveStripe(stripe);
  }
  return ticket;
}

void CallGate::Leave(Ticket ticket) { LeaveStripe(stripes_[ticket.stripe_]); }

void CallGate::LeaveStripe(Stripe& stripe) {
  uint64_t state = stripe.state.load(std::memory_order_relaxed);
  while ((state & kShut) == 0) {
    // Release pairs with the acquire in ShutAndWait: what the call did happens before Close.
    if (stripe.state.compare_exchange_weak(state, state - 1, std::memory_order_release,
                                           std::memory_order_relaxed)) {
      return;
    }
  }
  // Somebody waits, and may destroy this gate once the counts are zero: count under the mutex,
  // which the waiter must take before it returns.
  const MutexLock lock(mu_);
  stripe.state.fetch_sub(1, std::memory_order_release);
  left_.NotifyAll();
}

bool CallGate::ShutAndWait() {
  bool first = true;
  for (Stripe& stripe : stripes_) {
    if ((stripe.state.fetch_or(kShut, std::memory_order_acq_rel) & kShut) != 0) first = false;
  }
  const MutexLock lock(mu_);
  for (Stripe& stripe : stripes_) {
    while (stripe.state.load(std::memory_order_acquire) != kShut) left_.Wait(mu_);
  }
  return first;
}

}  // namespace aidb

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
  const uint32_t phase = phase_.load(std::memory_order_relaxed);
  std::atomic<uint64_t>& state = stripes_[mine].states[phase];
  // Acquire pairs with the release of ShutAndWait and of WaitForPhase.
  if ((state.fetch_add(1, std::memory_order_acquire) & kShut) == 0) [[likely]] {
    ticket.stripe_ = static_cast<uint32_t>(mine);
    ticket.phase_ = phase;
  } else {
    LeaveState(state);
  }
  return ticket;
}

void CallGate::Leave(Ticket ticket) { LeaveState(stripes_[ticket.stripe_].states[ticket.phase_]); }

void CallGate::LeaveState(std::atomic<uint64_t>& state) {
  uint64_t seen = state.load(std::memory_order_relaxed);
  while ((seen & (kShut | kWatched)) == 0) {
    // Release pairs with the acquire of those who wait: what the call did happens before they
    // return.
    if (state.compare_exchange_weak(seen, seen - 1, std::memory_order_release,
                                    std::memory_order_relaxed)) {
      return;
    }
  }
  // Somebody waits, and may destroy this gate once the counts are zero: count under the mutex,
  // which the waiter must take before it returns.
  const MutexLock lock(mu_);
  state.fetch_sub(1, std::memory_order_release);
  left_.NotifyAll();
}

bool CallGate::ShutAndWait() {
  bool first = true;
  for (Stripe& stripe : stripes_) {
    for (auto& state : stripe.states) {
      if ((state.fetch_or(kShut, std::memory_order_acq_rel) & kShut) != 0) first = false;
    }
  }
  const MutexLock lock(mu_);
  for (Stripe& stripe : stripes_) {
    for (auto& state : stripe.states) {
      while ((state.load(std::memory_order_acquire) & kInside) != 0) left_.Wait(mu_);
    }
  }
  return first;
}

// Both phases, one after the other: a call that read phase_ long ago may be counted on the one
// that is not current. Each is waited for while newcomers count on the other.
void CallGate::WaitForThoseInside() {
  const MutexLock alone(waiting_mu_);
  for (uint32_t round = 0; round < kPhases; ++round) {
    const uint32_t phase = phase_.load(std::memory_order_relaxed);
    phase_.store(phase ^ 1, std::memory_order_relaxed);
    WaitForPhase(phase);
  }
}

// A call that comes in behind the fetch_or reads from it, so it sees what was stored before; one
// that came in before it is in the count.
void CallGate::WaitForPhase(uint32_t phase) {
  for (Stripe& stripe : stripes_) {
    stripe.states[phase].fetch_or(kWatched, std::memory_order_acq_rel);
  }
  {
    const MutexLock lock(mu_);
    for (Stripe& stripe : stripes_) {
      std::atomic<uint64_t>& state = stripe.states[phase];
      while ((state.load(std::memory_order_acquire) & kInside) != 0) left_.Wait(mu_);
    }
  }
  for (Stripe& stripe : stripes_) {
    stripe.states[phase].fetch_and(~kWatched, std::memory_order_relaxed);
  }
}

}  // namespace aidb

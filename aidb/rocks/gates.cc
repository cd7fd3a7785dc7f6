#include "aidb/rocks/gates.h"

namespace aidb::rocks {

void CallGate::Leave() {
  uint64_t state = state_.load(std::memory_order_relaxed);
  while ((state & kShut) == 0) {
    // Release pairs with the acquire in ShutAndWait: what the call did happens before Close.
    if (state_.compare_exchange_weak(state, state - 1, std::memory_order_release,
                                     std::memory_order_relaxed)) {
      return;
    }
  }
  // Somebody waits, and may destroy this gate once the count is zero: count under the mutex,
  // which the waiter must take before it returns.
  const MutexLock lock(mu_);
  state_.fetch_sub(1, std::memory_order_release);
  left_.NotifyAll();
}

bool CallGate::ShutAndWait() {
  const bool first = (state_.fetch_or(kShut, std::memory_order_acq_rel) & kShut) == 0;
  const MutexLock lock(mu_);
  while (state_.load(std::memory_order_acquire) != kShut) left_.Wait(mu_);
  return first;
}

void WriteGate::WakeThoseWaiting() {
  if (now_serving_ != next_ticket_) changed_.NotifyAll();
}

void WriteGate::EnterTogether() {
  const MutexLock lock(mu_);
  const uint64_t ticket = next_ticket_++;
  while (now_serving_ != ticket || alone_) changed_.Wait(mu_);
  ++now_serving_;
  ++together_;
  WakeThoseWaiting();  // The next may come along.
}

void WriteGate::LeaveTogether() {
  const MutexLock lock(mu_);
  if (--together_ == 0) WakeThoseWaiting();
}

void WriteGate::EnterAlone() {
  const MutexLock lock(mu_);
  const uint64_t ticket = next_ticket_++;
  while (now_serving_ != ticket || alone_ || together_ > 0) changed_.Wait(mu_);
  ++now_serving_;
  alone_ = true;
}

void WriteGate::LeaveAlone() {
  const MutexLock lock(mu_);
  alone_ = false;
  WakeThoseWaiting();
}

}  // namespace aidb::rocks

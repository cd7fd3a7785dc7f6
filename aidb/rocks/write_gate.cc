#include "aidb/rocks/write_gate.h"

namespace aidb::rocks {

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

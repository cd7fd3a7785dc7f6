#pragma once

#include <atomic>
#include <cstdint>

#include "aidb/base/sync.h"

namespace aidb::rocks {

// Counts calls in progress, so that Close can shut the door and wait until all have left.
//
// Thread safety: any thread may call any method.
class CallGate {
 public:
  // False once it is shut; then Leave must not be called.
  bool Enter() {
    if ((state_.fetch_add(1, std::memory_order_acquire) & kShut) == 0) [[likely]]
      return true;
    Leave();
    return false;
  }
  void Leave();
  // Returns when nobody is inside; true the first time.
  bool ShutAndWait() AIDB_EXCLUDES(mu_);

 private:
  static constexpr uint64_t kShut = uint64_t{1} << 63;

  std::atomic<uint64_t> state_ = 0;  // How many are inside, and kShut.
  Mutex mu_;
  CondVar left_;
};

// Leaves on destruction, if it got in.
class CallPass {
 public:
  explicit CallPass(CallGate& gate) : gate_(gate), inside_(gate.Enter()) {}
  ~CallPass() {
    if (inside_) gate_.Leave();
  }
  CallPass(const CallPass&) = delete;
  CallPass& operator=(const CallPass&) = delete;

  explicit operator bool() const { return inside_; }

 private:
  CallGate& gate_;
  const bool inside_;
};

// Many writers together, or one alone, in the order they came: neither kind starves the other.
//
// Thread safety: any thread may call any method.
class WriteGate {
 public:
  void EnterTogether() AIDB_EXCLUDES(mu_);
  void LeaveTogether() AIDB_EXCLUDES(mu_);
  void EnterAlone() AIDB_EXCLUDES(mu_);
  void LeaveAlone() AIDB_EXCLUDES(mu_);

 private:
  void WakeThoseWaiting() AIDB_REQUIRES(mu_);

  Mutex mu_;
  CondVar changed_;
  uint64_t next_ticket_ AIDB_GUARDED_BY(mu_) = 0;
  uint64_t now_serving_ AIDB_GUARDED_BY(mu_) = 0;  // Below next_ticket_: some are waiting.
  uint64_t together_ AIDB_GUARDED_BY(mu_) = 0;
  bool alone_ AIDB_GUARDED_BY(mu_) = false;
};

// A stay in a WriteGate, ended by destruction.
class WritePass {
 public:
  enum class Company : unsigned char { kTogether, kAlone };

  WritePass(WriteGate& gate, Company company) : gate_(gate), company_(company) {
    company_ == Company::kAlone ? gate_.EnterAlone() : gate_.EnterTogether();
  }
  ~WritePass() { company_ == Company::kAlone ? gate_.LeaveAlone() : gate_.LeaveTogether(); }
  WritePass(const WritePass&) = delete;
  WritePass& operator=(const WritePass&) = delete;

 private:
  WriteGate& gate_;
  const Company company_;
};

}  // namespace aidb::rocks

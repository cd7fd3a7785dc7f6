#pragma once

#include <cstdint>

#include "aidb/base/sync.h"

namespace aidb::rocks {

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

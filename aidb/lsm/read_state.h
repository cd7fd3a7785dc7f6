#pragma once

// What reads look at, and how it is replaced while they look.

#include <atomic>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "aidb/base/call_gate.h"
#include "aidb/base/sync.h"
#include "aidb/lsm/memtable.h"
#include "aidb/lsm/version.h"

namespace aidb::lsm {

// A memtable and the first log that holds its entries.
struct LoggedMemtable {
  std::shared_ptr<Memtable> table;
  uint64_t log_number = 0;
};

// Everything a read may look at. Immutable but for what the writer adds to `active`.
struct ReadState : std::enable_shared_from_this<ReadState> {
  uint64_t number = 0;  // Each state has a larger one than the state before.
  LoggedMemtable active;
  std::vector<LoggedMemtable> sealed;  // Newest first.
  std::shared_ptr<const Version> version;
};

// The newest ReadState.
//
// A call inside the readers' gate looks at it without a lock and without a count that all readers
// would share; whoever needs it longer than one Get takes, takes a reference. A state that was
// replaced lives on until ReleaseReplaced has seen those calls leave, and then as long as its
// last reference.
//
// Thread safety: any thread may call any method, if it is inside the gate or not as each one says.
// Lifetime: borrows the gate.
class ReadStates {
 public:
  explicit ReadStates(CallGate& readers) : readers_(readers) {}
  ReadStates(const ReadStates&) = delete;
  ReadStates& operator=(const ReadStates&) = delete;

  // Inside the gate only; lives until the call leaves it. Null before the first Reset.
  const ReadState* Newest() const { return newest_.load(std::memory_order_acquire); }
  // Null before the first Reset.
  std::shared_ptr<const ReadState> Share() const AIDB_EXCLUDES(mu_) {
    const MutexLock lock(mu_);
    return current_;
  }

  // Installs a copy of the newest state with what `change(ReadState&)` makes of it.
  template <typename ChangeState>
  void Change(const ChangeState& change) AIDB_EXCLUDES(mu_) {
    const MutexLock lock(mu_);
    auto next = std::make_shared<ReadState>(*current_);
    ++next->number;
    change(*next);
    Install(std::move(next));
  }
  // Installs `state`, whatever was there before.
  void Reset(std::shared_ptr<const ReadState> state) AIDB_EXCLUDES(mu_) {
    const MutexLock lock(mu_);
    Install(std::move(state));
  }

  // Gives back what the states alone hold that were replaced before the call: memtables and
  // versions. Waits for the calls inside the gate, so outside of it only, and under no lock that
  // they may want.
  void ReleaseReplaced() AIDB_EXCLUDES(releasing_mu_, mu_) {
    const MutexLock releasing(releasing_mu_);
    std::vector<std::shared_ptr<const ReadState>> replaced;
    {
      const MutexLock lock(mu_);
      replaced.swap(replaced_);
    }
    if (!replaced.empty()) readers_.WaitForThoseInside();
  }

 private:
  void Install(std::shared_ptr<const ReadState> next) AIDB_REQUIRES(mu_) {
    if (current_ != nullptr) replaced_.push_back(std::move(current_));
    current_ = std::move(next);
    // Release pairs with the acquire in Newest.
    newest_.store(current_.get(), std::memory_order_release);
  }

  CallGate& readers_;
  // Held while waiting for readers: who returns from a release knows that others' are done, too.
  Mutex releasing_mu_;
  std::atomic<const ReadState*> newest_{nullptr};
  mutable Mutex mu_;
  std::shared_ptr<const ReadState> current_ AIDB_GUARDED_BY(mu_);
  std::vector<std::shared_ptr<const ReadState>> replaced_ AIDB_GUARDED_BY(mu_);
};

}  // namespace aidb::lsm

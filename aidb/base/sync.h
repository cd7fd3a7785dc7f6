#pragma once

// Locks that the compiler checks and the simulation can drive.
//
// Clang proves at compile time (-Wthread-safety) that what AIDB_GUARDED_BY names is touched
// only under its mutex. In simulation a SyncHook takes every lock, wait and wake to a seeded
// scheduler of fibers, so that the shipped object files run there unchanged; the price is one
// relaxed load per operation.

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>

#include "aidb/base/clock.h"

#if defined(__clang__)
#define AIDB_TSA(x) __attribute__((x))
#else
#define AIDB_TSA(x)
#endif
#define AIDB_GUARDED_BY(mu) AIDB_TSA(guarded_by(mu))
#define AIDB_PT_GUARDED_BY(mu) AIDB_TSA(pt_guarded_by(mu))
#define AIDB_REQUIRES(...) AIDB_TSA(requires_capability(__VA_ARGS__))
#define AIDB_EXCLUDES(...) AIDB_TSA(locks_excluded(__VA_ARGS__))
#define AIDB_ACQUIRE(...) AIDB_TSA(acquire_capability(__VA_ARGS__))
#define AIDB_RELEASE(...) AIDB_TSA(release_capability(__VA_ARGS__))
#define AIDB_NO_THREAD_SAFETY_ANALYSIS AIDB_TSA(no_thread_safety_analysis)

namespace aidb {

// What a Mutex or CondVar lends to the hook: storage that only the hook reads and writes.
struct SyncWord {
  uint64_t value = 0;
};

// The simulated scheduler's seat. Installed before the first simulated fiber starts and
// removed after the last has ended; while it is installed only that one thread may use locks.
class SyncHook {
 public:
  virtual ~SyncHook() = default;
  virtual void Lock(SyncWord& mutex) = 0;
  virtual bool TryLock(SyncWord& mutex) = 0;
  virtual void Unlock(SyncWord& mutex) = 0;
  // Releases the mutex, waits, takes it again. False when the deadline passed first.
  virtual bool Wait(SyncWord& cond, SyncWord& mutex, Instant deadline) = 0;
  virtual void Notify(SyncWord& cond, bool all) = 0;
  // Lets others run: what a spin loop does instead of spinning.
  virtual void Yield() = 0;

  // The hook in force, or null in production.
  static SyncHook* Current() { return current_.load(std::memory_order_relaxed); }
  static void Install(SyncHook* hook) { current_.store(hook, std::memory_order_relaxed); }

 private:
  static std::atomic<SyncHook*> current_;
};

// One turn of a bounded spin: a pause instruction, or a switch of fibers in simulation.
void SpinPause();

// std::mutex, annotated (libstdc++'s own is not, so the analysis cannot see it).
class AIDB_TSA(capability("mutex")) Mutex {
 public:
  Mutex() = default;
  Mutex(const Mutex&) = delete;
  Mutex& operator=(const Mutex&) = delete;

  void lock() AIDB_ACQUIRE() {
    if (SyncHook* hook = SyncHook::Current()) [[unlikely]] {
      hook->Lock(word_);
    } else {
      mu_.lock();
    }
  }
  bool try_lock() AIDB_TSA(try_acquire_capability(true)) {
    if (SyncHook* hook = SyncHook::Current()) [[unlikely]]
      return hook->TryLock(word_);
    return mu_.try_lock();
  }
  void unlock() AIDB_RELEASE() {
    if (SyncHook* hook = SyncHook::Current()) [[unlikely]] {
      hook->Unlock(word_);
    } else {
      mu_.unlock();
    }
  }

 private:
  friend class CondVar;
  std::mutex mu_;
  SyncWord word_;
};

// Holds a Mutex for a scope.
class AIDB_TSA(scoped_lockable) MutexLock {
 public:
  explicit MutexLock(Mutex& mu) AIDB_ACQUIRE(mu) : mu_(mu) { mu_.lock(); }
  ~MutexLock() AIDB_RELEASE() { mu_.unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex& mu_;
};

// Waits on a Mutex that the caller holds. Wake-ups may be spurious: always wait in a loop.
class CondVar {
 public:
  CondVar() = default;
  CondVar(const CondVar&) = delete;
  CondVar& operator=(const CondVar&) = delete;

  void Wait(Mutex& mu) AIDB_REQUIRES(mu);
  // `deadline` is an instant of the Clock of the Env in use. False when it passed first.
  bool WaitUntil(Mutex& mu, Instant deadline) AIDB_REQUIRES(mu);
  void NotifyOne();
  void NotifyAll();

 private:
  std::condition_variable cv_;
  SyncWord word_;
};

}  // namespace aidb

#include "aidb/base/sync.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace aidb {

std::atomic<SyncHook*> SyncHook::current_{nullptr};

void SpinPause() {
  if (SyncHook* hook = SyncHook::Current()) [[unlikely]] {
    hook->Yield();
    return;
  }
#if defined(__x86_64__)
  _mm_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

void CondVar::Wait(Mutex& mu) {
  if (SyncHook* hook = SyncHook::Current()) [[unlikely]] {
    hook->Wait(word_, mu.word_, Instant::Never());
    return;
  }
  std::unique_lock<std::mutex> lock(mu.mu_, std::adopt_lock);
  cv_.wait(lock);
  lock.release();  // The caller's MutexLock gives it back.
}

bool CondVar::WaitUntil(Mutex& mu, Instant deadline) {
  if (deadline == Instant::Never()) {
    Wait(mu);
    return true;
  }
  if (SyncHook* hook = SyncHook::Current()) [[unlikely]] {
    return hook->Wait(word_, mu.word_, deadline);
  }
  std::unique_lock<std::mutex> lock(mu.mu_, std::adopt_lock);
  const std::chrono::steady_clock::time_point until{Duration(deadline.ns)};
  const bool in_time = cv_.wait_until(lock, until) == std::cv_status::no_timeout;
  lock.release();
  return in_time;
}

void CondVar::NotifyOne() {
  if (SyncHook* hook = SyncHook::Current()) [[unlikely]] {
    hook->Notify(word_, false);
  } else {
    cv_.notify_one();
  }
}

void CondVar::NotifyAll() {
  if (SyncHook* hook = SyncHook::Current()) [[unlikely]] {
    hook->Notify(word_, true);
  } else {
    cv_.notify_all();
  }
}

}  // namespace aidb

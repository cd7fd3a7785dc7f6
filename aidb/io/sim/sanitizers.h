#pragma once

// What the sanitizers must be told about stacks that they did not make. Empty without them.

#include <cstddef>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define AIDB_SIM_ASAN 1
#endif
#if __has_feature(thread_sanitizer)
#define AIDB_SIM_TSAN 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define AIDB_SIM_ASAN 1
#endif
#if defined(__SANITIZE_THREAD__)
#define AIDB_SIM_TSAN 1
#endif

#if defined(AIDB_SIM_ASAN)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#include <sanitizer/lsan_interface.h>
#endif
#if defined(AIDB_SIM_TSAN)
#include <sanitizer/tsan_interface.h>
#endif

namespace aidb::io::sanitizers {

// Called on the old stack. `fake` keeps the old stack's fake frames; null drops them for ever.
inline void LeaveStack([[maybe_unused]] void** fake, [[maybe_unused]] const void* to_base,
                       [[maybe_unused]] size_t to_size) {
#if defined(AIDB_SIM_ASAN)
  __sanitizer_start_switch_fiber(fake, to_base, to_size);
#endif
}

// Called on the new stack; tells where the old one was.
inline void EnterStack([[maybe_unused]] void* fake, [[maybe_unused]] const void** from_base,
                       [[maybe_unused]] size_t* from_size) {
#if defined(AIDB_SIM_ASAN)
  __sanitizer_finish_switch_fiber(fake, from_base, from_size);
#endif
}

// The bytes may be used for something else: no frame of the old use counts any more.
inline void ForgetStack([[maybe_unused]] void* base, [[maybe_unused]] size_t size) {
#if defined(AIDB_SIM_ASAN)
  ASAN_UNPOISON_MEMORY_REGION(base, size);
#endif
}

// What hangs on this abandoned stack is not a leak: it died with its process. `fake` is what
// LeaveStack gave: ASan keeps the frames whose addresses escape there, in a mapping whose size
// it does not tell (at most 11 size classes of 2^20 bytes, and their flags). The leak checker
// looks at the mapped part of a root region only, so an upper bound will do.
inline void KeepAsRoot([[maybe_unused]] void* base, [[maybe_unused]] size_t size,
                       [[maybe_unused]] void* fake) {
#if defined(AIDB_SIM_ASAN)
  __lsan_register_root_region(base, size);
  if (fake != nullptr) __lsan_register_root_region(fake, size_t{12} << 20);
#endif
}

inline void* MakeThread() {
#if defined(AIDB_SIM_TSAN)
  return __tsan_create_fiber(0);
#else
  return nullptr;
#endif
}
inline void* ThisThread() {
#if defined(AIDB_SIM_TSAN)
  return __tsan_get_current_fiber();
#else
  return nullptr;
#endif
}
// Orders everything before the switch before everything after it: one thread at a time.
inline void BecomeThread([[maybe_unused]] void* thread) {
#if defined(AIDB_SIM_TSAN)
  __tsan_switch_to_fiber(thread, 0);
#endif
}
inline void EndThread([[maybe_unused]] void* thread) {
#if defined(AIDB_SIM_TSAN)
  __tsan_destroy_fiber(thread);
#endif
}

}  // namespace aidb::io::sanitizers

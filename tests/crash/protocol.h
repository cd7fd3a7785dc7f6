#pragma once

// What the child tells its parent through the pipe: fixed records, each written whole.

#include <cstdint>

namespace aidb::campaign {

enum class Event : uint32_t {
  kOpened = 1,
  kAcknowledged = 2,  // Operation `n` of `writer`.
  kClosing = 3,
  kClosed = 4,
  kFailed = 5,  // A call failed that must not; the reason is on standard error.
};

struct Message {
  Event event{};
  uint32_t writer = 0;
  uint64_t n = 0;
};
static_assert(sizeof(Message) == 16);  // Below PIPE_BUF: writes are atomic.

}  // namespace aidb::campaign

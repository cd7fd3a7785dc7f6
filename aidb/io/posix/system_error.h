#pragma once

// The one place where errno becomes a Status, and where interrupted calls are repeated.

#include <cerrno>
#include <string_view>

#include "aidb/base/status.h"

namespace aidb::io::posix {

// A call that a signal interrupts this often in a row has failed.
inline constexpr int kInterruptionsMax = 64;

// "<operation> <path>: <why>" for errno `error`, with the code that tells the caller what to do:
//   space, quota, file size limit, descriptors, memory  kResourceExhausted
//   not allowed; a symbolic link where a file should be kPermissionDenied
//   read-only file system                               kUnavailable
//   no such name, name taken, not a directory, …        kInvalidArgument
//   everything else                                     kIoError
Status SystemError(int error, std::string_view operation, std::string_view path);

// Calls `call` until it is not interrupted. Not for fsync, whose every failure is final, and not
// for close, which always frees the descriptor.
template <typename Call>
auto RetryInterrupted(Call call) {
  for (int round = 1;; ++round) {
    const auto result = call();
    if (result != -1 || errno != EINTR || round == kInterruptionsMax) return result;
  }
}

}  // namespace aidb::io::posix

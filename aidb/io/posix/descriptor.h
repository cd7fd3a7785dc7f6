#pragma once

#include <unistd.h>

#include <cerrno>
#include <utility>

#include "aidb/base/check.h"

namespace aidb::io::posix {

// Owns one file descriptor, or none (-1).
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int number) : number_(number) {}
  Descriptor(Descriptor&& other) noexcept : number_(other.Release()) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(number_, other.number_);
    return *this;
  }
  ~Descriptor() {
    // A descriptor that is not open was closed twice, perhaps in the place of somebody else's.
    if (valid()) AIDB_CHECK(::close(number_) == 0 || errno != EBADF);
  }

  bool valid() const { return number_ >= 0; }
  int number() const { return number_; }
  // Gives the descriptor up without closing it.
  int Release() { return std::exchange(number_, -1); }

 private:
  int number_ = -1;
};

}  // namespace aidb::io::posix

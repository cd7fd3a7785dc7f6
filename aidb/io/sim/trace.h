#pragma once

#include <cstdint>

namespace aidb::io {

// A running hash of everything that could differ between two runs of one seed: which fiber was
// chosen, each file operation with its sizes, each look at the clock. Never an address.
//
// Two runs with equal hashes took the same way; CI compares them between processes.
class SimTrace {
 public:
  void Add(uint64_t word) {
    hash_ = (hash_ ^ word) * 0x9E3779B97F4A7C15;
    hash_ ^= hash_ >> 29;
  }
  uint64_t hash() const { return hash_; }

 private:
  uint64_t hash_ = 0xCBF29CE484222325;
};

}  // namespace aidb::io

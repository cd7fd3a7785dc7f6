#pragma once

#include <atomic>
#include <cstdint>

namespace aidb::metrics {

// A number that goes up and down: bytes in a cache, open connections.
//
// Thread safety: any thread may call any method.
class Gauge {
 public:
  void Set(int64_t value) { value_.store(value, std::memory_order_relaxed); }
  void Add(int64_t by) { value_.fetch_add(by, std::memory_order_relaxed); }
  int64_t Value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<int64_t> value_{0};
};

}  // namespace aidb::metrics

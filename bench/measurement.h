#pragma once

#include <array>
#include <cstdint>
#include <type_traits>

#include "bench/settings.h"

namespace aidb::bench {

// What one run of one workload on one peer cost. Plain bytes: it comes through a pipe from the
// process that ran it.
struct Measurement {
  uint64_t operations = 0;
  uint64_t found = 0;             // Reads that met a value, steps of a scan.
  double seconds = 0;             // Wall time of the operations.
  double cpu_seconds = 0;         // Of the whole process during them, background work included.
  double settle_seconds = 0;      // What background work then still took; writes only.
  double settle_cpu_seconds = 0;  // Likewise.
  uint64_t latency_p50_ns = 0;
  uint64_t latency_p99_ns = 0;
  uint64_t latency_p999_ns = 0;
  uint64_t latency_max_ns = 0;
  uint64_t peak_rss_bytes = 0;
  uint64_t written_bytes = 0;    // Towards the device, up to the end of the settling. 0 on tmpfs.
  uint64_t user_bytes = 0;       // Keys and values handed to writes.
  uint64_t directory_bytes = 0;  // At the end; 0 when the directory was only read.
  uint64_t live_bytes = 0;       // Keys and values that are visible at the end.
  uint64_t held_us = 0;          // In operations that took kHeldNs or longer, all together.
  uint64_t stall_us = 0;         // That writes were held back, as the engine tells it.
  bool stall_known = false;
  bool settled = true;                         // Background work came to rest within its limit.
  double beside_per_second = 0;                // Writes beside the measured reads.
  uint32_t series_seconds = 0;                 // How many of `series` are in use.
  std::array<uint32_t, kSecondsMax> series{};  // Operations of each second.

  double PerSecond() const { return static_cast<double>(operations) / seconds; }
  double CpuMicrosPerOperation() const {
    return cpu_seconds * 1e6 / static_cast<double>(operations);
  }
};
static_assert(std::is_trivially_copyable_v<Measurement>);

}  // namespace aidb::bench

#pragma once

// Runs numbered trials in forked processes, so that a signal or a hang is a result like any other.

#include <cstdint>
#include <functional>
#include <string>

namespace aidb::campaign {

enum class Fate : uint8_t { kReturned, kSignal, kHang };

struct TrialResult {
  Fate fate = Fate::kReturned;
  std::string text;  // What the trial returned; which signal it was.
};

// Calls trial(i) for i in [begin, end) in `jobs` processes, and `take` for each, here, in any
// order. A trial that takes longer than `seconds_max` of its own is a hang.
void RunInProcesses(uint64_t begin, uint64_t end, int jobs, unsigned seconds_max,
                    const std::function<std::string(uint64_t)>& trial,
                    const std::function<void(uint64_t, const TrialResult&)>& take);

}  // namespace aidb::campaign

#pragma once

#include <cstdint>
#include <string>

#include "aidb/io/env.h"

#include "tests/rot/sample.h"

namespace aidb::campaign {

enum class Verdict : uint8_t {
  kHarmless,  // All data right, nothing to complain of.
  kReported,  // An error or a report says that something is wrong; no data was.
  kSilent,    // Wrong or missing data without an error.
  kMissed,    // Opening or reading failed, yet the check had found nothing.
};

struct Outcome {
  Verdict verdict = Verdict::kHarmless;
  bool names_file = false;  // What was reported names the damaged file.
  std::string text;         // The first report, or what was wrong.
};

// What may be gone without a word. In the boot in which the store was killed: nothing. In another
// one an older ring is what a power cut may leave, so the newest un-synced writes may be missing;
// what is there is a prefix of history all the same.
enum class Tolerated : bool { kNothing, kMissingTail };

// Checks, opens, reads in every way, writes on, flushes, closes, checks and opens again.
// `directory` is the damaged store's; `file` the name of what was damaged.
Outcome RunTrial(const io::Env& env, std::string_view directory, const Sample& sample,
                 std::string_view file, Tolerated tolerated, uint64_t seed);

}  // namespace aidb::campaign

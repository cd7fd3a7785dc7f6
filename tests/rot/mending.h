#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "aidb/io/env.h"

#include "tests/rot/sample.h"
#include "tests/rot/trial.h"

namespace aidb::campaign {

enum class Mended : uint8_t {
  kWhole,     // The repair reported no loss, and nothing is lost.
  kWithLoss,  // What is lost is within what the report names.
  kWrong,
};

struct MendOutcome {
  Mended mended = Mended::kWhole;
  std::string text;  // What is wrong.
};

// Repairs the damaged store in `directory`, which it leaves as it is, and looks at what came out:
// it opens and checks clean, holds only what its keys once held, and all that the report does not
// name as lost. One damaged file is no reason for a repair to fail.
MendOutcome RunMending(const io::Env& env, std::string_view directory, const Sample& sample,
                       Tolerated tolerated);

}  // namespace aidb::campaign

#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "aidb/base/random.h"

#include "tests/campaign/store_files.h"
#include "tests/rot/sample.h"

namespace aidb::campaign {

using Target = StoreFile;
inline constexpr std::array<std::string_view, 6> kTargetNames{"CURRENT", "manifest", "JOURNAL",
                                                              "ring",    "log",      "table"};

enum class Damage : uint8_t {
  kFlipBit,
  kZeroPage,
  kTruncate,
  kSwapBlocks,
  kStaleCopy,  // The same file as it once was.
  kForeign,    // The file of that name from another store.
  kDelete,
  kDuplicate,  // A second copy under a name of the same kind.
};
inline constexpr std::array<std::string_view, 8> kDamageNames{
    "flip bit", "zero page", "truncate", "swap blocks", "stale copy", "foreign", "delete", "copy"};

struct Damaged {
  io::SimDisk disk;
  std::string file;  // Its name in the directory.
  std::string what;  // In words, to find it again.
};

// Nullopt when no file of that kind can be damaged so: nothing would change.
std::optional<Damaged> Inflict(const Sample& sample, Target target, Damage damage, Rng& rng);

}  // namespace aidb::campaign

#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "aidb/journal/file_scanner.h"
#include "aidb/journal/recovery.h"

namespace aidb::journal {

// A re-drive writes its file under the name with this behind it.
inline constexpr std::string_view kTemporarySuffix = ".tmp";

// One file of the journal as found.
struct FoundFile {
  uint64_t number = 0;
  std::string name;
  std::unique_ptr<FileScanner> scanner;
  bool has_open = false;  // Begins with a valid kOpen.
  OpenFacts open;
  uint64_t open_size = 0;
};

// The files at or above the floor, told apart.
struct Chain {
  std::vector<FoundFile> files;        // In order: each continues the one before.
  std::vector<FoundFile> leftover;     // The rest, by number.
  std::vector<std::string> temporary;  // Names of re-drives that never got theirs.
};

// Reads the head of every journal file at or above the floor and follows the predecessors from
// the newest file that has a valid head. kInvalidArgument when a newer version wrote a head.
Result<Chain> FindChain(const RecoveryInput& input);

FileIdentity IdentityOf(const RecoveryInput& input, uint64_t number);

}  // namespace aidb::journal

#pragma once

// Sorted files on their way into a store.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "aidb/base/result.h"
#include "aidb/io/file_system.h"
#include "aidb/kv/ingester.h"
#include "aidb/lsm/table_facts.h"

namespace aidb::lsm {

// The sequence of everything in a file that SortedFileWriter makes. Not 0, which is that of a range
// delete that does nothing.
inline constexpr kv::Sequence kSortedFileSequence{1};

struct SortedFile {
  std::string path;
  TableFacts facts{};    // What the file says of itself, as an ingested table.
  bool expires = false;  // Some of its values do.
};

kv::IngestedFile DescriptionOf(const SortedFile& file);

// Reads every byte of every file, and gives them in key order. Errors as kv::Ingester has them.
Result<std::vector<SortedFile>> VerifySortedFiles(io::FileSystem& files,
                                                  std::span<const std::string> paths);

enum class Placing : bool { kCopy, kLinkIfItCanBe };
// Makes `file` table `number` in `directory`: the same file under a second name, or a copy. It is
// durable then, its name is not. After an error it is not there, or without effect.
Status PlaceSortedFile(io::FileSystem& files, const SortedFile& file, std::string_view directory,
                       uint64_t number, Placing placing);

}  // namespace aidb::lsm

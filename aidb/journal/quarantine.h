#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "aidb/base/result.h"
#include "aidb/io/file_system.h"

namespace aidb::journal {

// Nothing is cut without being kept: bytes that recovery removes are copied here first.
inline constexpr std::string_view kQuarantineName = "quarantine";
inline constexpr uint64_t kQuarantineBytesMax = uint64_t{1} << 30;

// Copies bytes [offset, end) of `file` to `directory`/quarantine/<name>.<offset>, synced with
// its directory, and returns the path. A copy of an earlier, interrupted try is replaced.
// kResourceExhausted, naming what to do, when the quarantine would exceed its limit.
Result<std::string> KeepInQuarantine(io::FileSystem& files, std::string_view directory,
                                     std::string_view name, const io::File& file, uint64_t offset,
                                     uint64_t end);

}  // namespace aidb::journal

#pragma once

#include <string>
#include <string_view>

#include "aidb/lsm/dump.h"
#include "aidb/lsm/entry.h"

namespace aidb::lsm {

// "put "k" = "v"", escaped and cut to a line's length.
// `expires_at_ms` where the kind has one; the value of an operand as entries hold it.
std::string EntryText(OpKind kind, std::string_view key, std::string_view value,
                      uint64_t expires_at_ms);

// DumpFile of a table.
Status DumpTable(io::FileSystem& files, std::string_view path, const DumpLine& line);

}  // namespace aidb::lsm

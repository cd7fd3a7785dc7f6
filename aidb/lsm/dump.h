#pragma once

#include <functional>
#include <string_view>

#include "aidb/base/status.h"
#include "aidb/io/file_system.h"

namespace aidb::lsm {

// Takes one line, without its end.
using DumpLine = std::function<void(std::string_view line)>;

// Prints one file of a store for people, line by line: the records of a log with sequences, kinds
// and escaped keys; the edits of a manifest; CURRENT, JOURNAL, the ring's header; of a table the
// footer, properties, blocks and entries. What a file is follows from its name.
//
// Damage is printed where it is found and the rest goes on, as far as it can be told apart. An
// error only when the file cannot be read, or its name is none of a store's (kInvalidArgument).
Status DumpFile(io::FileSystem& files, std::string_view path, const DumpLine& line);

}  // namespace aidb::lsm

#pragma once

#include <string_view>

#include "aidb/base/status.h"

namespace aidb::rocks {

// Removes the RocksDB database in `path`, and then the directory unless it holds files of others.
// kUnavailable "already open" while it is open; then nothing was removed.
Status DestroyStore(std::string_view path);

}  // namespace aidb::rocks

#pragma once

#include <rocksdb/status.h>

#include "aidb/base/status.h"

namespace aidb::rocks {

// RocksDB's outcome in our codes; its message is kept, behind "rocksdb: ".
Status Translate(const rocksdb::Status& status);
// The same for what DB::Open returns: a held lock is kUnavailable "already open", a missing
// database kInvalidArgument.
Status TranslateOpen(const rocksdb::Status& status);

}  // namespace aidb::rocks

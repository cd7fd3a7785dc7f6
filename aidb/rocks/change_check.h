#pragma once

#include <rocksdb/db.h>

#include "aidb/base/status.h"
#include "aidb/kv/conditional_writer.h"

namespace aidb::rocks {

// kConflict naming a key that an operation behind the snapshot touched, ok if there is none. The
// caller holds off writes, and holds the snapshot: RocksDB forgets no version or deletion that
// is younger than a live snapshot and hides something it can see. It may forget a key that was
// created and deleted again since: nothing is left then that anybody could have missed.
// `since` is the snapshot's sequence as RocksDB counts. An instant of expiry is written with its
// value, so a look at the values is enough.
Status CheckUnchanged(rocksdb::DB& db, const kv::Precondition& unchanged, uint64_t since);

}  // namespace aidb::rocks

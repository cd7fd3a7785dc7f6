#pragma once

#include <rocksdb/options.h>

#include "aidb/base/result.h"
#include "aidb/kv/options.h"

namespace aidb::rocks {

// Our options as RocksDB's, without collaborators (listener). `parallelism` is what
// Executor::Parallelism says. kInvalidArgument naming the option that cannot be mapped.
Result<rocksdb::Options> MapOptions(const kv::Options& options, int parallelism);

}  // namespace aidb::rocks

// What a build without RocksDB says when it is asked for.

#include "aidb/db/backends.h"

namespace aidb {
namespace {

Status NotBuilt() {
  return InvalidArgument(
      "this build has no rocksdb backend; install librocksdb-dev and configure with "
      "-DAIDB_ROCKS=ON");
}

}  // namespace

Result<OpenedBackend> OpenRocks(const io::Env& /*env*/, std::string_view /*directory*/,
                                const kv::Options& /*options*/,
                                const kv::MergeFunction* /*merge*/) {
  return NotBuilt();
}

Status DestroyRocks(std::string_view /*directory*/) { return NotBuilt(); }

}  // namespace aidb

// RocksDB as a backend, in builds that have it.

#include <utility>

#include "aidb/db/backends.h"
#include "aidb/rocks/destroy.h"
#include "aidb/rocks/rocks_store.h"

namespace aidb {

Result<OpenedBackend> OpenRocks(const io::Env& env, std::string_view directory,
                                const kv::Options& options, const kv::MergeFunction* merge) {
  AIDB_ASSIGN_OR_RETURN(std::unique_ptr<rocks::RocksStore> store,
                        rocks::RocksStore::Open(env, directory, options, merge));
  rocks::RocksStore* const rocks = store.get();
  return OpenedBackend{
      .store = std::move(store), .conditional = rocks, .compactor = rocks, .checkpointer = rocks};
}

Status DestroyRocks(std::string_view directory) { return rocks::DestroyStore(directory); }

}  // namespace aidb

#include "aidb/db/backends.h"

#include <string>
#include <utility>

#include "aidb/kv/batch_ingester.h"
#include "aidb/kv/memory_store.h"
#include "aidb/lsm/destroy.h"
#include "aidb/lsm/open.h"
#include "aidb/lsm/repair.h"
#include "aidb/lsm/sorted_files.h"

namespace aidb {
namespace {

std::string_view BackendName(kv::Backend backend) {
  switch (backend) {
    case kv::Backend::kNative:
      return "native";
    case kv::Backend::kRocksDb:
      return "rocksdb";
    case kv::Backend::kMemory:
      return "memory";
  }
  return "unknown";
}

Status CheckMadeBy(const io::FileSystem& files, std::string_view directory, kv::Backend wanted) {
  AIDB_ASSIGN_OR_RETURN(const std::optional<kv::Backend> found, BackendAt(files, directory));
  if (!found || *found == wanted) return {};
  return InvalidArgument(std::string(directory) + ": holds a store of the " +
                         std::string(BackendName(*found)) + " backend; open it with that, not " +
                         std::string(BackendName(wanted)));
}

void AddBatchIngester(const io::Env& env, const kv::Options& options, OpenedBackend& opened) {
  opened.batch_ingester = std::make_unique<kv::BatchIngester>(
      *opened.store, lsm::NewSortedFileSource(env.files), options.batch_bytes_max);
  opened.ingester = opened.batch_ingester.get();
}

}  // namespace

Result<std::optional<kv::Backend>> BackendAt(const io::FileSystem& files,
                                             std::string_view directory) {
  AIDB_ASSIGN_OR_RETURN(const bool native, files.Exists(io::JoinPath(directory, "JOURNAL")));
  if (native) return std::optional(kv::Backend::kNative);
  AIDB_ASSIGN_OR_RETURN(const bool rocks, files.Exists(io::JoinPath(directory, "IDENTITY")));
  if (rocks) return std::optional(kv::Backend::kRocksDb);
  return std::optional<kv::Backend>();
}

Result<OpenedBackend> OpenBackend(const io::Env& env, std::string_view directory,
                                  const kv::Options& options, const kv::MergeFunction* merge) {
  switch (options.backend) {
    case kv::Backend::kNative: {
      AIDB_RETURN_IF_ERROR(CheckMadeBy(env.files, directory, options.backend));
      AIDB_ASSIGN_OR_RETURN(lsm::OpenedStore opened,
                            lsm::OpenStore(env, directory, options, merge));
      return OpenedBackend{.store = std::move(opened.store),
                           .conditional = opened.conditional,
                           .compactor = opened.compactor,
                           .checkpointer = opened.checkpointer,
                           .updates = opened.updates,
                           .ingester = opened.ingester};
    }
    case kv::Backend::kRocksDb: {
      AIDB_RETURN_IF_ERROR(CheckMadeBy(env.files, directory, options.backend));
      AIDB_ASSIGN_OR_RETURN(OpenedBackend opened, OpenRocks(env, directory, options, merge));
      AddBatchIngester(env, options, opened);
      return opened;
    }
    case kv::Backend::kMemory: {
      AIDB_ASSIGN_OR_RETURN(std::unique_ptr<kv::MemoryStore> store,
                            kv::MemoryStore::Open(options, env.clock, merge));
      kv::MemoryStore* const memory = store.get();
      OpenedBackend opened{
          .store = std::move(store), .conditional = memory, .compactor = memory, .updates = memory};
      AddBatchIngester(env, options, opened);
      return opened;
    }
  }
  return InvalidArgument("option backend is " +
                         std::to_string(static_cast<unsigned>(options.backend)) +
                         "; allowed is 0 to 2");
}

Status DestroyBackend(const io::Env& env, std::string_view directory) {
  AIDB_ASSIGN_OR_RETURN(const std::optional<kv::Backend> found, BackendAt(env.files, directory));
  if (found == kv::Backend::kRocksDb) return DestroyRocks(directory);
  return lsm::DestroyStore(env, directory);
}

Result<kv::RepairReport> RepairBackend(const io::Env& env, std::string_view directory,
                                       std::string_view target) {
  AIDB_RETURN_IF_ERROR(CheckMadeBy(env.files, directory, kv::Backend::kNative));
  return lsm::RepairStore(env, directory, target);
}

}  // namespace aidb

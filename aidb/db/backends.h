#pragma once

#include <memory>
#include <optional>
#include <string_view>

#include "aidb/base/result.h"
#include "aidb/io/env.h"
#include "aidb/kv/checkpointer.h"
#include "aidb/kv/conditional_writer.h"
#include "aidb/kv/ingester.h"
#include "aidb/kv/merge.h"
#include "aidb/kv/options.h"
#include "aidb/kv/range_compactor.h"
#include "aidb/kv/repair_report.h"
#include "aidb/kv/store.h"
#include "aidb/kv/update_feed.h"

namespace aidb {

struct OpenedBackend {
  std::unique_ptr<kv::Store> store;
  kv::ConditionalWriter* conditional = nullptr;  // The same object.
  kv::RangeCompactor* compactor = nullptr;       // Likewise.
  kv::Checkpointer* checkpointer = nullptr;      // Likewise; null: it keeps nothing on a disk.
  // Likewise; null: its log goes when it likes, whoever reads it (RocksDB's).
  kv::UpdateFeed* updates = nullptr;
  kv::Ingester* ingester = nullptr;                        // Likewise, or batch_ingester.
  std::unique_ptr<kv::Ingester> batch_ingester = nullptr;  // Borrows the store.
};

// Which backend made the store in `directory`; nullopt when there is none. JOURNAL is a file that
// only the native one has, IDENTITY one that only RocksDB has.
Result<std::optional<kv::Backend>> BackendAt(const io::FileSystem& files,
                                             std::string_view directory);

// Opens the store in `directory` with options.backend; kInvalidArgument when another backend made
// it.
Result<OpenedBackend> OpenBackend(const io::Env& env, std::string_view directory,
                                  const kv::Options& options, const kv::MergeFunction* merge);
// See DB::Destroy.
Status DestroyBackend(const io::Env& env, std::string_view directory);
// See DB::Repair.
Result<kv::RepairReport> RepairBackend(const io::Env& env, std::string_view directory,
                                       std::string_view target);

// In rocks_backend.cc; in rocks_absent.cc, for a build without RocksDB, both refuse.
Result<OpenedBackend> OpenRocks(const io::Env& env, std::string_view directory,
                                const kv::Options& options, const kv::MergeFunction* merge);
Status DestroyRocks(std::string_view directory);

}  // namespace aidb

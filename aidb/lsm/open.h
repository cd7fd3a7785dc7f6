#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "aidb/base/result.h"
#include "aidb/io/env.h"
#include "aidb/kv/checkpointer.h"
#include "aidb/kv/conditional_writer.h"
#include "aidb/kv/ingester.h"
#include "aidb/kv/merge.h"
#include "aidb/kv/options.h"
#include "aidb/kv/range_compactor.h"
#include "aidb/kv/store.h"
#include "aidb/kv/update_feed.h"

namespace aidb::lsm {

// What opening found and did.
struct OpenReport {
  bool created = false;
  bool clean = false;                   // It had been closed in order.
  uint64_t log_records = 0;             // Replayed.
  uint64_t orphans_removed = 0;         // Files of interrupted jobs.
  std::vector<std::string> quarantine;  // Paths of bytes that were cut and kept.
  std::vector<std::string> notes;       // In words.
};

struct OpenedStore {
  std::unique_ptr<kv::Store> store;
  kv::ConditionalWriter* conditional = nullptr;  // The same object.
  kv::RangeCompactor* compactor = nullptr;       // Likewise.
  kv::Checkpointer* checkpointer = nullptr;      // Likewise.
  kv::UpdateFeed* updates = nullptr;             // Likewise.
  kv::Ingester* ingester = nullptr;              // Likewise.
  OpenReport report;
};

// Opens or creates the native store in `directory`, whose parent must exist.
//
// kUnavailable "already open by pid N"; kInvalidArgument for options, a store that is missing or
// must not be there, or files of a newer version; kCorruption naming file and offset: then
// nothing was changed, but that a manifest of a store that was not closed may have been copied.
//
// Lifetime: what `env` refers to outlives the store and every handle it gave out.
// `merge` has the user's operators, if there are any, and outlives the store.
Result<OpenedStore> OpenStore(const io::Env& env, std::string_view directory,
                              const kv::Options& options, const kv::MergeFunction* merge = nullptr);

}  // namespace aidb::lsm

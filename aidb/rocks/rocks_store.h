#pragma once

#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "aidb/io/env.h"
#include "aidb/kv/checkpointer.h"
#include "aidb/kv/conditional_writer.h"
#include "aidb/kv/merge.h"
#include "aidb/kv/range_compactor.h"
#include "aidb/kv/store.h"

namespace aidb::rocks {

// RocksDB behind the storage contract. Keys and values are stored as they are, in the default
// column family: the directory stays an ordinary RocksDB directory. Our sequences are its own
// until the first value that expires; from then on a second column family holds the instants
// (expiry_column.h), and RocksDB takes two for each of ours. An expired value keeps its space until
// its key is written again.
//
// Visible: when Write returns, as RocksDB does it. Durable: what survives a power cut, and how
// damage is found, is RocksDB's business; sync_interval_ms adds a task that syncs its log.
//
// RocksDB reads files, starts threads and asks the time by itself. Of the Env only the executor,
// the clock (for the syncing task and for expiry) and the logger are used. The highest time seen is
// not kept over a Close: a clock that was set back meanwhile shows expired values again.
//
// Thread safety: any thread may call any method.
// Lifetime: snapshots, iterators and large pinned values keep the database open, and so its
// directory locked, when they outlive Close.
class RocksStore final : public kv::Store,
                         public kv::ConditionalWriter,
                         public kv::RangeCompactor,
                         public kv::Checkpointer {
 public:
  // Every option is mapped to RocksDB's own, or refused with kInvalidArgument when it differs
  // from its default: log_bytes, write_wait_ms and scrub_period_s have no counterpart,
  // write_buffer_bytes has a lower limit, and a codec may not be compiled in. `merge` has the
  // user's operators, if there are any, and outlives the store: merges are put as what they make,
  // while other writes wait. kUnavailable "already open" when another process, or this one, holds
  // the directory.
  static Result<std::unique_ptr<RocksStore>> Open(const io::Env& env, std::string_view path,
                                                  const kv::Options& options,
                                                  const kv::MergeFunction* merge = nullptr);
  ~RocksStore() override;

  Result<kv::Sequence> Write(kv::WriteBatch batch, const kv::WriteOptions& options) override;
  Result<std::optional<kv::PinnedValue>> Get(std::string_view key,
                                             const kv::ReadOptions& options) const override;
  std::vector<Result<std::optional<kv::PinnedValue>>> MultiGet(
      std::span<const std::string_view> keys, const kv::ReadOptions& options) const override;
  kv::Iterator Scan(const kv::ScanOptions& options) const override;
  kv::Snapshot TakeSnapshot() const override;
  Status Sync() override;
  Status Flush() override;
  kv::StoreStats Stats() const override;
  Status Close() override;

  // Shuts out other writes while it checks and writes.
  Result<kv::Sequence> WriteIf(const kv::Precondition& unchanged, kv::WriteBatch batch,
                               const kv::WriteOptions& options) override;
  Status Compact(const kv::ScanRange& range) override;
  // Flushes first, as RocksDB does it; on another file system files are copied.
  Status Checkpoint(std::string_view directory) override;

 private:
  class Impl;

  explicit RocksStore(std::unique_ptr<Impl> impl);

  const std::unique_ptr<Impl> impl_;  // Keeps RocksDB's headers out of this one.
};

}  // namespace aidb::rocks

#pragma once

#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "aidb/base/clock.h"
#include "aidb/kv/conditional_writer.h"
#include "aidb/kv/merge.h"
#include "aidb/kv/range_compactor.h"
#include "aidb/kv/store.h"
#include "aidb/kv/update_feed.h"

namespace aidb::kv {

// The contract in its plainest form: one ordered map of keys to versions under one mutex. It is
// the model in other modules' tests, so it is written to be believed before it is fast.
//
// Visible: at once, batch by batch. Durable: never; Sync and Flush have nothing to do. Versions
// that no live snapshot or iterator can see are dropped, expired values with the next write.
//
// Memory: keys, values and kVersionOverheadBytes per version (kExpiryOverheadBytes more for one
// that expires) count against memory_bytes. A batch
// that does not fit is kResourceExhausted; the last sixteenth is kept for batches of deletes
// alone, so that a full store can be emptied.
//
// Updates are kept while a feed waits for them, in a sixteenth of memory_bytes besides: one that is
// further behind is cut off. None is durable.
//
// Thread safety: any thread may call any method.
// Lifetime: snapshots, iterators, feeds and pinned values may outlive it; clock and merge function
// outlive the store.
class MemoryStore final : public Store,
                          public ConditionalWriter,
                          public RangeCompactor,
                          public UpdateFeed {
 public:
  // Honours memory_bytes, batch_bytes_max and write_wait_ms (it never waits). kInvalidArgument
  // for any other tuning option that differs from its default, and for the modes that need a
  // store to be there already.
  // `merge` has the user's operators, if there are any.
  static Result<std::unique_ptr<MemoryStore>> Open(const Options& options, const Clock& clock,
                                                   const MergeFunction* merge = nullptr);
  ~MemoryStore() override;

  Result<Sequence> Write(WriteBatch batch, const WriteOptions& options) override;
  Result<std::optional<PinnedValue>> Get(std::string_view key,
                                         const ReadOptions& options) const override;
  std::vector<Result<std::optional<PinnedValue>>> MultiGet(
      std::span<const std::string_view> keys, const ReadOptions& options) const override;
  Iterator Scan(const ScanOptions& options) const override;
  Snapshot TakeSnapshot() const override;
  Status Sync() override;
  Status Flush() override;
  StoreStats Stats() const override;
  Status Close() override;

  Result<Sequence> WriteIf(const Precondition& unchanged, WriteBatch batch,
                           const WriteOptions& options) override;
  // What it promises always holds.
  Status Compact(const ScanRange& range) override;
  Result<Updates> UpdatesSince(Sequence from, const UpdateOptions& options) override;

  // What a version costs beside its bytes: map node, version, value block and the queue entry
  // that drops it, as libstdc++ lays them out, rounded up.
  static constexpr uint64_t kVersionOverheadBytes = 208;
  // What one that expires costs on top: its place in the order of expiry.
  static constexpr uint64_t kExpiryOverheadBytes = 64;

 private:
  class Core;
  class HeldMoment;
  class MemoryCursor;

  explicit MemoryStore(std::shared_ptr<Core> core);

  const std::shared_ptr<Core> core_;  // Shared with snapshots and iterators, which may outlive us.
};

}  // namespace aidb::kv

#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "aidb/base/result.h"
#include "aidb/kv/iterator.h"
#include "aidb/kv/options.h"
#include "aidb/kv/pinned_value.h"
#include "aidb/kv/snapshot.h"
#include "aidb/kv/stats.h"
#include "aidb/kv/types.h"
#include "aidb/kv/write_batch.h"

namespace aidb::kv {

// The storage contract. What the conformance suite (kv/conformance.h) does not check is not
// part of it. Implementations: lsm::Engine, rocks::RocksStore, kv::MemoryStore.
//
// Order is unsigned byte order, a prefix before its extensions. The empty key is a key, the
// empty value a value.
//
// Visibility: when Write returns ok, every later read on any thread sees it; writes become
// visible in sequence order. Durability: see WriteOptions; in every mode acknowledged writes
// survive SIGKILL and what survives a power cut is a prefix of history with whole batches
// (MemoryStore promises neither).
//
// Errors: after kInvalidArgument, kConflict and kResourceExhausted nothing has happened. After
// kIoError the batch is wholly present or wholly absent once the store is opened again. After
// Close everything gives kUnavailable.
//
// Thread safety: any thread may call any method.
// Lifetime: snapshots, iterators and pinned values may outlive the store.
class Store {
 public:
  virtual ~Store() = default;

  // The only way in. Returns the last sequence of the batch; an empty batch takes none and
  // returns the newest visible one.
  virtual Result<Sequence> Write(WriteBatch batch, const WriteOptions& options) = 0;
  virtual Result<std::optional<PinnedValue>> Get(std::string_view key,
                                                 const ReadOptions& options) const = 0;
  // All keys at one sequence; answers in the order asked, with an error per key. At most 65,536
  // keys.
  virtual std::vector<Result<std::optional<PinnedValue>>> MultiGet(
      std::span<const std::string_view> keys, const ReadOptions& options) const = 0;
  // Positioned on the first key of its range in its order.
  virtual Iterator Scan(const ScanOptions& options) const = 0;
  virtual Snapshot TakeSnapshot() const = 0;
  // ok: everything written before the call is on the disk.
  virtual Status Sync() = 0;
  // ok: everything written before the call is in tables.
  virtual Status Flush() = 0;
  virtual StoreStats Stats() const = 0;
  // Waits for calls in progress, makes everything durable and marks the shutdown clean. Does
  // not flush memtables. A second call is ok and does nothing.
  virtual Status Close() = 0;
};

inline constexpr size_t kMultiGetKeysMax = 65'536;

}  // namespace aidb::kv

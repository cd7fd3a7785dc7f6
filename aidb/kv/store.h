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

inline constexpr size_t kMultiGetKeysMax = 65'536;

// The storage contract. What the conformance suite (kv/conformance.h) does not check is not
// part of it. Implementations: lsm::Engine, rocks::RocksStore, kv::MemoryStore.
//
// Order is unsigned byte order, a prefix before its extensions. The empty key is a key, the
// empty value a value.
//
// Limits: keys to kKeyBytesMax, batches to Options::batch_bytes_max and kBatchOperationsMax.
// Beyond: kInvalidArgument with both numbers.
//
// Visibility: when Write returns ok, every later read on any thread sees it; batches become
// visible whole and in sequence order. A read without a snapshot takes its one sequence at the
// call. Durability: see WriteOptions; in every mode acknowledged writes survive SIGKILL and what
// survives a power cut is a prefix of history with whole batches (MemoryStore promises neither).
//
// Expiry: a value put with `expires_at_ms` is absent from that instant on, by the wall clock handed
// in at Open, which never runs backwards here: the highest value seen holds until the store ends.
// A put without expiry clears it. A snapshot, and every read through it, judges by the clock at its
// creation; a Scan by the clock at the call. PinnedValue::expires_at_ms says when a value will go.
// Expiring is no write: no conditional write takes it for a change, and no read makes the time it
// saw durable. So after a kill or a power cut, if the wall clock was set back meanwhile, a value
// may show again that had been seen as expired; what it had hidden, or a merge made of its absence,
// does not. lsm::Engine keeps the time over Close, flush and compaction; rocks::RocksStore over
// none.
//
// Merge: the key comes to hold what the operator makes of what it held, or of nothing, and the
// operand; merges of a key apply one after the other, none is lost. A value that expires keeps its
// instant. Operators are total, so a merge fails as a put does, of a batch that comes out above
// the limits (values of kAddI64, kMax and kMin do not grow: a store may leave these unread, and
// fold them when they are), of a user's operator (from kUserMergeMin on) where the store was opened
// without its function, and with the error of reading what the key holds: then nothing has
// happened.
//
// Range deletes: of every key in [begin, end) what was written before goes, and what is written
// later, by the same batch or another, stays. It is one operation, with one sequence, whatever the
// range holds; an empty range is none. The end may be left out: then the range ends behind the
// last key that the store, or the batch so far, holds when the batch is written. (Keys are at most
// kKeyBytesMax, so no key could stand for the end of all of them but a string of that size.) A
// range that ends before it begins is kInvalidArgument.
//
// Errors: after kInvalidArgument, kConflict and kResourceExhausted nothing has happened. After
// kIoError the batch is wholly present or wholly absent once the store is opened again, and
// visible or not until then. A snapshot of another store is kInvalidArgument. In a store opened
// read-only writes give kUnavailable. After Close everything gives kUnavailable, except Stats,
// TakeSnapshot and Close itself.
//
// Thread safety: any thread may call any method.
// Lifetime: snapshots, iterators and pinned values may outlive the store; each keeps alive what
// it needs. The directory may be opened again once the store is closed or destroyed and these
// are gone. Destroying a store without Close loses what SIGKILL would: nothing acknowledged.
class Store {
 public:
  virtual ~Store() = default;

  // The only way in. Returns the last sequence of the batch; an empty batch takes none and
  // returns the newest visible one.
  virtual Result<Sequence> Write(WriteBatch batch, const WriteOptions& options) = 0;
  virtual Result<std::optional<PinnedValue>> Get(std::string_view key,
                                                 const ReadOptions& options) const = 0;
  // All keys at one sequence; answers in the order asked, with an error per key. More than
  // kMultiGetKeysMax keys: kInvalidArgument for each.
  virtual std::vector<Result<std::optional<PinnedValue>>> MultiGet(
      std::span<const std::string_view> keys, const ReadOptions& options) const = 0;
  // Positioned on the first key of its range in its order. What fails here is found in the
  // iterator's status.
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

// For backends: the kInvalidArgument for a MultiGet of `count` keys.
Status MultiGetTooLarge(size_t count);

}  // namespace aidb::kv

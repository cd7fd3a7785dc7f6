#pragma once

// The front door: one class that opens a directory with a chosen backend.
//
//   auto db = aidb::DB::Open("data");
//   if (!db.ok()) return db.status();
//   (*db)->Put("city:paris", "2.1M");
//   auto population = (*db)->Get("city:paris");     // Result<std::optional<std::string>>
//
// examples/ has whole programs, docs/guides/ explains them.

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "aidb/base/result.h"
#include "aidb/db/transaction.h"
#include "aidb/kv/checkpointer.h"
#include "aidb/kv/conditional_writer.h"
#include "aidb/kv/ingester.h"
#include "aidb/kv/keyspace.h"
#include "aidb/kv/merge.h"
#include "aidb/kv/range_compactor.h"
#include "aidb/kv/repair_report.h"
#include "aidb/kv/store.h"
#include "aidb/kv/update_feed.h"
#include "aidb/lsm/sorted_files.h"

namespace aidb {

namespace io {
struct Env;
}
class KeyspaceCatalogue;

using kv::Backend;
using kv::Compression;
using kv::IngestedFile;
using kv::IngestNote;
using kv::Iterator;
using kv::Keyspace;
using kv::MergeFunction;
using kv::MergeOperator;
using kv::Options;
using kv::PinnedValue;
using kv::ReadOptions;
using kv::RepairReport;
using kv::ScanOptions;
using kv::ScanOrder;
using kv::ScanRange;
using kv::Sequence;
using kv::Snapshot;
using kv::StoreMode;
using kv::StoreStats;
using kv::Update;
using kv::UpdateLevel;
using kv::UpdateOptions;
using kv::Updates;
using kv::WriteBatch;
using kv::WriteOptions;
using lsm::SortedFileOptions;
using lsm::SortedFileWriter;

// Ordered maps of bytes to bytes in a directory: the default one, and the keyspaces beside it.
//
// What each call means is the contract of kv::Store; this class adds opening, transactions,
// keyspaces and destroying, and no other semantics. In short: a write is visible to every later
// read once it returns, survives the process at once and a power cut as WriteOptions and
// Options::sync_interval_ms say; a batch is seen and survives whole; absence is a value.
//
// Thread safety: any thread may call any method.
// Lifetime: iterators, snapshots, updates and pinned values may outlive it and then give
// kUnavailable.
// Transactions end before it. Destroying it closes it; what Close would have returned goes to
// the log.
class DB {
 public:
  // Opens or creates the store in the directory `path`, whose parent must exist; Options::mode
  // says whether it may or must be there. The memory backend keeps nothing and ignores `path`.
  //
  // kUnavailable "already open by pid N"; kInvalidArgument for options, for a store that is
  // missing or must not be there, and for the directory of another backend; kCorruption naming
  // file and offset.
  //
  // `merge` has the user's merge operators, if there are any, and outlives the DB.
  static Result<std::unique_ptr<DB>> Open(std::string_view path, const Options& options = {},
                                          const MergeFunction* merge = nullptr);
  // The same in a world handed in, which must outlive the DB and every handle it gave out.
  static Result<std::unique_ptr<DB>> Open(const io::Env& env, std::string_view path,
                                          const Options& options = {},
                                          const MergeFunction* merge = nullptr);
  // Removes the store in `path`, of whichever backend, and then the directory unless it holds
  // files of others, which are left alone. kUnavailable while the store is open. Removing what is
  // not there is ok.
  static Status Destroy(std::string_view path);
  static Status Destroy(const io::Env& env, std::string_view path);
  // Makes the directory `target`, which must not exist, a store of all that can be read of the
  // damaged one in `path`, which is left as it is. The report names what is lost. For stores of the
  // native backend; kUnavailable while the store is open, kCorruption when nothing can be saved.
  static Result<RepairReport> Repair(std::string_view path, std::string_view target);
  static Result<RepairReport> Repair(const io::Env& env, std::string_view path,
                                     std::string_view target);

  DB(const DB&) = delete;
  DB& operator=(const DB&) = delete;
  ~DB();

  // The keyspace of that name, 1 to kv::kKeyspaceNameBytesMax bytes of any kind; `mode` says
  // whether it may or must be there. What takes a `keyspace` then works on it, and on the default
  // one where that is null; one batch, transaction or snapshot works on all. It costs nothing while
  // nobody uses it. Keys take 2 to 6 bytes more in the store, and have at most
  // kv::kPrefixedKeyBytesMax.
  //
  // kInvalidArgument for a name of another length, and for a keyspace that is missing or must not
  // be there; kResourceExhausted when there are kv::kKeyspacesMax.
  Result<Keyspace> OpenKeyspace(std::string_view name,
                                StoreMode mode = StoreMode::kCreateIfMissing);
  // The keyspace and its keys are gone, at once and together; one that was not there, too. It waits
  // for the writes to it that have begun. The space comes back as the background merges tables, or
  // with Compact. After kIoError it is gone or not once the DB is opened again, and serves nobody
  // until then, or until it is dropped again.
  Status DropKeyspace(std::string_view name);
  // Those that there are, by name; the default one has none.
  Result<std::vector<Keyspace>> Keyspaces() const;

  Status Put(std::string_view key, std::string_view value, const WriteOptions& options = {});
  // A value that is absent from `expires_at_ms` on: milliseconds since 1970 by the wall clock,
  // which never runs backwards here. A Put clears that; GetPinned tells it.
  Status PutUntil(std::string_view key, std::string_view value, uint64_t expires_at_ms,
                  const WriteOptions& options = {});
  // The key comes to hold what `op` makes of what it held, or of nothing, and `operand`. Merges of
  // many threads follow each other: none is lost.
  Status Merge(std::string_view key, MergeOperator op, std::string_view operand,
               const WriteOptions& options = {});
  // Deleting an absent key succeeds.
  Status Delete(std::string_view key, const WriteOptions& options = {});
  // Deletes every key in [begin, end), however many there are, in the time of one write; without an
  // end every key from `begin` on. kInvalidArgument when it ends before it begins; where it ends
  // where it begins nothing happens.
  Status DeleteRange(std::string_view begin, std::optional<std::string_view> end,
                     const WriteOptions& options = {});
  // Returns the last sequence of the batch, whose operations name their keyspaces.
  Result<Sequence> Write(WriteBatch batch, const WriteOptions& options = {});

  // The value, or nullopt when there is none.
  Result<std::optional<std::string>> Get(std::string_view key,
                                         const ReadOptions& options = {}) const;
  // Get without the copy: the value stays where the store has it until the result is destroyed.
  Result<std::optional<PinnedValue>> GetPinned(std::string_view key,
                                               const ReadOptions& options = {}) const;
  // All keys at one moment; answers in the order asked. At most kv::kMultiGetKeysMax keys.
  std::vector<Result<std::optional<PinnedValue>>> MultiGet(std::span<const std::string_view> keys,
                                                           const ReadOptions& options = {}) const;
  // A walk over a range or a prefix in either order. An error ends it: look at status().
  Iterator Scan(const ScanOptions& options = {}) const;
  // The state of this moment, for as long as it is kept.
  kv::Snapshot Snapshot() const;
  // An optimistic transaction on the state of this moment.
  Transaction Begin();

  // ok: everything written before the call is on the disk.
  Status Sync();
  // ok: everything written before the call is in tables, so that the next open need not replay it.
  Status Flush();
  // ok: what had been written to the keys of `range` is in one sorted run, without what is deleted
  // or overwritten and no snapshot sees. No range at all and no keyspace: of all of them, and of
  // those that were dropped. The background does what is needed by itself; this is for
  // the space of much that was deleted, or before a long time of reading. Takes long, needs the
  // space of one merge of a few tables, and ends with kUnavailable when Close comes.
  Status Compact(const ScanRange& range = {}, const Keyspace* keyspace = nullptr);
  // Makes `directory`, which must not exist, a store of its own with what this one holds at one
  // moment of the call. Takes little space and time, for the two share files that never change;
  // so it must be on the same file system. kInvalidArgument from the memory backend, which keeps
  // nothing.
  Status Checkpoint(std::string_view directory);
  // Every batch with a sequence above `from` in order: those that the log still holds, then those
  // that are written while it is read (docs/guides/updates.md). Operations name their keyspace by
  // its number; making one and dropping one are operations, too. kResourceExhausted when the past
  // from there on is gone: take a checkpoint and begin anew. kInvalidArgument from the rocksdb
  // backend, whose log cannot be kept for a reader.
  Result<kv::Updates> UpdatesSince(Sequence from, const UpdateOptions& options = {});
  // Puts what sorted files hold, made by Export or a SortedFileWriter, into the store as one write,
  // on the disk when this returns; kv::Ingester says it to the letter. The native backend makes
  // them tables as they are: what fills a store fastest. They share no key with each other. The
  // others write them as one batch, so batch_bytes_max limits what they hold. What they hold goes
  // into the default keyspace; kInvalidArgument for a file with keys that begin with the byte FF.
  Result<Sequence> Ingest(std::span<const std::string> files);
  // Writes the keys and values of a range, as they are at one moment, or at options.snapshot, with
  // their instants of expiry, to the new sorted file `path`, for an Ingest into any store.
  // kInvalidArgument when there is such a file, nothing in the range, or a key that begins with the
  // byte FF.
  Result<IngestedFile> Export(std::string_view path, const ScanOptions& options = {}) const;
  StoreStats Stats() const;
  // Waits for calls in progress, makes everything durable and marks the shutdown clean. A second
  // call is ok and does nothing.
  Status Close();

 private:
  struct World;  // The real one, for a DB that was handed none.
  struct Opened;

  DB(std::unique_ptr<World> world, const io::Env& env, Opened opened);
  static Result<std::unique_ptr<DB>> OpenIn(std::unique_ptr<World> world, const io::Env& env,
                                            std::string_view path, const Options& options,
                                            const MergeFunction* merge);
  // A batch of one operation, made for the keyspace of `options`.
  Result<Sequence> WriteOne(WriteBatch batch, const WriteOptions& options);

  const std::unique_ptr<World> world_;  // Null when an Env was handed in. Outlives store_.
  // Of the world, copied; on the heap, for Env is not known here.
  const std::unique_ptr<const io::Env> env_;
  const uint64_t batch_bytes_max_;
  const kv::Merger merger_;
  // The user's function behind one that knows stored keys; null without. Outlives store_.
  const std::unique_ptr<const MergeFunction> stored_merge_;
  const std::unique_ptr<kv::Store> store_;
  kv::ConditionalWriter& conditional_;    // The same object.
  kv::RangeCompactor& compactor_;         // Likewise.
  kv::Checkpointer* const checkpointer_;  // Likewise, or null.
  kv::UpdateFeed* const updates_;         // Likewise, or null.
  const std::unique_ptr<KeyspaceCatalogue> catalogue_;
  const std::unique_ptr<kv::Ingester> batch_ingester_;  // Or null.
  kv::Ingester& ingester_;                              // It, or the same object as store_.
};

}  // namespace aidb

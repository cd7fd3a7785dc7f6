#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "aidb/base/result.h"
#include "aidb/kv/iterator.h"
#include "aidb/kv/keyspace.h"
#include "aidb/kv/merge.h"
#include "aidb/kv/options.h"
#include "aidb/kv/types.h"

namespace aidb::kv {
class ConditionalWriter;
class Store;
}  // namespace aidb::kv

namespace aidb {

class KeyspaceCatalogue;

// Several reads and writes that take effect together or not at all.
//
// Optimistic: nothing is locked. Reads see the state at Begin with the transaction's own writes
// on top; nobody else sees those before Commit, which succeeds only if no key that was written
// here has been written by others since Begin (snapshot isolation, the first committer wins).
// What was only read may have changed meanwhile, unless GetForUpdate or ScanForUpdate read it:
// with these for every read, transactions are serialisable. docs/guides/transactions.md lists the
// anomalies and which call prevents each.
//
// Keys are of the keyspace named, of the default one where that is null; one transaction may work
// on several. If one of them is dropped meanwhile, Commit is kInvalidArgument and writes nothing.
//
// Commit and Rollback end it, whatever they return; every other call then is kInvalidArgument. To
// retry after kConflict, begin another. The destructor rolls back.
//
// Limits: own writes and the keys and bounds guarded for Commit together take at most
// Options::batch_bytes_max (each counts kOperationOverheadBytes more than its bytes), keys
// kv::kKeyBytesMax, with a keyspace kv::kPrefixedKeyBytesMax. Beyond: kInvalidArgument with both
// numbers, and the call did nothing.
//
// Thread safety: none for one transaction; different ones are independent.
// Lifetime: must end before the DB is destroyed. It holds a snapshot, so the store keeps what that
// sees until the transaction ends.
class Transaction {
 public:
  // For DB::Begin. `conditional` is the same object as `store`.
  Transaction(kv::Store& store, kv::ConditionalWriter& conditional, KeyspaceCatalogue& catalogue,
              uint64_t batch_bytes_max, const kv::Merger& merger);
  Transaction(Transaction&&) noexcept;
  Transaction& operator=(Transaction&&) noexcept;
  ~Transaction();

  Status Put(std::string_view key, std::string_view value, const kv::Keyspace* keyspace = nullptr);
  // See DB::PutUntil. Own reads judge it by the clock at Begin.
  Status PutUntil(std::string_view key, std::string_view value, uint64_t expires_at_ms,
                  const kv::Keyspace* keyspace = nullptr);
  // See DB::Merge. Reads the key now and records the result as its own write: another's write to
  // the key, a merge as well, makes Commit a kConflict.
  Status Merge(std::string_view key, kv::MergeOperator op, std::string_view operand,
               const kv::Keyspace* keyspace = nullptr);
  Status Delete(std::string_view key, const kv::Keyspace* keyspace = nullptr);

  // Own writes first, then the state at Begin.
  Result<std::optional<std::string>> Get(std::string_view key,
                                         const kv::Keyspace* keyspace = nullptr) const;
  // The same, and Commit fails if another has written or deleted the key since Begin.
  Result<std::optional<std::string>> GetForUpdate(std::string_view key,
                                                  const kv::Keyspace* keyspace = nullptr);
  // Walks own writes made before this call merged with the state at Begin. The iterator may
  // outlive the transaction. `options.snapshot` must be null.
  kv::Iterator Scan(const kv::ScanOptions& options = {}) const;
  // The same, and Commit fails if another has written, deleted or created a key in the range
  // since Begin, even where the walk did not come.
  kv::Iterator ScanForUpdate(const kv::ScanOptions& options = {});

  // kConflict: another write got there first, nothing was written. Other failures as
  // kv::Store::Write. Without writes it checks what was guarded and writes nothing. Returns the
  // sequence of the last write, or the newest one when there was none.
  Result<kv::Sequence> Commit(const kv::WriteOptions& options = {});
  // Forgets everything. Nothing happens when the transaction has ended.
  void Rollback();

  // A bound on what an operation adds to its key and value in a batch: a kind and two lengths, and
  // an instant where the value expires.
  static constexpr uint64_t kOperationOverheadBytes = 11;
  static constexpr uint64_t kExpiryBytes = 8;

 private:
  struct State;

  // Records that `key` becomes `value`, absent for a delete.
  Status Record(std::string_view key, std::optional<std::string_view> value,
                std::optional<uint64_t> expires_at_ms, const kv::Keyspace* keyspace);

  std::unique_ptr<State> state_;  // Null once it has ended.
};

}  // namespace aidb

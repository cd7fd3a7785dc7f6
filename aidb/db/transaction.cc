#include "aidb/db/transaction.h"

#include <algorithm>
#include <set>
#include <utility>
#include <vector>

#include "aidb/db/keyspace_catalogue.h"
#include "aidb/db/stored_scan.h"
#include "aidb/db/transaction_cursor.h"
#include "aidb/kv/conditional_writer.h"
#include "aidb/kv/store.h"

namespace aidb {
namespace {

Status Ended() { return InvalidArgument("the transaction has ended; begin another"); }

}  // namespace

struct Transaction::State {
  State(kv::Store& in_store, kv::ConditionalWriter& in_conditional, KeyspaceCatalogue& in_catalogue,
        uint64_t in_bytes_max, const kv::Merger& in_merger)
      : store(in_store),
        conditional(in_conditional),
        catalogue(in_catalogue),
        bytes_max(in_bytes_max),
        merger(in_merger),
        snapshot(store.TakeSnapshot()) {}

  // Makes room for an operation of `added` bytes in place of one of `removed`.
  Status Account(uint64_t added, uint64_t removed);
  // ok: the keyspace is there. Commit asks again.
  Status Use(const kv::Keyspace* keyspace);
  Status Guard(std::string_view key);
  Status Guard(kv::ScanRange range);
  // The own writes, to be changed: a copy of their own if an iterator still walks them.
  OwnWrites& WritableWrites();

  kv::Store& store;
  kv::ConditionalWriter& conditional;
  KeyspaceCatalogue& catalogue;
  const uint64_t bytes_max;
  const kv::Merger merger;
  const kv::Snapshot snapshot;
  // All keys and bounds are as the store has them.
  std::shared_ptr<OwnWrites> writes = std::make_shared<OwnWrites>();  // Shared with iterators.
  std::set<std::string, std::less<>> guarded_keys;
  std::vector<kv::ScanRange> guarded_ranges;
  std::vector<kv::Keyspace> keyspaces;  // Used so far.
  uint64_t bytes = 0;                   // Of all three; at most bytes_max.
};

Status Transaction::State::Account(uint64_t added, uint64_t removed) {
  const uint64_t rest = bytes - removed;
  if (added > bytes_max - rest) {
    return InvalidArgument("the transaction would hold " + std::to_string(rest + added) +
                           " bytes; batch_bytes_max allows " + std::to_string(bytes_max));
  }
  bytes = rest + added;
  return {};
}

Status Transaction::State::Use(const kv::Keyspace* keyspace) {
  if (keyspace == nullptr) return {};
  AIDB_RETURN_IF_ERROR(keyspace->state().Check(catalogue.identity()));
  if (std::ranges::find(keyspaces, *keyspace) == keyspaces.end()) keyspaces.push_back(*keyspace);
  return {};
}

Status Transaction::State::Guard(std::string_view key) {
  if (guarded_keys.contains(key)) return {};
  AIDB_RETURN_IF_ERROR(Account(key.size() + kOperationOverheadBytes, 0));
  guarded_keys.emplace(key);
  return {};
}

Status Transaction::State::Guard(kv::ScanRange range) {
  const auto same = [&](const kv::ScanRange& other) {
    return other.lower == range.lower && other.upper == range.upper;
  };
  if (range.empty() || std::ranges::any_of(guarded_ranges, same)) return {};
  const uint64_t upper_bytes = range.upper ? range.upper->size() : 0;
  AIDB_RETURN_IF_ERROR(Account(range.lower.size() + upper_bytes + kOperationOverheadBytes, 0));
  guarded_ranges.push_back(std::move(range));
  return {};
}

OwnWrites& Transaction::State::WritableWrites() {
  if (writes.use_count() > 1) writes = std::make_shared<OwnWrites>(*writes);
  return *writes;
}

Transaction::Transaction(kv::Store& store, kv::ConditionalWriter& conditional,
                         KeyspaceCatalogue& catalogue, uint64_t batch_bytes_max,
                         const kv::Merger& merger)
    : state_(std::make_unique<State>(store, conditional, catalogue, batch_bytes_max, merger)) {}
Transaction::Transaction(Transaction&&) noexcept = default;
Transaction& Transaction::operator=(Transaction&&) noexcept = default;
Transaction::~Transaction() = default;

Status Transaction::Put(std::string_view key, std::string_view value,
                        const kv::Keyspace* keyspace) {
  return Record(key, value, std::nullopt, keyspace);
}

Status Transaction::PutUntil(std::string_view key, std::string_view value, uint64_t expires_at_ms,
                             const kv::Keyspace* keyspace) {
  if (!state_) return Ended();
  // What has expired at Begin is absent for own reads, and will be when it is committed.
  if (expires_at_ms <= state_->snapshot.now_ms()) return Delete(key, keyspace);
  return Record(key, value, expires_at_ms, keyspace);
}

Status Transaction::Merge(std::string_view key, kv::MergeOperator op, std::string_view operand,
                          const kv::Keyspace* keyspace) {
  if (!state_) return Ended();
  AIDB_RETURN_IF_ERROR(state_->Use(keyspace));
  const kv::StoredKey stored_key(keyspace, key);
  std::optional<OwnWrite> held;
  if (const auto own = state_->writes->find(stored_key.view()); own != state_->writes->end()) {
    held = own->second;
  } else {
    AIDB_ASSIGN_OR_RETURN(std::optional<kv::PinnedValue> stored,
                          state_->store.Get(stored_key.view(), {.snapshot = &state_->snapshot}));
    if (stored) {
      const std::optional<uint64_t> expires_at_ms = stored->expires_at_ms();
      held = OwnWrite{std::move(*stored).ToString(), expires_at_ms};
    }
  }
  AIDB_ASSIGN_OR_RETURN(
      const std::string merged,
      state_->merger.Apply(
          op, key, held ? std::optional<std::string_view>(held->bytes) : std::nullopt, operand));
  return Record(key, merged, held ? held->expires_at_ms : std::nullopt, keyspace);
}

Status Transaction::Delete(std::string_view key, const kv::Keyspace* keyspace) {
  return Record(key, std::nullopt, std::nullopt, keyspace);
}

Status Transaction::Record(std::string_view key, std::optional<std::string_view> value,
                           std::optional<uint64_t> expires_at_ms, const kv::Keyspace* keyspace) {
  if (!state_) return Ended();
  AIDB_RETURN_IF_ERROR(kv::CheckKeySize(keyspace, key));
  AIDB_RETURN_IF_ERROR(state_->Use(keyspace));
  const kv::StoredKey stored_key(keyspace, key);
  const auto bytes_with = [&](const std::optional<OwnWrite>& write) {
    const uint64_t fixed = stored_key.view().size() + kOperationOverheadBytes;
    return write ? fixed + write->bytes.size() + (write->expires_at_ms ? kExpiryBytes : 0) : fixed;
  };
  std::optional<OwnWrite> write;
  if (value) write = OwnWrite{std::string(*value), expires_at_ms};
  const auto before = state_->writes->find(stored_key.view());
  const uint64_t removed = before == state_->writes->end() ? 0 : bytes_with(before->second);
  AIDB_RETURN_IF_ERROR(state_->Account(bytes_with(write), removed));
  state_->WritableWrites().insert_or_assign(std::string(stored_key.view()), std::move(write));
  return {};
}

Result<std::optional<std::string>> Transaction::Get(std::string_view key,
                                                    const kv::Keyspace* keyspace) const {
  if (!state_) return Ended();
  AIDB_RETURN_IF_ERROR(state_->Use(keyspace));
  const kv::StoredKey stored_key(keyspace, key);
  if (const auto own = state_->writes->find(stored_key.view()); own != state_->writes->end()) {
    return own->second ? std::optional(own->second->bytes) : std::nullopt;
  }
  AIDB_ASSIGN_OR_RETURN(std::optional<kv::PinnedValue> value,
                        state_->store.Get(stored_key.view(), {.snapshot = &state_->snapshot}));
  if (!value) return std::optional<std::string>();
  return std::optional<std::string>(std::move(*value).ToString());
}

Result<std::optional<std::string>> Transaction::GetForUpdate(std::string_view key,
                                                             const kv::Keyspace* keyspace) {
  if (!state_) return Ended();
  AIDB_RETURN_IF_ERROR(state_->Guard(kv::StoredKey(keyspace, key).view()));
  return Get(key, keyspace);
}

kv::Iterator Transaction::Scan(const kv::ScanOptions& options) const {
  if (!state_) return kv::FailedIterator(Ended());
  if (options.snapshot != nullptr) {
    return kv::FailedIterator(
        InvalidArgument("a transaction reads at its own snapshot; leave ScanOptions::snapshot "
                        "null"));
  }
  if (Status used = state_->Use(options.keyspace); !used.ok()) return kv::FailedIterator(used);
  const StoredScan scan(options, state_->catalogue.in_use());
  kv::ScanOptions stored = scan.options();
  stored.order = kv::ScanOrder::kForward;
  stored.snapshot = &state_->snapshot;
  kv::Iterator iterator(std::make_unique<TransactionCursor>(
                            state_->store.Scan(stored), OwnCursor(state_->writes, scan.range())),
                        options.order);
  iterator.ShowKeysOf(KeyspaceOf(options));
  return iterator;
}

kv::Iterator Transaction::ScanForUpdate(const kv::ScanOptions& options) {
  if (!state_) return kv::FailedIterator(Ended());
  // Always to the end of the default keyspace: the first of the others may come before Commit.
  const StoredScan scan(options, true);
  if (Status guarded = state_->Guard(scan.range()); !guarded.ok()) {
    return kv::FailedIterator(std::move(guarded));
  }
  return Scan(options);
}

Result<kv::Sequence> Transaction::Commit(const kv::WriteOptions& options) {
  if (!state_) return Ended();
  const std::unique_ptr<State> state = std::move(state_);
  if (options.keyspace != nullptr) {
    return InvalidArgument(
        "the operations of a transaction name their keyspaces; leave WriteOptions::keyspace null");
  }
  kv::WriteBatch batch;
  kv::Precondition unchanged;
  unchanged.since = &state->snapshot;
  unchanged.keys.assign(state->guarded_keys.begin(), state->guarded_keys.end());
  unchanged.ranges = std::move(state->guarded_ranges);
  for (const auto& [key, write] : *state->writes) {
    if (!write) {
      batch.Delete(key);
    } else if (write->expires_at_ms) {
      batch.Put(key, write->bytes, *write->expires_at_ms);
    } else {
      batch.Put(key, write->bytes);
    }
    if (!state->guarded_keys.contains(key)) unchanged.keys.push_back(key);
  }
  const CallPass inside(state->catalogue.gate());
  for (const kv::Keyspace& keyspace : state->keyspaces) {
    AIDB_RETURN_IF_ERROR(keyspace.state().Check(state->catalogue.identity()));
  }
  return state->conditional.WriteIf(unchanged, std::move(batch), options);
}

void Transaction::Rollback() { state_.reset(); }

}  // namespace aidb

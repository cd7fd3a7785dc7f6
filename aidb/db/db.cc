#include "aidb/db/db.h"

#include <algorithm>
#include <utility>

#include "aidb/base/log.h"
#include "aidb/db/backends.h"
#include "aidb/db/keyspace_catalogue.h"
#include "aidb/db/stored_scan.h"
#include "aidb/io/posix/posix_env.h"

namespace aidb {
namespace {

// From here on the default keyspace stores keys otherwise (kv/keyspace.h).
constexpr std::string_view kFirstPrefixed = "\xFF";

using kv::StoredKey;

// The user's operators, told the keys that the user knows.
class StoredMerge final : public MergeFunction {
 public:
  explicit StoredMerge(const MergeFunction& user) : user_(user) {}

  std::string Merge(MergeOperator op, std::string_view key, std::optional<std::string_view> value,
                    std::string_view operand) const override {
    const std::optional<kv::LocatedKey> located = kv::Locate(key);
    return user_.Merge(op, located ? located->key : key, value, operand);
  }

 private:
  const MergeFunction& user_;
};

// A feed that shows keyspaces.
class KeyspaceUpdates final : public kv::UpdateCursor {
 public:
  explicit KeyspaceUpdates(Updates stored) : stored_(std::move(stored)) {}

  Result<std::optional<Update>> Next(Duration wait) override {
    Result<std::optional<Update>> update = stored_.Next(wait);
    if (update.ok() && *update) (*update)->form = WriteBatch::KeyForm::kOfKeyspaces;
    return update;
  }

 private:
  Updates stored_;
};

}  // namespace

struct DB::World {
  io::PosixEnv posix;
};

struct DB::Opened {
  OpenedBackend backend;
  uint64_t batch_bytes_max = 0;
  const MergeFunction* merge = nullptr;
  std::unique_ptr<const MergeFunction> stored_merge = {};
  std::unique_ptr<KeyspaceCatalogue> catalogue = {};
};

Result<std::unique_ptr<DB>> DB::Open(std::string_view path, const Options& options,
                                     const MergeFunction* merge) {
  auto world = std::make_unique<World>();
  const io::Env env = world->posix.env();
  return OpenIn(std::move(world), env, path, options, merge);
}

Result<std::unique_ptr<DB>> DB::Open(const io::Env& env, std::string_view path,
                                     const Options& options, const MergeFunction* merge) {
  return OpenIn(nullptr, env, path, options, merge);
}

Result<std::unique_ptr<DB>> DB::OpenIn(std::unique_ptr<World> world, const io::Env& env,
                                       std::string_view path, const Options& options,
                                       const MergeFunction* merge) {
  std::unique_ptr<const MergeFunction> stored_merge;
  if (merge != nullptr) stored_merge = std::make_unique<StoredMerge>(*merge);
  AIDB_ASSIGN_OR_RETURN(OpenedBackend backend, OpenBackend(env, path, options, stored_merge.get()));
  auto catalogue = KeyspaceCatalogue::Load(*backend.store, options.batch_bytes_max);
  if (!catalogue.ok()) {
    (void)backend.store->Close();  // The first failure is the one to tell.
    return std::move(catalogue).status().Annotate(path);
  }
  Opened opened{.backend = std::move(backend),
                .batch_bytes_max = options.batch_bytes_max,
                .merge = merge,
                .stored_merge = std::move(stored_merge),
                .catalogue = *std::move(catalogue)};
  return std::unique_ptr<DB>(new DB(std::move(world), env, std::move(opened)));
}

DB::DB(std::unique_ptr<World> world, const io::Env& env, Opened opened)
    : world_(std::move(world)),
      env_(std::make_unique<const io::Env>(env)),
      batch_bytes_max_(opened.batch_bytes_max),
      merger_(opened.merge),
      stored_merge_(std::move(opened.stored_merge)),
      store_(std::move(opened.backend.store)),
      conditional_(*opened.backend.conditional),
      compactor_(*opened.backend.compactor),
      checkpointer_(opened.backend.checkpointer),
      updates_(opened.backend.updates),
      catalogue_(std::move(opened.catalogue)),
      batch_ingester_(std::move(opened.backend.batch_ingester)),
      ingester_(*opened.backend.ingester) {}

DB::~DB() {
  if (const Status closed = Close(); !closed.ok()) {
    env_->log.Log(LogLevel::kError, "close: " + closed.ToString());
  }
}

Status DB::Destroy(std::string_view path) {
  World world;
  return Destroy(world.posix.env(), path);
}

Status DB::Destroy(const io::Env& env, std::string_view path) { return DestroyBackend(env, path); }

Result<RepairReport> DB::Repair(std::string_view path, std::string_view target) {
  World world;
  return Repair(world.posix.env(), path, target);
}

Result<RepairReport> DB::Repair(const io::Env& env, std::string_view path,
                                std::string_view target) {
  return RepairBackend(env, path, target);
}

Result<Keyspace> DB::OpenKeyspace(std::string_view name, StoreMode mode) {
  return catalogue_->Open(name, mode);
}

Status DB::DropKeyspace(std::string_view name) { return catalogue_->Drop(name); }

Result<std::vector<Keyspace>> DB::Keyspaces() const { return catalogue_->All(); }

Status DB::Put(std::string_view key, std::string_view value, const WriteOptions& options) {
  WriteBatch batch(options.keyspace);
  batch.Put(key, value);
  return WriteOne(std::move(batch), options).status();
}

Status DB::PutUntil(std::string_view key, std::string_view value, uint64_t expires_at_ms,
                    const WriteOptions& options) {
  WriteBatch batch(options.keyspace);
  batch.Put(key, value, expires_at_ms);
  return WriteOne(std::move(batch), options).status();
}

Status DB::Merge(std::string_view key, MergeOperator op, std::string_view operand,
                 const WriteOptions& options) {
  AIDB_RETURN_IF_ERROR(merger_.Check(op));
  WriteBatch batch(options.keyspace);
  batch.Merge(key, op, operand);
  return WriteOne(std::move(batch), options).status();
}

Status DB::Delete(std::string_view key, const WriteOptions& options) {
  WriteBatch batch(options.keyspace);
  batch.Delete(key);
  return WriteOne(std::move(batch), options).status();
}

Status DB::DeleteRange(std::string_view begin, std::optional<std::string_view> end,
                       const WriteOptions& options) {
  WriteBatch batch(options.keyspace);
  batch.DeleteRange(begin, end);
  return WriteOne(std::move(batch), options).status();
}

Result<Sequence> DB::WriteOne(WriteBatch batch, const WriteOptions& options) {
  if (options.keyspace == nullptr) return Write(std::move(batch), options);
  const CallPass inside(catalogue_->gate());
  AIDB_RETURN_IF_ERROR(options.keyspace->state().Check(catalogue_->identity()));
  return store_->Write(std::move(batch), options);
}

Result<Sequence> DB::Write(WriteBatch batch, const WriteOptions& options) {
  if (options.keyspace != nullptr) {
    return InvalidArgument(
        "the operations of a batch name their keyspaces; leave WriteOptions::keyspace null");
  }
  if (batch.is_stored()) return store_->Write(std::move(batch), options);
  return catalogue_->Write(std::move(batch), options);
}

Result<std::optional<std::string>> DB::Get(std::string_view key, const ReadOptions& options) const {
  AIDB_ASSIGN_OR_RETURN(std::optional<PinnedValue> value, GetPinned(key, options));
  if (!value) return std::optional<std::string>();
  return std::optional<std::string>(std::move(*value).ToString());
}

Result<std::optional<PinnedValue>> DB::GetPinned(std::string_view key,
                                                 const ReadOptions& options) const {
  const Keyspace* const keyspace = options.keyspace;
  if (keyspace == nullptr) return store_->Get(StoredKey(nullptr, key).view(), options);
  auto value = store_->Get(StoredKey(keyspace, key).view(), options);
  // Behind the read: what a drop took is then told as such.
  AIDB_RETURN_IF_ERROR(keyspace->state().Check(catalogue_->identity()));
  return value;
}

std::vector<Result<std::optional<PinnedValue>>> DB::MultiGet(std::span<const std::string_view> keys,
                                                             const ReadOptions& options) const {
  const Keyspace* const keyspace = options.keyspace;
  const bool as_given = keyspace == nullptr && std::ranges::none_of(keys, kv::TakesPrefix);
  if (as_given || keys.size() > kv::kMultiGetKeysMax) return store_->MultiGet(keys, options);
  std::vector<std::string> stored;
  stored.reserve(keys.size());
  for (const std::string_view key : keys) stored.emplace_back(StoredKey(keyspace, key).view());
  const std::vector<std::string_view> views(stored.begin(), stored.end());
  auto values = store_->MultiGet(views, options);
  if (keyspace == nullptr) return values;
  if (const Status gone = keyspace->state().Check(catalogue_->identity()); !gone.ok()) {
    for (auto& value : values) value = gone;
  }
  return values;
}

Iterator DB::Scan(const ScanOptions& options) const {
  const bool bounded = catalogue_->in_use();
  Iterator iterator = store_->Scan(StoredScan(options, bounded).options());
  if (options.keyspace != nullptr) {
    const Status gone = options.keyspace->state().Check(catalogue_->identity());
    if (!gone.ok()) return kv::FailedIterator(gone);
  } else if (!bounded && catalogue_->in_use()) {
    // The first keyspace has come meanwhile.
    iterator = store_->Scan(StoredScan(options, true).options());
  }
  iterator.ShowKeysOf(KeyspaceOf(options));
  return iterator;
}

kv::Snapshot DB::Snapshot() const { return store_->TakeSnapshot(); }

Transaction DB::Begin() {
  return Transaction(*store_, conditional_, *catalogue_, batch_bytes_max_, merger_);
}

Status DB::Sync() { return store_->Sync(); }

Status DB::Flush() { return store_->Flush(); }

Status DB::Compact(const ScanRange& range, const Keyspace* keyspace) {
  if (keyspace != nullptr) {
    AIDB_RETURN_IF_ERROR(keyspace->state().Check(catalogue_->identity()));
  } else if (range.lower.empty() && !range.upper) {
    return compactor_.Compact({});
  }
  return compactor_.Compact(StoredRange(keyspace, range, catalogue_->in_use()));
}

Status DB::Checkpoint(std::string_view directory) {
  if (checkpointer_ != nullptr) return checkpointer_->Checkpoint(directory);
  return InvalidArgument(
      "a store of the memory backend keeps nothing on a disk: there is nothing "
      "to checkpoint");
}

Result<Updates> DB::UpdatesSince(Sequence from, const UpdateOptions& options) {
  if (updates_ != nullptr) {
    AIDB_ASSIGN_OR_RETURN(Updates stored, updates_->UpdatesSince(from, options));
    return Updates(std::make_unique<KeyspaceUpdates>(std::move(stored)));
  }
  return InvalidArgument(
      "a store of the rocksdb backend cannot be followed: RocksDB deletes its log when it likes, "
      "whoever reads it; open one of the native or the memory backend");
}

Result<Sequence> DB::Ingest(std::span<const std::string> files) {
  return ingester_.Ingest(files, kFirstPrefixed);
}

Result<IngestedFile> DB::Export(std::string_view path, const ScanOptions& options) const {
  ScanOptions scan = options;
  scan.order = ScanOrder::kForward;
  scan.fill_cache = false;
  std::optional<kv::Snapshot> own;
  if (scan.snapshot == nullptr) scan.snapshot = &own.emplace(store_->TakeSnapshot());
  // A walk does not tell when a value expires; where nothing ever did, the snapshot says so.
  const bool expires = scan.snapshot->now_ms() != 0;
  AIDB_ASSIGN_OR_RETURN(const auto writer, SortedFileWriter::Create(*env_, path));
  Iterator it = Scan(scan);
  for (; it.Valid(); it.Next()) {
    if (it.key() >= kFirstPrefixed) {
      return InvalidArgument("export " + std::string(path) +
                             ": there are keys that begin with the byte FF, which no ingest takes. "
                             "End the range at \"\\xFF\", and copy those behind it by batches");
    }
    std::optional<uint64_t> until;
    if (expires) {
      AIDB_ASSIGN_OR_RETURN(const auto value, GetPinned(it.key(), {.snapshot = scan.snapshot,
                                                                   .keyspace = scan.keyspace}));
      if (value) until = value->expires_at_ms();
    }
    AIDB_RETURN_IF_ERROR(until ? writer->PutUntil(it.key(), it.value(), *until)
                               : writer->Put(it.key(), it.value()));
  }
  AIDB_RETURN_IF_ERROR(it.status());
  return writer->Finish();
}

StoreStats DB::Stats() const { return store_->Stats(); }

Status DB::Close() { return store_->Close(); }

}  // namespace aidb

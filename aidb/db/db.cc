#include "aidb/db/db.h"

#include <utility>

#include "aidb/base/log.h"
#include "aidb/db/backends.h"
#include "aidb/io/posix/posix_env.h"

namespace aidb {

struct DB::World {
  io::PosixEnv posix;
};

struct DB::Opened {
  OpenedBackend backend;
  uint64_t batch_bytes_max = 0;
  const MergeFunction* merge = nullptr;
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
  AIDB_ASSIGN_OR_RETURN(OpenedBackend backend, OpenBackend(env, path, options, merge));
  Opened opened{
      .backend = std::move(backend), .batch_bytes_max = options.batch_bytes_max, .merge = merge};
  return std::unique_ptr<DB>(new DB(std::move(world), env, std::move(opened)));
}

DB::DB(std::unique_ptr<World> world, const io::Env& env, Opened opened)
    : world_(std::move(world)),
      env_(std::make_unique<const io::Env>(env)),
      batch_bytes_max_(opened.batch_bytes_max),
      merger_(opened.merge),
      store_(std::move(opened.backend.store)),
      conditional_(*opened.backend.conditional),
      compactor_(*opened.backend.compactor),
      checkpointer_(opened.backend.checkpointer),
      updates_(opened.backend.updates),
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

Status DB::Put(std::string_view key, std::string_view value, const WriteOptions& options) {
  WriteBatch batch;
  batch.Put(key, value);
  return store_->Write(std::move(batch), options).status();
}

Status DB::PutUntil(std::string_view key, std::string_view value, uint64_t expires_at_ms,
                    const WriteOptions& options) {
  WriteBatch batch;
  batch.Put(key, value, expires_at_ms);
  return store_->Write(std::move(batch), options).status();
}

Status DB::Merge(std::string_view key, MergeOperator op, std::string_view operand,
                 const WriteOptions& options) {
  AIDB_RETURN_IF_ERROR(merger_.Check(op));
  WriteBatch batch;
  batch.Merge(key, op, operand);
  return store_->Write(std::move(batch), options).status();
}

Status DB::Delete(std::string_view key, const WriteOptions& options) {
  WriteBatch batch;
  batch.Delete(key);
  return store_->Write(std::move(batch), options).status();
}

Status DB::DeleteRange(std::string_view begin, std::optional<std::string_view> end,
                       const WriteOptions& options) {
  WriteBatch batch;
  batch.DeleteRange(begin, end);
  return store_->Write(std::move(batch), options).status();
}

Result<Sequence> DB::Write(WriteBatch batch, const WriteOptions& options) {
  return store_->Write(std::move(batch), options);
}

Result<std::optional<std::string>> DB::Get(std::string_view key, const ReadOptions& options) const {
  AIDB_ASSIGN_OR_RETURN(std::optional<PinnedValue> value, store_->Get(key, options));
  if (!value) return std::optional<std::string>();
  return std::optional<std::string>(std::move(*value).ToString());
}

Result<std::optional<PinnedValue>> DB::GetPinned(std::string_view key,
                                                 const ReadOptions& options) const {
  return store_->Get(key, options);
}

std::vector<Result<std::optional<PinnedValue>>> DB::MultiGet(std::span<const std::string_view> keys,
                                                             const ReadOptions& options) const {
  return store_->MultiGet(keys, options);
}

Iterator DB::Scan(const ScanOptions& options) const { return store_->Scan(options); }

kv::Snapshot DB::Snapshot() const { return store_->TakeSnapshot(); }

Transaction DB::Begin() { return Transaction(*store_, conditional_, batch_bytes_max_, merger_); }

Status DB::Sync() { return store_->Sync(); }

Status DB::Flush() { return store_->Flush(); }

Status DB::Compact(const ScanRange& range) { return compactor_.Compact(range); }

Status DB::Checkpoint(std::string_view directory) {
  if (checkpointer_ != nullptr) return checkpointer_->Checkpoint(directory);
  return InvalidArgument(
      "a store of the memory backend keeps nothing on a disk: there is nothing "
      "to checkpoint");
}

Result<Updates> DB::UpdatesSince(Sequence from, const UpdateOptions& options) {
  if (updates_ != nullptr) return updates_->UpdatesSince(from, options);
  return InvalidArgument(
      "a store of the rocksdb backend cannot be followed: RocksDB deletes its log when it likes, "
      "whoever reads it; open one of the native or the memory backend");
}

Result<Sequence> DB::Ingest(std::span<const std::string> files) { return ingester_.Ingest(files); }

Result<IngestedFile> DB::Export(std::string_view path, const ScanOptions& options) const {
  ScanOptions scan = options;
  scan.order = ScanOrder::kForward;
  scan.fill_cache = false;
  std::optional<kv::Snapshot> own;
  if (scan.snapshot == nullptr) scan.snapshot = &own.emplace(store_->TakeSnapshot());
  // A walk does not tell when a value expires; where nothing ever did, the snapshot says so.
  const bool expires = scan.snapshot->now_ms() != 0;
  AIDB_ASSIGN_OR_RETURN(const auto writer, SortedFileWriter::Create(*env_, path));
  Iterator it = store_->Scan(scan);
  for (; it.Valid(); it.Next()) {
    std::optional<uint64_t> until;
    if (expires) {
      AIDB_ASSIGN_OR_RETURN(const auto value, store_->Get(it.key(), {.snapshot = scan.snapshot}));
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

#include "aidb/rocks/rocks_store.h"

#include <atomic>
#include <chrono>
#include <optional>
#include <string>
#include <utility>

#include <rocksdb/cache.h>
#include <rocksdb/db.h>
#include <rocksdb/metadata.h>
#include <rocksdb/statistics.h>
#include <rocksdb/utilities/checkpoint.h>
#include <rocksdb/write_batch.h>

#include "aidb/base/bytes.h"
#include "aidb/base/call_gate.h"
#include "aidb/kv/range_delete.h"
#include "aidb/rocks/change_check.h"
#include "aidb/rocks/interval_sync.h"
#include "aidb/rocks/recent_range_deletes.h"
#include "aidb/rocks/rocks_core.h"
#include "aidb/rocks/rocks_options.h"
#include "aidb/rocks/rocks_status.h"
#include "aidb/rocks/sync_latch.h"
#include "aidb/rocks/write_gate.h"

namespace aidb::rocks {
namespace {

using kv::PinnedValue;
using kv::Sequence;
using Answer = Result<std::optional<PinnedValue>>;

// A value from here on stays in its block, which it pins; copying a smaller one is cheaper than
// the pin.
constexpr size_t kPinnedBytesMin = 4096;

// Keeps a block in RocksDB's cache, and RocksDB open.
struct BlockPin {
  std::shared_ptr<Core> core;
  rocksdb::PinnableSlice slice;  // Goes before core.
};

Answer ToAnswer(const std::shared_ptr<Core>& core, const rocksdb::Status& status,
                rocksdb::PinnableSlice&& slice) {
  if (status.IsNotFound()) return std::optional<PinnedValue>();
  if (!status.ok()) return Translate(status);
  std::optional<PinnedValue> value;
  if (!slice.IsPinned()) {
    value.emplace(std::move(*slice.GetSelf()));
  } else if (slice.size() < kPinnedBytesMin) {
    value.emplace(slice.ToString());
  } else {
    auto pin = std::make_shared<BlockPin>(core, std::move(slice));
    const std::string_view bytes = pin->slice.ToStringView();
    value.emplace(bytes, kv::ValuePin::Keep(std::move(pin)));
  }
  return value;
}

std::vector<Answer> RefuseAll(size_t count, const Status& error) {
  std::vector<Answer> answers;
  answers.reserve(count);
  for (size_t i = 0; i < count; ++i) answers.emplace_back(error);
  return answers;
}

// Both parts fail only above a size that was not set.
void ConvertDeleteRange(const kv::WriteBatch::Operation& range, rocksdb::ColumnFamilyHandle* values,
                        rocksdb::ColumnFamilyHandle* expiry, rocksdb::WriteBatch& to) {
  AIDB_CHECK(to.DeleteRange(values, range.key, range.value).ok());
  if (expiry != nullptr) AIDB_CHECK(to.DeleteRange(expiry, range.key, range.value).ok());
}

// `expiry` is null while nothing expires; else every operation writes to both column families.
rocksdb::WriteBatch Convert(const kv::WriteBatch& batch, rocksdb::ColumnFamilyHandle* values,
                            rocksdb::ColumnFamilyHandle* expiry) {
  rocksdb::WriteBatch converted(batch.size_bytes() + 64);  // With room for its header.
  kv::WriteBatch::Reader operations = batch.operations_reader();
  while (true) {
    const auto next = operations.Next();
    AIDB_CHECK(next.ok());  // A WriteBatch holds what its own methods encoded.
    if (!*next) return converted;
    const kv::WriteBatch::Operation& operation = **next;
    if (operation.kind == kv::OpKind::kDeleteRange) {
      ConvertDeleteRange(operation, values, expiry, converted);
      continue;
    }
    // Each fails only above a size that was not set.
    AIDB_CHECK((operation.kind == kv::OpKind::kDelete
                    ? converted.Delete(operation.key)
                    : converted.Put(operation.key, operation.value))
                   .ok());
    if (expiry == nullptr) continue;
    char instant[sizeof(uint64_t)];
    StoreLe<uint64_t>(instant, operation.expires_at_ms);
    AIDB_CHECK((kv::Expires(operation.kind)
                    ? converted.Put(expiry, operation.key, {instant, sizeof instant})
                    : converted.Delete(expiry, operation.key))
                   .ok());
  }
}

// RocksDB's sequence of the first operation of a batch that was written: it puts that into the
// first eight bytes of the batch (its documented replication format).
uint64_t FirstSequence(const rocksdb::WriteBatch& written) {
  return LoadLe<uint64_t>(written.Data().data());
}

uint64_t Property(rocksdb::DB& db, const std::string& name) {
  uint64_t value = 0;
  AIDB_CHECK(db.GetIntProperty(name, &value));  // Fails only for a name that does not exist.
  return value;
}

void RaiseTo(std::atomic<uint64_t>& target, uint64_t value) {
  uint64_t seen = target.load(std::memory_order_relaxed);
  while (seen < value && !target.compare_exchange_weak(seen, value, std::memory_order_relaxed)) {
  }
}

}  // namespace

// Everything that needs RocksDB's types. Each public call enters calls_ first; core_ is touched
// only inside, so that Close can let it go once all have left.
class RocksStore::Impl {
 public:
  Impl(const io::Env& env, const kv::Options& options, const kv::MergeFunction* merge,
       std::shared_ptr<Core> core);
  ~Impl();

  // `unchanged` null: no condition.
  Result<Sequence> Write(const kv::Precondition* unchanged, const kv::WriteBatch& batch,
                         const kv::WriteOptions& options);
  Answer Get(std::string_view key, const kv::ReadOptions& options);
  std::vector<Answer> MultiGet(std::span<const std::string_view> keys,
                               const kv::ReadOptions& options);
  kv::Iterator Scan(const kv::ScanOptions& options);
  kv::Snapshot TakeSnapshot();
  Status Sync();
  Status Flush();
  Status Compact(const kv::ScanRange& range);
  Status Checkpoint(std::string_view directory);
  kv::StoreStats Stats();
  Status Close();

 private:
  struct Counts {
    std::atomic<uint64_t> writes = 0;
    std::atomic<uint64_t> gets = 0;
    std::atomic<uint64_t> scans = 0;
    std::atomic<uint64_t> bytes_written = 0;
  };

  bool read_only() const { return options_.mode == kv::StoreMode::kReadOnly; }
  Sequence Newest() const { return core_->expiry.Ours(core_->db->GetLatestSequenceNumber()); }
  Status CheckSnapshot(const kv::Snapshot* snapshot) const;
  Result<rocksdb::ReadOptions> ReadOptionsAt(const kv::Snapshot* snapshot) const;
  Status CheckPrecondition(const kv::Precondition& unchanged) const;
  // Inside writes_, alone if the batch brings the first value that expires.
  Result<Sequence> WriteFolded(const kv::WriteBatch& batch, const kv::WriteOptions& options);
  // Of a batch that was written, for conditional writes, which wait for this one.
  void NoteRangeDeletes(const kv::WriteBatch& batch, const rocksdb::WriteBatch& written);
  // Makes the second column family unless it is there. Nobody else may write then.
  Status StartExpiry();
  Answer ReadOne(std::string_view key, const kv::ReadOptions& options,
                 const rocksdb::ReadOptions& read);
  // The batch with an end for each range delete, and with merges replaced by what they make.
  // Nobody else may write.
  Result<kv::WriteBatch> WithEnds(const kv::WriteBatch& batch);
  Result<kv::WriteBatch> Folded(const kv::WriteBatch& batch);
  // Values and their instants at one moment.
  std::vector<Answer> GetWithExpiry(std::span<const std::string_view> keys,
                                    const kv::ReadOptions& options,
                                    const rocksdb::ReadOptions& read);
  // Syncs what was written before the call. Inside calls_, or with calls_ shut.
  Status SyncLog();
  void AddEngineStats(kv::StoreStats& stats) const;

  const kv::Options options_;
  const kv::Merger merger_;
  std::shared_ptr<Core> core_;
  Counts counts_;
  std::atomic<uint64_t> durable_;  // A sequence; rises only.
  SyncLatch sync_latch_;
  std::atomic<bool> compaction_canceled_ = false;  // RocksDB looks at it while it compacts.
  CallGate calls_;
  WriteGate writes_;
  RecentRangeDeletes range_deletes_;
  // Held for all of Close, I/O included: a second Close returns when the first is done.
  Mutex close_mu_;
  std::unique_ptr<IntervalSync> interval_sync_;  // Null: none. Its task enters calls_.
};

RocksStore::Impl::Impl(const io::Env& env, const kv::Options& options,
                       const kv::MergeFunction* merge, std::shared_ptr<Core> core)
    : options_(options), merger_(merge), core_(std::move(core)), durable_(ToNumber(Newest())) {
  // What recovery found it has written to tables, so it is durable.
  if (options_.sync_interval_ms > 0 && !read_only()) {
    interval_sync_ = std::make_unique<IntervalSync>(
        env, std::chrono::milliseconds(options_.sync_interval_ms), [this]() -> Status {
          const CallPass pass(calls_);
          return pass ? SyncLog() : Status();
        });
  }
}

RocksStore::Impl::~Impl() {
  compaction_canceled_.store(true, std::memory_order_release);
  calls_.ShutAndWait();
  interval_sync_.reset();
  if (core_ != nullptr) core_->closed.store(true, std::memory_order_release);
}

Status RocksStore::Impl::CheckSnapshot(const kv::Snapshot* snapshot) const {
  if (snapshot == nullptr || snapshot->state().owner() == core_.get()) return {};
  return InvalidArgument("rocksdb store: the snapshot belongs to another store");
}

Result<rocksdb::ReadOptions> RocksStore::Impl::ReadOptionsAt(const kv::Snapshot* snapshot) const {
  AIDB_RETURN_IF_ERROR(CheckSnapshot(snapshot));
  rocksdb::ReadOptions options;
  if (snapshot != nullptr) {
    options.snapshot = static_cast<const RocksSnapshot&>(snapshot->state()).get();
  }
  return options;
}

Status RocksStore::Impl::CheckPrecondition(const kv::Precondition& unchanged) const {
  if (unchanged.since == nullptr) return InvalidArgument("precondition without a snapshot");
  AIDB_RETURN_IF_ERROR(CheckSnapshot(unchanged.since));
  if (unchanged.since->sequence() == Newest()) return {};  // Nothing at all was written.
  const auto& since = static_cast<const RocksSnapshot&>(unchanged.since->state());
  const uint64_t sequence = since.get()->GetSequenceNumber();
  AIDB_RETURN_IF_ERROR(range_deletes_.CheckUnchanged(unchanged, sequence));
  return CheckUnchanged(*core_->db, unchanged, sequence);
}

Status RocksStore::Impl::StartExpiry() {
  if (core_->expiry.handle() != nullptr) return {};
  // Making a column family is durable at once: so must be all that its name counts.
  AIDB_RETURN_IF_ERROR(SyncLog());
  const uint64_t from = core_->db->GetLatestSequenceNumber();
  rocksdb::ColumnFamilyHandle* handle = nullptr;
  AIDB_RETURN_IF_ERROR(
      Translate(core_->db->CreateColumnFamily(rocksdb::ColumnFamilyOptions(core_->db->GetOptions()),
                                              ExpiryColumn::NameFrom(from), &handle))
          .Annotate("make room for expiry"));
  core_->handles.push_back(handle);
  core_->expiry.Adopt(handle, from);
  return {};
}

Result<Sequence> RocksStore::Impl::Write(const kv::Precondition* unchanged,
                                         const kv::WriteBatch& batch,
                                         const kv::WriteOptions& options) {
  AIDB_RETURN_IF_ERROR(batch.Validate(options_.batch_bytes_max));
  const CallPass pass(calls_);
  if (!pass) return Closed();
  if (read_only()) return Unavailable("rocksdb store: opened read-only");
  AIDB_RETURN_IF_ERROR(sync_latch_.Check());
  const bool starts_expiry = batch.has_expiry() && core_->expiry.handle() == nullptr;
  const bool alone =
      unchanged != nullptr || starts_expiry || batch.has_merge() || batch.has_open_range();
  const WritePass write(writes_,
                        alone ? WritePass::Company::kAlone : WritePass::Company::kTogether);
  if (unchanged != nullptr) AIDB_RETURN_IF_ERROR(CheckPrecondition(*unchanged));
  if (batch.empty()) return Newest();
  if (!batch.has_merge() && !batch.has_open_range()) return WriteFolded(batch, options);
  kv::WriteBatch folded = batch;
  if (batch.has_open_range()) {
    AIDB_ASSIGN_OR_RETURN(folded, WithEnds(batch));
  }
  if (batch.has_merge()) {
    AIDB_ASSIGN_OR_RETURN(folded, Folded(folded));
  }
  return WriteFolded(folded, options);
}

Result<kv::WriteBatch> RocksStore::Impl::WithEnds(const kv::WriteBatch& batch) {
  return kv::CloseRanges(batch, options_.batch_bytes_max,
                         [this]() -> Result<std::optional<std::string>> {
                           const std::unique_ptr<rocksdb::Iterator> walk(
                               core_->db->NewIterator(rocksdb::ReadOptions()));
                           walk->SeekToLast();
                           if (walk->Valid()) return std::optional(walk->key().ToString());
                           AIDB_RETURN_IF_ERROR(Translate(walk->status()));
                           return std::optional<std::string>();
                         });
}

Result<kv::WriteBatch> RocksStore::Impl::Folded(const kv::WriteBatch& batch) {
  return kv::FoldMerges(
      batch, merger_, core_->clock.NowMs(), options_.batch_bytes_max,
      [this](std::string_view key) { return ReadOne(key, {}, rocksdb::ReadOptions()); });
}

Result<Sequence> RocksStore::Impl::WriteFolded(const kv::WriteBatch& batch,
                                               const kv::WriteOptions& options) {
  if (batch.has_expiry()) AIDB_RETURN_IF_ERROR(StartExpiry());
  rocksdb::WriteBatch converted =
      Convert(batch, core_->db->DefaultColumnFamily(), core_->expiry.handle());
  rocksdb::WriteOptions write_options;
  write_options.sync = options.sync;
  const Status status = Translate(core_->db->Write(write_options, &converted));
  if (!status.ok()) {
    if (options.sync) sync_latch_.Failed(status);
    return status;
  }

  const Sequence last = core_->expiry.Ours(FirstSequence(converted)) + (batch.count() - 1);
  if (batch.range_deletes() > 0) NoteRangeDeletes(batch, converted);
  if (options.sync) RaiseTo(durable_, ToNumber(last));
  counts_.writes.fetch_add(1, std::memory_order_relaxed);
  counts_.bytes_written.fetch_add(batch.size_bytes(), std::memory_order_relaxed);
  return last;
}

void RocksStore::Impl::NoteRangeDeletes(const kv::WriteBatch& batch,
                                        const rocksdb::WriteBatch& written) {
  // A snapshot that is taken from now on sees it.
  using Properties = rocksdb::DB::Properties;
  if (Property(*core_->db, Properties::kNumSnapshots) == 0) return range_deletes_.Forget();
  const uint64_t oldest = Property(*core_->db, Properties::kOldestSnapshotSequence);
  const uint64_t last = FirstSequence(written) + static_cast<uint64_t>(written.Count()) - 1;
  range_deletes_.Note(batch, last, oldest);
}

Answer RocksStore::Impl::Get(std::string_view key, const kv::ReadOptions& options) {
  const CallPass pass(calls_);
  if (!pass) return Closed();
  AIDB_ASSIGN_OR_RETURN(const rocksdb::ReadOptions read, ReadOptionsAt(options.snapshot));
  counts_.gets.fetch_add(1, std::memory_order_relaxed);
  return ReadOne(key, options, read);
}

Answer RocksStore::Impl::ReadOne(std::string_view key, const kv::ReadOptions& options,
                                 const rocksdb::ReadOptions& read) {
  if (core_->expiry.handle() == nullptr) {
    rocksdb::PinnableSlice slice;
    const rocksdb::Status status =
        core_->db->Get(read, core_->db->DefaultColumnFamily(), key, &slice);
    // Asked again: this may have been the first value that expires.
    if (core_->expiry.handle() == nullptr) return ToAnswer(core_, status, std::move(slice));
  }
  return std::move(GetWithExpiry({&key, 1}, options, read).front());
}

std::vector<Answer> RocksStore::Impl::GetWithExpiry(std::span<const std::string_view> keys,
                                                    const kv::ReadOptions& options,
                                                    const rocksdb::ReadOptions& read) {
  // One call for both column families reads them at one sequence.
  const size_t n = keys.size();
  std::vector<rocksdb::Slice> slices(keys.begin(), keys.end());
  slices.insert(slices.end(), keys.begin(), keys.end());
  std::vector<rocksdb::ColumnFamilyHandle*> families(n, core_->db->DefaultColumnFamily());
  families.resize(2 * n, core_->expiry.handle());
  std::vector<rocksdb::PinnableSlice> values(2 * n);
  std::vector<rocksdb::Status> statuses(2 * n);
  core_->db->MultiGet(read, 2 * n, families.data(), slices.data(), values.data(), statuses.data());

  std::optional<uint64_t> now_ms;
  if (options.snapshot != nullptr) now_ms = options.snapshot->now_ms();
  std::vector<Answer> answers;
  answers.reserve(n);
  for (size_t i = 0; i < n; ++i) {
    Answer answer = ToAnswer(core_, statuses[i], std::move(values[i]));
    const rocksdb::Status& found = statuses[n + i];
    if (answer.ok() && *answer && !found.IsNotFound()) {
      const Result<uint64_t> expires_at_ms =
          found.ok() ? ExpiryColumn::Decode(values[n + i].ToStringView()) : Translate(found);
      if (!now_ms) now_ms = core_->clock.NowMs();
      if (!expires_at_ms.ok()) {
        answer = expires_at_ms.status();
      } else if (*expires_at_ms <= *now_ms) {
        answer = std::optional<PinnedValue>();
      } else {
        (*answer)->set_expires_at_ms(*expires_at_ms);
      }
    }
    answers.push_back(std::move(answer));
  }
  return answers;
}

std::vector<Answer> RocksStore::Impl::MultiGet(std::span<const std::string_view> keys,
                                               const kv::ReadOptions& options) {
  if (keys.size() > kv::kMultiGetKeysMax) {
    return RefuseAll(keys.size(), kv::MultiGetTooLarge(keys.size()));
  }
  const CallPass pass(calls_);
  if (!pass) return RefuseAll(keys.size(), Closed());
  const Result<rocksdb::ReadOptions> read = ReadOptionsAt(options.snapshot);
  if (!read.ok()) return RefuseAll(keys.size(), read.status());
  counts_.gets.fetch_add(keys.size(), std::memory_order_relaxed);

  if (core_->expiry.handle() != nullptr) return GetWithExpiry(keys, options, *read);
  const std::vector<rocksdb::Slice> slices(keys.begin(), keys.end());
  std::vector<rocksdb::PinnableSlice> values(keys.size());
  std::vector<rocksdb::Status> statuses(keys.size());
  core_->db->MultiGet(*read, core_->db->DefaultColumnFamily(), keys.size(), slices.data(),
                      values.data(), statuses.data());
  // Asked again: one of them may have been the first value that expires.
  if (core_->expiry.handle() != nullptr) return GetWithExpiry(keys, options, *read);
  std::vector<Answer> answers;
  answers.reserve(keys.size());
  for (size_t i = 0; i < keys.size(); ++i) {
    answers.push_back(ToAnswer(core_, statuses[i], std::move(values[i])));
  }
  return answers;
}

kv::Iterator RocksStore::Impl::Scan(const kv::ScanOptions& options) {
  const CallPass pass(calls_);
  if (!pass) return kv::FailedIterator(Closed());
  Result<rocksdb::ReadOptions> read = ReadOptionsAt(options.snapshot);
  if (!read.ok()) return kv::FailedIterator(read.status());
  counts_.scans.fetch_add(1, std::memory_order_relaxed);
  read->fill_cache = options.fill_cache;
  std::optional<uint64_t> now_ms;
  std::shared_ptr<const HeldSnapshot> at;
  if (options.snapshot != nullptr) {
    now_ms = options.snapshot->now_ms();
    at = static_cast<const RocksSnapshot&>(options.snapshot->state()).held();
  }
  return kv::Iterator(MakeCursor(core_, kv::RangeOf(options), *read, std::move(at), now_ms),
                      options.order);
}

kv::Snapshot RocksStore::Impl::TakeSnapshot() {
  // What is taken after Close serves no read and needs no more than to be told apart.
  class ClosedSnapshot final : public kv::SnapshotState {
   public:
    Sequence sequence() const override { return kv::kSequenceNone; }
    uint64_t now_ms() const override { return 0; }
    const void* owner() const override { return this; }
  };
  const CallPass pass(calls_);
  if (!pass) return kv::Snapshot(std::make_unique<const ClosedSnapshot>());
  return kv::Snapshot(std::make_unique<const RocksSnapshot>(core_));
}

Status RocksStore::Impl::SyncLog() {
  const Sequence written = Newest();
  if (ToNumber(written) <= durable_.load(std::memory_order_relaxed)) return {};
  AIDB_RETURN_IF_ERROR(
      sync_latch_.Run([this] { return Translate(core_->db->SyncWAL()).Annotate("sync the log"); }));
  RaiseTo(durable_, ToNumber(written));
  return {};
}

Status RocksStore::Impl::Sync() {
  const CallPass pass(calls_);
  if (!pass) return Closed();
  return read_only() ? Status() : SyncLog();
}

Status RocksStore::Impl::Flush() {
  const CallPass pass(calls_);
  if (!pass) return Closed();
  if (read_only()) return {};
  std::vector<rocksdb::ColumnFamilyHandle*> families{core_->db->DefaultColumnFamily()};
  if (core_->expiry.handle() != nullptr) families.push_back(core_->expiry.handle());
  return Translate(core_->db->Flush(rocksdb::FlushOptions(), families)).Annotate("flush");
}

Status RocksStore::Impl::Compact(const kv::ScanRange& range) {
  const CallPass pass(calls_);
  if (!pass) return Closed();
  if (read_only()) return Unavailable("rocksdb store: opened read-only");
  if (range.empty()) return {};
  rocksdb::CompactRangeOptions options;
  options.exclusive_manual_compaction = false;
  // What lies at the bottom already is merged once more, but not what this call has put there.
  options.bottommost_level_compaction = rocksdb::BottommostLevelCompaction::kForceOptimized;
  options.canceled = &compaction_canceled_;
  const rocksdb::Slice lower(range.lower);
  const rocksdb::Slice upper = range.upper ? rocksdb::Slice(*range.upper) : rocksdb::Slice();
  const rocksdb::Status status =
      core_->db->CompactRange(options, &lower, range.upper ? &upper : nullptr);
  if (compaction_canceled_.load(std::memory_order_acquire)) return Closed();
  return Translate(status).Annotate("compact");
}

Status RocksStore::Impl::Checkpoint(std::string_view directory) {
  const CallPass pass(calls_);
  if (!pass) return Closed();
  if (read_only()) return Unavailable("rocksdb store: opened read-only");
  rocksdb::Checkpoint* made = nullptr;
  AIDB_RETURN_IF_ERROR(Translate(rocksdb::Checkpoint::Create(core_->db.get(), &made)));
  const std::unique_ptr<rocksdb::Checkpoint> checkpoint(made);
  return Translate(checkpoint->CreateCheckpoint(std::string(directory))).Annotate("checkpoint");
}

void RocksStore::Impl::AddEngineStats(kv::StoreStats& stats) const {
  rocksdb::DB& db = *core_->db;
  const rocksdb::Statistics& tickers = *db.GetDBOptions().statistics;
  stats.sequence = Newest();
  stats.snapshots = core_->snapshots.load(std::memory_order_relaxed);
  stats.flushes = core_->events->flushes.load(std::memory_order_relaxed);
  stats.compactions = core_->events->compactions.load(std::memory_order_relaxed);
  stats.background_error = core_->events->error();
  if (const Status stopped = sync_latch_.Check(); !stopped.ok()) {
    stats.background_error = stopped.ToString();
  }
  stats.write_delay_us = tickers.getTickerCount(rocksdb::STALL_MICROS);
  stats.memtable_bytes = Property(db, rocksdb::DB::Properties::kCurSizeAllMemTables);
  stats.memtable_count = Property(db, rocksdb::DB::Properties::kNumImmutableMemTable) + 1;
  stats.cache_bytes = Property(db, rocksdb::DB::Properties::kBlockCacheUsage);
  stats.cache_hits = tickers.getTickerCount(rocksdb::BLOCK_CACHE_HIT);
  stats.cache_misses = tickers.getTickerCount(rocksdb::BLOCK_CACHE_MISS);
  stats.filter_useful = tickers.getTickerCount(rocksdb::BLOOM_FILTER_USEFUL);
  stats.filter_false = tickers.getTickerCount(rocksdb::BLOOM_FILTER_FULL_POSITIVE) -
                       tickers.getTickerCount(rocksdb::BLOOM_FILTER_FULL_TRUE_POSITIVE);
  rocksdb::ColumnFamilyMetaData tables;
  db.GetColumnFamilyMetaData(&tables);
  stats.table_bytes = tables.size;
  for (const rocksdb::LevelMetaData& level : tables.levels) {
    kv::LevelStats& one = stats.levels.emplace_back();
    one.level = level.level;
    one.tables = level.files.size();
    one.size_bytes = level.size;
  }
}

kv::StoreStats RocksStore::Impl::Stats() {
  kv::StoreStats stats;
  stats.backend = "rocksdb";
  const std::string interval = std::to_string(options_.sync_interval_ms);
  stats.durability =
      "a kill loses nothing acknowledged; a power cut loses " +
      (options_.sync_interval_ms > 0 ? "at most about 2 x " + interval + " ms of un-synced writes"
                                     : "what RocksDB and the kernel had not written back");
  stats.durable_sequence = Sequence{durable_.load(std::memory_order_relaxed)};
  stats.writes = counts_.writes.load(std::memory_order_relaxed);
  stats.gets = counts_.gets.load(std::memory_order_relaxed);
  stats.scans = counts_.scans.load(std::memory_order_relaxed);
  stats.bytes_written_by_user = counts_.bytes_written.load(std::memory_order_relaxed);
  const CallPass pass(calls_);
  if (pass) AddEngineStats(stats);
  return stats;
}

Status RocksStore::Impl::Close() {
  const MutexLock lock(close_mu_);
  compaction_canceled_.store(true, std::memory_order_release);
  if (!calls_.ShutAndWait()) return {};
  interval_sync_.reset();
  core_->closed.store(true, std::memory_order_release);
  Status status = read_only() ? Status() : SyncLog();
  core_.reset();  // Closes RocksDB, unless a handle still needs it.
  return std::move(status).Annotate("close");
}

Result<std::unique_ptr<RocksStore>> RocksStore::Open(const io::Env& env, std::string_view path,
                                                     const kv::Options& options,
                                                     const kv::MergeFunction* merge) {
  AIDB_RETURN_IF_ERROR(options.Validate());
  AIDB_ASSIGN_OR_RETURN(rocksdb::Options mapped, MapOptions(options, env.executor.Parallelism()));
  auto core = std::make_shared<Core>(env.clock);
  core->events = std::make_shared<Events>();
  mapped.listeners.push_back(core->events);
  rocksdb::DB* db = nullptr;
  const std::string name(path);
  // Fails where there is no store yet, and for reasons that Open will name.
  std::vector<std::string> names;
  if (!rocksdb::DB::ListColumnFamilies(mapped, name, &names).ok()) {
    names = {rocksdb::kDefaultColumnFamilyName};
  }
  std::vector<rocksdb::ColumnFamilyDescriptor> families;
  std::optional<uint64_t> expiry_from;
  for (const std::string& family : names) {
    if (const auto from = ExpiryColumn::SequenceIn(family)) {
      expiry_from = from;
    } else if (family != rocksdb::kDefaultColumnFamilyName) {
      continue;  // Not ours: RocksDB refuses to open without it and names it.
    }
    families.emplace_back(family, mapped);
  }
  const rocksdb::Status opened =
      options.mode == kv::StoreMode::kReadOnly
          ? rocksdb::DB::OpenForReadOnly(mapped, name, families, &core->handles, &db)
          : rocksdb::DB::Open(mapped, name, families, &core->handles, &db);
  core->db.reset(db);
  AIDB_RETURN_IF_ERROR(TranslateOpen(opened).Annotate("open " + name));
  for (rocksdb::ColumnFamilyHandle* handle : core->handles) {
    if (ExpiryColumn::SequenceIn(handle->GetName())) core->expiry.Adopt(handle, *expiry_from);
  }
  return std::unique_ptr<RocksStore>(
      new RocksStore(std::make_unique<Impl>(env, options, merge, std::move(core))));
}

RocksStore::RocksStore(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
RocksStore::~RocksStore() = default;

Result<Sequence> RocksStore::Write(kv::WriteBatch batch, const kv::WriteOptions& options) {
  return impl_->Write(nullptr, batch, options);
}
Result<Sequence> RocksStore::WriteIf(const kv::Precondition& unchanged, kv::WriteBatch batch,
                                     const kv::WriteOptions& options) {
  return impl_->Write(&unchanged, batch, options);
}
Answer RocksStore::Get(std::string_view key, const kv::ReadOptions& options) const {
  return impl_->Get(key, options);
}
std::vector<Answer> RocksStore::MultiGet(std::span<const std::string_view> keys,
                                         const kv::ReadOptions& options) const {
  return impl_->MultiGet(keys, options);
}
kv::Iterator RocksStore::Scan(const kv::ScanOptions& options) const { return impl_->Scan(options); }
kv::Snapshot RocksStore::TakeSnapshot() const { return impl_->TakeSnapshot(); }
Status RocksStore::Sync() { return impl_->Sync(); }
Status RocksStore::Flush() { return impl_->Flush(); }
Status RocksStore::Compact(const kv::ScanRange& range) { return impl_->Compact(range); }
Status RocksStore::Checkpoint(std::string_view directory) { return impl_->Checkpoint(directory); }
kv::StoreStats RocksStore::Stats() const { return impl_->Stats(); }
Status RocksStore::Close() { return impl_->Close(); }

}  // namespace aidb::rocks

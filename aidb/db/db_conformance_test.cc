// Every backend against the contract and against the model, through the front door.

#include <memory>
#include <string>
#include <utility>

#include <gtest/gtest.h>

#include "aidb/db/db.h"
#include "aidb/io/posix/posix_env.h"
#include "aidb/kv/conformance.h"
#include "aidb/kv/model_test_driver.h"
#include "aidb/testing/seed.h"
#include "aidb/testing/temp_directory.h"

namespace aidb {
namespace {

// A DB in the shape that the suite wants. Conditional writes are the transactions' business.
class DbAsStore final : public kv::Store,
                        public kv::RangeCompactor,
                        public kv::Checkpointer,
                        public kv::UpdateFeed,
                        public kv::Ingester {
 public:
  explicit DbAsStore(std::unique_ptr<DB> db) : db_(std::move(db)) {}

  Result<Sequence> Write(WriteBatch batch, const WriteOptions& options) override {
    return db_->Write(std::move(batch), options);
  }
  Result<std::optional<PinnedValue>> Get(std::string_view key,
                                         const ReadOptions& options) const override {
    return db_->GetPinned(key, options);
  }
  std::vector<Result<std::optional<PinnedValue>>> MultiGet(
      std::span<const std::string_view> keys, const ReadOptions& options) const override {
    return db_->MultiGet(keys, options);
  }
  Iterator Scan(const ScanOptions& options) const override { return db_->Scan(options); }
  kv::Snapshot TakeSnapshot() const override { return db_->Snapshot(); }
  Status Sync() override { return db_->Sync(); }
  Status Flush() override { return db_->Flush(); }
  Status Compact(const ScanRange& range) override { return db_->Compact(range); }
  Status Checkpoint(std::string_view directory) override { return db_->Checkpoint(directory); }
  Result<Updates> UpdatesSince(Sequence from, const UpdateOptions& options) override {
    return db_->UpdatesSince(from, options);
  }
  Result<Sequence> Ingest(std::span<const std::string> files,
                          std::string_view /*below*/ = {}) override {
    return db_->Ingest(files);
  }
  StoreStats Stats() const override { return db_->Stats(); }
  Status Close() override { return db_->Close(); }

 private:
  const std::unique_ptr<DB> db_;
};

class DbSubject final : public kv::Subject {
 public:
  explicit DbSubject(Backend backend) : backend_(backend) {}

  std::string PathOf(std::string_view name) const override { return directory_.Join(name); }
  Result<kv::OpenedStore> OpenNamed(std::string_view name, const Options& options) override {
    AIDB_ASSIGN_OR_RETURN(std::unique_ptr<DB> db,
                          DB::Open(WithClock(world_.env()), PathOf(name), options, trial_merge()));
    auto store = std::make_unique<DbAsStore>(std::move(db));
    DbAsStore* const extras = store.get();
    return kv::OpenedStore{.store = std::move(store),
                           .compactor = extras,
                           .checkpointer = extras,
                           .updates = extras,
                           .ingester = extras};
  }
  Status MakeSortedFile(std::string_view name, const WriteBatch& content) override {
    AIDB_ASSIGN_OR_RETURN(const auto writer, SortedFileWriter::Create(world_.env(), PathOf(name)));
    WriteBatch::Reader operations = content.operations_reader();
    for (auto next = operations.Next(); next.ok() && *next; next = operations.Next()) {
      AIDB_RETURN_IF_ERROR(writer->Add(**next));
    }
    return writer->Finish().status();
  }
  Options options() const override {
    Options options;
    if (backend_ != Backend::kMemory) {
      options = Options::ForTests();
      options.log_bytes = Options().log_bytes;  // RocksDB has no such option.
      options.sync_interval_ms = 0;
    }
    options.backend = backend_;
    return options;
  }
  io::Executor& executor() override { return world_.env().executor; }

 private:
  const Backend backend_;
  testing::TempDirectory directory_;
  io::PosixEnv world_;
};

kv::SubjectMaker Through(Backend backend) {
  return [backend] { return std::make_unique<DbSubject>(backend); };
}

// One keyspace of a DB in the same shape: what the suite says of a store holds for each. Making the
// keyspace took the first sequences; they are left out.
class KeyspaceAsStore final : public kv::Store, public kv::RangeCompactor {
 public:
  KeyspaceAsStore(std::unique_ptr<DB> db, Keyspace keyspace)
      : db_(std::move(db)), keyspace_(std::move(keyspace)) {}

  Result<Sequence> Write(WriteBatch batch, const WriteOptions& options) override {
    WriteBatch named;
    WriteBatch::Reader reader = batch.operations_reader();
    while (true) {
      AIDB_ASSIGN_OR_RETURN(const auto operation, reader.Next());
      if (!operation) break;
      Add(*operation, named);
    }
    AIDB_ASSIGN_OR_RETURN(const Sequence last, db_->Write(std::move(named), options));
    return Shown(last);
  }
  Result<std::optional<PinnedValue>> Get(std::string_view key,
                                         const ReadOptions& options) const override {
    return db_->GetPinned(key, InKeyspace(options));
  }
  std::vector<Result<std::optional<PinnedValue>>> MultiGet(
      std::span<const std::string_view> keys, const ReadOptions& options) const override {
    return db_->MultiGet(keys, InKeyspace(options));
  }
  Iterator Scan(const ScanOptions& options) const override {
    ScanOptions inner = options;
    inner.snapshot = Inner(options.snapshot);
    inner.keyspace = &keyspace_;
    return db_->Scan(inner);
  }
  kv::Snapshot TakeSnapshot() const override {
    return kv::Snapshot(std::make_unique<ShownSnapshot>(db_->Snapshot()));
  }
  Status Sync() override { return db_->Sync(); }
  Status Flush() override { return db_->Flush(); }
  Status Compact(const ScanRange& range) override { return db_->Compact(range, &keyspace_); }
  StoreStats Stats() const override {
    StoreStats stats = db_->Stats();
    stats.sequence = Shown(stats.sequence);
    return stats;
  }
  Status Close() override { return db_->Close(); }

 private:
  class ShownSnapshot final : public kv::SnapshotState {
   public:
    explicit ShownSnapshot(kv::Snapshot inner) : inner_(std::move(inner)) {}
    Sequence sequence() const override { return Shown(inner_.sequence()); }
    uint64_t now_ms() const override { return inner_.now_ms(); }
    const void* owner() const override { return inner_.state().owner(); }
    const kv::Snapshot& inner() const { return inner_; }

   private:
    const kv::Snapshot inner_;
  };

  static Sequence Shown(Sequence sequence) { return Sequence{ToNumber(sequence) - 2}; }
  static const kv::Snapshot* Inner(const kv::Snapshot* shown) {
    if (shown == nullptr) return nullptr;
    return &static_cast<const ShownSnapshot&>(shown->state()).inner();
  }
  ReadOptions InKeyspace(const ReadOptions& options) const {
    return {.snapshot = Inner(options.snapshot), .keyspace = &keyspace_};
  }
  void Add(const WriteBatch::Operation& operation, WriteBatch& to) const {
    const auto& [kind, key, value, expires_at_ms, merge_operator, keyspace] = operation;
    switch (kind) {
      case kv::OpKind::kDelete:
        return to.Delete(key, &keyspace_);
      case kv::OpKind::kPutExpiring:
        return to.Put(key, value, expires_at_ms, &keyspace_);
      case kv::OpKind::kMerge:
        return to.Merge(key, merge_operator, value, &keyspace_);
      case kv::OpKind::kDeleteRange:
        return to.DeleteRange(key, value.empty() ? std::nullopt : std::optional(value), &keyspace_);
      default:
        return to.Put(key, value, &keyspace_);
    }
  }

  const std::unique_ptr<DB> db_;
  const Keyspace keyspace_;
};

// A DB whose one keyspace is the store.
class KeyspaceSubject final : public kv::Subject {
 public:
  explicit KeyspaceSubject(Backend backend) : inner_(backend) {}

  std::string PathOf(std::string_view name) const override { return inner_.PathOf(name); }
  Result<kv::OpenedStore> OpenNamed(std::string_view name, const Options& options) override {
    AIDB_ASSIGN_OR_RETURN(std::unique_ptr<DB> db,
                          DB::Open(WithClock(world_.env()), PathOf(name), options, trial_merge()));
    AIDB_ASSIGN_OR_RETURN(Keyspace keyspace, db->OpenKeyspace("model"));
    auto store = std::make_unique<KeyspaceAsStore>(std::move(db), std::move(keyspace));
    KeyspaceAsStore* const extras = store.get();
    return kv::OpenedStore{.store = std::move(store), .compactor = extras};
  }
  Options options() const override { return inner_.options(); }
  io::Executor& executor() override { return world_.env().executor; }

 private:
  DbSubject inner_;
  io::PosixEnv world_;
};

kv::SubjectMaker InKeyspaceOf(Backend backend) {
  return [backend] { return std::make_unique<KeyspaceSubject>(backend); };
}

constexpr kv::Abilities kNative{
    .durable = true, .compactor = true, .checkpointer = true, .updates = true, .ingester = true};
constexpr kv::Abilities kRocks{
    .durable = true, .compactor = true, .checkpointer = true, .ingester = true};
constexpr kv::Abilities kVolatile{.compactor = true, .updates = true, .ingester = true};

[[maybe_unused]] const bool kRegistered =
    kv::RegisterConformanceSuite("DbNative", kNative, Through(Backend::kNative)) &&
#if AIDB_HAS_ROCKS
    kv::RegisterConformanceSuite("DbRocks", kRocks, Through(Backend::kRocksDb)) &&
#endif
    kv::RegisterConformanceSuite("DbMemory", kVolatile, Through(Backend::kMemory));

// The backends' own tests run the long one.
constexpr size_t kModelOperations = 20'000;

void CompareKeyspaceWithModel(Backend backend, kv::Abilities abilities) {
  const auto report = kv::RunModelTest(InKeyspaceOf(backend), abilities,
                                       testing::SeedFromEnvironmentOr(1), kModelOperations);
  EXPECT_EQ(report, std::nullopt) << *report;
}

void CompareWithModel(Backend backend, kv::Abilities abilities) {
  const auto report = kv::RunModelTest(Through(backend), abilities,
                                       testing::SeedFromEnvironmentOr(1), kModelOperations);
  EXPECT_EQ(report, std::nullopt) << *report;
}

TEST(DbModel, TheNativeBackendDoesWhatAMapWithHistoryDoes) {
  CompareWithModel(Backend::kNative, kNative);
}

#if AIDB_HAS_ROCKS
TEST(DbModel, RocksDbDoesWhatAMapWithHistoryDoes) { CompareWithModel(Backend::kRocksDb, kRocks); }
#endif

TEST(DbModel, TheMemoryBackendDoesWhatAMapWithHistoryDoes) {
  CompareWithModel(Backend::kMemory, kVolatile);
}

TEST(DbModel, AKeyspaceOfTheNativeBackendDoesWhatAMapWithHistoryDoes) {
  CompareKeyspaceWithModel(Backend::kNative, {.durable = true, .compactor = true});
}

#if AIDB_HAS_ROCKS
TEST(DbModel, AKeyspaceOfRocksDbDoesWhatAMapWithHistoryDoes) {
  CompareKeyspaceWithModel(Backend::kRocksDb, {.durable = true, .compactor = true});
}
#endif

TEST(DbModel, AKeyspaceOfTheMemoryBackendDoesWhatAMapWithHistoryDoes) {
  CompareKeyspaceWithModel(Backend::kMemory, {.compactor = true});
}

}  // namespace
}  // namespace aidb

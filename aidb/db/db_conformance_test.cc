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
  Result<Sequence> Ingest(std::span<const std::string> files) override {
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

}  // namespace
}  // namespace aidb

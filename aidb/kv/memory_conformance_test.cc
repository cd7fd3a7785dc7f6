// The memory store against the contract and against the model; and the model's driver against a
// store with a bug in it.

#include <memory>
#include <string>

#include <gtest/gtest.h>

#include "aidb/io/posix/posix_env.h"
#include "aidb/kv/conformance.h"
#include "aidb/kv/memory_store.h"
#include "aidb/kv/model_test_driver.h"
#include "aidb/testing/seed.h"

namespace aidb::kv {
namespace {

constexpr Abilities kMemoryAbilities{.conditional = true, .compactor = true, .updates = true};

class MemorySubject final : public Subject {
 public:
  Result<OpenedStore> OpenNamed(std::string_view /*name*/, const Options& options) override {
    AIDB_ASSIGN_OR_RETURN(auto store, MemoryStore::Open(options, trial_clock(), trial_merge()));
    MemoryStore* const memory = store.get();
    return OpenedStore{
        .store = std::move(store), .conditional = memory, .compactor = memory, .updates = memory};
  }
  Options options() const override { return {}; }
  io::Executor& executor() override { return world_.env().executor; }

 private:
  io::PosixEnv world_;
};

[[maybe_unused]] const bool kRegistered =
    RegisterConformanceSuite("Memory", kMemoryAbilities, std::make_unique<MemorySubject>);

TEST(MemoryModel, DoesWhatAMapWithHistoryDoes) {
  const auto report = RunModelTest(std::make_unique<MemorySubject>, kMemoryAbilities,
                                   testing::SeedFromEnvironmentOr(1), ModelOperations());
  EXPECT_EQ(report, std::nullopt) << *report;
}

// Forgets, after a flush, that an empty value is not absence.
class ForgetfulStore final : public Store {
 public:
  explicit ForgetfulStore(std::unique_ptr<MemoryStore> store) : store_(std::move(store)) {}

  Result<std::optional<PinnedValue>> Get(std::string_view key,
                                         const ReadOptions& options) const override {
    auto value = store_->Get(key, options);
    if (flushed_ && value.ok() && *value && (*value)->size() == 0) {
      return std::optional<PinnedValue>();
    }
    return value;
  }
  Status Flush() override {
    flushed_ = true;
    return store_->Flush();
  }

  Result<Sequence> Write(WriteBatch batch, const WriteOptions& options) override {
    return store_->Write(std::move(batch), options);
  }
  std::vector<Result<std::optional<PinnedValue>>> MultiGet(
      std::span<const std::string_view> keys, const ReadOptions& options) const override {
    return store_->MultiGet(keys, options);
  }
  Iterator Scan(const ScanOptions& options) const override { return store_->Scan(options); }
  Snapshot TakeSnapshot() const override { return store_->TakeSnapshot(); }
  Status Sync() override { return store_->Sync(); }
  StoreStats Stats() const override { return store_->Stats(); }
  Status Close() override { return store_->Close(); }

 private:
  const std::unique_ptr<MemoryStore> store_;
  bool flushed_ = false;
};

class ForgetfulSubject final : public Subject {
 public:
  Result<OpenedStore> OpenNamed(std::string_view /*name*/, const Options& options) override {
    AIDB_ASSIGN_OR_RETURN(auto store, MemoryStore::Open(options, trial_clock(), trial_merge()));
    return OpenedStore{.store = std::make_unique<ForgetfulStore>(std::move(store))};
  }
  Options options() const override { return {}; }
  io::Executor& executor() override { return world_.env().executor; }

 private:
  io::PosixEnv world_;
};

TEST(ModelTestDriver, FindsAPlantedBugAndShrinksItToTheStepsItNeeds) {
  const auto report = RunModelTest(std::make_unique<ForgetfulSubject>, {}, 7, 20'000);
  ASSERT_TRUE(report.has_value());
  EXPECT_NE(report->find("seed 7: step "), std::string::npos) << *report;
  // A put of an empty value, a flush, a get; now and then one more that the get refers to.
  const size_t shrunk = report->find("shrunk to ");
  ASSERT_NE(shrunk, std::string::npos) << *report;
  EXPECT_LE(std::stoi(report->substr(shrunk + 10)), 5) << *report;
  EXPECT_NE(report->find("absent; expected \"\"/0"), std::string::npos) << *report;
  EXPECT_NE(report->find("  flush\n"), std::string::npos) << *report;
}

TEST(ModelTestDriver, TheSameSeedGivesTheSameReport) {
  const auto run = [] { return RunModelTest(std::make_unique<ForgetfulSubject>, {}, 8, 20'000); };
  const auto report = run();
  ASSERT_TRUE(report.has_value());
  EXPECT_EQ(report, run());
}

}  // namespace
}  // namespace aidb::kv

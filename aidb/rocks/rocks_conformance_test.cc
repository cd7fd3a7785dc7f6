// RocksDB against the contract and against the model.

#include <memory>

#include <gtest/gtest.h>

#include "aidb/io/posix/posix_env.h"
#include "aidb/kv/conformance.h"
#include "aidb/kv/model_test_driver.h"
#include "aidb/rocks/rocks_store.h"
#include "aidb/testing/seed.h"
#include "aidb/testing/temp_directory.h"

namespace aidb::rocks {
namespace {

constexpr kv::Abilities kAbilities{
    .durable = true, .conditional = true, .compactor = true, .checkpointer = true};

class RocksSubject final : public kv::Subject {
 public:
  std::string PathOf(std::string_view name) const override { return directory_.Join(name); }
  Result<kv::OpenedStore> OpenNamed(std::string_view name, const kv::Options& options) override {
    AIDB_ASSIGN_OR_RETURN(auto store, RocksStore::Open(WithClock(posix_.env()), PathOf(name),
                                                       options, trial_merge()));
    RocksStore* const rocks = store.get();
    return kv::OpenedStore{
        .store = std::move(store), .conditional = rocks, .compactor = rocks, .checkpointer = rocks};
  }
  kv::Options options() const override {
    kv::Options options = kv::Options::ForTests();
    options.log_bytes = kv::Options().log_bytes;  // RocksDB has no such option.
    return options;
  }
  io::Executor& executor() override { return posix_.env().executor; }

 private:
  testing::TempDirectory directory_;
  io::PosixEnv posix_;
};

[[maybe_unused]] const bool kRegistered =
    kv::RegisterConformanceSuite("Rocks", kAbilities, std::make_unique<RocksSubject>);

TEST(RocksModel, DoesWhatAMapWithHistoryDoes) {
  const auto report = kv::RunModelTest(std::make_unique<RocksSubject>, kAbilities,
                                       testing::SeedFromEnvironmentOr(1), kv::ModelOperations());
  EXPECT_EQ(report, std::nullopt) << *report;
}

}  // namespace
}  // namespace aidb::rocks

// The native engine against the contract and against the model.

#include <memory>
#include <string>

#include <gtest/gtest.h>

#include "aidb/io/posix/posix_env.h"
#include "aidb/kv/conformance.h"
#include "aidb/kv/model_test_driver.h"
#include "aidb/lsm/open.h"
#include "aidb/lsm/sorted_files.h"
#include "aidb/testing/temp_directory.h"

namespace aidb::lsm {
namespace {

constexpr kv::Abilities kNativeAbilities{.durable = true,
                                         .conditional = true,
                                         .compactor = true,
                                         .checkpointer = true,
                                         .updates = true,
                                         .ingester = true};

class NativeSubject final : public kv::Subject {
 public:
  std::string PathOf(std::string_view name) const override { return directory_.Join(name); }
  Result<kv::OpenedStore> OpenNamed(std::string_view name, const kv::Options& options) override {
    AIDB_ASSIGN_OR_RETURN(OpenedStore opened,
                          OpenStore(WithClock(world_.env()), PathOf(name), options, trial_merge()));
    return kv::OpenedStore{.store = std::move(opened.store),
                           .conditional = opened.conditional,
                           .compactor = opened.compactor,
                           .checkpointer = opened.checkpointer,
                           .updates = opened.updates,
                           .ingester = opened.ingester};
  }
  Status MakeSortedFile(std::string_view name, const kv::WriteBatch& content) override {
    AIDB_ASSIGN_OR_RETURN(const auto writer, SortedFileWriter::Create(world_.env(), PathOf(name)));
    kv::WriteBatch::Reader operations = content.operations_reader();
    for (auto next = operations.Next(); next.ok() && *next; next = operations.Next()) {
      AIDB_RETURN_IF_ERROR(writer->Add(**next));
    }
    return writer->Finish().status();
  }
  kv::Options options() const override {
    kv::Options options = kv::Options::ForTests();
    options.sync_interval_ms = 0;
    return options;
  }
  io::Executor& executor() override { return world_.env().executor; }

 private:
  testing::TempDirectory directory_;
  io::PosixEnv world_;
};

[[maybe_unused]] const bool kRegistered =
    kv::RegisterConformanceSuite("Native", kNativeAbilities, std::make_unique<NativeSubject>);

TEST(NativeModel, DoesWhatAMapWithHistoryDoes) {
  const auto report =
      kv::RunModelTest(std::make_unique<NativeSubject>, kNativeAbilities, 1, kv::ModelOperations());
  EXPECT_EQ(report, std::nullopt) << *report;
}

// Merges then wait as operands.
TEST(NativeModel, DoesSoWhereNoValueExpires) {
  const auto report = kv::RunModelTest(std::make_unique<NativeSubject>, kNativeAbilities, 2,
                                       kv::ModelOperations() / 2, kv::ModelValues::kNoneExpires);
  EXPECT_EQ(report, std::nullopt) << *report;
}

}  // namespace
}  // namespace aidb::lsm

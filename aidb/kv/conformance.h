#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "aidb/base/clock.h"
#include "aidb/base/result.h"
#include "aidb/io/env.h"
#include "aidb/io/executor.h"
#include "aidb/io/posix/posix_clock.h"
#include "aidb/kv/checkpointer.h"
#include "aidb/kv/conditional_writer.h"
#include "aidb/kv/ingester.h"
#include "aidb/kv/merge.h"
#include "aidb/kv/options.h"
#include "aidb/kv/range_compactor.h"
#include "aidb/kv/store.h"
#include "aidb/kv/update_feed.h"

// The contract of kv::Store as tests, one for each of its sentences. For test binaries only: link
// aidb::kv_conformance.

namespace aidb::kv {

struct OpenedStore {
  std::unique_ptr<Store> store = nullptr;
  ConditionalWriter* conditional = nullptr;  // The same object, if it is one.
  RangeCompactor* compactor = nullptr;       // Likewise.
  Checkpointer* checkpointer = nullptr;      // Likewise.
  UpdateFeed* updates = nullptr;             // Likewise.
  Ingester* ingester = nullptr;              // Likewise.
};

// Real time, but for the wall clock, which stands still until a test moves it.
//
// Thread safety: any thread may call any method.
class TrialClock final : public Clock {
 public:
  Instant Now() const override { return real_.Now(); }
  int64_t WallMillis() const override { return wall_ms_.load(); }
  void SleepFor(Duration duration) override { real_.SleepFor(duration); }

  uint64_t wall_ms() const { return static_cast<uint64_t>(wall_ms_.load()); }
  void SetWall(uint64_t ms) { wall_ms_.store(static_cast<int64_t>(ms)); }

 private:
  io::PosixClock real_;
  std::atomic<int64_t> wall_ms_{1'700'000'000'000};
};

// The user's operators of a trial: "key(value)operand", for every number.
class TrialMerge final : public MergeFunction {
 public:
  std::string Merge(MergeOperator /*op*/, std::string_view key,
                    std::optional<std::string_view> value,
                    std::string_view operand) const override {
    return std::string(key) + "(" + std::string(value.value_or("nothing")) + ")" +
           std::string(operand);
  }
};

// A store to be tested, and the place that it and its checkpoints live in.
//
// Thread safety: none.
class Subject {
 public:
  virtual ~Subject() = default;

  // Opens the store; before the first call there is none. With Abilities::durable later calls
  // find what was written, otherwise each starts afresh.
  Result<OpenedStore> Open(const Options& options) { return OpenNamed("store", options); }
  // Likewise, the store at PathOf(name).
  virtual Result<OpenedStore> OpenNamed(std::string_view name, const Options& options) = 0;
  virtual std::string PathOf(std::string_view name) const { return std::string(name); }
  // Options for Open; tests change batch_bytes_max and mode. Must allow 2 MiB for both
  // batch_bytes_max and a batch, and 32 MiB of data.
  virtual Options options() const = 0;
  // Runs the threads of tests that need several.
  virtual io::Executor& executor() = 0;
  // Of every store it opens.
  TrialClock& trial_clock() { return clock_; }
  const MergeFunction* trial_merge() const { return &merge_; }
  // Makes the sorted file PathOf(name) of a batch whose keys and ranges ascend. To be there with
  // Abilities::ingester.
  virtual Status MakeSortedFile(std::string_view name, const WriteBatch& /*content*/) {
    return InvalidArgument(std::string(name) + ": this subject makes no sorted files");
  }
  // Ends the store without Close, as SIGKILL would.
  virtual void Kill(OpenedStore opened) { opened.store.reset(); }

 protected:
  // `env` with the clock of the trial.
  io::Env WithClock(const io::Env& env) {
    return {env.files, clock_, env.executor, env.random, env.log};
  }

 private:
  TrialClock clock_;
  TrialMerge merge_;
};

// Makes a subject with nothing in it, independent of all others.
using SubjectMaker = std::function<std::unique_ptr<Subject>()>;

struct Abilities {
  bool durable = false;       // Opening again finds what was written; read-only mode exists.
  bool conditional = false;   // OpenedStore::conditional is there.
  bool compactor = false;     // OpenedStore::compactor is there.
  bool checkpointer = false;  // OpenedStore::checkpointer is there; only with durable.
  bool updates = false;       // OpenedStore::updates is there.
  bool ingester = false;      // OpenedStore::ingester is there.
};

// Adds the suite "<name>Conformance" to the tests of this binary; tests for an ability that is
// missing are not added. Call it before RUN_ALL_TESTS, also from the initialiser of a constant.
// Always true.
bool RegisterConformanceSuite(std::string_view name, Abilities abilities, SubjectMaker make);

}  // namespace aidb::kv

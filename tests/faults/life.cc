#include "tests/faults/life.h"

#include <memory>
#include <optional>
#include <utility>

#include "aidb/io/sim/world.h"
#include "aidb/lsm/check.h"
#include "aidb/lsm/open.h"

#include "tests/campaign/workload.h"

namespace aidb::campaign {
namespace {

constexpr std::string_view kDirectory = "store";
constexpr std::string_view kCopy = "copy of the store";
constexpr uint64_t kOperations = 56;
constexpr uint64_t kSnapshotAt = 18;
constexpr uint64_t kFlushAt = 26;
constexpr uint64_t kCompactAt = 36;
constexpr uint64_t kCheckpointAt = 40;
constexpr uint64_t kReopenAt = 44;
constexpr uint64_t kScrubAt = 50;  // Until it has read all tables again.
constexpr int kScrubSeconds = 1;
constexpr uint64_t kSyncEach = 8;
constexpr int kTries = 3;  // Of a write that says to wait.
// Longer than background work waits before it tries again; in virtual time.
constexpr Duration kBackgroundRetry = std::chrono::seconds(2);

kv::Options LifeOptions() {
  kv::Options options = kv::Options::ForTests();
  options.memory_bytes = uint64_t{2} << 20;
  options.batch_bytes_max = uint64_t{128} << 10;
  options.log_bytes = uint64_t{64} << 10;
  options.write_wait_ms = 1000;
  options.scrub_period_s = kScrubSeconds;
  return options;
}

Workload LifeWorkload(uint64_t seed) {
  return Workload({.seed = seed,
                   .keys_per_writer = 60,
                   .value_bytes_max = 4000,
                   .batch_operations_max = 5,
                   .merge_one_in = 3});
}

class Life {
 public:
  Life(const io::Env& env, io::FaultyFileSystem& files, uint64_t seed)
      : env_{files, env.clock, env.executor, env.random, env.log},
        files_(files),
        workload_(LifeWorkload(seed)) {}

  void Run() {
    if (!Open()) return;
    for (uint64_t n = 1; n <= kOperations && writing_ && wrong_.empty(); ++n) {
      Write(n);
      if (n == kSnapshotAt) TakeSnapshot();
      if (n == kFlushAt) Note("flush", store_->Flush());
      if (n == kCompactAt) Note("compact", compactor_->Compact({}));
      if (n == kCheckpointAt) Checkpoint();
      if (n == kReopenAt && !Reopen()) return;
      if (n == kScrubAt) Scrub();
    }
    Read();
    ReadSnapshot();
    snapshot_.reset();
    if (store_ != nullptr) Note("close", store_->Close());
    store_.reset();
  }

  const std::string& wrong() const { return wrong_; }
  uint64_t errors() const { return errors_; }
  uint64_t syncs_after_failure() const {
    return reopened_ ? syncs_after_failure_ : files_.syncs_after_failure();
  }
  const Workload& workload() const { return workload_; }
  // What a checkpoint holds, if one is there; nullopt: none was tried.
  const std::optional<Contents>& at_checkpoint() const { return at_checkpoint_; }
  bool checkpoint_made() const { return checkpoint_made_; }
  uint64_t acknowledged() const { return model_.operations; }
  uint64_t synced() const { return synced_; }
  uint64_t possible() const { return possible_; }

 private:
  void Wrong(std::string what) {
    if (wrong_.empty()) wrong_ = std::move(what);
  }

  // An error is fine if it says what and where.
  void Note(const std::string& what, const Status& status) {
    if (status.ok()) return;
    ++errors_;
    const bool told = status.code() == StatusCode::kIoError ||
                      status.code() == StatusCode::kResourceExhausted ||
                      status.code() == StatusCode::kUnavailable;
    if (!told) Wrong(what + " fails as something else: " + status.ToString());
    if (status.message().find(kDirectory) == std::string_view::npos) {
      Wrong(what + " fails and names no file: " + status.ToString());
    }
  }

  bool Open() {
    auto opened = lsm::OpenStore(env_, kDirectory, LifeOptions());
    Note("open", opened.status());
    if (!opened.ok()) return false;
    store_ = std::move(opened->store);
    compactor_ = opened->compactor;
    checkpointer_ = opened->checkpointer;
    return true;
  }

  bool Reopen() {
    Read();
    ReadSnapshot();
    snapshot_.reset();
    Note("close", store_->Close());
    store_.reset();
    // Recovery is a new process: it writes what it cannot prove once more, then syncs.
    syncs_after_failure_ = files_.syncs_after_failure();
    reopened_ = true;
    if (!Open()) return false;
    Read();
    return true;
  }

  void Write(uint64_t n) {
    const bool sync = n % kSyncEach == 0;
    for (int i = 1;; ++i) {
      const auto written = store_->Write(workload_.Operation(0, n), {.sync = sync});
      if (written.ok()) {
        model_.AdvanceTo(workload_, 0, n);
        possible_ = n;
        if (sync) synced_ = n;
        return;
      }
      Note("write", written.status());
      if (written.status().code() == StatusCode::kIoError) possible_ = n;  // It may be there.
      if (written.status().code() != StatusCode::kResourceExhausted) break;
      if (i == 1) continue;
      // The disk has room again: writes must go on by themselves.
      files_.Heal();
      env_.clock.SleepFor(kBackgroundRetry);
      if (i <= kTries) continue;
      Wrong("writes do not resume: " + written.status().ToString());
      break;
    }
    writing_ = false;
  }

  void Read() {
    if (!writing_) return;  // Whether the last write shows is open.
    const auto found = ReadAll(*store_, "", kv::ScanOrder::kForward);
    Note("scan", found.status());
    if (found.ok()) Compare("scan", Difference(model_.contents, *found));
    for (int i = 0; i < 60; i += 7) {
      const std::string key = Workload::Prefix(0) + std::to_string(i);
      const auto got = store_->Get(key, {});
      Note("get", got.status());
      if (!got.ok()) continue;
      const auto expected = model_.contents.find(key);
      const bool present = expected != model_.contents.end();
      if (present != got->has_value() || (present && (*got)->view() != expected->second)) {
        Wrong("get of " + key + " is wrong");
      }
    }
  }

  void Compare(const std::string& where, const std::string& differs) {
    if (!differs.empty()) Wrong(where + ": " + differs);
  }

  void Checkpoint() {
    if (!writing_) return;
    at_checkpoint_ = model_.contents;
    const Status status = checkpointer_->Checkpoint(kCopy);
    Note("checkpoint", status);
    checkpoint_made_ = status.ok();
  }

  // One call that failed is no damage for ever: what it was the next round tells.
  void Scrub() {
    env_.clock.SleepFor(std::chrono::milliseconds(1250 * kScrubSeconds));
    if (files_.fault_count() != 0) {
      files_.Heal();
      env_.clock.SleepFor(std::chrono::seconds(2 * kScrubSeconds));
    }
    const kv::StoreStats stats = store_->Stats();
    if (stats.scrub_rounds == 0) Wrong("in more than a period nothing was scrubbed");
    if (!stats.damaged.empty()) Wrong("told as damaged: " + stats.damaged[0].what);
  }

  void TakeSnapshot() {
    if (!writing_) return;
    snapshot_ = std::make_unique<kv::Snapshot>(store_->TakeSnapshot());
    at_snapshot_ = model_.contents;
  }

  void ReadSnapshot() {
    if (snapshot_ == nullptr) return;
    Contents found;
    kv::Iterator it = store_->Scan({.order = kv::ScanOrder::kReverse, .snapshot = snapshot_.get()});
    for (; it.Valid(); it.Next()) found.emplace(it.key(), it.value());
    Note("scan of a snapshot", it.status());
    if (it.status().ok()) Compare("scan of a snapshot", Difference(at_snapshot_, found));
  }

  const io::Env env_;
  io::FaultyFileSystem& files_;
  const Workload workload_;
  std::unique_ptr<kv::Store> store_;
  kv::RangeCompactor* compactor_ = nullptr;   // The same object.
  kv::Checkpointer* checkpointer_ = nullptr;  // Likewise.
  std::optional<Contents> at_checkpoint_;     // If one was tried while no write was in doubt.
  bool checkpoint_made_ = false;
  std::unique_ptr<kv::Snapshot> snapshot_;
  Contents at_snapshot_;
  WriterModel model_;  // Of what was acknowledged.
  uint64_t synced_ = 0;
  uint64_t possible_ = 0;  // The last write that may be there.
  bool writing_ = true;
  bool reopened_ = false;
  uint64_t syncs_after_failure_ = 0;  // Up to the reopening.
  uint64_t errors_ = 0;
  std::string wrong_;
};

// A checkpoint is whole or not there, and there if the call said so.
std::string LookAtCheckpoint(const Life& life, const io::Env& env) {
  const auto exists = env.files.Exists(kCopy);
  if (!exists.ok()) return "checkpoint: " + exists.status().ToString();
  if (!*exists) return life.checkpoint_made() ? "the checkpoint is lost" : "";
  if (!life.at_checkpoint()) return "a checkpoint that nobody made";
  const auto check = lsm::CheckStore(env, kCopy);
  if (!check.ok()) return "check of the checkpoint: " + check.status().ToString();
  if (!check->ok()) return "check of the checkpoint: " + check->problems[0].what;
  auto opened = lsm::OpenStore(env, kCopy, LifeOptions());
  if (!opened.ok()) return "open the checkpoint: " + opened.status().ToString();
  const auto found = ReadAll(*opened->store, "", kv::ScanOrder::kForward);
  if (!found.ok()) return "scan of the checkpoint: " + found.status().ToString();
  const std::string differs = Difference(*life.at_checkpoint(), *found);
  return differs.empty() ? "" : "checkpoint: " + differs;
}

// Opens what is left on a disk that is well, and compares. Empty when it is a prefix of history
// that ends in [low, high].
std::string LookAtRemains(const Life& life, uint64_t seed, io::SimDisk disk, uint64_t low,
                          const std::string& when, const io::SimOptions& options) {
  io::SimWorld world(seed, std::move(disk), options);
  std::string wrong;
  const auto report = world.Run([&] {
    const auto check = lsm::CheckStore(world.env(), kDirectory);
    const bool nothing = !check.ok() && check.status().code() == StatusCode::kInvalidArgument;
    if (nothing && low == 0) return;  // It never came to a store.
    if (!check.ok()) return void(wrong = "check: " + check.status().ToString());
    if (!check->ok()) return void(wrong = "check: " + check->problems[0].what);
    auto opened = lsm::OpenStore(world.env(), kDirectory, LifeOptions());
    if (!opened.ok()) return void(wrong = "reopen: " + opened.status().ToString());
    const auto found = ReadAll(*opened->store, "", kv::ScanOrder::kForward);
    if (!found.ok()) return void(wrong = "scan: " + found.status().ToString());
    WriterModel model;
    model.AdvanceTo(life.workload(), 0, low);
    if (!SurvivingPrefix(life.workload(), 0, model, life.possible(), *found)) {
      wrong = std::to_string(low) + " operations must be there, " +
              std::to_string(life.possible()) + " may: " + Difference(model.contents, *found);
      return;
    }
    const Status closed = opened->store->Close();
    if (!closed.ok()) wrong = "close: " + closed.ToString();
    if (wrong.empty()) wrong = LookAtCheckpoint(life, world.env());
  });
  if (!report.finished()) wrong = "it hangs: " + report.fibers;
  return wrong.empty() ? "" : when + ": " + wrong;
}

}  // namespace

LifeOutcome RunLife(uint64_t seed, uint64_t n, const io::CallFault& fault) {
  static io::FiberStackPool stacks;  // One world at a time.
  io::SimOptions options;
  options.stacks = &stacks;
  options.files.short_transfer_one_in = 0;
  LifeOutcome outcome;
  io::SimWorld world(seed, {}, options);
  io::FaultyFileSystem files(world.env().files);
  if (n != 0) files.FailAt(n, fault);
  Life life(world.env(), files, seed);
  const auto report = world.Run([&] { life.Run(); });
  outcome.hit = files.fault_count() != 0;
  outcome.calls = files.call_count();
  outcome.errors = life.errors();
  outcome.wrong = report.finished() ? life.wrong() : "it hangs: " + report.fibers;
  if (outcome.wrong.empty() && life.syncs_after_failure() != 0) {
    outcome.wrong = "a file was synced after a sync of it had failed";
  }
  if (!outcome.wrong.empty()) return outcome;
  const io::SimDisk disk = world.disk();
  outcome.wrong =
      LookAtRemains(life, seed + 1, disk.Kill(), life.acknowledged(), "after a restart", options);
  if (!outcome.wrong.empty()) return outcome;
  Rng rng(seed * 31 + n);
  outcome.wrong = LookAtRemains(life, seed + 2, disk.PowerCut(rng, io::PowerCutModel::Draw(rng)),
                                life.synced(), "after a power cut", options);
  return outcome;
}

}  // namespace aidb::campaign

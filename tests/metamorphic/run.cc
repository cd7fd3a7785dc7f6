#include "tests/metamorphic/run.h"

#include <cinttypes>
#include <cstdio>
#include <memory>
#include <optional>
#include <utility>

#include "aidb/base/hash.h"
#include "aidb/base/random.h"
#include "aidb/io/posix/posix_env.h"
#include "aidb/kv/model_random.h"

namespace aidb::metamorphic {
namespace {

constexpr size_t kSnapshotsMax = 4;
constexpr size_t kWalksMax = 3;
constexpr uint64_t kStartMs = 1'000'000;

// Stands still but for what the steps say.
class StepClock final : public Clock {
 public:
  Instant Now() const override { return real_.Now(); }
  int64_t WallMillis() const override { return static_cast<int64_t>(wall_ms); }
  void SleepFor(Duration duration) override { real_.SleepFor(duration); }

  uint64_t wall_ms = kStartMs;

 private:
  io::PosixClock real_;
};

class NoLog final : public Logger {
 public:
  void Log(LogLevel, std::string_view) override {}
};

// All bytes count, the first ones are shown.
std::string Digest(std::string_view bytes) {
  char hash[20];
  std::snprintf(hash, sizeof hash, "#%08" PRIx32, static_cast<uint32_t>(Hash64(bytes)));
  return kv::Show(bytes) + hash;
}

class Run {
 public:
  Run(const OptionSet& set, std::string directory)
      : set_(set), directory_(std::move(directory)), real_(log_) {
    Open(StoreMode::kMustBeNew);
    Options memory;
    memory.backend = Backend::kMemory;
    foreign_ = *DB::Open(env_, "", memory);
  }

  std::vector<std::string> Perform(const std::vector<Step>& steps) {
    for (const Step& step : steps) {
      line_ = std::string(StepName(step.kind)) + ":";
      if (db_ == nullptr) break;  // What it died of is the last line.
      const bool reads = step.kind == StepKind::kGet || step.kind == StepKind::kMultiGet ||
                         step.kind == StepKind::kScan;
      const bool quiet = NobodyHoldsAHandle() && habits_.OneIn(set_.habit_one_in);
      const bool read_only = quiet && reads && set_.habit == Habit::kReadOnly;
      if (read_only) Reopen(StoreMode::kReadOnly);
      if (db_ != nullptr) Do(step);
      if (db_ != nullptr && read_only) CheckTakesNoWrite();
      if (db_ != nullptr && read_only) Reopen(StoreMode::kMustExist);
      if (db_ != nullptr && quiet && !reads && NobodyHoldsAHandle()) Indulge();
      lines_.push_back(line_);
    }
    if (db_ != nullptr) Finish();
    return std::move(lines_);
  }

 private:
  bool NobodyHoldsAHandle() const { return walks_.empty() && snapshots_.empty(); }
  std::string Path() const { return directory_ + "/store" + std::to_string(copies_); }
  void Say(const std::string& text) { line_ += " " + text; }
  void SayCode(const Status& status) {
    if (status.ok()) return Say("ok");
    Say(std::string(StatusCodeName(status.code())));
  }
  // What no set may ever answer: with its message.
  void Trouble(std::string_view what, const Status& status) {
    Say("TROUBLE " + std::string(what) + ": " + status.ToString());
  }
  void Expect(std::string_view what, const Status& status) {
    if (!status.ok()) Trouble(what, status);
  }

  void Open(StoreMode mode) {
    Options options = set_.options;
    options.mode = options.backend == Backend::kMemory ? StoreMode::kCreateIfMissing : mode;
    auto opened = DB::Open(env_, Path(), options);
    if (!opened.ok()) {
      Trouble("open", opened.status());
      lines_.push_back(line_);
      return;
    }
    db_ = *std::move(opened);
  }
  // The memory backend keeps nothing.
  void Reopen(StoreMode mode) {
    if (set_.options.backend == Backend::kMemory) return;
    Expect("close", db_->Close());
    db_.reset();
    Open(mode);
  }
  void CheckTakesNoWrite() {
    const Status status = db_->Put("k", "v");
    if (status.code() != StatusCode::kUnavailable)
      Trouble("a read-only store took a write", status);
  }
  void Continue() {
    const std::string before = Path();
    ++copies_;
    Expect("checkpoint", db_->Checkpoint(Path()));
    Expect("close", db_->Close());
    db_.reset();
    Expect("destroy", DB::Destroy(env_, before));
    Open(StoreMode::kMustExist);
  }
  void Indulge() {
    switch (set_.habit) {
      case Habit::kNone:
      case Habit::kReadOnly:
        return;
      case Habit::kReopen:
        return Reopen(StoreMode::kMustExist);
      case Habit::kCheckpoint:
        return Continue();
      case Habit::kFlush:
        return Expect("flush", db_->Flush());
      case Habit::kCompact:
        return Expect("compact", db_->Compact());
      case Habit::kSync:
        return Expect("sync", db_->Sync());
    }
  }

  void Do(const Step& step);
  void Write(WriteBatch batch, Rng& rng) {
    const auto written = db_->Write(std::move(batch), {.sync = rng.OneIn(20)});
    if (!written.ok()) return Trouble("write", written.status());
    Say("at " + std::to_string(kv::ToNumber(*written)));
  }
  void SayValue(const Result<std::optional<PinnedValue>>& value) {
    if (!value.ok()) return SayCode(value.status());
    if (!*value) return Say("absent");
    Say(Digest((*value)->view()));
    if ((*value)->expires_at_ms()) Say("until " + std::to_string(*(*value)->expires_at_ms()));
  }
  // The newest state, or one that was kept.
  const kv::Snapshot* AnySnapshot(Rng& rng) const {
    if (snapshots_.empty() || rng.OneIn(2)) return nullptr;
    return &snapshots_[rng.Below(snapshots_.size())];
  }
  void MultiGet(Rng& rng);
  void Scan(const ScanOptions& options);
  void OpenWalk(Rng& rng);
  void MoveWalk(Rng& rng);
  void Transact(Rng& rng);
  void WrongCall(Rng& rng);
  void Finish();

  const OptionSet& set_;
  const std::string directory_;
  NoLog log_;
  io::PosixEnv real_;
  StepClock clock_;
  const io::Env env_{real_.env().files, clock_, real_.env().executor, real_.env().random, log_};
  std::unique_ptr<DB> foreign_;
  std::unique_ptr<DB> db_;
  int copies_ = 0;
  Rng habits_{7};
  std::vector<kv::Snapshot> snapshots_;
  std::vector<Iterator> walks_;
  std::string line_;
  std::vector<std::string> lines_;
};

void Run::Do(const Step& step) {
  Rng rng(step.seed);
  WriteBatch batch;
  std::string text;
  switch (step.kind) {
    case StepKind::kPut:
      batch.Put(kv::RandomKey(rng), kv::RandomValue(rng));
      return Write(std::move(batch), rng);
    case StepKind::kPutExpiring: {
      const std::string key = kv::RandomKey(rng);
      batch.Put(key, kv::RandomValue(rng), kv::RandomExpiry(rng, clock_.wall_ms));
      return Write(std::move(batch), rng);
    }
    case StepKind::kDelete:
      batch.Delete(kv::RandomKey(rng));
      return Write(std::move(batch), rng);
    case StepKind::kMerge:
      kv::RandomMerge(rng, kv::RandomKey(rng), batch, text);
      return Write(std::move(batch), rng);
    case StepKind::kBatch:
      return Write(kv::RandomBatch(rng, clock_.wall_ms, text), rng);
    case StepKind::kPlainBatch:
      return Write(kv::RandomBatch(rng, std::nullopt, text), rng);
    case StepKind::kTransaction:
      return Transact(rng);
    case StepKind::kAdvanceClock:
      clock_.wall_ms += rng.Below(200);
      return;
    case StepKind::kGet:
      return SayValue(db_->GetPinned(kv::RandomKey(rng), {.snapshot = AnySnapshot(rng)}));
    case StepKind::kMultiGet:
      return MultiGet(rng);
    case StepKind::kScan: {
      const kv::RandomScan scan(rng);
      return Scan(scan.Options(AnySnapshot(rng)));
    }
    case StepKind::kOpenWalk:
      return OpenWalk(rng);
    case StepKind::kMoveWalk:
      return MoveWalk(rng);
    case StepKind::kTakeSnapshot:
      if (snapshots_.size() < kSnapshotsMax) snapshots_.push_back(db_->Snapshot());
      return Say(std::to_string(kv::ToNumber(snapshots_.back().sequence())));
    case StepKind::kDropHandles:
      walks_.clear();
      snapshots_.clear();
      return;
    case StepKind::kFlush:
      return SayCode(db_->Flush());
    case StepKind::kSync:
      return SayCode(db_->Sync());
    case StepKind::kCompact: {
      ScanRange range{.lower = kv::RandomBound(rng)};
      if (rng.OneIn(2)) range.upper = kv::RandomBound(rng);
      return SayCode(db_->Compact(range));
    }
    case StepKind::kWrongCall:
      return WrongCall(rng);
  }
}

void Run::MultiGet(Rng& rng) {
  std::vector<std::string> keys;
  for (uint64_t count = rng.Below(12); count > 0; --count) keys.push_back(kv::RandomKey(rng));
  const std::vector<std::string_view> views(keys.begin(), keys.end());
  for (const auto& value : db_->MultiGet(views, {.snapshot = AnySnapshot(rng)})) SayValue(value);
}

void Run::Scan(const ScanOptions& options) {
  uint64_t count = 0;
  std::string all;
  Iterator it = db_->Scan(options);
  for (; it.Valid(); it.Next(), ++count) {
    all += std::to_string(it.key().size()) + " ";
    all += it.key();
    all += it.value();
  }
  SayCode(it.status());
  Say(std::to_string(count) + " pairs " + Digest(all));
}

void Run::OpenWalk(Rng& rng) {
  if (walks_.size() == kWalksMax) walks_.erase(walks_.begin());
  const kv::RandomScan scan(rng);
  walks_.push_back(db_->Scan(scan.Options(AnySnapshot(rng))));
}

void Run::MoveWalk(Rng& rng) {
  if (walks_.empty()) return;
  Iterator& it = walks_[rng.Below(walks_.size())];
  const std::string sought = kv::RandomBound(rng);
  const uint64_t choice = rng.Below(10);
  if (it.Valid() && choice < 4) {
    it.Next();
  } else if (it.Valid() && choice < 7) {
    it.Prev();
  } else if (choice == 7) {
    rng.OneIn(2) ? it.SeekToStart() : it.SeekToEnd();
  } else if (choice % 2 == 0) {
    it.Seek(sought);
  } else {
    it.SeekForPrev(sought);
  }
  SayCode(it.status());
  Say(it.Valid() ? kv::Show(it.key()) + " = " + Digest(it.value()) : "the end");
}

// Reads and writes a few keys while another writes as well.
void Run::Transact(Rng& rng) {
  const kv::Snapshot before = db_->Snapshot();
  Transaction transaction = db_->Begin();
  std::vector<std::string> keys;
  for (uint64_t count = rng.Between(1, 3); count > 0; --count) {
    keys.push_back(kv::RandomKey(rng));
    const std::string& key = keys.back();
    const auto read = transaction.GetForUpdate(key);
    if (!read.ok()) return Trouble("read in a transaction", read.status());
    Say(*read ? Digest(**read) : "absent");
    const Status status =
        rng.OneIn(3) ? transaction.Delete(key) : transaction.Put(key, kv::RandomValue(rng));
    Expect("write in a transaction", status);
  }
  std::string text;
  if (rng.OneIn(2)) Write(kv::RandomBatch(rng, clock_.wall_ms, text), rng);
  // Of a key that was absent and is absent again nobody needs to know whether it was written.
  for (const std::string& key : keys) {
    const auto then = db_->Get(key, {.snapshot = &before});
    const auto now = db_->Get(key);
    if (!then.ok() || !now.ok()) return Say("TROUBLE a read beside a transaction");
    if (!*then && !*now) return Say("undecided");
  }
  const auto committed = transaction.Commit();
  SayCode(committed.status());
  if (committed.ok()) Say("at " + std::to_string(kv::ToNumber(*committed)));
}

void Run::WrongCall(Rng& rng) {
  const kv::Snapshot foreign = foreign_->Snapshot();
  switch (rng.Below(4)) {
    case 0:
      return SayCode(db_->Put(std::string(kv::kKeyBytesMax + 1, 'k'), "v"));
    case 1:
      return SayCode(db_->Get("k", {.snapshot = &foreign}).status());
    case 2:
      return SayCode(db_->Scan({.snapshot = &foreign}).status());
    default:
      return SayCode(db_->Merge("k", kv::MergeOperator{200}, "operand"));
  }
}

void Run::Finish() {
  line_ = "end:";
  walks_.clear();
  snapshots_.clear();
  Scan({});
  Scan({.order = ScanOrder::kReverse});
  Reopen(StoreMode::kMustExist);
  if (db_ != nullptr) Scan({});
  if (db_ != nullptr) Expect("close", db_->Close());
  lines_.push_back(line_);
}

}  // namespace

std::vector<std::string> Perform(const std::vector<Step>& steps, const OptionSet& set,
                                 const std::string& directory) {
  return Run(set, directory).Perform(steps);
}

}  // namespace aidb::metamorphic

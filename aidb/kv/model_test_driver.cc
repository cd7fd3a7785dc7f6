#include "aidb/kv/model_test_driver.h"

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <utility>
#include <vector>

#include "aidb/base/random.h"
#include "aidb/kv/model_history.h"
#include "aidb/kv/model_random.h"
#include "aidb/kv/model_walk.h"

namespace aidb::kv {
namespace {

constexpr size_t kSnapshotsMax = 6;
constexpr size_t kWalksMax = 4;
constexpr int kShrinkRunsMax = 400;
constexpr size_t kReportStepsMax = 60;

enum class StepKind : unsigned char {
  kPut,
  kDelete,
  kDeleteRange,
  kPutExpiring,
  kMerge,
  kBatch,
  kAdvanceClock,
  kWriteIf,
  kGet,
  kMultiGet,
  kScan,
  kOpenWalk,
  kMoveWalk,
  kCloseWalk,
  kTakeSnapshot,
  kReleaseSnapshot,
  kFlush,
  kCompact,
  kIngest,
  kSync,
  kReopen,
  kKill,
};

// All arguments of a step come from its seed, so that dropping one step changes no other.
struct Step {
  StepKind kind;
  uint64_t seed;
};

struct Weight {
  StepKind kind;
  uint64_t weight;
};

std::vector<Weight> Weights(Abilities abilities, ModelValues values) {
  std::vector<Weight> weights = {
      {StepKind::kPut, 2500},         {StepKind::kDelete, 700},         {StepKind::kBatch, 400},
      {StepKind::kGet, 2000},         {StepKind::kMultiGet, 300},       {StepKind::kScan, 150},
      {StepKind::kOpenWalk, 150},     {StepKind::kMoveWalk, 2500},      {StepKind::kCloseWalk, 50},
      {StepKind::kTakeSnapshot, 100}, {StepKind::kReleaseSnapshot, 90}, {StepKind::kFlush, 6},
      {StepKind::kSync, 10},          {StepKind::kPutExpiring, 500},    {StepKind::kMerge, 500},
      {StepKind::kAdvanceClock, 300}, {StepKind::kDeleteRange, 60}};
  if (values == ModelValues::kNoneExpires) {
    for (Weight& one : weights) {
      if (one.kind == StepKind::kPutExpiring) one.kind = StepKind::kMerge;
    }
  }
  if (abilities.conditional) weights.push_back({StepKind::kWriteIf, 150});
  if (abilities.compactor) weights.push_back({StepKind::kCompact, 3});
  if (abilities.ingester) weights.push_back({StepKind::kIngest, 12});
  if (abilities.durable) {
    weights.push_back({StepKind::kReopen, 2});
    weights.push_back({StepKind::kKill, 2});
  }
  return weights;
}

std::vector<Step> MakeSteps(Abilities abilities, ModelValues values, uint64_t seed, size_t count) {
  const std::vector<Weight> weights = Weights(abilities, values);
  uint64_t total = 0;
  for (const Weight& one : weights) total += one.weight;
  Rng rng(seed);
  std::vector<Step> steps;
  steps.reserve(count);
  for (size_t i = 0; i < count; ++i) {
    uint64_t choice = rng.Below(total);
    size_t kind = 0;
    while (choice >= weights[kind].weight) choice -= weights[kind++].weight;
    steps.push_back({weights[kind].kind, rng.Next()});
  }
  return steps;
}

// One execution of a list of steps against store and history.
class ModelRun {
 public:
  ModelRun(const SubjectMaker& make, ModelValues values) : subject_(make()), values_(values) {
    Open();
  }

  // The index of the first step after which they differ.
  std::optional<size_t> Run(const std::vector<Step>& steps) {
    for (size_t i = 0; i < steps.size() && !difference_; ++i) {
      line_.clear();
      Perform(steps[i]);
      if (keep_transcript_) transcript_.push_back(line_);
      if (difference_) return i;
    }
    if (!difference_) CheckAll();
    return difference_ ? std::optional(steps.empty() ? 0 : steps.size() - 1) : std::nullopt;
  }

  void KeepTranscript() { keep_transcript_ = true; }
  const std::vector<std::string>& transcript() const { return transcript_; }
  std::string difference() const { return difference_.value_or("nothing differed"); }

 private:
  void Perform(const Step& step);
  void Put(Rng& rng);
  void PutExpiring(Rng& rng);
  void Merge(Rng& rng);
  void Delete(Rng& rng);
  void DeleteRange(Rng& rng);
  void Batch(Rng& rng);
  void WriteIf(Rng& rng);
  void Get(Rng& rng);
  void MultiGet(Rng& rng);
  void Scan(Rng& rng);
  void OpenWalk(Rng& rng);
  void MoveWalk(Rng& rng);
  void Compact(Rng& rng);
  void Ingest(Rng& rng);
  void Restart(bool kill);
  void Open();
  // Everything at the newest sequence and at each snapshot, up and down.
  void CheckAll();

  void Write(const WriteBatch& batch) { ExpectWritten(opened_.store->Write(batch, {}), batch); }
  void ExpectWritten(const Result<Sequence>& written, const WriteBatch& batch);
  void ExpectPairs(const ScanOptions& options, ModelHistory::Moment at);
  void ExpectOk(const Status& status) {
    if (!status.ok()) Differ("failed: " + status.ToString());
  }
  void Differ(std::string what) {
    if (!difference_) difference_ = std::move(what);
  }
  void Say(std::string_view text) {
    if (keep_transcript_) line_ += text;
  }

  struct Taken {
    Snapshot snapshot;
    ModelHistory::Moment moment;
  };

  // Mostly none; its moment is this one.
  const Taken* RandomSnapshot(Rng& rng) {
    if (snapshots_.empty() || rng.OneIn(2)) return nullptr;
    const size_t index = rng.Below(snapshots_.size());
    Say("at snapshot " + std::to_string(ToNumber(snapshots_[index].moment.sequence)) + " ");
    return &snapshots_[index];
  }
  static const Snapshot* SnapshotOf(const Taken* taken) {
    return taken == nullptr ? nullptr : &taken->snapshot;
  }
  ModelHistory::Moment MomentOf(const Taken* taken) const {
    return taken == nullptr ? ModelHistory::Moment{history_.newest(), now_ms()} : taken->moment;
  }
  uint64_t now_ms() const { return subject_->trial_clock().wall_ms(); }
  std::optional<uint64_t> BatchClock() const {
    return values_ == ModelValues::kSomeExpire ? std::optional(now_ms()) : std::nullopt;
  }
  Sequence OldestNeeded() const {
    Sequence oldest = history_.newest();
    for (const Taken& one : snapshots_) oldest = std::min(oldest, one.moment.sequence);
    return oldest;
  }

  const std::unique_ptr<Subject> subject_;
  const ModelValues values_;
  OpenedStore opened_;
  ModelHistory history_;
  std::vector<Taken> snapshots_;
  std::vector<std::unique_ptr<Walk>> walks_;
  std::optional<std::string> difference_;
  uint64_t files_made_ = 0;
  bool keep_transcript_ = false;
  std::string line_;
  std::vector<std::string> transcript_;
};

void ModelRun::Open() {
  Result<OpenedStore> opened = subject_->Open(subject_->options());
  ExpectOk(opened.status());
  if (opened.ok()) opened_ = *std::move(opened);
}

void ModelRun::Perform(const Step& step) {
  Rng rng(step.seed);
  switch (step.kind) {
    case StepKind::kPut:
      return Put(rng);
    case StepKind::kDelete:
      return Delete(rng);
    case StepKind::kDeleteRange:
      return DeleteRange(rng);
    case StepKind::kPutExpiring:
      return PutExpiring(rng);
    case StepKind::kMerge:
      return Merge(rng);
    case StepKind::kBatch:
      return Batch(rng);
    case StepKind::kAdvanceClock: {
      const uint64_t to = now_ms() + rng.Below(rng.OneIn(10) ? 1'000 : 50);
      Say("advance the clock to " + std::to_string(to));
      return subject_->trial_clock().SetWall(to);
    }
    case StepKind::kWriteIf:
      return WriteIf(rng);
    case StepKind::kGet:
      return Get(rng);
    case StepKind::kMultiGet:
      return MultiGet(rng);
    case StepKind::kScan:
      return Scan(rng);
    case StepKind::kOpenWalk:
      return OpenWalk(rng);
    case StepKind::kMoveWalk:
      return MoveWalk(rng);
    case StepKind::kCloseWalk:
      Say("close an iterator");
      if (!walks_.empty())
        walks_.erase(walks_.begin() + static_cast<int>(rng.Below(walks_.size())));
      return;
    case StepKind::kTakeSnapshot:
      Say("take snapshot " + std::to_string(ToNumber(history_.newest())));
      if (snapshots_.size() == kSnapshotsMax) snapshots_.erase(snapshots_.begin());
      snapshots_.push_back({opened_.store->TakeSnapshot(), MomentOf(nullptr)});
      if (snapshots_.back().snapshot.sequence() != history_.newest()) {
        Differ("snapshot: wrong sequence");
      }
      return;
    case StepKind::kReleaseSnapshot:
      Say("release a snapshot");
      if (!snapshots_.empty()) {
        snapshots_.erase(snapshots_.begin() + static_cast<int>(rng.Below(snapshots_.size())));
      }
      return;
    case StepKind::kFlush:
      Say("flush");
      return ExpectOk(opened_.store->Flush());
    case StepKind::kCompact:
      return Compact(rng);
    case StepKind::kIngest:
      return Ingest(rng);
    case StepKind::kSync:
      Say("sync");
      return ExpectOk(opened_.store->Sync());
    case StepKind::kReopen:
      return Restart(/*kill=*/false);
    case StepKind::kKill:
      return Restart(/*kill=*/true);
  }
}

void ModelRun::ExpectWritten(const Result<Sequence>& written, const WriteBatch& batch) {
  if (!written.ok()) return ExpectOk(written.status());
  WriteBatch::Reader operations = batch.operations_reader();
  for (auto next = operations.Next(); next.ok() && *next; next = operations.Next()) {
    const WriteBatch::Operation& operation = **next;
    const std::string key(operation.key);
    if (operation.kind == OpKind::kDeleteRange) {
      history_.DeleteRange(key, operation.value, OldestNeeded());
      continue;
    }
    if (operation.kind == OpKind::kMerge) {
      history_.Merge(key, operation.merge_operator, operation.value, now_ms());
    } else {
      std::optional<ModelHistory::Value> value;
      if (operation.kind != OpKind::kDelete) value.emplace(std::string(operation.value));
      if (operation.kind == OpKind::kPutExpiring) value->expires_at_ms = operation.expires_at_ms;
      history_.Apply(key, std::move(value));
    }
    history_.Trim(key, OldestNeeded());
  }
  if (*written != history_.newest()) {
    Differ("write: sequence " + std::to_string(ToNumber(*written)) + "; expected " +
           std::to_string(ToNumber(history_.newest())));
  }
}

void ModelRun::Put(Rng& rng) {
  const std::string key = RandomKey(rng);
  const std::string value = RandomValue(rng);
  Say("put " + Show(key) + " = " + Show(value));
  WriteBatch batch;
  batch.Put(key, value);
  Write(batch);
}

void ModelRun::PutExpiring(Rng& rng) {
  const std::string key = RandomKey(rng);
  const std::string value = RandomValue(rng);
  const uint64_t expires_at_ms = RandomExpiry(rng, now_ms());
  Say("put " + Show(key) + " = " + Show(value) + " until " + std::to_string(expires_at_ms));
  WriteBatch batch;
  batch.Put(key, value, expires_at_ms);
  Write(batch);
}

void ModelRun::Merge(Rng& rng) {
  WriteBatch batch;
  std::string text;
  RandomMerge(rng, RandomKey(rng), batch, text);
  Say(text);
  Write(batch);
}

void ModelRun::Delete(Rng& rng) {
  const std::string key = RandomKey(rng);
  Say("delete " + Show(key));
  WriteBatch batch;
  batch.Delete(key);
  Write(batch);
}

void ModelRun::DeleteRange(Rng& rng) {
  WriteBatch batch;
  std::string text;
  RandomDeleteRange(rng, batch, text);
  Say(text);
  Write(batch);
}

void ModelRun::Batch(Rng& rng) {
  std::string text = "batch";
  const WriteBatch batch = RandomBatch(rng, BatchClock(), text);
  Say(text);
  Write(batch);
}

void ModelRun::WriteIf(Rng& rng) {
  if (snapshots_.empty()) return;
  const Taken& taken = snapshots_[rng.Below(snapshots_.size())];
  const ModelHistory::Moment since = taken.moment;
  Precondition unchanged{.since = &taken.snapshot};
  auto changed = ModelHistory::Changed::kNo;
  std::string text = "write since " + std::to_string(ToNumber(since.sequence)) + " if";
  for (uint64_t count = rng.Below(3); count > 0; --count) {
    unchanged.keys.push_back(RandomKey(rng));
    text += " " + Show(unchanged.keys.back());
    changed = std::max(changed, history_.ChangedSince(unchanged.keys.back(), since, now_ms()));
  }
  if (rng.OneIn(3)) {
    const std::string lower = RandomBound(rng);
    const std::string upper = RandomBound(rng);
    unchanged.ranges.push_back({.lower = lower, .upper = upper});
    text += " [" + Show(lower) + ", " + Show(upper) + ")";
    changed = std::max(changed, history_.RangeChangedSince(lower, upper, since, now_ms()));
  }
  const WriteBatch batch = RandomBatch(rng, BatchClock(), text);
  Say(text);
  const Result<Sequence> written = opened_.conditional->WriteIf(unchanged, batch, {});
  const bool conflict = written.status().code() == StatusCode::kConflict;
  if (conflict && changed != ModelHistory::Changed::kNo) return;
  if (changed == ModelHistory::Changed::kYes) {
    return Differ("write if: " + written.status().ToString() + "; expected a conflict");
  }
  ExpectWritten(written, batch);
}

void ModelRun::Get(Rng& rng) {
  const Taken* const snapshot = RandomSnapshot(rng);
  const std::string key = RandomKey(rng);
  Say("get " + Show(key));
  const auto got = opened_.store->Get(key, {.snapshot = SnapshotOf(snapshot)});
  if (!got.ok()) return ExpectOk(got.status());
  const std::optional<ModelHistory::Value> expected = history_.Find(key, MomentOf(snapshot));
  if (got->has_value() != expected.has_value() || (expected && (*got)->view() != expected->bytes)) {
    Differ("get " + Show(key) + ": " + ShowIfAny(*got) + "; expected " +
           (expected ? Show(expected->bytes) : "absent"));
  } else if (expected && (*got)->expires_at_ms() != expected->expires_at_ms) {
    Differ("get " + Show(key) + ": wrong expiry");
  }
}

void ModelRun::MultiGet(Rng& rng) {
  const Taken* const snapshot = RandomSnapshot(rng);
  std::vector<std::string> keys(rng.Below(12));
  for (std::string& key : keys) key = RandomKey(rng);
  Say("multi-get of " + std::to_string(keys.size()));
  const std::vector<std::string_view> views(keys.begin(), keys.end());
  const auto answers = opened_.store->MultiGet(views, {.snapshot = SnapshotOf(snapshot)});
  if (answers.size() != keys.size()) return Differ("multi-get: wrong number of answers");
  for (size_t i = 0; i < keys.size(); ++i) {
    if (!answers[i].ok()) return ExpectOk(answers[i].status());
    const std::optional<PinnedValue>& got = *answers[i];
    const std::optional<std::string> expected = history_.Get(keys[i], MomentOf(snapshot));
    if (got.has_value() != expected.has_value() || (expected && got->view() != *expected)) {
      Differ("multi-get of " + Show(keys[i]) + ": " + ShowIfAny(got) + "; expected " +
             ShowIfAny(expected));
    }
  }
}

void ModelRun::ExpectPairs(const ScanOptions& options, ModelHistory::Moment at) {
  Walk walk(opened_.store->Scan(options), options.order, history_.Range(options, at));
  const bool forward = options.order == ScanOrder::kForward;
  for (size_t left = walk.pairs.size();; --left) {
    if (auto different = walk.Difference()) return Differ(*std::move(different));
    if (left == 0) return;
    walk.iterator.Next();
    walk.at =
        left == 1 ? std::nullopt : std::optional(forward ? walk.pairs.size() - left + 1 : left - 2);
  }
}

void ModelRun::Scan(Rng& rng) {
  const Taken* const snapshot = RandomSnapshot(rng);
  const RandomScan scan(rng);
  Say("scan " + scan.Text());
  ExpectPairs(scan.Options(SnapshotOf(snapshot)), MomentOf(snapshot));
}

void ModelRun::OpenWalk(Rng& rng) {
  const Taken* const snapshot = RandomSnapshot(rng);
  const RandomScan scan(rng);
  Say("open an iterator " + scan.Text());
  if (walks_.size() == kWalksMax) walks_.erase(walks_.begin());
  const ScanOptions options = scan.Options(SnapshotOf(snapshot));
  walks_.push_back(std::make_unique<Walk>(opened_.store->Scan(options), options.order,
                                          history_.Range(options, MomentOf(snapshot))));
  if (auto different = walks_.back()->Difference()) Differ(*std::move(different));
}

void ModelRun::MoveWalk(Rng& rng) {
  if (walks_.empty()) return;
  Walk& walk = *walks_[rng.Below(walks_.size())];
  Say("move an iterator:");
  for (uint64_t moves = rng.Between(1, 5); moves > 0 && !difference_; --moves) {
    walk.Move(rng, keep_transcript_ ? &line_ : nullptr);
    if (auto different = walk.Difference()) Differ(*std::move(different));
  }
}

void ModelRun::Compact(Rng& rng) {
  ScanRange range;
  if (!rng.OneIn(3)) range.lower = RandomBound(rng);
  if (!rng.OneIn(3)) range.upper = RandomBound(rng);
  Say("compact [" + Show(range.lower) + ", " + (range.upper ? Show(*range.upper) : "end") + ")");
  ExpectOk(opened_.compactor->Compact(range));
}

// One sequence or one for each operation: nobody can stand between.
void ModelRun::Ingest(Rng& rng) {
  std::string text = "ingest";
  const WriteBatch sorted = RandomSorted(rng, now_ms(), text);
  Say(text);
  const std::string name = "sorted" + std::to_string(files_made_++);
  ExpectOk(subject_->MakeSortedFile(name, sorted));
  if (difference_) return;
  const std::vector<std::string> paths{subject_->PathOf(name)};
  const Result<Sequence> ingested = opened_.ingester->Ingest(paths);
  if (!ingested.ok()) return ExpectOk(ingested.status());
  const Sequence newest = history_.newest();
  if (*ingested != newest + 1 && *ingested != newest + sorted.count()) {
    Differ("ingest: sequence " + std::to_string(ToNumber(*ingested)) + " behind " +
           std::to_string(ToNumber(newest)));
  }
  history_.Ingest(sorted, *ingested, OldestNeeded());
}

void ModelRun::Restart(bool kill) {
  Say(kill ? "kill and open again" : "close and open again");
  snapshots_.clear();
  walks_.clear();
  if (kill) {
    subject_->Kill(std::exchange(opened_, {}));
  } else {
    ExpectOk(opened_.store->Close());
    opened_ = {};
  }
  Open();
  if (!difference_) CheckAll();
}

void ModelRun::CheckAll() {
  if (opened_.store->Stats().sequence != history_.newest()) Differ("stats: wrong sequence");
  for (const ScanOrder order : {ScanOrder::kForward, ScanOrder::kReverse}) {
    ExpectPairs({.order = order}, MomentOf(nullptr));
    for (const Taken& taken : snapshots_) {
      ExpectPairs({.order = order, .snapshot = &taken.snapshot}, taken.moment);
    }
  }
}

// Drops chunks of steps, large ones first, as long as what is left still fails.
std::vector<Step> Shrink(const SubjectMaker& make, ModelValues values, std::vector<Step> steps) {
  int runs = 0;
  for (size_t chunk = steps.size() / 2; chunk > 0; chunk /= 2) {
    for (size_t from = 0; from < steps.size();) {
      if (++runs > kShrinkRunsMax) return steps;
      std::vector<Step> fewer = steps;
      const auto begin = fewer.begin() + static_cast<std::ptrdiff_t>(from);
      fewer.erase(begin, begin + static_cast<std::ptrdiff_t>(std::min(chunk, steps.size() - from)));
      const std::optional<size_t> failed = ModelRun(make, values).Run(fewer);
      if (failed) {
        fewer.resize(fewer.empty() ? 0 : *failed + 1);
        steps = std::move(fewer);
      } else {
        from += chunk;
      }
    }
  }
  return steps;
}

std::string Report(const SubjectMaker& make, ModelValues values, uint64_t seed,
                   const std::string& first, const std::vector<Step>& steps) {
  ModelRun again(make, values);
  again.KeepTranscript();
  again.Run(steps);
  std::string report = "seed " + std::to_string(seed) + ": " + first + "\nshrunk to " +
                       std::to_string(steps.size()) + " steps: " + again.difference() + "\n";
  const auto& lines = again.transcript();
  const size_t skipped = lines.size() - std::min(lines.size(), kReportStepsMax);
  if (skipped > 0) report += "  (" + std::to_string(skipped) + " steps before)\n";
  for (size_t i = skipped; i < lines.size(); ++i) report += "  " + lines[i] + "\n";
  return report;
}

}  // namespace

std::optional<std::string> RunModelTest(const SubjectMaker& make, Abilities abilities,
                                        uint64_t seed, size_t operations, ModelValues values) {
  std::vector<Step> steps = MakeSteps(abilities, values, seed, operations);
  std::string first;
  {
    ModelRun run(make, values);
    const std::optional<size_t> failed = run.Run(steps);
    if (!failed) return std::nullopt;
    first = "step " + std::to_string(*failed) + " of " + std::to_string(operations) + ": " +
            run.difference();
    steps.resize(*failed + 1);
  }
  return Report(make, values, seed, first, Shrink(make, values, std::move(steps)));
}

size_t ModelOperations() {
  const char* const text = std::getenv("AIDB_MODEL_OPERATIONS");
  const unsigned long long count = text == nullptr ? 0 : std::strtoull(text, nullptr, 10);
  return count == 0 ? 100'000 : count;
}

}  // namespace aidb::kv

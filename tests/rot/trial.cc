#include "tests/rot/trial.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "aidb/base/random.h"
#include "aidb/lsm/check.h"
#include "aidb/lsm/open.h"

namespace aidb::campaign {
namespace {

constexpr uint64_t kLookups = 120;
constexpr uint64_t kMultiGetKeys = 40;
constexpr uint64_t kWriterAfter = 1;  // Who writes once the store is open again.
constexpr uint64_t kOperationsAfter = 120;

class Trial {
 public:
  Trial(const io::Env& env, std::string_view directory, const Sample& sample, std::string_view file,
        Tolerated tolerated, uint64_t seed)
      : env_(env),
        directory_(directory),
        sample_(sample),
        file_(file),
        tolerated_(tolerated),
        rng_(seed) {}

  Outcome Run() {
    const bool check_found = Check("check before opening");
    const bool opened = Life();
    const bool failed = failed_;
    if (failed && !check_found && !reported_by_open_) {
      Worse(Verdict::kMissed, "the check found nothing, but: " + outcome_.text);
    }
    if (opened && !failed) {
      if (Check("check after closing") && !check_found) {
        Worse(Verdict::kSilent, "using the store spoilt it: " + outcome_.text);
      }
      Life();
    }
    return outcome_;
  }

 private:
  void Worse(Verdict verdict, std::string text) {
    if (outcome_.verdict >= verdict && verdict != Verdict::kSilent) return;
    outcome_.verdict = verdict;
    outcome_.text = std::move(text);
  }
  void Wrong(std::string text) { Worse(Verdict::kSilent, std::move(text)); }
  void Report(const std::string& text) {
    outcome_.names_file |= text.find(file_) != std::string::npos;
    Worse(Verdict::kReported, text);
  }
  void Failed(const std::string& where, const Status& status) {
    failed_ = true;
    Report(where + ": " + status.ToString());
  }

  // Whether anything was found.
  bool Check(const std::string& where) {
    const auto check = lsm::CheckStore(env_, directory_);
    if (!check.ok()) {
      Report(where + ": " + check.status().ToString());
      return true;
    }
    for (const lsm::StoreProblem& problem : check->problems) {
      Report(where + ": " + problem.file + ": " + problem.what);
    }
    return !check->ok();
  }

  // Opens, reads, writes on, closes. False when it did not open.
  bool Life() {
    kv::Options options = SampleOptions();
    options.mode = kv::StoreMode::kMustExist;
    auto opened = lsm::OpenStore(env_, directory_, options);
    if (!opened.ok()) {
      Failed("open", opened.status());
      return false;
    }
    for (const std::string& note : opened->report.notes) Report("open report: " + note);
    reported_by_open_ |= !opened->report.notes.empty() || !opened->report.quarantine.empty();
    ReadEverything(*opened->store);
    if (!failed_ && outcome_.verdict != Verdict::kSilent && rng_.OneIn(4)) WriteOn(*opened->store);
    if (const Status closed = opened->store->Close(); !closed.ok()) Failed("close", closed);
    return true;
  }

  // What must be there: everything, or, if opening said that it cut something, a prefix.
  void Settle(const Contents& found) {
    if (settled_) return;
    settled_ = true;
    expected_ = sample_.model.contents;
    const bool may_miss = reported_by_open_ || tolerated_ == Tolerated::kMissingTail;
    if (found == expected_ || !may_miss) return;
    const uint64_t all = sample_.model.operations;
    const auto prefix = SurvivingPrefix(sample_.workload, 0, {}, all, found);
    if (!prefix) {
      Wrong("what is left is no prefix of history: " + Difference(expected_, found));
      return;
    }
    WriterModel model;
    model.AdvanceTo(sample_.workload, 0, *prefix);
    expected_ = std::move(model.contents);
  }

  void ReadEverything(const kv::Store& store) {
    Scan(store, kv::ScanOrder::kForward);
    Scan(store, kv::ScanOrder::kReverse);
    if (!settled_) expected_ = sample_.model.contents;
    LookUp(store);
  }

  void Scan(const kv::Store& store, kv::ScanOrder order) {
    const bool forward = order == kv::ScanOrder::kForward;
    const std::string where = forward ? "scan forward" : "scan backward";
    Contents found;
    kv::Iterator it = store.Scan({.prefix = Workload::Prefix(0), .order = order});
    for (; it.Valid(); it.Next()) found.emplace(it.key(), it.value());
    const Status status = it.status();
    if (!status.ok()) {
      Failed(where, status);
      if (!reported_by_open_) CompareBegin(found, forward, where);
      return;
    }
    Settle(found);
    if (std::string differs = Difference(expected_, found); !differs.empty()) {
      Wrong(where + ": " + differs);
    }
  }

  // A scan that ended with an error must have been right up to there.
  void CompareBegin(const Contents& found, bool forward, const std::string& where) {
    const Contents& all = sample_.model.contents;
    const auto same = [](const auto& a, const auto& b) { return a == b; };
    const bool begins = found.size() <= all.size() &&
                        (forward ? std::equal(found.begin(), found.end(), all.begin(), same)
                                 : std::equal(found.rbegin(), found.rend(), all.rbegin(), same));
    if (!begins) Wrong(where + " was wrong before it failed");
  }

  std::string AnyKey() { return Workload::Prefix(0) + std::to_string(rng_.Below(420)); }

  void CompareOne(const std::string& where, const std::string& key,
                  const Result<std::optional<kv::PinnedValue>>& got) {
    if (!got.ok()) {
      Failed(where, got.status());
      return;
    }
    if (!settled_ && reported_by_open_) return;  // No scan came through: which prefix is unknown.
    const auto expected = expected_.find(key);
    const bool present = expected != expected_.end();
    if (present == got->has_value() && (!present || (*got)->view() == expected->second)) return;
    Wrong(where + " of " + key + " gives " + (*got ? "a wrong value" : "nothing"));
  }

  void LookUp(const kv::Store& store) {
    for (uint64_t i = 0; i < kLookups; ++i) {
      const std::string key = AnyKey();
      CompareOne("get", key, store.Get(key, {}));
    }
    std::vector<std::string> keys;
    for (uint64_t i = 0; i < kMultiGetKeys; ++i) keys.push_back(AnyKey());
    const std::vector<std::string_view> views(keys.begin(), keys.end());
    const auto answers = store.MultiGet(views, {});
    for (size_t i = 0; i < keys.size(); ++i) CompareOne("multiget", keys[i], answers[i]);
  }

  // New writes, a flush and what compaction makes of it must not turn damage into data.
  void WriteOn(kv::Store& store) {
    WriterModel model;
    for (uint64_t n = 1; n <= kOperationsAfter; ++n) {
      const auto written = store.Write(sample_.workload.Operation(kWriterAfter, n), {});
      if (!written.ok()) return Failed("write", written.status());
      model.AdvanceTo(sample_.workload, kWriterAfter, n);
    }
    if (const Status flushed = store.Flush(); !flushed.ok()) return Failed("flush", flushed);
    const auto found = ReadAll(store, Workload::Prefix(kWriterAfter), kv::ScanOrder::kForward);
    if (!found.ok()) return Failed("scan of new keys", found.status());
    if (std::string differs = Difference(model.contents, *found); !differs.empty()) {
      Wrong("new keys: " + differs);
    }
    ReadEverything(store);
  }

  const io::Env& env_;
  const std::string directory_;
  const Sample& sample_;
  const std::string_view file_;
  const Tolerated tolerated_;
  Rng rng_;
  Outcome outcome_;
  bool failed_ = false;
  bool reported_by_open_ = false;
  bool settled_ = false;
  Contents expected_;
};

}  // namespace

Outcome RunTrial(const io::Env& env, std::string_view directory, const Sample& sample,
                 std::string_view file, Tolerated tolerated, uint64_t seed) {
  return Trial(env, directory, sample, file, tolerated, seed).Run();
}

}  // namespace aidb::campaign

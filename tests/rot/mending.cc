#include "tests/rot/mending.h"

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <utility>

#include "aidb/lsm/check.h"
#include "aidb/lsm/open.h"
#include "aidb/lsm/repair.h"

#include "tests/campaign/store_files.h"

namespace aidb::campaign {
namespace {

std::string Describe(const kv::RepairLoss& loss) {
  return loss.file + " at " + std::to_string(loss.offset) + ": " + loss.what + " (" +
         loss.keys_lost + ")";
}

// The key between quotes; these samples have none that needs an escape.
std::optional<std::string> Quoted(std::string_view text) {
  const size_t begin = text.find('"');
  const size_t end = text.rfind('"');
  if (begin == end) return std::nullopt;
  return std::string(text.substr(begin + 1, end - begin - 1));
}

// Whether `key` lies in what a loss says, as in: "a" to "b", behind "a" to the last.
bool IsWithin(std::string_view keys_lost, const std::string& key) {
  const size_t middle = keys_lost.find(" to ");
  if (middle == std::string_view::npos) return true;  // Not known.
  const auto from = Quoted(keys_lost.substr(0, middle));
  const auto to = Quoted(keys_lost.substr(middle));
  return (!from || key >= *from) && (!to || key <= *to);
}

// Of "sequences 3 to 9", whether one of them wrote `key`.
bool IsWrittenBy(std::string_view sequences, const std::string& key, const Sample& sample) {
  uint64_t first = 0;
  uint64_t last = 0;
  if (std::sscanf(std::string(sequences).c_str(), "sequences %" SCNu64 " to %" SCNu64, &first,
                  &last) != 2) {
    return false;
  }
  last = std::min<uint64_t>(last, sample.key_of.size() - 1);
  for (uint64_t i = first; i <= last; ++i) {
    if (sample.key_of[i] == key) return true;
  }
  return false;
}

// Whether a loss says that `key` may be gone or be what it was before.
bool Excuses(const kv::RepairLoss& loss, const std::string& key, const Sample& sample) {
  const std::optional<StoreFile> kind = StoreFileOf(loss.file);
  // Logs, and what is found in them with the help of others, hold the newest operations.
  if (kind != StoreFile::kTable && kind != StoreFile::kCurrent && kind != StoreFile::kManifest) {
    return sample.logged.contains(key) || IsWrittenBy(loss.keys_lost, key, sample);
  }
  if (kind != StoreFile::kTable) return true;
  return IsWithin(loss.keys_lost, key);
}

class Mending {
 public:
  Mending(const io::Env& env, std::string_view directory, const Sample& sample, Tolerated tolerated)
      : env_(env),
        directory_(directory),
        target_(directory_ + "-mended"),
        sample_(sample),
        tolerated_(tolerated) {}

  MendOutcome Run() {
    const auto report = lsm::RepairStore(env_, directory_, target_);
    if (!report.ok()) return Wrong("fails: " + report.status().ToString());
    const auto check = lsm::CheckStore(env_, target_);
    if (!check.ok()) return Wrong("its result is not checked: " + check.status().ToString());
    if (!check->problems.empty()) {
      return Wrong("its result is damaged: " + check->problems.front().what);
    }
    kv::Options options = SampleOptions();
    options.mode = kv::StoreMode::kMustExist;
    auto opened = lsm::OpenStore(env_, target_, options);
    if (!opened.ok()) return Wrong("its result does not open: " + opened.status().ToString());
    const auto found = ReadAll(*opened->store, Workload::Prefix(0), kv::ScanOrder::kForward);
    if (!found.ok()) return Wrong("its result is not read: " + found.status().ToString());
    if (const Status closed = opened->store->Close(); !closed.ok()) {
      return Wrong("its result does not close: " + closed.ToString());
    }
    return Judge(*report, *found);
  }

 private:
  static MendOutcome Wrong(std::string what) {
    return {Mended::kWrong, "the repair: " + std::move(what)};
  }

  MendOutcome Judge(const kv::RepairReport& report, const Contents& found) const {
    if (report.keys != found.size()) {
      return Wrong("reports " + std::to_string(report.keys) + " keys and keeps " +
                   std::to_string(found.size()));
    }
    for (const auto& [key, value] : found) {
      const auto held = sample_.held.find(key);
      if (held == sample_.held.end() || !held->second.contains(value)) {
        return Wrong("invents a value of " + key);
      }
    }
    const Contents& expected = sample_.model.contents;
    if (found != expected && report.losses.empty()) {
      const bool prefix =
          tolerated_ == Tolerated::kMissingTail &&
          SurvivingPrefix(sample_.workload, 0, {}, sample_.model.operations, found).has_value();
      if (!prefix) return Wrong("reports no loss: " + Difference(expected, found));
    }
    for (const auto& [key, value] : expected) {
      const auto kept = found.find(key);
      if (kept != found.end() && kept->second == value) continue;
      if (!Excused(report, key))
        return Wrong("loses " + key + ", and does not say so" + All(report));
    }
    for (const auto& [key, value] : found) {
      if (!expected.contains(key) && !Excused(report, key)) {
        return Wrong("brings back " + key + All(report));
      }
    }
    return {report.losses.empty() ? Mended::kWhole : Mended::kWithLoss, ""};
  }

  bool Excused(const kv::RepairReport& report, const std::string& key) const {
    if (tolerated_ == Tolerated::kMissingTail && sample_.logged.contains(key)) return true;
    return std::ranges::any_of(
        report.losses, [&](const kv::RepairLoss& loss) { return Excuses(loss, key, sample_); });
  }
  static std::string All(const kv::RepairReport& report) {
    std::string text;
    for (const kv::RepairLoss& loss : report.losses) text += "; " + Describe(loss);
    return text;
  }

  const io::Env& env_;
  const std::string directory_;
  const std::string target_;
  const Sample& sample_;
  const Tolerated tolerated_;
};

}  // namespace

MendOutcome RunMending(const io::Env& env, std::string_view directory, const Sample& sample,
                       Tolerated tolerated) {
  return Mending(env, directory, sample, tolerated).Run();
}

}  // namespace aidb::campaign

// Performs one list of operations under many option sets: all must answer alike.
//
//   aidb_metamorphic [--seed S] [--operations N] [--lists N] [--random N] [--only SET] [--jobs N]
//
// Each list (seeds S, S + 1, …) is performed by every set in a process of its own and compared with
// what the memory backend answered. A list that differs is made shorter before it is shown.
// Ends with 1 when anything differed, died or hung.

#include <unistd.h>

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "tests/campaign/workers.h"
#include "tests/metamorphic/run.h"

namespace aidb::metamorphic {
namespace {

constexpr unsigned kSecondsMax = 900;
constexpr int kShrinkRunsMax = 150;
constexpr size_t kStepsShown = 25;

struct Arguments {
  uint64_t seed = 1;
  uint64_t operations = 1'500;
  uint64_t lists = 1;
  uint64_t random = 8;
  uint64_t jobs = 2;
  std::string only;
};

using Lines = std::vector<std::string>;

// Performs below a directory that is gone afterwards.
Lines PerformFresh(const std::vector<Step>& steps, const OptionSet& set) {
  const std::filesystem::path root = "/dev/shm/aidb_metamorphic." + std::to_string(::getpid());
  std::filesystem::remove_all(root);
  std::filesystem::create_directories(root);
  Lines lines = Perform(steps, set, root.string());
  std::filesystem::remove_all(root);
  return lines;
}

// Where the answers part.
std::optional<size_t> FirstDifference(const Lines& expected, const Lines& found) {
  const auto [a, b] = std::ranges::mismatch(expected, found);
  if (a == expected.end() && b == found.end()) return std::nullopt;
  return static_cast<size_t>(a - expected.begin());
}

// Leaves out what is not needed to differ, larger parts first.
std::vector<Step> Shrink(std::vector<Step> steps, const OptionSet& reference,
                         const OptionSet& set) {
  int runs = 0;
  for (size_t part = steps.size() / 2; part > 0 && runs < kShrinkRunsMax;) {
    bool left_out = false;
    for (size_t at = 0; at < steps.size() && runs < kShrinkRunsMax; ++runs) {
      std::vector<Step> fewer = steps;
      const size_t end = std::min(fewer.size(), at + part);
      fewer.erase(fewer.begin() + static_cast<long>(at), fewer.begin() + static_cast<long>(end));
      if (FirstDifference(PerformFresh(fewer, reference), PerformFresh(fewer, set))) {
        steps = std::move(fewer);
        left_out = true;
      } else {
        at += part;
      }
    }
    if (!left_out) part /= 2;
  }
  return steps;
}

std::string Describe(const std::vector<Step>& steps, const OptionSet& reference,
                     const OptionSet& set) {
  const Lines expected = PerformFresh(steps, reference);
  const Lines found = PerformFresh(steps, set);
  const auto at = FirstDifference(expected, found);
  if (!at) return "  the shorter list differs no more; only timing can have told\n";
  std::string text;
  for (size_t i = *at < kStepsShown ? 0 : *at - kStepsShown; i <= *at; ++i) {
    text += "  " + (i < expected.size() ? expected[i] : "(nothing)") + "\n";
  }
  return text + "  but here: " + (*at < found.size() ? found[*at] : "(nothing)") + "\n";
}

// Empty when they answer alike.
std::string Compare(const std::vector<Step>& steps, const Lines& expected,
                    const OptionSet& reference, const OptionSet& set) {
  const Lines found = PerformFresh(steps, set);
  const auto at = FirstDifference(expected, found);
  if (!at) return "";
  std::string text = "answer " + std::to_string(*at) +
                     " differs: " + (*at < found.size() ? found[*at] : "(nothing)") +
                     "\n  expected: " + (*at < expected.size() ? expected[*at] : "(nothing)") +
                     "\n";
  const std::vector<Step> fewer = Shrink(steps, reference, set);
  text += "  shortest list, " + std::to_string(fewer.size()) + " operations:\n";
  return text + Describe(fewer, reference, set);
}

bool Parse(int count, char** words, Arguments& arguments) {
  for (int i = 1; i < count; i += 2) {
    const std::string option = words[i];
    uint64_t* const place = option == "--seed"         ? &arguments.seed
                            : option == "--operations" ? &arguments.operations
                            : option == "--lists"      ? &arguments.lists
                            : option == "--random"     ? &arguments.random
                            : option == "--jobs"       ? &arguments.jobs
                                                       : nullptr;
    if (i + 1 == count || (place == nullptr && option != "--only")) {
      std::fputs(
          "usage: aidb_metamorphic [--seed S] [--operations N] [--lists N] [--random N] "
          "[--only SET] [--jobs N]\n",
          stderr);
      return false;
    }
    if (place == nullptr) {
      arguments.only = words[i + 1];
    } else {
      *place = std::strtoull(words[i + 1], nullptr, 10);
    }
  }
  arguments.jobs = std::clamp<uint64_t>(arguments.jobs, 1, 64);
  return true;
}

struct Tally {
  uint64_t passed = 0;
  uint64_t failed = 0;
};

// A fork must not meet threads, so the reference runs in a child as well as all others.
void RunList(const Arguments& arguments, uint64_t seed, Tally& tally) {
  const std::vector<Step> steps = MakeSteps(seed, arguments.operations);
  std::vector<OptionSet> sets = MakeSets(seed, arguments.random);
  const OptionSet reference = sets.front();
  if (!arguments.only.empty()) {
    std::erase_if(sets, [&](const OptionSet& set) { return set.name != arguments.only; });
  }
  campaign::RunInProcesses(
      0, sets.size(), static_cast<int>(arguments.jobs), kSecondsMax,
      [&](uint64_t number) {
        return Compare(steps, PerformFresh(steps, reference), reference, sets[number]);
      },
      [&](uint64_t number, const campaign::TrialResult& result) {
        if (result.fate == campaign::Fate::kReturned && result.text.empty()) {
          ++tally.passed;
          return;
        }
        ++tally.failed;
        std::string what = result.text;
        if (result.fate == campaign::Fate::kHang) what = "hangs";
        if (result.fate == campaign::Fate::kSignal) what = "died of " + result.text;
        std::printf("FAILED %s: --seed %" PRIu64 " --operations %" PRIu64 " --random %" PRIu64
                    " --only %s: %s\n",
                    sets[number].name.c_str(), seed, arguments.operations, arguments.random,
                    sets[number].name.c_str(), what.c_str());
        std::fflush(stdout);
      });
}

int Main(int count, char** words) {
  Arguments arguments;
  if (!Parse(count, words, arguments)) return 2;
  Tally tally;
  for (uint64_t i = 0; i < arguments.lists; ++i) RunList(arguments, arguments.seed + i, tally);
  if (tally.passed + tally.failed == 0) {
    std::fprintf(stderr, "there is no set %s\n", arguments.only.c_str());
    return 2;
  }
  std::printf("metamorphic: %" PRIu64 " lists of %" PRIu64 " operations, seeds from %" PRIu64
              "\nmetamorphic: %" PRIu64 " passed, %" PRIu64 " failed\n",
              arguments.lists, arguments.operations, arguments.seed, tally.passed, tally.failed);
  return tally.failed == 0 ? 0 : 1;
}

}  // namespace
}  // namespace aidb::metamorphic

int main(int count, char** words) { return aidb::metamorphic::Main(count, words); }

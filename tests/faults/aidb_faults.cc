// Fails the n-th call on the file system, for every n.
//
//   aidb_faults [--all] [--seed S] [--jobs N] [--only N:V]
//
// Without --all each n gets one of the ways to fail, in turn; with it, all of them. --only runs
// call N with way V and prints what came of it. Ends with 1 when anything was wrong: a crash, a
// hang, a lost acknowledgement, wrong data, an error that names no file.

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "tests/campaign/workers.h"
#include "tests/faults/life.h"

namespace aidb::campaign {
namespace {

constexpr unsigned kSecondsMax = 60;
constexpr uint64_t kWaysInShort = 1;
constexpr uint64_t kFailuresShown = 20;

struct Way {
  std::string name;
  io::CallFault fault;
};

std::vector<Way> Ways() {
  struct Effect {
    const char* name;
    io::FaultEffect effect;
  };
  constexpr Effect kEffects[] = {{"error before", io::FaultEffect::kErrorBefore},
                                 {"error after", io::FaultEffect::kErrorAfter},
                                 {"error partly", io::FaultEffect::kErrorPartly},
                                 {"short count", io::FaultEffect::kShortCount},
                                 {"sync lost", io::FaultEffect::kSyncLost}};
  std::vector<Way> ways;
  for (const Effect& effect : kEffects) {
    for (const auto repeat : {io::FaultRepeat::kOnce, io::FaultRepeat::kForEver}) {
      for (const auto code : {StatusCode::kIoError, StatusCode::kResourceExhausted}) {
        const bool is_short = effect.effect == io::FaultEffect::kShortCount;
        if (is_short && code != StatusCode::kIoError) continue;  // It has no code.
        ways.push_back(
            {.name = std::string(effect.name) +
                     (repeat == io::FaultRepeat::kOnce ? ", once" : ", for ever") +
                     (is_short                       ? ""
                      : code == StatusCode::kIoError ? ", EIO"
                                                     : ", ENOSPC"),
             .fault = {.effect = effect.effect, .code = code, .repeat = repeat, .byte_count = 7}});
      }
    }
  }
  return ways;
}

struct Arguments {
  bool all = false;
  uint64_t seed = 1;
  uint64_t jobs = 2;
  std::string only;
};

struct Row {
  uint64_t lives = 0;
  uint64_t with_errors = 0;
  uint64_t failures = 0;
};

bool Parse(int count, char** words, Arguments& arguments) {
  for (int i = 1; i < count; ++i) {
    const std::string option = words[i];
    const char* value = i + 1 < count ? words[i + 1] : nullptr;
    if (option == "--all") {
      arguments.all = true;
    } else if (option == "--seed" && value != nullptr) {
      arguments.seed = std::strtoull(words[++i], nullptr, 10);
    } else if (option == "--jobs" && value != nullptr) {
      arguments.jobs = std::clamp<uint64_t>(std::strtoull(words[++i], nullptr, 10), 1, 64);
    } else if (option == "--only" && value != nullptr) {
      arguments.only = words[++i];
    } else {
      std::fprintf(stderr, "usage: aidb_faults [--all] [--seed S] [--jobs N] [--only N:V]\n");
      return false;
    }
  }
  return true;
}

int RunOnly(const Arguments& arguments, const std::vector<Way>& ways) {
  char* rest = nullptr;
  const uint64_t n = std::strtoull(arguments.only.c_str(), &rest, 10);
  const uint64_t way = *rest == ':' ? std::strtoull(rest + 1, nullptr, 10) : 0;
  const LifeOutcome outcome = RunLife(arguments.seed, n, ways[way % ways.size()].fault);
  std::printf("call %" PRIu64 ", %s: %s, %" PRIu64 " errors: %s\n", n,
              ways[way % ways.size()].name.c_str(), outcome.hit ? "hit" : "not hit", outcome.errors,
              outcome.wrong.empty() ? "well" : outcome.wrong.c_str());
  return outcome.wrong.empty() ? 0 : 1;
}

int Main(int count, char** words) {
  Arguments arguments;
  if (!Parse(count, words, arguments)) return 2;
  const std::vector<Way> ways = Ways();
  if (!arguments.only.empty()) return RunOnly(arguments, ways);
  const LifeOutcome sound = RunLife(arguments.seed, 0, {});
  if (!sound.wrong.empty() || sound.errors != 0) {
    std::printf("FAILED without any fault: %s\n", sound.wrong.c_str());
    return 1;
  }
  const uint64_t per_call = arguments.all ? ways.size() : kWaysInShort;
  // Retries make a life with a fault longer than one without: a few calls may never be hit.
  const uint64_t lives = sound.calls * per_call;
  const auto way_of = [&](uint64_t i) {
    return arguments.all ? i % per_call : (i * 7) % ways.size();
  };
  std::vector<Row> rows(ways.size());
  uint64_t shown = 0;
  RunInProcesses(
      0, lives, static_cast<int>(arguments.jobs), kSecondsMax,
      [&](uint64_t i) {
        const LifeOutcome outcome =
            RunLife(arguments.seed, i / per_call + 1, ways[way_of(i)].fault);
        return std::string(outcome.hit ? "h" : "-") + (outcome.errors != 0 ? "e" : "-") +
               outcome.wrong;
      },
      [&](uint64_t i, const TrialResult& result) {
        Row& row = rows[way_of(i)];
        const bool died = result.fate != Fate::kReturned;
        if (!died && result.text[0] != 'h') return;
        ++row.lives;
        row.with_errors += !died && result.text[1] == 'e';
        if (!died && result.text.size() == 2) return;
        ++row.failures;
        if (++shown > kFailuresShown) return;
        std::printf("FAILED: --seed %" PRIu64 " --only %" PRIu64 ":%" PRIu64 " (%s): %s\n",
                    arguments.seed, i / per_call + 1, way_of(i), ways[way_of(i)].name.c_str(),
                    result.text.c_str() + (died ? 0 : 2));
      });
  std::printf("%-32s %7s %12s %9s\n", "way to fail", "lives", "saw errors", "failures");
  Row all;
  for (size_t i = 0; i < ways.size(); ++i) {
    std::printf("%-32s %7" PRIu64 " %12" PRIu64 " %9" PRIu64 "\n", ways[i].name.c_str(),
                rows[i].lives, rows[i].with_errors, rows[i].failures);
    all.lives += rows[i].lives;
    all.failures += rows[i].failures;
  }
  std::printf("faults: %" PRIu64 " calls, %" PRIu64 " lives, %" PRIu64 " failures, seed %" PRIu64
              "\n",
              sound.calls, all.lives, all.failures, arguments.seed);
  return all.failures == 0 ? 0 : 1;
}

}  // namespace
}  // namespace aidb::campaign

int main(int count, char** words) { return aidb::campaign::Main(count, words); }

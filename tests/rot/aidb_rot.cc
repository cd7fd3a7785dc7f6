// Damages stores in every way and looks whether anybody notices.
//
//   aidb_rot [--mutations N] [--seed S] [--real N] [--jobs N] [--only I]
//
// Each mutation takes a sample store (closed in order, or killed), damages one file of one kind
// in one way, repairs it into a new store and looks at that, and then checks, opens, reads, writes,
// closes and opens the damaged one again. `--real` of them run on files of the real file system,
// below /dev/shm; the others in the simulated world.
// `--only I` runs mutation I alone and prints what came of it.
//
// Ends with 1 when anything was silent, died, hung, or escaped the check.

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "aidb/base/bytes.h"
#include "aidb/io/posix/posix_env.h"
#include "aidb/io/sim/world.h"

#include "tests/campaign/workers.h"
#include "tests/rot/damage.h"
#include "tests/rot/mending.h"
#include "tests/rot/trial.h"

namespace aidb::campaign {
namespace {

constexpr unsigned kSecondsMax = 60;
constexpr uint64_t kFailuresShown = 20;

struct Arguments {
  uint64_t mutations = 1000;
  uint64_t seed = 1;
  uint64_t real = 0;
  uint64_t jobs = 2;
  uint64_t only = UINT64_MAX;
};

class NoLog final : public Logger {
 public:
  void Log(LogLevel, std::string_view) override {}
};

// Mutation `number`, drawn: targets and damages in turn, so that each pair gets its share.
struct Mutation {
  Target target;
  Damage damage;
  bool killed;
  Rng rng;
};

Mutation Draw(uint64_t seed, uint64_t number) {
  const uint64_t targets = kTargetNames.size();
  const uint64_t damages = kDamageNames.size();
  return {.target = Target(number % targets),
          .damage = Damage(number / targets % damages),
          .killed = number / (targets * damages) % 2 == 1,
          .rng = Rng(seed * 1'000'003 + number)};
}

// A repair, which leaves the store as it is, and then its life with the damage.
Outcome RunBoth(const io::Env& env, std::string_view directory, const Sample& sample,
                std::string_view file, Tolerated tolerated, uint64_t seed, Mended& mended) {
  const MendOutcome mending = RunMending(env, directory, sample, tolerated);
  mended = mending.mended;
  if (mended == Mended::kWrong) return {.verdict = Verdict::kSilent, .text = mending.text};
  return RunTrial(env, directory, sample, file, tolerated, seed);
}

Outcome RunSimulated(const Sample& sample, Damaged damaged, uint64_t seed, Mended& mended) {
  static io::FiberStackPool stacks;  // One world at a time in this process.
  io::SimOptions options;
  options.stacks = &stacks;
  options.files.short_transfer_one_in = 0;
  io::SimWorld world(seed, std::move(damaged.disk), options);
  Outcome outcome;
  const auto report = world.Run([&] {
    outcome = RunBoth(world.env(), kStoreDirectory, sample, damaged.file, Tolerated::kNothing, seed,
                      mended);
  });
  if (!report.finished()) {
    outcome.verdict = Verdict::kSilent;
    outcome.text = "it hangs: " + report.fibers;
  }
  return outcome;
}

Outcome RunReal(const Sample& sample, const Damaged& damaged, uint64_t seed, Mended& mended) {
  const std::filesystem::path root =
      "/dev/shm/aidb_rot." + std::to_string(::getppid()) + "." + std::to_string(::getpid());
  std::filesystem::remove_all(root);
  for (const std::string& path : damaged.disk.AllFiles()) {
    std::filesystem::create_directories((root / path).parent_path());
    std::filesystem::permissions((root / path).parent_path(), std::filesystem::perms::owner_all);
    const std::string bytes = *damaged.disk.ReadFile(path);
    std::ofstream(root / path, std::ios::binary)
        .write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  }
  // The sample was killed in the simulated world, so this is another boot.
  const Tolerated tolerated =
      damaged.file == "ring" ? Tolerated::kMissingTail : Tolerated::kNothing;
  NoLog log;
  io::PosixEnv world(log);
  const Outcome outcome = RunBoth(world.env(), (root / kStoreDirectory).string(), sample,
                                  damaged.file, tolerated, seed, mended);
  std::filesystem::remove_all(root);
  return outcome;
}

struct Samples {
  Sample closed;
  Sample killed;
};

// The outcome as a child tells it: one byte each, then the text.
constexpr char kNothingToDamage = 'n';
std::string Encode(char verdict, bool names_file, Mended mended, const std::string& text) {
  return std::string{verdict, names_file ? '1' : '0', static_cast<char>('0' + int(mended))} + text;
}

std::string RunMutation(const Samples& samples, const Arguments& arguments, uint64_t number) {
  Mutation mutation = Draw(arguments.seed, number);
  const Sample& sample = mutation.killed ? samples.killed : samples.closed;
  auto damaged = Inflict(sample, mutation.target, mutation.damage, mutation.rng);
  if (!damaged) return Encode(kNothingToDamage, false, Mended::kWhole, "");
  const std::string what = sample.name + " store, " + damaged->what + ": ";
  const uint64_t seed = mutation.rng.Next();
  const bool real = number < arguments.real;
  Mended mended = Mended::kWhole;
  const Outcome outcome = real ? RunReal(sample, *damaged, seed, mended)
                               : RunSimulated(sample, *std::move(damaged), seed, mended);
  return Encode(static_cast<char>('0' + static_cast<int>(outcome.verdict)), outcome.names_file,
                mended, what + outcome.text);
}

// What came of all mutations of one pair.
struct Cell {
  uint64_t trials = 0;
  uint64_t silent = 0;
  uint64_t signals = 0;
  uint64_t hangs = 0;
  uint64_t missed = 0;
  uint64_t reported = 0;
  uint64_t named = 0;
  uint64_t harmless = 0;
  uint64_t mended = 0;   // Repaired without a loss.
  uint64_t partial = 0;  // Repaired with a loss that was reported.

  uint64_t failures() const { return silent + signals + hangs + missed; }
  void Add(const Cell& other) {
    trials += other.trials;
    silent += other.silent;
    signals += other.signals;
    hangs += other.hangs;
    missed += other.missed;
    reported += other.reported;
    named += other.named;
    harmless += other.harmless;
    mended += other.mended;
    partial += other.partial;
  }
};

class Table {
 public:
  // Counts one result; whether it is a failure.
  bool Take(const Mutation& mutation, const TrialResult& result) {
    Cell& cell = cells_[size_t(mutation.target)][size_t(mutation.damage)];
    if (result.fate == Fate::kReturned && result.text[0] == kNothingToDamage) return false;
    ++cell.trials;
    if (result.fate == Fate::kSignal) return ++cell.signals;
    if (result.fate == Fate::kHang) return ++cell.hangs;
    cell.mended += Mended(result.text[2] - '0') == Mended::kWhole;
    cell.partial += Mended(result.text[2] - '0') == Mended::kWithLoss;
    switch (Verdict(result.text[0] - '0')) {
      case Verdict::kHarmless:
        ++cell.harmless;
        return false;
      case Verdict::kReported:
        ++cell.reported;
        cell.named += result.text[1] == '1';
        return false;
      case Verdict::kSilent:
        return ++cell.silent;
      case Verdict::kMissed:
        return ++cell.missed;
    }
    return true;
  }

  Cell Print() const {
    std::printf("%-10s %-12s %7s %7s %8s %6s %7s %9s %7s %9s %7s %8s\n", "file", "damage", "trials",
                "silent", "signals", "hangs", "missed", "reported", "named", "harmless", "mended",
                "in part");
    Cell all;
    for (size_t t = 0; t < cells_.size(); ++t) {
      for (size_t d = 0; d < cells_[t].size(); ++d) {
        all.Add(cells_[t][d]);
        if (cells_[t][d].trials != 0) PrintRow(kTargetNames[t], kDamageNames[d], cells_[t][d]);
      }
    }
    PrintRow("all", "all", all);
    return all;
  }

 private:
  static void PrintRow(std::string_view target, std::string_view damage, const Cell& cell) {
    std::printf("%-10.*s %-12.*s %7" PRIu64 " %7" PRIu64 " %8" PRIu64 " %6" PRIu64 " %7" PRIu64
                " %9" PRIu64 " %7" PRIu64 " %9" PRIu64 " %7" PRIu64 " %8" PRIu64 "\n",
                int(target.size()), target.data(), int(damage.size()), damage.data(), cell.trials,
                cell.silent, cell.signals, cell.hangs, cell.missed, cell.reported, cell.named,
                cell.harmless, cell.mended, cell.partial);
  }

  std::array<std::array<Cell, kDamageNames.size()>, kTargetNames.size()> cells_{};
};

// Debian 12 packages, default settings unless said; each trial one flip, zeroed page or
// truncation anywhere in the store, then a full scan.
constexpr std::string_view kPeers =
    "\nFor comparison, silent of all (other ends):\n"
    "  store, settings              bit flips            truncation          zeroed page\n"
    "  LMDB 0.9.24                  1596 of 2000 (4 sig) 5 of 500 (479 sig)  0 of 500 (427 sig)\n"
    "  LevelDB 1.23                 327 of 400           139 of 400          95 of 400 (205 sig)\n"
    "  LevelDB, paranoid            0 of 400             95 of 400           0 of 400\n"
    "  RocksDB 7.8.3                58 of 400            48 of 400           47 of 400\n"
    "  RocksDB, strict              0 of 400             2 of 400            0 of 400\n"
    "  SQLite 3.40.1                327 of 400           2 of 400            0 of 400\n"
    "  SQLite, integrity_check      300 of 400           0 of 400            0 of 400\n";

bool Parse(int count, char** words, Arguments& arguments) {
  for (int i = 1; i < count; i += 2) {
    const std::string option = words[i];
    uint64_t* const place = option == "--mutations" ? &arguments.mutations
                            : option == "--seed"    ? &arguments.seed
                            : option == "--real"    ? &arguments.real
                            : option == "--jobs"    ? &arguments.jobs
                            : option == "--only"    ? &arguments.only
                                                    : nullptr;
    if (place == nullptr || i + 1 == count) {
      std::fprintf(stderr,
                   "usage: aidb_rot [--mutations N] [--seed S] [--real N] [--jobs N] [--only I]\n");
      return false;
    }
    *place = std::strtoull(words[i + 1], nullptr, 10);
  }
  arguments.jobs = std::clamp<uint64_t>(arguments.jobs, 1, 64);
  return true;
}

int Main(int count, char** words) {
  Arguments arguments;
  if (!Parse(count, words, arguments)) return 2;
  const Samples samples{BuildSample(arguments.seed, Ending::kClosed),
                        BuildSample(arguments.seed, Ending::kKilled)};
  if (arguments.only != UINT64_MAX) {
    std::printf("%s\n", RunMutation(samples, arguments, arguments.only).c_str());
    return 0;
  }
  Table table;
  uint64_t shown = 0;
  RunInProcesses(
      0, arguments.mutations, static_cast<int>(arguments.jobs), kSecondsMax,
      [&](uint64_t number) { return RunMutation(samples, arguments, number); },
      [&](uint64_t number, const TrialResult& result) {
        const Mutation mutation = Draw(arguments.seed, number);
        if (!table.Take(mutation, result) || ++shown > kFailuresShown) return;
        std::printf("FAILED: --seed %" PRIu64 " --only %" PRIu64 ": %s of %s: %s\n", arguments.seed,
                    number, kDamageNames[size_t(mutation.damage)].data(),
                    kTargetNames[size_t(mutation.target)].data(), result.text.c_str());
      });
  const Cell all = table.Print();
  std::fputs(kPeers.data(), stdout);
  std::printf("rot: %" PRIu64 " mutations, %" PRIu64 " failures, seed %" PRIu64 "\n", all.trials,
              all.failures(), arguments.seed);
  return all.failures() == 0 ? 0 : 1;
}

}  // namespace
}  // namespace aidb::campaign

int main(int count, char** words) { return aidb::campaign::Main(count, words); }

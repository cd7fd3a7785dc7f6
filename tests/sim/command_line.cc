#include "tests/sim/command_line.h"

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <optional>
#include <string_view>

#include "tests/sim/campaign.h"
#include "tests/sim/canaries.h"

namespace aidb::sim {
namespace {

constexpr std::string_view kHelp = R"(aidb_sim: the engine in a seeded world that crashes everywhere

  --points N     run seeds until N crash points are checked
  --count N      run N seeds
  --seed S       the first seed (1)
  --jobs J       processes; process j takes the seeds S+j, S+j+J, ... (1)
  --trace        one line per seed with the hash of the way it took
  --twice        run every seed in two processes and compare the hashes
  --op N [--after] [--draw K]   only this crash point of the seed; with --trace, every operation
  --canary NAME  with this planted bug (build with -DAIDB_CANARY=ON)
  --canaries     every planted bug, each for at most --points crash points (1000000)
  --batches N --readers N --faults MASK   a smaller run of the seed, as a shrink prints it
)";

constexpr uint64_t kCanaryPoints = 1'000'000;

struct Arguments {
  uint64_t points = 0;
  uint64_t count = 0;
  uint64_t seed = 1;
  uint64_t jobs = 1;
  bool trace = false;
  bool twice = false;
  bool canaries = false;
  Canary canary = Canary::kNone;
  std::optional<CrashPoint> only;
  Limits limits;
};

std::optional<Arguments> Parse(const std::vector<std::string>& words) {
  Arguments arguments;
  CrashPoint only;
  bool has_only = false;
  for (size_t i = 0; i < words.size(); ++i) {
    const std::string& word = words[i];
    if (word == "--trace") {
      arguments.trace = true;
      continue;
    }
    if (word == "--twice") {
      arguments.twice = true;
      continue;
    }
    if (word == "--canaries") {
      arguments.canaries = true;
      continue;
    }
    if (word == "--after") {
      only.phase = io::SimFileSystem::Phase::kAfter;
      continue;
    }
    if (++i == words.size()) return std::nullopt;
    if (word == "--canary") {
      const std::optional<Canary> canary = CanaryNamed(words[i]);
      if (!canary) return std::nullopt;
      arguments.canary = *canary;
      continue;
    }
    uint64_t value = 0;
    const char* end = words[i].data() + words[i].size();
    if (std::from_chars(words[i].data(), end, value).ptr != end) return std::nullopt;
    if (word == "--points") {
      arguments.points = value;
    } else if (word == "--count") {
      arguments.count = value;
    } else if (word == "--seed") {
      arguments.seed = value;
    } else if (word == "--jobs") {
      arguments.jobs = std::clamp<uint64_t>(value, 1, 64);
    } else if (word == "--op") {
      only.operation = value;
      has_only = true;
    } else if (word == "--draw") {
      only.draw = static_cast<int>(value);
    } else if (word == "--batches") {
      arguments.limits.batches = static_cast<int>(value);
    } else if (word == "--readers") {
      arguments.limits.readers = static_cast<int>(value);
    } else if (word == "--faults") {
      arguments.limits.faults_mask = value;
    } else {
      return std::nullopt;
    }
  }
  if (has_only) arguments.only = only;
  if (arguments.points == 0 && arguments.count == 0 && !arguments.canaries) arguments.count = 1;
  return arguments;
}

// What one process sends home.
struct Share {
  Tally tally;
  bool failed = false;
};

double SecondsSince(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

void Report(Campaign& campaign, const Failure& failure, const Arguments& arguments) {
  std::printf("FAILED %s\n  %s\n  %s\n",
              Plan::Draw(failure.seed, arguments.limits).Describe().c_str(),
              failure.message.c_str(), RepeatLine(failure, arguments.limits).c_str());
  std::fflush(stdout);
  if (arguments.only) return;
  const Limits smaller = campaign.Shrink(failure, arguments.limits);
  const auto smallest = campaign.RunSeed(failure.seed, smaller);
  if (!smallest) return;
  std::printf("  smallest: %s\n    %s\n    %s\n",
              Plan::Draw(failure.seed, smaller).Describe().c_str(), smallest->message.c_str(),
              RepeatLine(*smallest, smaller).c_str());
  std::fflush(stdout);
}

// The seeds of process `job`, until its share is done.
Share RunJob(const Arguments& arguments, uint64_t job) {
  Share share;
  Campaign campaign;
  campaign.set_verbose(arguments.trace && arguments.only);
  const uint64_t points = (arguments.points + arguments.jobs - 1) / arguments.jobs;
  for (uint64_t i = job;; i += arguments.jobs) {
    if (arguments.points > 0 ? campaign.tally().points >= points : i >= arguments.count) break;
    const auto failure = campaign.RunSeed(arguments.seed + i, arguments.limits, arguments.only);
    if (arguments.trace) {
      std::printf("seed %llu hash %016llx points %llu\n",
                  static_cast<unsigned long long>(arguments.seed + i),
                  static_cast<unsigned long long>(campaign.tally().hash),
                  static_cast<unsigned long long>(campaign.tally().points));
    }
    if (failure) {
      share.failed = true;
      share.tally = campaign.tally();
      Report(campaign, *failure, arguments);
      return share;
    }
  }
  share.tally = campaign.tally();
  return share;
}

// Runs `job` in a process of its own; the read end of a pipe that will bring its Share.
int StartJob(const Arguments& arguments, uint64_t job) {
  int ends[2];
  if (pipe(ends) != 0) return -1;
  std::fflush(stdout);
  const pid_t child = fork();
  if (child != 0) {
    close(ends[1]);
    return child < 0 ? -1 : ends[0];
  }
  close(ends[0]);
  const Share share = RunJob(arguments, job);
  std::fflush(stdout);
  const ssize_t sent = write(ends[1], &share, sizeof share);
  _exit(sent == sizeof share ? 0 : 2);
}

// A process that ended without a word has failed.
Share FinishJob(int pipe_end) {
  Share share;
  const ssize_t got = read(pipe_end, &share, sizeof share);
  close(pipe_end);
  if (got != sizeof share) {
    share = {};
    share.failed = true;
    std::printf("FAILED a process of the campaign died\n");
  }
  return share;
}

std::vector<Share> RunJobs(const Arguments& arguments, uint64_t first_job, uint64_t processes) {
  std::vector<int> pipes;
  for (uint64_t j = 0; j < processes; ++j) pipes.push_back(StartJob(arguments, first_job + j));
  std::vector<Share> shares;
  for (const int end : pipes) shares.push_back(FinishJob(end));
  while (wait(nullptr) > 0) {
  }
  return shares;
}

void PrintTally(const Tally& tally, double seconds) {
  const auto n = [](uint64_t value) { return static_cast<unsigned long long>(value); };
  std::printf(
      "%llu seeds, %llu crash points (%llu kills, %llu power cuts, %llu moves, %llu with rot; %llu "
      "of them during "
      "a recovery), %llu second recoveries\n%llu file operations, %llu flushes, %llu compactions, "
      "%llu opens refused after rot or a lying device\n%llu checkpoints looked at after a crash, "
      "%llu repairs\n",
      n(tally.seeds), n(tally.points), n(tally.kills), n(tally.cuts), n(tally.moves), n(tally.rots),
      n(tally.again), n(tally.second), n(tally.operations), n(tally.flushes), n(tally.compactions),
      n(tally.refused), n(tally.copies), n(tally.repairs));
  static constexpr const char* kFaultNames[io::kFaultKinds] = {"error",
                                                               "error after a part",
                                                               "no space",
                                                               "too many files",
                                                               "short",
                                                               "stall",
                                                               "sync keeps cache",
                                                               "sync drops cache",
                                                               "sync lies",
                                                               "read flips a bit",
                                                               "read is stale",
                                                               "read is misplaced"};
  std::printf("faults:");
  for (size_t i = 0; i < io::kFaultKinds; ++i) {
    std::printf("%s %s %llu", i == 0 ? "" : ",", kFaultNames[i], n(tally.faults[i]));
  }
  std::printf("\nhash %016llx, %.1f s, %.0f points per second\n", n(tally.hash), seconds,
              seconds > 0 ? static_cast<double>(tally.points) / seconds : 0.0);
}

}  // namespace

int RunCommandLine(const std::vector<std::string>& words) {
  const std::optional<Arguments> arguments = Parse(words);
  if (!arguments) {
    std::fputs(std::string(kHelp).c_str(), stderr);
    return 2;
  }
  if ((arguments->canaries || arguments->canary != Canary::kNone) && !CanariesThere()) {
    std::fputs("no bugs are planted in this build: configure it with -DAIDB_CANARY=ON\n", stderr);
    return 2;
  }
  if (arguments->canaries) {
    const uint64_t points = arguments->points > 0 ? arguments->points : kCanaryPoints;
    return RunCanaries(arguments->seed, points, arguments->jobs) == 0 ? 0 : 1;
  }
  Plant(arguments->canary);
  const auto start = std::chrono::steady_clock::now();
  bool failed = false;
  Tally tally;
  const int rounds = arguments->twice ? 2 : 1;
  std::vector<uint64_t> hashes;
  for (int round = 0; round < rounds; ++round) {
    tally = {};
    for (const Share& share : RunJobs(*arguments, 0, arguments->jobs)) {
      tally.Add(share.tally);
      failed = failed || share.failed;
    }
    hashes.push_back(tally.hash);
  }
  std::printf("seeds from %llu, %llu processes\n", static_cast<unsigned long long>(arguments->seed),
              static_cast<unsigned long long>(arguments->jobs));
  PrintTally(tally, SecondsSince(start));
  if (hashes.front() != hashes.back()) {
    std::printf("FAILED the same seeds took another way the second time\n");
    failed = true;
  }
  std::printf("sim: %llu passed, %d failed\n",
              static_cast<unsigned long long>(tally.seeds - (failed ? 1 : 0)), failed ? 1 : 0);
  return failed ? 1 : 0;
}

}  // namespace aidb::sim

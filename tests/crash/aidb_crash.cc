// Kills real processes and looks at what is left.
//
//   aidb_crash [--rounds N] [--seed S] [--mode NAME] [--directory D]...
//
// N rounds per mode (default 100). Each D gets every mode; without one a directory beside the
// program and one in shared memory take turns. Ends with 1 on any loss; the directory then stays.

#include <unistd.h>

#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include "tests/crash/child.h"
#include "tests/crash/rounds.h"

namespace aidb::campaign {
namespace {

struct Arguments {
  uint64_t rounds = 100;
  uint64_t seed = 1;
  std::string mode;
  std::vector<std::string> directories;
};

int Usage(const char* word) {
  std::fprintf(stderr,
               "aidb_crash: cannot use '%s'\n"
               "usage: aidb_crash [--rounds N] [--seed S] [--mode NAME] [--directory D]...\n",
               word);
  return 2;
}

bool Parse(int count, char** words, Arguments& arguments) {
  for (int i = 1; i < count; i += 2) {
    const std::string option = words[i];
    if (i + 1 == count) return Usage(words[i]) == 0;
    const char* value = words[i + 1];
    if (option == "--rounds") {
      arguments.rounds = std::strtoull(value, nullptr, 10);
    } else if (option == "--seed") {
      arguments.seed = std::strtoull(value, nullptr, 10);
    } else if (option == "--mode" && FindMode(value) != nullptr) {
      arguments.mode = value;
    } else if (option == "--directory") {
      arguments.directories.emplace_back(value);
    } else {
      return Usage(words[i]) == 0;
    }
  }
  if (arguments.directories.empty()) {
    arguments.directories = {"aidb_crash_stores", "/dev/shm/aidb_crash_stores"};
  }
  return true;
}

void PrintRow(std::string_view mode, const std::string& directory, const Tally& tally) {
  std::printf("%-14.*s %-28s %6" PRIu64 " %12" PRIu64 " %5" PRIu64 " %8" PRIu64 " %6" PRIu64
              " %8" PRIu64 " %8" PRIu64 " %8" PRIu64 " %9.1f\n",
              static_cast<int>(mode.size()), mode.data(), directory.c_str(), tally.rounds,
              tally.acknowledged, tally.lost, tally.failures, tally.torn, tally.killed_opening,
              tally.killed_closing, tally.closed,
              static_cast<double>(tally.milliseconds) / static_cast<double>(tally.rounds));
  std::fflush(stdout);
}

bool RunMode(const Mode& mode, const Arguments& arguments) {
  bool fine = true;
  for (size_t d = 0; d < arguments.directories.size(); ++d) {
    const std::string root = arguments.directories[d] + "." + std::to_string(::getpid());
    Rounds rounds(mode, arguments.seed + d, root + "/" + std::string(mode.name));
    const uint64_t share = arguments.rounds / arguments.directories.size() +
                           (d < arguments.rounds % arguments.directories.size() ? 1 : 0);
    std::string wrong;
    while (rounds.tally().rounds < share && wrong.empty()) wrong = rounds.RunOne();
    if (rounds.tally().rounds != 0) PrintRow(mode.name, arguments.directories[d], rounds.tally());
    if (wrong.empty()) {
      std::filesystem::remove_all(root);
    } else {
      fine = false;
      std::printf("FAILED: %s\nkept: %s\n", wrong.c_str(), root.c_str());
    }
  }
  return fine;
}

int Main(int count, char** words) {
  Arguments arguments;
  if (!Parse(count, words, arguments)) return 2;
  std::printf("%-14s %-28s %6s %12s %5s %8s %6s %8s %8s %8s %9s\n", "mode", "directory", "rounds",
              "acknowledged", "lost", "failures", "torn", "opening", "closing", "closed",
              "ms/round");
  bool fine = true;
  for (const Mode& mode : Modes()) {
    if (arguments.mode.empty() || arguments.mode == mode.name) fine &= RunMode(mode, arguments);
  }
  std::printf("crash: %s, seed %" PRIu64 "\n", fine ? "nothing lost" : "FAILED", arguments.seed);
  return fine ? 0 : 1;
}

}  // namespace
}  // namespace aidb::campaign

int main(int count, char** words) {
  if (count > 1 && std::strcmp(words[1], "--child") == 0) {
    return aidb::campaign::RunChild(aidb::campaign::ParseChildPlan(count - 1, words + 1));
  }
  return aidb::campaign::Main(count, words);
}

#include "tests/sim/canaries.h"

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <new>
#include <vector>

#include "tests/sim/campaign.h"

namespace aidb::sim {
namespace {

constexpr std::string_view kNames[] = {
    "none",
    "ack-before-sync",
    "log-name-not-synced",
    "table-name-not-synced",
    "current-name-not-synced",
    "table-not-synced",
    "manifest-not-synced",
    "log-deleted-early",
    "syncs-again",
    "redrive-copies",
    "block-not-checked",
    "proof-ignored",
    "tail-believed",
    "ring-ignored",
    "lost-wake-up",
    "snapshot-forgotten",
    "sequence-off-by-one",
    "half-batch",
    "delete-dropped-early",
    "hand-forgets-readers",
    "checkpoint-lacks-tail",
    "checkpoint-name-not-synced",
    "merge-folds-stale",
    "clock-set-back",
    "condition-unchecked",
    "operand-hides",
    "repair-forgets-log",
    "ingest-not-synced",
    "ingest-placed-below",
    "scrub-skips-a-table",
};
static_assert(std::size(kNames) == static_cast<size_t>(Canary::kCount));

constexpr size_t kMessageBytes = 120;

// In memory that the process of the hunt shares with its parent, for it may die of its bug.
struct Hunt {
  uint64_t seed;
  uint64_t points;
  double seconds;
  bool found;
  char message[kMessageBytes];
};

double SecondsSince(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// Seeds with faults are quick and find what a healthy disk cannot show: three of them for each
// other one.
uint64_t SeedOffset(uint64_t i) { return i % 4 == 0 ? i / 4 * 3 : (i - i / 4) * 3 - 1; }

void Chase(Hunt& hunt, Canary canary, uint64_t first_seed, uint64_t points_max) {
  Plant(canary);
  const auto start = std::chrono::steady_clock::now();
  Campaign campaign;
  for (uint64_t i = 0; hunt.points < points_max; ++i) {
    hunt.seed = first_seed + SeedOffset(i);
    const auto failure = campaign.RunSeed(hunt.seed, {});
    hunt.points = campaign.tally().points;
    hunt.seconds = SecondsSince(start);
    if (!failure) continue;
    // The bug must be what fails: without it the same seed passes.
    Plant(Canary::kNone);
    const bool fails_anyway = Campaign().RunSeed(hunt.seed, {}).has_value();
    Plant(canary);
    if (fails_anyway) continue;
    hunt.found = true;
    const size_t length = std::min(failure->message.size(), kMessageBytes - 1);
    std::memcpy(hunt.message, failure->message.data(), length);
    std::replace(hunt.message, hunt.message + length, '\n', ' ');
    return;
  }
}

pid_t StartChase(Hunt& hunt, Canary canary, uint64_t first_seed, uint64_t points_max) {
  std::fflush(stdout);
  const pid_t child = fork();
  if (child != 0) return child;
  // What a dying engine says is not for the table.
  if (std::freopen("/dev/null", "w", stderr) == nullptr) _exit(2);
  Chase(hunt, canary, first_seed, points_max);
  _exit(0);
}

void PrintRow(Canary canary, const Hunt& hunt) {
  std::printf("%-27s %-7s %6llu %9llu %8.1f  %s\n", std::string(CanaryName(canary)).c_str(),
              hunt.found ? "found" : "MISSED", static_cast<unsigned long long>(hunt.seed),
              static_cast<unsigned long long>(hunt.points), hunt.seconds, hunt.message);
  std::fflush(stdout);
}

}  // namespace

std::string_view CanaryName(Canary canary) { return kNames[static_cast<size_t>(canary)]; }

std::optional<Canary> CanaryNamed(std::string_view name) {
  const auto* const at = std::find(std::begin(kNames), std::end(kNames), name);
  if (at == std::end(kNames)) return std::nullopt;
  return static_cast<Canary>(at - std::begin(kNames));
}

#ifdef AIDB_CANARY
bool CanariesThere() { return true; }
void Plant(Canary canary) { planted_canary.store(canary, std::memory_order_relaxed); }
#else
bool CanariesThere() { return false; }
void Plant(Canary /*canary*/) {}
#endif

int RunCanaries(uint64_t first_seed, uint64_t points_max, uint64_t jobs) {
  constexpr auto kCount = static_cast<size_t>(Canary::kCount);
  void* const shared = mmap(nullptr, kCount * sizeof(Hunt), PROT_READ | PROT_WRITE,
                            MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (shared == MAP_FAILED) return 1;
  Hunt* const hunts = new (shared) Hunt[kCount]();
  std::vector<pid_t> children(kCount, -1);
  std::printf("%-27s %-7s %6s %9s %8s  %s\n", "canary", "", "seed", "points", "seconds", "message");
  size_t next = 1;
  size_t running = 0;
  int missed = 0;
  while (next < kCount || running > 0) {
    if (next < kCount && running < jobs) {
      children[next] = StartChase(hunts[next], static_cast<Canary>(next), first_seed, points_max);
      if (children[next] < 0) return 1;
      ++next;
      ++running;
      continue;
    }
    int how = 0;
    const pid_t ended = wait(&how);
    const auto at = std::find(children.begin(), children.end(), ended);
    if (at == children.end()) continue;
    Hunt& hunt = hunts[at - children.begin()];
    if (WIFSIGNALED(how)) {
      hunt.found = true;
      std::snprintf(hunt.message, kMessageBytes, "the engine stopped itself (signal %d)",
                    WTERMSIG(how));
    }
    if (!hunt.found) ++missed;
    PrintRow(static_cast<Canary>(at - children.begin()), hunt);
    --running;
  }
  munmap(shared, kCount * sizeof(Hunt));
  std::printf("canaries: %zu passed, %d failed\n", kCount - 1 - static_cast<size_t>(missed),
              missed);
  return missed;
}

}  // namespace aidb::sim

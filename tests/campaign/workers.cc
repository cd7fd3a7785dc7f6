#include "tests/campaign/workers.h"

#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <utility>
#include <vector>

#include "aidb/base/bytes.h"
#include "aidb/base/check.h"

namespace aidb::campaign {
namespace {

// What a child writes: u64 number, u32 bytes, text.
constexpr size_t kHeaderBytes = 12;

struct Worker {
  pid_t process = 0;
  int pipe = -1;
  uint64_t next = 0;  // The trial it is at.
  uint64_t end = 0;
  std::string pending{};
};

void WriteAll(int pipe, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t done = ::write(pipe, bytes.data(), bytes.size());
    if (done <= 0) ::_exit(4);  // Nobody reads any more.
    bytes.remove_prefix(static_cast<size_t>(done));
  }
}

[[noreturn]] void Work(int pipe, uint64_t begin, uint64_t end, unsigned seconds_max,
                       const std::function<std::string(uint64_t)>& trial) {
  for (uint64_t i = begin; i < end; ++i) {
    ::alarm(seconds_max);
    const std::string text = trial(i);
    std::string message;
    AppendLe<uint64_t>(message, i);
    AppendLe<uint32_t>(message, static_cast<uint32_t>(text.size()));
    WriteAll(pipe, message + text);
  }
  std::exit(0);  // Where a leak checker looks.
}

Worker StartWorker(uint64_t begin, uint64_t end, unsigned seconds_max,
                   const std::function<std::string(uint64_t)>& trial) {
  int ends[2];
  AIDB_CHECK(::pipe(ends) == 0);
  std::fflush(nullptr);
  const pid_t process = ::fork();
  AIDB_CHECK(process >= 0);
  if (process == 0) {
    ::close(ends[0]);
    Work(ends[1], begin, end, seconds_max, trial);
  }
  ::close(ends[1]);
  return {.process = process, .pipe = ends[0], .next = begin, .end = end};
}

void TakeMessages(Worker& worker, const std::function<void(uint64_t, const TrialResult&)>& take) {
  while (worker.pending.size() >= kHeaderBytes) {
    const uint64_t number = LoadLe<uint64_t>(worker.pending.data());
    const uint32_t bytes = LoadLe<uint32_t>(worker.pending.data() + 8);
    if (worker.pending.size() < kHeaderBytes + bytes) return;
    take(number, {.text = worker.pending.substr(kHeaderBytes, bytes)});
    worker.pending.erase(0, kHeaderBytes + bytes);
    worker.next = number + 1;
  }
}

// The process has ended. The trial it died in, if it did not come to its end.
std::optional<TrialResult> Bury(const Worker& worker) {
  int status = 0;
  ::close(worker.pipe);
  AIDB_CHECK(::waitpid(worker.process, &status, 0) == worker.process);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return std::nullopt;
  if (!WIFSIGNALED(status)) {
    return TrialResult{.fate = Fate::kSignal,
                       .text = "exit code " + std::to_string(WEXITSTATUS(status))};
  }
  const int number = WTERMSIG(status);
  return TrialResult{.fate = number == SIGALRM ? Fate::kHang : Fate::kSignal,
                     .text = "signal " + std::to_string(number)};
}

}  // namespace

void RunInProcesses(uint64_t begin, uint64_t end, int jobs, unsigned seconds_max,
                    const std::function<std::string(uint64_t)>& trial,
                    const std::function<void(uint64_t, const TrialResult&)>& take) {
  std::vector<Worker> workers;
  const auto share = (end - begin) / static_cast<uint64_t>(jobs) + 1;
  for (uint64_t at = begin; at < end; at += share) {
    workers.push_back(StartWorker(at, std::min(end, at + share), seconds_max, trial));
  }
  while (!workers.empty()) {
    std::vector<pollfd> waits;
    for (const Worker& worker : workers) {
      waits.push_back({.fd = worker.pipe, .events = POLLIN, .revents = 0});
    }
    AIDB_CHECK(::poll(waits.data(), waits.size(), -1) > 0);
    for (size_t i = workers.size(); i-- > 0;) {
      if (waits[i].revents == 0) continue;
      Worker& worker = workers[i];
      char buffer[65536];
      const ssize_t got = ::read(worker.pipe, buffer, sizeof buffer);
      AIDB_CHECK(got >= 0);
      worker.pending.append(buffer, static_cast<size_t>(got));
      TakeMessages(worker, take);
      if (got > 0) continue;
      if (const auto death = Bury(worker)) {
        take(worker.next, *death);
        ++worker.next;
      }
      if (worker.next < worker.end) {
        worker = StartWorker(worker.next, worker.end, seconds_max, trial);
      } else {
        workers.erase(workers.begin() + static_cast<long>(i));
      }
    }
  }
}

}  // namespace aidb::campaign

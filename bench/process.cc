#include "bench/process.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string_view>
#include <system_error>

#include "aidb/base/check.h"
#include "aidb/io/posix/posix_clock.h"

namespace aidb::bench {
namespace {

// The number behind `name` in a file of "name: number" lines; 0 when there is none.
uint64_t ProcNumber(const char* path, std::string_view name) {
  std::ifstream file(path);
  std::string word;
  while (file >> word) {
    uint64_t number = 0;
    if (word == name && file >> number) return number;
  }
  return 0;
}

double Seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
}

// What a child says: whether it succeeded, then the measurement or the reason.
struct Answer {
  bool complete = false;  // False: it died before it could say anything.
  bool ok = false;
  Measurement measurement;
  char reason[512] = {};
};

Answer AnswerOf(const Result<Measurement>& result) {
  Answer answer{.complete = true, .ok = result.ok(), .measurement = {}};
  if (result.ok()) {
    answer.measurement = *result;
  } else {
    std::snprintf(answer.reason, sizeof answer.reason, "%s", result.status().ToString().c_str());
  }
  return answer;
}

bool ReadWhole(int descriptor, void* into, size_t size) {
  auto* at = static_cast<char*>(into);
  while (size > 0) {
    const ssize_t got = ::read(descriptor, at, size);
    if (got <= 0) return false;
    at += got;
    size -= static_cast<size_t>(got);
  }
  return true;
}

// Runs `body` in a child, takes its answer and returns its wait status.
int Fork(const std::function<Answer()>& body, Answer& answer) {
  int ends[2];
  AIDB_CHECK(::pipe(ends) == 0);
  std::fflush(nullptr);
  const pid_t child = ::fork();
  AIDB_CHECK(child >= 0);
  if (child == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::close(ends[0]);
    const Answer said = body();
    AIDB_CHECK(::write(ends[1], &said, sizeof said) == sizeof said);
    ::_exit(0);
  }
  ::close(ends[1]);
  if (!ReadWhole(ends[0], &answer, sizeof answer)) answer.complete = false;
  ::close(ends[0]);
  int status = 0;
  AIDB_CHECK(::waitpid(child, &status, 0) == child);
  return status;
}

}  // namespace

ProcessUsage UsageNow() {
  rusage usage{};
  AIDB_CHECK(::getrusage(RUSAGE_SELF, &usage) == 0);
  return {.cpu_seconds = Seconds(usage.ru_utime) + Seconds(usage.ru_stime),
          .written_bytes = ProcNumber("/proc/self/io", "write_bytes:")};
}

uint64_t PeakRssBytes() { return ProcNumber("/proc/self/status", "VmHWM:") << 10; }

void ForgetPeakRss() { std::ofstream("/proc/self/clear_refs") << "5"; }

uint64_t NanosNow() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(now).count());
}

double SecondsNow() { return static_cast<double>(NanosNow()) * 1e-9; }

namespace {

// Whether some thread is inside a system call that waits for the disk, a sync for one: state D.
bool WaitsForDisk() {
  std::error_code gone;  // Of a thread that ended meanwhile: it does not wait.
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task", gone)) {
    std::ifstream file(task.path() / "stat");
    std::string line;
    std::getline(file, line);
    // "42 (name) D …"; the name may hold anything, parentheses too.
    const size_t name_end = line.rfind(") ");
    if (name_end != std::string::npos && line[name_end + 2] == 'D') return true;
  }
  return false;
}

}  // namespace

bool WaitUntilIdle(double seconds_max) {
  constexpr auto kWindow = std::chrono::milliseconds(50);
  constexpr double kIdleCpuSeconds = 0.001;  // 2 % of a window: timers, not work.
  constexpr int kIdleWindows = 3;  // A thread on its way into or out of a sync shows in one.
  io::PosixClock clock;
  const double start = SecondsNow();
  double before = UsageNow().cpu_seconds;
  for (int idle = 0; idle < kIdleWindows;) {
    if (SecondsNow() - start > seconds_max) return false;
    clock.SleepFor(kWindow);
    const double now = UsageNow().cpu_seconds;
    idle = now - before < kIdleCpuSeconds && !WaitsForDisk() ? idle + 1 : 0;
    before = now;
  }
  return true;
}

Result<Measurement> InChild(const std::function<Result<Measurement>()>& body) {
  Answer answer;
  const int status = Fork([&body] { return AnswerOf(body()); }, answer);
  if (!answer.complete) {
    return Internal(WIFSIGNALED(status)
                        ? "the run died of signal " + std::to_string(WTERMSIG(status))
                        : "the run ended without an answer");
  }
  if (!answer.ok) return Internal(answer.reason);
  return answer.measurement;
}

Status InKilledChild(const std::function<Status()>& body) {
  Answer answer;
  const int status = Fork(
      [&body] {
        Status outcome = body();
        if (outcome.ok()) ::raise(SIGKILL);
        return AnswerOf(std::move(outcome));
      },
      answer);
  if (answer.complete) return Internal(answer.reason);
  if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL) {
    return Internal("the child that was to be killed ended otherwise");
  }
  return {};
}

}  // namespace aidb::bench

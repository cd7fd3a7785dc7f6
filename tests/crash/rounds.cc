#include "tests/crash/rounds.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <optional>
#include <utility>
#include <vector>

#include "aidb/base/check.h"
#include "aidb/io/posix/posix_env.h"
#include "aidb/lsm/check.h"
#include "aidb/lsm/open.h"

#include "tests/crash/protocol.h"

namespace aidb::campaign {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::microseconds;
using std::chrono::milliseconds;

class NoLog final : public Logger {
 public:
  void Log(LogLevel, std::string_view) override {}
};

// When the kill comes: so long after the child was started, or after it said something.
struct KillPlan {
  std::optional<Event> after;
  microseconds delay{0};
};

pid_t StartChild(const ChildPlan& plan) {
  const std::vector<std::string> words = CommandLineOf(plan);
  std::vector<char*> arguments{const_cast<char*>("aidb_crash")};
  for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  const pid_t child = ::fork();
  AIDB_CHECK(child >= 0);
  if (child == 0) {
    ::execv("/proc/self/exe", arguments.data());
    ::_exit(5);
  }
  return child;
}

// Reads what is in the pipe, or waits for it until `deadline`. False at its end.
bool ReadMessages(int pipe, Clock::time_point deadline, std::vector<Message>& messages) {
  messages.clear();
  pollfd wait{.fd = pipe, .events = POLLIN, .revents = 0};
  const auto left = std::chrono::ceil<milliseconds>(deadline - Clock::now());
  const int ready = ::poll(&wait, 1, static_cast<int>(std::max<int64_t>(left.count(), 0)));
  if (ready <= 0) return true;
  messages.resize(4096);
  const ssize_t got = ::read(pipe, messages.data(), messages.size() * sizeof(Message));
  AIDB_CHECK(got >= 0 && got % static_cast<ssize_t>(sizeof(Message)) == 0);
  messages.resize(static_cast<size_t>(got) / sizeof(Message));
  return got > 0;
}

}  // namespace

Rounds::Rounds(const Mode& mode, uint64_t seed, std::string directory)
    : mode_(mode),
      seed_(seed),
      directory_(std::move(directory)),
      rng_(seed),
      workload_(WorkloadFor(mode, seed)) {
  std::filesystem::create_directories(std::filesystem::path(directory_).parent_path());
  BeginStore();
}

void Rounds::BeginStore() {
  std::filesystem::remove_all(directory_);
  models_ = {};
  round_ = 0;
  ++stores_;
}

Rounds::Life Rounds::LiveAndDie() {
  ChildPlan plan{
      .directory = directory_, .mode = std::string(mode_.name), .seed = seed_, .round = round_};
  for (uint64_t w = 0; w < kWriters; ++w) plan.operations[w] = models_[w].operations;
  KillPlan kill{.after = Event::kOpened, .delay = microseconds(rng_.Between(1'000, 80'000))};
  const uint64_t dice = rng_.Below(10);
  if (dice < 2) kill = {.after = std::nullopt, .delay = microseconds(rng_.Below(30'000))};
  if (dice >= 8) {
    plan.close_after_ms = static_cast<int>(rng_.Below(20));
    kill = {.after = Event::kClosing, .delay = microseconds(rng_.Below(8'000))};
  }

  int ends[2];
  AIDB_CHECK(::pipe(ends) == 0);
  AIDB_CHECK(::fcntl(ends[0], F_SETFD, FD_CLOEXEC) == 0);
  plan.pipe = ends[1];
  const pid_t child = StartChild(plan);
  ::close(ends[1]);

  Life life;
  for (uint64_t w = 0; w < kWriters; ++w) life.acknowledged[w] = models_[w].operations;
  std::optional<Clock::time_point> deadline;
  if (!kill.after) deadline = Clock::now() + kill.delay;
  // The events this waits for come soon; a child that hangs is killed in the end and shows.
  const Clock::time_point patience = Clock::now() + std::chrono::seconds(60);
  std::vector<Message> messages;
  for (bool open = true, killed = false; open;) {
    const auto now = Clock::now();
    if (!killed && (now >= deadline.value_or(patience))) {
      ::kill(child, SIGKILL);
      killed = true;
    }
    open = ReadMessages(
        ends[0], killed ? now + std::chrono::seconds(60) : deadline.value_or(patience), messages);
    for (const Message& message : messages) {
      if (kill.after == message.event && !deadline) deadline = Clock::now() + kill.delay;
      life.opened |= message.event == Event::kOpened;
      life.closing |= message.event == Event::kClosing;
      life.closed |= message.event == Event::kClosed;
      life.failed |= message.event == Event::kFailed;
      if (message.event == Event::kAcknowledged) {
        AIDB_CHECK(message.n == life.acknowledged[message.writer] + 1);
        life.acknowledged[message.writer] = message.n;
      }
    }
  }
  ::close(ends[0]);
  int status = 0;
  AIDB_CHECK(::waitpid(child, &status, 0) == child);
  const bool as_planned = (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) ||
                          (WIFEXITED(status) && WEXITSTATUS(status) == 0 && life.closed);
  life.failed |= !as_planned || Clock::now() > patience;
  return life;
}

// The store must be sound as the kill left it, before anybody repairs anything.
std::string Rounds::CheckFiles() {
  NoLog log;
  io::PosixEnv world(log);
  const auto check = lsm::CheckStore(world.env(), directory_);
  if (!check.ok()) {
    // Killed before there was a store at all.
    const bool nothing_yet = check.status().code() == StatusCode::kInvalidArgument &&
                             models_ == std::array<WriterModel, kWriters>{};
    return nothing_yet ? "" : "check: " + check.status().ToString();
  }
  return check->ok() ? "" : "check: " + check->problems.front().what;
}

std::string Rounds::CompareWriter(const kv::Store& store, uint64_t writer, uint64_t acknowledged) {
  const std::string prefix = Workload::Prefix(writer);
  const kv::ScanOrder order = rng_.OneIn(2) ? kv::ScanOrder::kForward : kv::ScanOrder::kReverse;
  const auto found = ReadAll(store, prefix, order);
  if (!found.ok()) return "scan: " + found.status().ToString();
  WriterModel& model = models_[writer];
  model.AdvanceTo(workload_, writer, acknowledged);
  // One more may have been on its way.
  const auto survived = SurvivingPrefix(workload_, writer, model, acknowledged + 1, *found);
  if (!survived) {
    ++tally_.lost;
    return "writer " + std::to_string(writer) + " had " + std::to_string(acknowledged) +
           " operations acknowledged: " + Difference(model.contents, *found);
  }
  model.AdvanceTo(workload_, writer, *survived);
  for (int i = 0; i < 8; ++i) {
    const std::string key = prefix + std::to_string(rng_.Below(300));
    const auto got = store.Get(key, {});
    if (!got.ok()) return "get: " + got.status().ToString();
    const auto expected = model.contents.find(key);
    const bool same = *got ? expected != model.contents.end() && (*got)->view() == expected->second
                           : expected == model.contents.end();
    if (!same) return "get and scan differ at key " + key;
  }
  return "";
}

std::string Rounds::Look(const Life& life) {
  if (std::string wrong = CheckFiles(); !wrong.empty()) return wrong;
  NoLog log;
  io::PosixEnv world(log);
  auto opened = lsm::OpenStore(world.env(), directory_, OptionsFor(mode_, round_ + 1));
  if (!opened.ok()) return "reopen: " + opened.status().ToString();
  tally_.torn += opened->report.quarantine.size();
  for (uint64_t w = 0; w < kWriters; ++w) {
    tally_.acknowledged += life.acknowledged[w] - models_[w].operations;
    if (std::string wrong = CompareWriter(*opened->store, w, life.acknowledged[w]);
        !wrong.empty()) {
      return wrong;
    }
  }
  // Half of the stores go on from a close, half from what dropping the object leaves.
  if (rng_.OneIn(2)) {
    if (const Status closed = opened->store->Close(); !closed.ok()) {
      return "close: " + closed.ToString();
    }
  }
  opened->store.reset();
  return rng_.OneIn(4) ? CheckFiles() : "";
}

std::string Rounds::RunOne() {
  const auto began = Clock::now();
  if (round_ == kRoundsPerStore) BeginStore();
  const Life life = LiveAndDie();
  ++tally_.rounds;
  tally_.killed_opening += life.opened ? 0 : 1;
  tally_.closed += life.closed ? 1 : 0;
  tally_.killed_closing += life.closing && !life.closed ? 1 : 0;
  std::string wrong = life.failed ? "the child failed by itself" : Look(life);
  if (!wrong.empty()) {
    ++tally_.failures;
    wrong = std::string(mode_.name) + ", seed " + std::to_string(seed_) + ", store " +
            std::to_string(stores_) + ", round " + std::to_string(round_) + ": " + wrong;
  }
  ++round_;
  tally_.milliseconds +=
      static_cast<uint64_t>(std::chrono::duration_cast<milliseconds>(Clock::now() - began).count());
  return wrong;
}

}  // namespace aidb::campaign

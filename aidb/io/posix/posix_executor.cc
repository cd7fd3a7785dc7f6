#include "aidb/io/posix/posix_executor.h"

#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <string>
#include <system_error>
#include <thread>
#include <utility>

#include "aidb/base/check.h"

namespace aidb::io {
namespace {

constexpr size_t kThreadNameBytesMax = 15;

std::thread StartThread(std::string name, std::function<void()> body) {
  try {
    return std::thread([name = std::move(name), body = std::move(body)] {
      ::pthread_setname_np(::pthread_self(), name.c_str());
      body();
    });
  } catch (const std::system_error&) {
    CheckFailed(__FILE__, __LINE__, "the system can start one more thread (ulimit -u, pids.max)");
  }
}

class ThreadTask final : public Task {
 public:
  explicit ThreadTask(std::thread thread) : thread_(std::move(thread)) {}
  ~ThreadTask() override { Join(); }
  void Join() override {
    if (thread_.joinable()) thread_.join();
  }

 private:
  std::thread thread_;
};

}  // namespace

std::unique_ptr<Task> PosixExecutor::Start(std::string_view name, std::function<void()> body) {
  std::string shown(name.substr(0, kThreadNameBytesMax));
  return std::make_unique<ThreadTask>(StartThread(std::move(shown), std::move(body)));
}

int PosixExecutor::Parallelism() const {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  // Fails where the kernel knows more cores than cpu_set_t has bits.
  if (::sched_getaffinity(0, sizeof allowed, &allowed) == 0)
    return std::max(1, CPU_COUNT(&allowed));
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

}  // namespace aidb::io

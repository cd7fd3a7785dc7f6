#pragma once

// Tests only: code that runs in a forked child, because it changes the process (user, limits,
// mounts) or ends it.

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <functional>
#include <string>
#include <utility>

#include "aidb/base/check.h"
#include "aidb/io/posix/descriptor.h"

namespace aidb::io::posix {

// A one-way pipe between parent and child. Both ends are O_CLOEXEC.
struct Pipe {
  Pipe() {
    int ends[2];
    AIDB_CHECK(::pipe2(ends, O_CLOEXEC) == 0);
    reader = Descriptor(ends[0]);
    writer = Descriptor(ends[1]);
  }
  // Everything until the last writer is gone. Closes this process's own writer first.
  std::string ReadAll() {
    Descriptor(std::move(writer));
    std::string text;
    char buffer[512];
    for (ssize_t got; (got = ::read(reader.number(), buffer, sizeof buffer)) > 0;) {
      text.append(buffer, static_cast<size_t>(got));
    }
    return text;
  }
  void Write(const std::string& text) {
    AIDB_CHECK(::write(writer.number(), text.data(), text.size()) ==
               static_cast<ssize_t>(text.size()));
  }

  Descriptor reader;
  Descriptor writer;
};

// A forked child that runs `body` and exits with 0; killed and reaped when this is destroyed.
class ChildProcess {
 public:
  explicit ChildProcess(const std::function<void()>& body) : pid_(::fork()) {
    AIDB_CHECK(pid_ >= 0);
    if (pid_ != 0) return;
    body();
    ::_exit(0);
  }
  ~ChildProcess() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    Wait();
  }
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  pid_t pid() const { return pid_; }
  // The status of waitpid.
  int Wait() {
    int status = 0;
    AIDB_CHECK(::waitpid(std::exchange(pid_, 0), &status, 0) > 0);
    return status;
  }

 private:
  pid_t pid_;
};

// What `body` returns in a child; "died of signal N" when it did not live to say it.
inline std::string InChild(const std::function<std::string()>& body) {
  Pipe answer;
  ChildProcess child([&] { answer.Write(body()); });
  std::string text = answer.ReadAll();
  const int status = child.Wait();
  return WIFSIGNALED(status) ? "died of signal " + std::to_string(WTERMSIG(status)) : text;
}

// For a child: gives up root, if this is root.
inline void BecomeOrdinaryUser() {
  constexpr uid_t kNobody = 65534;
  if (::geteuid() == 0) AIDB_CHECK(::setresuid(kNobody, kNobody, kNobody) == 0);
}

// For a child: no file grows beyond `bytes`; writes there are short, then fail with EFBIG.
inline void LimitFileSize(rlim_t bytes) {
  ::signal(SIGXFSZ, SIG_IGN);
  const rlimit limit{bytes, bytes};
  AIDB_CHECK(::setrlimit(RLIMIT_FSIZE, &limit) == 0);
}

// Enters a mount namespace of its own; an ordinary user needs a user namespace first, in which
// it keeps its own number.
inline bool EnterMountNamespace() {
  const uid_t user = ::geteuid();
  const gid_t group = ::getegid();
  if (user == 0) return ::unshare(CLONE_NEWNS) == 0;
  if (::unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) return false;
  const auto same = [](uint64_t id) {
    return std::to_string(id) + " " + std::to_string(id) + " 1";
  };
  std::ofstream("/proc/self/setgroups") << "deny";
  std::ofstream("/proc/self/uid_map") << same(user);
  std::ofstream("/proc/self/gid_map") << same(group);
  return true;
}

// For a child: mounts a tmpfs of `bytes` over `directory`, seen by this child alone. Where that
// is forbidden no file grows beyond a quarter of it: full all the same.
inline void MakeSmallVolume(const std::string& directory, size_t bytes) {
  const std::string options = "mode=0777,size=" + std::to_string(bytes);
  const bool mounted = EnterMountNamespace() &&
                       ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
                       ::mount("tmpfs", directory.c_str(), "tmpfs", MS_NODEV, options.c_str()) == 0;
  if (!mounted) LimitFileSize(bytes / 4);
}

}  // namespace aidb::io::posix

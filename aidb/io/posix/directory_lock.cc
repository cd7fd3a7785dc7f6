// The lock is an open-file-description lock (F_OFD_SETLK, Linux 3.15) on the whole file: it goes
// away with the last descriptor of that description, however the process ends, and it is refused
// to a second open of the same process as well. A child forked without exec shares the
// description and so keeps the lock after its parent has closed.
//
// The text inside is only for people and messages; its three lines are
//   pid 4711
//   boot 5a3c0f1e-…
//   since 2024-05-01T12:00:00Z
// A writer fills it in once it holds the lock and empties it when it lets go. Readers hold the
// shared lock and leave the text alone, for there may be many of them.

#include "aidb/io/posix/directory_lock.h"

#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include <charconv>
#include <optional>
#include <string_view>
#include <utility>

#include "aidb/io/posix/descriptor.h"
#include "aidb/io/posix/system_error.h"

namespace aidb::io::posix {
namespace {

constexpr std::string_view kPidLabel = "pid ";

class HeldLock final : public DirectoryLock {
 public:
  HeldLock(Descriptor descriptor, LockMode mode)
      : descriptor_(std::move(descriptor)), mode_(mode) {}
  ~HeldLock() override {
    // A failure leaves a stale text, which the next writer replaces.
    if (mode_ == LockMode::kExclusive) {
      [[maybe_unused]] const int ignored = ::ftruncate(descriptor_.number(), 0);
    }
  }

 private:
  const Descriptor descriptor_;
  const LockMode mode_;
};

std::string HolderText(const std::string& boot_id) {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  tm utc{};
  ::gmtime_r(&now.tv_sec, &utc);
  char since[32];
  const size_t since_size = ::strftime(since, sizeof since, "%Y-%m-%dT%H:%M:%SZ", &utc);
  return std::string(kPidLabel) + std::to_string(::getpid()) + "\nboot " + boot_id + "\nsince " +
         std::string(since, since_size) + "\n";
}

// Best effort: without the text the lock is just as good, only its refusals say less. On a full
// disk a store must still open.
void WriteHolder(int descriptor, const std::string& boot_id) {
  if (::ftruncate(descriptor, 0) != 0) return;
  const std::string text = HolderText(boot_id);
  [[maybe_unused]] const ssize_t ignored = ::pwrite(descriptor, text.data(), text.size(), 0);
}

std::optional<uint64_t> ReadHolder(int descriptor) {
  char text[64];
  const ssize_t size = ::pread(descriptor, text, sizeof text, 0);
  if (size < 0) return std::nullopt;
  std::string_view line(text, static_cast<size_t>(size));
  if (!line.starts_with(kPidLabel)) return std::nullopt;
  line.remove_prefix(kPidLabel.size());
  uint64_t pid = 0;
  const auto parsed = std::from_chars(line.data(), line.data() + line.size(), pid);
  if (parsed.ec != std::errc()) return std::nullopt;
  return pid;
}

struct flock WholeFile(LockMode mode) {
  struct flock lock{};
  lock.l_type = mode == LockMode::kExclusive ? F_WRLCK : F_RDLCK;
  lock.l_whence = SEEK_SET;
  return lock;
}

// Who is in the way. A forked child that outlived its parent leaves the text empty.
std::string DescribeHolder(int descriptor, LockMode wanted) {
  struct flock held = WholeFile(wanted);
  if (::fcntl(descriptor, F_OFD_GETLK, &held) == 0 && held.l_type == F_RDLCK) {
    return "already open for reading, by another process or another handle of this one";
  }
  const std::optional<uint64_t> pid = ReadHolder(descriptor);
  if (pid) return "already open by pid " + std::to_string(*pid);
  return "already open by a process that left no pid, perhaps a child forked without exec";
}

}  // namespace

Result<std::unique_ptr<DirectoryLock>> LockFile(const std::string& path, LockMode mode,
                                                const std::string& boot_id) {
  // A reader opens for reading only, so that it can work on a read-only volume.
  const int access = mode == LockMode::kExclusive ? O_RDWR : O_RDONLY;
  Descriptor descriptor(RetryInterrupted([&] {
    return ::open(path.c_str(), access | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
  }));
  if (!descriptor.valid()) return SystemError(errno, "open lock", path);
  struct flock lock = WholeFile(mode);
  if (RetryInterrupted([&] { return ::fcntl(descriptor.number(), F_OFD_SETLK, &lock); }) != 0) {
    if (errno != EAGAIN && errno != EACCES) return SystemError(errno, "lock", path);
    return Unavailable("lock " + path + ": " + DescribeHolder(descriptor.number(), mode));
  }
  if (mode == LockMode::kExclusive) WriteHolder(descriptor.number(), boot_id);
  return std::make_unique<HeldLock>(std::move(descriptor), mode);
}

}  // namespace aidb::io::posix

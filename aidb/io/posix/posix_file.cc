#include "aidb/io/posix/posix_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <limits>

#include "aidb/io/posix/system_error.h"

namespace aidb::io::posix {
namespace {

// off_t is signed: no file reaches further.
constexpr uint64_t kOffsetMax = std::numeric_limits<off_t>::max();

iovec Vector(std::span<const std::byte> bytes) {
  return {const_cast<std::byte*>(bytes.data()), bytes.size()};  // pwritev only reads them.
}

}  // namespace

Result<size_t> PosixFile::Read(uint64_t offset, std::span<std::byte> out) const {
  if (offset >= kOffsetMax) return size_t{0};  // Past every end, as a damaged pointer may be.
  const size_t count = std::min<uint64_t>(out.size(), kOffsetMax - offset);
  const ssize_t got = RetryInterrupted(
      [&] { return ::pread(descriptor_.number(), out.data(), count, static_cast<off_t>(offset)); });
  if (got < 0) return SystemError(errno, "read", path_);
  return static_cast<size_t>(got);
}

Result<size_t> PosixFile::Write(uint64_t offset, std::span<const std::byte> first,
                                std::span<const std::byte> second) {
  if (first.empty() && second.empty()) return size_t{0};
  if (offset > kOffsetMax || first.size() > kOffsetMax - offset ||
      second.size() > kOffsetMax - offset - first.size()) {
    return SystemError(EFBIG, "write", path_);
  }
  const iovec vectors[] = {Vector(first), Vector(second)};
  const ssize_t wrote = RetryInterrupted(
      [&] { return ::pwritev(descriptor_.number(), vectors, 2, static_cast<off_t>(offset)); });
  if (wrote < 0) return SystemError(errno, "write", path_);
  if (wrote == 0) return IoError("write " + path_ + ": the system wrote nothing");
  return static_cast<size_t>(wrote);
}

Status PosixFile::Sync(int (*sync)(int)) {
  if (sync_failed_.load(std::memory_order_relaxed)) {
    return IoError("sync " + path_ +
                   ": an earlier sync of this file failed; it is never synced again");
  }
  if (sync(descriptor_.number()) == 0) return {};
  Status error = SystemError(errno, "sync", path_);
  sync_failed_.store(true, std::memory_order_relaxed);
  return error;
}

Status PosixFile::SyncData() { return Sync(::fdatasync); }

Status PosixFile::SyncAll() { return Sync(::fsync); }

Status PosixFile::Truncate(uint64_t size) {
  if (size > kOffsetMax) return SystemError(EFBIG, "truncate", path_);
  const int result =
      RetryInterrupted([&] { return ::ftruncate(descriptor_.number(), static_cast<off_t>(size)); });
  return result == 0 ? Status() : SystemError(errno, "truncate", path_);
}

Status PosixFile::Allocate(uint64_t size) {
  if (size == 0) return {};
  if (size > kOffsetMax) return SystemError(EFBIG, "allocate", path_);
  const int result = RetryInterrupted([&] {
    return ::fallocate(descriptor_.number(), FALLOC_FL_KEEP_SIZE, 0, static_cast<off_t>(size));
  });
  // A file system that cannot reserve makes no weaker a promise than one whose reservation may
  // be broken at sync, so this is not an error.
  if (result == 0 || errno == EOPNOTSUPP || errno == ENOSYS) return {};
  return SystemError(errno, "allocate", path_);
}

Result<uint64_t> PosixFile::Size() const {
  struct stat found{};
  if (::fstat(descriptor_.number(), &found) != 0) return SystemError(errno, "stat", path_);
  return static_cast<uint64_t>(found.st_size);
}

Status PosixFile::Close() {
  // Never repeated: Linux frees the descriptor whatever close returns.
  return ::close(descriptor_.Release()) == 0 ? Status() : SystemError(errno, "close", path_);
}

}  // namespace aidb::io::posix

#include "aidb/io/posix/direct_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <memory>
#include <new>

#include "aidb/io/posix/system_error.h"

namespace aidb::io::posix {
namespace {

constexpr uint64_t kOffsetMax = std::numeric_limits<off_t>::max() / 2;
constexpr std::align_val_t kAlignment{DirectFile::kBlockBytes};

struct FreeAligned {
  void operator()(std::byte* bytes) const { ::operator delete(bytes, kAlignment); }
};

}  // namespace

Result<size_t> DirectFile::Read(uint64_t offset, std::span<std::byte> out) const {
  if (offset >= kOffsetMax || out.empty()) return size_t{0};
  const uint64_t begin = offset / kBlockBytes * kBlockBytes;
  const uint64_t before = offset - begin;
  const uint64_t wanted = before + std::min<uint64_t>(out.size(), kReadBytesMax - kBlockBytes);
  const uint64_t size = (wanted + kBlockBytes - 1) / kBlockBytes * kBlockBytes;
  const std::unique_ptr<std::byte, FreeAligned> blocks(
      static_cast<std::byte*>(::operator new(size, kAlignment)));
  const auto read = [&] {
    return ::pread(descriptor_.number(), blocks.get(), size, static_cast<off_t>(begin));
  };
  ssize_t got = RetryInterrupted(read);
  if (got < 0 && errno == EINVAL && ::fcntl(descriptor_.number(), F_SETFL, 0) == 0) {
    got = RetryInterrupted(read);  // A device of larger blocks: as kRead from now on.
  }
  if (got < 0) return SystemError(errno, "read", path_);
  // Where the kernel stops within a block, the file ends.
  const uint64_t behind = static_cast<uint64_t>(got);
  if (behind <= before) return size_t{0};
  const size_t count = std::min<uint64_t>(out.size(), behind - before);
  std::memcpy(out.data(), blocks.get() + before, count);
  return count;
}

Result<size_t> DirectFile::Write(uint64_t, std::span<const std::byte>, std::span<const std::byte>) {
  return ReadingOnly("write");
}

Result<uint64_t> DirectFile::Size() const {
  struct stat found{};
  if (::fstat(descriptor_.number(), &found) != 0) return SystemError(errno, "stat", path_);
  return static_cast<uint64_t>(found.st_size);
}

Status DirectFile::Close() {
  return ::close(descriptor_.Release()) == 0 ? Status() : SystemError(errno, "close", path_);
}

Status DirectFile::ReadingOnly(std::string_view operation) const {
  return InvalidArgument(std::string(operation) + " " + path_ + ": opened for reading only");
}

}  // namespace aidb::io::posix

// The one mapping of this code base.
//
// A store into a mapped page that the file system cannot back raises SIGBUS: measured on a
// sparse file in a full tmpfs. So every page gets its place on disk before it is mapped, by
// writing it (fallocate leaves unwritten extents) and by fsync (delayed allocation):
//
//   new, or of another size    truncate to 0, write zeros, fsync, map
//   right size, without holes  map
//   right size, with holes     write every byte back to itself, fsync, map
//                              (a copy made by a tool that turns zeros into holes)
//
// A crash in the middle of the first leaves another size, so the next open starts it again.
// Copy-on-write file systems need new space at every write-back, and a network may go away;
// neither is trusted. XFS is, but its owner must not reflink a live region.

#include "aidb/io/posix/mapped_region.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "aidb/io/posix/descriptor.h"
#include "aidb/io/posix/path.h"
#include "aidb/io/posix/posix_file.h"
#include "aidb/io/posix/system_error.h"
#include "aidb/io/transfer.h"

namespace aidb::io::posix {
namespace {

constexpr uint64_t kPageBytes = 4096;
constexpr size_t kChunkBytes = size_t{1} << 20;
constexpr decltype(std::declval<struct statfs>().f_type) kXfsMagic = 0x58465342;  // "XFSB"

class MappedRegion final : public SharedRegion {
 public:
  explicit MappedRegion(std::span<std::byte> bytes) : bytes_(bytes) {}
  ~MappedRegion() override { ::munmap(bytes_.data(), bytes_.size()); }
  std::span<std::byte> bytes() override { return bytes_; }

 private:
  const std::span<std::byte> bytes_;
};

Status FillWithZeros(File& file, uint64_t size) {
  AIDB_RETURN_IF_ERROR(file.Truncate(0));
  const std::vector<std::byte> zeros(std::min<uint64_t>(size, kChunkBytes));
  for (uint64_t offset = 0; offset < size; offset += zeros.size()) {
    const size_t count = std::min<uint64_t>(zeros.size(), size - offset);
    AIDB_RETURN_IF_ERROR(WriteFully(file, offset, std::span(zeros).first(count)));
  }
  return file.SyncAll();
}

Status WriteBackToItself(File& file, uint64_t size) {
  std::vector<std::byte> chunk(std::min<uint64_t>(size, kChunkBytes));
  for (uint64_t offset = 0; offset < size; offset += chunk.size()) {
    const auto part = std::span(chunk).first(std::min<uint64_t>(chunk.size(), size - offset));
    AIDB_RETURN_IF_ERROR(ReadExact(file, offset, part));
    AIDB_RETURN_IF_ERROR(WriteFully(file, offset, part));
  }
  return file.SyncAll();
}

Status BackEveryPage(File& file, int descriptor, uint64_t size) {
  AIDB_ASSIGN_OR_RETURN(const uint64_t found, file.Size());
  if (found != size) {
    Status filled = FillWithZeros(file, size);
    // Half a region helps nobody, least of all on a full disk.
    if (!filled.ok()) ::unlink(std::string(file.path()).c_str());
    return filled;
  }
  const off_t hole = ::lseek(descriptor, 0, SEEK_HOLE);
  if (hole < 0) return SystemError(errno, "look for holes in", file.path());
  if (static_cast<uint64_t>(hole) == size) return {};
  return WriteBackToItself(file, size);
}

}  // namespace

RegionSupport SupportAt(const std::string& path) {
  struct statfs found{};
  int result = ::statfs(path.c_str(), &found);
  if (result != 0 && errno == ENOENT) {
    result = ::statfs(ParentOf(path).c_str(), &found);
  }
  if (result != 0) return RegionSupport::kRefused;
  const bool trusted =
      found.f_type == EXT4_SUPER_MAGIC || found.f_type == kXfsMagic || found.f_type == TMPFS_MAGIC;
  return trusted ? RegionSupport::kTrusted : RegionSupport::kRefused;
}

Result<std::unique_ptr<SharedRegion>> OpenMappedRegion(const std::string& path,
                                                       uint64_t size_bytes) {
  if (size_bytes == 0 || size_bytes % kPageBytes != 0) {
    return InvalidArgument("map " + path + ": " + std::to_string(size_bytes) +
                           " bytes are not a positive multiple of " + std::to_string(kPageBytes));
  }
  if (SupportAt(path) == RegionSupport::kRefused) {
    return Unavailable(
        "map " + path +
        ": shared memory is trusted only on ext4, XFS and tmpfs; put the ring there");
  }
  Descriptor descriptor(RetryInterrupted([&] {
    return ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
  }));
  if (!descriptor.valid()) return SystemError(errno, "open region", path);
  const int number = descriptor.number();
  PosixFile file(std::move(descriptor), path);
  AIDB_RETURN_IF_ERROR(BackEveryPage(file, number, size_bytes));
  void* memory = ::mmap(nullptr, size_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, number, 0);
  if (memory == MAP_FAILED) return SystemError(errno, "map", path);
  return std::make_unique<MappedRegion>(
      std::span(static_cast<std::byte*>(memory), static_cast<size_t>(size_bytes)));
}

}  // namespace aidb::io::posix

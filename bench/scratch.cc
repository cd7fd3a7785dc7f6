#include "bench/scratch.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "aidb/base/check.h"

namespace aidb::bench {
namespace {

namespace fs = std::filesystem;
constexpr const char* kMark = "aidb_bench_scratch";
constexpr uint64_t kStatBlockBytes = 512;  // st_blocks counts these whatever the file system.

}  // namespace

Status ClaimScratch(const std::string& directory) {
  std::error_code error;
  fs::create_directories(directory, error);
  if (error) return IoError("make " + directory + ": " + error.message());
  const fs::path mark = fs::path(directory) / kMark;
  if (!fs::is_empty(directory) && !fs::exists(mark)) {
    return InvalidArgument(directory + " has files that are not a benchmark's; choose another");
  }
  for (const auto& entry : fs::directory_iterator(directory)) fs::remove_all(entry.path());
  std::ofstream{mark} << "aidb_bench empties this directory\n";
  return {};
}

void RemoveTree(const std::string& path) { fs::remove_all(path); }

void CopyTree(const std::string& from, const std::string& to) {
  fs::copy(from, to, fs::copy_options::recursive);
}

void SyncFileSystem(const std::string& path) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  AIDB_CHECK(descriptor >= 0);
  AIDB_CHECK(::syncfs(descriptor) == 0);
  ::close(descriptor);
}

void DropCache(const std::string& path) {
  for (const auto& entry : fs::recursive_directory_iterator(path)) {
    if (!entry.is_regular_file()) continue;
    const int descriptor = ::open(entry.path().c_str(), O_RDONLY | O_CLOEXEC);
    AIDB_CHECK(descriptor >= 0);
    AIDB_CHECK(::posix_fadvise(descriptor, 0, 0, POSIX_FADV_DONTNEED) == 0);
    ::close(descriptor);
  }
}

uint64_t DirectoryBytes(const std::string& path) {
  uint64_t total = 0;
  for (const auto& entry : fs::recursive_directory_iterator(path)) {
    struct stat status{};
    if (::stat(entry.path().c_str(), &status) != 0) continue;  // Deleted since.
    total += static_cast<uint64_t>(status.st_blocks) * kStatBlockBytes;
  }
  return total;
}

}  // namespace aidb::bench

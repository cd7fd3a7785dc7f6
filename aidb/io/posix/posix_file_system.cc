#include "aidb/io/posix/posix_file_system.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "aidb/io/posix/descriptor.h"
#include "aidb/io/posix/direct_file.h"
#include "aidb/io/posix/directory_lock.h"
#include "aidb/io/posix/mapped_region.h"
#include "aidb/io/posix/path.h"
#include "aidb/io/posix/posix_file.h"
#include "aidb/io/posix/posix_random.h"
#include "aidb/io/posix/system_error.h"

namespace aidb::io {
namespace {

using posix::CheckPath;
using posix::Descriptor;
using posix::RetryInterrupted;
using posix::SystemError;

// Where /proc is missing: an id that no other start has, so that nothing is ever taken for
// written under the present kernel.
std::string RandomBootId() {
  PosixRandom random;
  char text[40];
  const uint64_t high = random.Next();
  const uint64_t low = random.Next();
  const int size = std::snprintf(
      text, sizeof text, "%08x-%04x-%04x-%04x-%012llx", static_cast<unsigned>(high >> 32),
      static_cast<unsigned>(high >> 16) & 0xffff, static_cast<unsigned>(high) & 0xffff,
      static_cast<unsigned>(low >> 48), static_cast<unsigned long long>(low & 0xffffffffffff));
  return {text, static_cast<size_t>(size)};
}

std::string ReadBootId() {
  constexpr ssize_t kUuidBytes = 36;
  char text[kUuidBytes];
  const Descriptor file(::open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC));
  if (!file.valid()) return RandomBootId();
  const ssize_t got = RetryInterrupted([&] { return ::read(file.number(), text, kUuidBytes); });
  return got == kUuidBytes ? std::string(text, kUuidBytes) : RandomBootId();
}

int OpenFlags(OpenMode mode) {
  // O_NONBLOCK: a pipe in place of a file is refused below, not waited for.
  constexpr int kAlways = O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK;
  switch (mode) {
    case OpenMode::kRead:
      return kAlways | O_RDONLY;
    case OpenMode::kReadFromDisk:
      return kAlways | O_RDONLY | O_DIRECT;
    case OpenMode::kReadWrite:
      return kAlways | O_RDWR;
    case OpenMode::kCreateNew:
      return kAlways | O_RDWR | O_CREAT | O_EXCL;
  }
  return kAlways;
}

Result<Descriptor> OpenDirectory(std::string_view operation, const std::string& path) {
  Descriptor directory(
      RetryInterrupted([&] { return ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); }));
  if (!directory.valid()) return SystemError(errno, operation, path);
  return directory;
}

std::string Both(std::string_view from, std::string_view to) {
  return std::string(from).append(" to ").append(to);
}

}  // namespace

PosixFileSystem::PosixFileSystem() : boot_id_(ReadBootId()) {}

Result<std::unique_ptr<File>> PosixFileSystem::Open(std::string_view path, OpenMode mode) {
  const std::string_view operation = mode == OpenMode::kCreateNew ? "create" : "open";
  AIDB_RETURN_IF_ERROR(CheckPath(operation, path));
  std::string name(path);
  Descriptor descriptor(
      RetryInterrupted([&] { return ::open(name.c_str(), OpenFlags(mode), 0600); }));
  if (!descriptor.valid() && mode == OpenMode::kReadFromDisk) {
    return Open(path, OpenMode::kRead);  // The file system may have no such reads.
  }
  if (!descriptor.valid()) return SystemError(errno, operation, path);
  struct stat found{};
  if (::fstat(descriptor.number(), &found) != 0) return SystemError(errno, "stat", path);
  if (!S_ISREG(found.st_mode)) {
    return InvalidArgument("open " + name + ": is not a regular file");
  }
  if (mode == OpenMode::kReadFromDisk) {
    return std::make_unique<posix::DirectFile>(std::move(descriptor), std::move(name));
  }
  return std::make_unique<posix::PosixFile>(std::move(descriptor), std::move(name));
}

Result<bool> PosixFileSystem::Exists(std::string_view path) const {
  AIDB_RETURN_IF_ERROR(CheckPath("stat", path));
  struct stat found{};
  if (::lstat(std::string(path).c_str(), &found) == 0) return true;
  if (errno == ENOENT || errno == ENOTDIR) return false;
  return SystemError(errno, "stat", path);
}

Result<std::vector<std::string>> PosixFileSystem::List(std::string_view directory) const {
  AIDB_RETURN_IF_ERROR(CheckPath("list", directory));
  AIDB_ASSIGN_OR_RETURN(Descriptor descriptor, OpenDirectory("list", std::string(directory)));
  const std::unique_ptr<DIR, int (*)(DIR*)> stream(::fdopendir(descriptor.number()), ::closedir);
  if (stream == nullptr) return SystemError(errno, "list", directory);
  descriptor.Release();  // The stream closes it.
  std::vector<std::string> names;
  for (;;) {
    errno = 0;  // readdir's null means the end or an error.
    const dirent* entry = ::readdir(stream.get());
    if (entry == nullptr) break;
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
  }
  if (errno != 0) return SystemError(errno, "list", directory);
  std::sort(names.begin(), names.end());
  return names;
}

Status PosixFileSystem::CreateDirectory(std::string_view path) {
  AIDB_RETURN_IF_ERROR(CheckPath("create directory", path));
  const std::string name(path);
  if (::mkdir(name.c_str(), 0700) == 0) return {};
  if (errno != EEXIST) return SystemError(errno, "create directory", path);
  return posix::CheckDirectoryIsSafe("create directory", name);
}

Status PosixFileSystem::Rename(std::string_view from, std::string_view to) {
  AIDB_RETURN_IF_ERROR(CheckPath("rename", from));
  AIDB_RETURN_IF_ERROR(CheckPath("rename", to));
  if (ParentOf(from) != ParentOf(to)) {
    return InvalidArgument("rename " + Both(from, to) + ": the directories differ");
  }
  if (::rename(std::string(from).c_str(), std::string(to).c_str()) == 0) return {};
  return SystemError(errno, "rename", Both(from, to));
}

Status PosixFileSystem::Remove(std::string_view path) {
  AIDB_RETURN_IF_ERROR(CheckPath("remove", path));
  const std::string name(path);
  if (::unlink(name.c_str()) == 0) return {};
  if (errno == EISDIR && ::rmdir(name.c_str()) == 0) return {};
  return SystemError(errno, "remove", path);
}

Status PosixFileSystem::Link(std::string_view from, std::string_view to) {
  AIDB_RETURN_IF_ERROR(CheckPath("link", from));
  AIDB_RETURN_IF_ERROR(CheckPath("link", to));
  if (::link(std::string(from).c_str(), std::string(to).c_str()) == 0) return {};
  return SystemError(errno, "link", Both(from, to));
}

Status PosixFileSystem::SyncDirectory(std::string_view path) {
  AIDB_RETURN_IF_ERROR(CheckPath("sync directory", path));
  AIDB_ASSIGN_OR_RETURN(const Descriptor directory,
                        OpenDirectory("sync directory", std::string(path)));
  if (::fsync(directory.number()) == 0) return {};
  return IoError(std::string(SystemError(errno, "sync directory", path).message()));
}

Result<std::unique_ptr<DirectoryLock>> PosixFileSystem::Lock(std::string_view path, LockMode mode) {
  AIDB_RETURN_IF_ERROR(CheckPath("lock", path));
  AIDB_RETURN_IF_ERROR(posix::CheckDirectoryIsSafe("lock", ParentOf(path)));
  return posix::LockFile(std::string(path), mode, boot_id_);
}

Result<uint64_t> PosixFileSystem::FreeBytes(std::string_view path) const {
  AIDB_RETURN_IF_ERROR(CheckPath("measure free space at", path));
  struct statvfs found{};
  const std::string name(path);
  if (RetryInterrupted([&] { return ::statvfs(name.c_str(), &found); }) != 0) {
    return SystemError(errno, "measure free space at", path);
  }
  return uint64_t{found.f_bavail} * found.f_frsize;
}

Result<std::unique_ptr<SharedRegion>> PosixFileSystem::OpenRegion(std::string_view path,
                                                                  uint64_t size_bytes) {
  AIDB_RETURN_IF_ERROR(CheckPath("map", path));
  return posix::OpenMappedRegion(std::string(path), size_bytes);
}

RegionSupport PosixFileSystem::RegionSupportAt(std::string_view path) const {
  return posix::SupportAt(std::string(path));
}

}  // namespace aidb::io

#include "aidb/io/posix/path.h"

#include <unistd.h>

#include "aidb/io/posix/system_error.h"

namespace aidb::io::posix {
namespace {

// "a//" → "a": lstat("link/") would follow the link.
std::string_view WithoutSlashes(std::string_view path) {
  while (path.size() > 1 && path.back() == '/') path.remove_suffix(1);
  return path;
}

}  // namespace

Status CheckPath(std::string_view operation, std::string_view path) {
  const size_t nul = path.find('\0');
  if (nul == std::string_view::npos) return {};
  return InvalidArgument(std::string(operation) + " " + std::string(path.substr(0, nul)) +
                         ": the path has a NUL byte at position " + std::to_string(nul));
}

Status CheckDirectoryIsSafe(std::string_view operation, const std::string& path) {
  const std::string bare(WithoutSlashes(path));
  struct stat found{};
  if (::lstat(bare.c_str(), &found) != 0) return SystemError(errno, operation, path);
  return CheckDirectoryIsSafe(operation, path, found, ::geteuid());
}

Status CheckDirectoryIsSafe(std::string_view operation, const std::string& path,
                            const struct stat& found, uid_t self) {
  const std::string where = std::string(operation) + " " + path + ": ";
  if (S_ISLNK(found.st_mode)) {
    return PermissionDenied(where + "is a symbolic link; name the directory it points to");
  }
  if (!S_ISDIR(found.st_mode)) return InvalidArgument(where + "is not a directory");
  if ((found.st_mode & S_IWOTH) != 0) {
    return PermissionDenied(where + "everybody may write to this directory; run chmod 0700 on it");
  }
  if (found.st_uid != self && found.st_uid != 0 && self != 0) {
    return PermissionDenied(where + "belongs to user " + std::to_string(found.st_uid) +
                            ", but this process runs as user " + std::to_string(self) +
                            "; run chown on it, or run as its owner");
  }
  return {};
}

}  // namespace aidb::io::posix

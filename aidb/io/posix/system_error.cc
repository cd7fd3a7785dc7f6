#include "aidb/io/posix/system_error.h"

#include <string.h>
#include <sys/resource.h>

#include <string>

namespace aidb::io::posix {
namespace {

// glibc's untranslated text: thread-safe, and the same in every locale.
std::string Describe(int error) {
  const char* text = ::strerrordesc_np(error);
  return text != nullptr ? text : "error " + std::to_string(error);
}

std::string DescriptorLimit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return "too many open files";
  return "too many open files: this process may hold " + std::to_string(limit.rlim_cur) +
         " descriptors (raise it with ulimit -n, or LimitNOFILE= under systemd)";
}

}  // namespace

Status SystemError(int error, std::string_view operation, std::string_view path) {
  const std::string where = std::string(operation).append(" ").append(path).append(": ");
  switch (error) {
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
      return ResourceExhausted(where + "disk full (" + Describe(error) + ")");
    case EMFILE:
      return ResourceExhausted(where + DescriptorLimit());
    case ENFILE:
      return ResourceExhausted(where + "too many open files in the whole system (fs.file-max)");
    case ENOMEM:
      return ResourceExhausted(where + Describe(error));
    case EACCES:
    case EPERM:
      return PermissionDenied(where + Describe(error));
    case ELOOP:
      return PermissionDenied(where + "is a symbolic link, and links are not followed here");
    case EROFS:
      return Unavailable(where + Describe(error));
    case EBADF:
      return InvalidArgument(where + "the file is closed, or open for reading only");
    case ENOENT:
    case EEXIST:
    case ENOTDIR:
    case EISDIR:
    case ENOTEMPTY:
    case ENAMETOOLONG:
    case EXDEV:
    case EINVAL:
      return InvalidArgument(where + Describe(error));
    default:
      return IoError(where + Describe(error));
  }
}

}  // namespace aidb::io::posix

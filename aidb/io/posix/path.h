#pragma once

#include <sys/stat.h>

#include <string>
#include <string_view>

#include "aidb/base/status.h"

namespace aidb::io::posix {

// kInvalidArgument for a path that the kernel would cut short at a NUL byte.
Status CheckPath(std::string_view operation, std::string_view path);

// kPermissionDenied when `path` is a directory in which others could exchange our files: a
// symbolic link, writable by everybody, or owned by someone who is neither root nor us (root may
// use anybody's: mounted volumes belong to whoever made them). kInvalidArgument when it is no
// directory.
Status CheckDirectoryIsSafe(std::string_view operation, const std::string& path);
// The same about what lstat found, for a process of user `self`.
Status CheckDirectoryIsSafe(std::string_view operation, const std::string& path,
                            const struct stat& found, uid_t self);

}  // namespace aidb::io::posix

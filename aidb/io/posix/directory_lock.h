#pragma once

#include <memory>
#include <string>

#include "aidb/base/result.h"
#include "aidb/io/file_system.h"

namespace aidb::io::posix {

// FileSystem::Lock. `path` is a file in a directory that IsSafeDirectory accepts.
Result<std::unique_ptr<DirectoryLock>> LockFile(const std::string& path, LockMode mode,
                                                const std::string& boot_id);

}  // namespace aidb::io::posix

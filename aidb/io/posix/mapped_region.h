#pragma once

#include <memory>
#include <string>

#include "aidb/base/result.h"
#include "aidb/io/file_system.h"

namespace aidb::io::posix {

// FileSystem::OpenRegion and RegionSupportAt.
Result<std::unique_ptr<SharedRegion>> OpenMappedRegion(const std::string& path,
                                                       uint64_t size_bytes);
RegionSupport SupportAt(const std::string& path);

}  // namespace aidb::io::posix

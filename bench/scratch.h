#pragma once

#include <cstdint>
#include <string>

#include "aidb/base/status.h"

namespace aidb::bench {

// The space runs work in. Only directories that ClaimScratch has marked are ever emptied.

// Makes `directory`, or takes one that is empty or was claimed before, and empties it.
Status ClaimScratch(const std::string& directory);
void RemoveTree(const std::string& path);
void CopyTree(const std::string& from, const std::string& to);
// Waits until what was written to the file system of `path` is on the device, so that one run
// does not pay for the one before.
void SyncFileSystem(const std::string& path);
// Asks the system to forget what it has cached of the files below `path`; call SyncFileSystem
// first.
void DropCache(const std::string& path);
// Blocks in use by all files below `path`, in bytes.
uint64_t DirectoryBytes(const std::string& path);

}  // namespace aidb::bench

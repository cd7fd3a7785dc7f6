#pragma once

// What every FileSystem must do, as one list of tests. Each implementation registers itself and
// so runs them all; a new one can be written from file_system.h and this suite alone.

#include <functional>
#include <string>

#include "aidb/io/file_system.h"

namespace aidb::io {

// One test, given a file system and the name of an empty directory in it.
using FileSystemTestBody = std::function<void(FileSystem& files, const std::string& directory)>;

// Runs one body in a fresh world: on a temporary directory, or in a fiber of a simulation.
using FileSystemTestRunner = std::function<void(const FileSystemTestBody& body)>;

// Adds the tests "<name>Conformance.*" to this program. Call it before main starts:
//
//   const bool kRegistered = RegisterFileSystemConformance("Posix", [](const auto& body) { … });
bool RegisterFileSystemConformance(const std::string& name, const FileSystemTestRunner& run);

}  // namespace aidb::io

#include "aidb/io/file_system_conformance.h"
#include "aidb/io/posix/posix_file_system.h"
#include "aidb/testing/temp_directory.h"

namespace aidb::io {
namespace {

[[maybe_unused]] const bool kRegistered =
    RegisterFileSystemConformance("PosixFileSystem", [](const FileSystemTestBody& body) {
      const testing::TempDirectory directory;
      PosixFileSystem files;
      body(files, directory.path());
    });

}  // namespace
}  // namespace aidb::io

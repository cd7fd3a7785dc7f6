#include "aidb/io/temporary_directory.h"

#include <stdlib.h>

#include <filesystem>
#include <system_error>

#include "aidb/base/check.h"

namespace aidb::io {

TemporaryDirectory::TemporaryDirectory()
    : path_(std::filesystem::temp_directory_path() / "aidb-XXXXXX") {
  AIDB_CHECK(::mkdtemp(path_.data()) != nullptr);
}

TemporaryDirectory::~TemporaryDirectory() {
  std::error_code ignored;  // What is left behind fails no test.
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace aidb::io

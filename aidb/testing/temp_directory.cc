#include "aidb/testing/temp_directory.h"

#include <cstdlib>
#include <filesystem>

#include <gtest/gtest.h>

#include "aidb/base/check.h"

namespace aidb::testing {

TempDirectory::TempDirectory() : path_(AIDB_TEMP_ROOT "/XXXXXX") {
  std::filesystem::create_directories(AIDB_TEMP_ROOT);
  AIDB_CHECK(::mkdtemp(path_.data()) != nullptr);
}

TempDirectory::~TempDirectory() {
  std::error_code error;
  std::filesystem::remove_all(path_, error);
  if (error) ADD_FAILURE() << "remove " << path_ << ": " << error.message();
}

std::string TempDirectory::Join(std::string_view name) const {
  return path_ + "/" + std::string(name);
}

}  // namespace aidb::testing

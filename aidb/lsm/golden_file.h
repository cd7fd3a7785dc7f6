#pragma once

// For tests only: golden files under tests/compat. AIDB_REWRITE=1 writes them anew, for a
// reviewer to read as a diff.

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

namespace aidb::lsm {

inline std::string GoldenPath(const std::string& name) {
  const std::filesystem::path testdata(AIDB_TESTDATA);  // <root>/aidb/lsm/testdata
  return testdata.parent_path().parent_path().parent_path() / "tests/compat" / name;
}

inline std::string ReadTestFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// The bytes that `name` must have, having been written first if that was asked for.
inline std::string Golden(const std::string& name, const std::string& actual) {
  if (std::getenv("AIDB_REWRITE") != nullptr)
    std::ofstream(GoldenPath(name), std::ios::binary) << actual;
  return ReadTestFile(GoldenPath(name));
}

}  // namespace aidb::lsm

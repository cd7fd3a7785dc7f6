#pragma once

#include <string>
#include <string_view>

namespace aidb::testing {

// A fresh, empty directory on the real file system, below temp/ of the build directory; its
// contents go with it. Safe against other processes that run the same test.
class TempDirectory {
 public:
  TempDirectory();
  ~TempDirectory();
  TempDirectory(const TempDirectory&) = delete;
  TempDirectory& operator=(const TempDirectory&) = delete;

  // Absolute.
  const std::string& path() const { return path_; }
  // "<path>/<name>"; creates nothing.
  std::string Join(std::string_view name) const;

 private:
  std::string path_;
};

}  // namespace aidb::testing

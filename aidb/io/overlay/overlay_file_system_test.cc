#include "aidb/io/overlay/overlay_file_system.h"

#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "aidb/base/random.h"
#include "aidb/io/posix/posix_file_system.h"
#include "aidb/io/transfer.h"
#include "aidb/testing/temp_directory.h"

namespace aidb::io {
namespace {

std::string Read(FileSystem& files, const std::string& path) {
  auto bytes = ReadWhole(files, path, 1 << 20);
  EXPECT_TRUE(bytes.ok()) << bytes.status().ToString();
  return bytes.ok() ? *std::move(bytes) : std::string();
}

void Put(FileSystem& files, const std::string& path, std::string_view bytes) {
  auto file = files.Open(path, OpenMode::kCreateNew);
  ASSERT_TRUE(file.ok()) << file.status().ToString();
  ASSERT_TRUE(WriteFully(**file, 0, std::as_bytes(std::span(bytes))).ok());
}

std::map<std::string, std::string> All(FileSystem& files, const std::string& directory) {
  std::map<std::string, std::string> all;
  auto names = files.List(directory);
  EXPECT_TRUE(names.ok()) << names.status().ToString();
  for (const std::string& name : *names) all[name] = Read(files, JoinPath(directory, name));
  return all;
}

// One change, the same on any file system; the outcome as text.
std::string Change(FileSystem& files, const std::string& directory, Rng rng) {
  const auto path = [&] { return directory + "/" + std::to_string(rng.Below(6)); };
  const auto code = [](const Status& status) { return std::string(StatusCodeName(status.code())); };
  const uint64_t what = rng.Below(10);
  if (what == 0) return code(files.Remove(path()));
  if (what == 1) {
    const std::string from = path();
    return code(files.Rename(from, path()));
  }
  if (what == 2) {
    const std::string from = path();
    return code(files.Link(from, path()));
  }
  auto file = files.Open(path(), what < 5 ? OpenMode::kCreateNew : OpenMode::kReadWrite);
  if (!file.ok()) return code(file.status());
  if (what == 9) return code((*file)->Truncate(rng.Below(12'000)));
  const std::string bytes(rng.Below(6'000), static_cast<char>('a' + rng.Below(26)));
  return code(WriteFully(**file, rng.Below(9'000), std::as_bytes(std::span(bytes))));
}

TEST(OverlayFileSystem, BehavesAsTheRealOneAndLeavesItAlone) {
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    const testing::TempDirectory untouched;
    const testing::TempDirectory changed;
    PosixFileSystem real;
    OverlayFileSystem overlay(real);
    Rng rng(seed);
    for (int i = 0; i < 4; ++i) {
      const std::string bytes(rng.Below(10'000), static_cast<char>('A' + i));
      Put(real, untouched.path() + "/" + std::to_string(i), bytes);
      Put(real, changed.path() + "/" + std::to_string(i), bytes);
    }
    const auto before = All(real, untouched.path());
    for (int i = 0; i < 60; ++i) {
      const Rng dice(rng.Next());
      ASSERT_EQ(Change(overlay, untouched.path(), dice), Change(real, changed.path(), dice))
          << "seed " << seed << " step " << i;
      ASSERT_EQ(All(overlay, untouched.path()), All(real, changed.path()))
          << "seed " << seed << " step " << i;
    }
    EXPECT_EQ(All(real, untouched.path()), before);
  }
}

TEST(OverlayFileSystem, KeepsANewDirectoryToItself) {
  const testing::TempDirectory directory;
  PosixFileSystem real;
  OverlayFileSystem overlay(real);
  const std::string made = directory.path() + "/made";
  ASSERT_TRUE(overlay.CreateDirectory(made).ok());
  Put(overlay, made + "/file", "bytes");
  EXPECT_EQ(*overlay.List(made), std::vector<std::string>{"file"});
  EXPECT_EQ(*overlay.List(directory.path()), std::vector<std::string>{"made"});
  EXPECT_TRUE(real.List(directory.path())->empty());
}

TEST(OverlayFileSystem, RefusesToWriteThroughAReader) {
  const testing::TempDirectory directory;
  PosixFileSystem real;
  Put(real, directory.path() + "/file", "bytes");
  OverlayFileSystem overlay(real);
  auto file = overlay.Open(directory.path() + "/file", OpenMode::kRead);
  ASSERT_TRUE(file.ok());
  EXPECT_EQ((*file)->Truncate(0).code(), StatusCode::kIoError);
  EXPECT_EQ(Read(overlay, directory.path() + "/file"), "bytes");
}

}  // namespace
}  // namespace aidb::io

#pragma once

// Files in memory for the tests of tables: whole reads and writes, no syncs, bytes in reach.

#include <algorithm>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "aidb/base/bytes.h"
#include "aidb/io/file_system.h"

namespace aidb::lsm {

class MemoryFile final : public io::File {
 public:
  MemoryFile(std::string path, std::shared_ptr<std::string> bytes)
      : path_(std::move(path)), bytes_(std::move(bytes)) {}
  explicit MemoryFile(std::string bytes)
      : MemoryFile("000007.sst", std::make_shared<std::string>(std::move(bytes))) {}

  std::string& bytes() { return *bytes_; }
  mutable uint64_t reads = 0;

  Result<size_t> Read(uint64_t offset, std::span<std::byte> out) const override {
    ++reads;
    if (offset >= bytes_->size()) return size_t{0};
    const size_t n = std::min<size_t>(out.size(), bytes_->size() - offset);
    std::memcpy(out.data(), bytes_->data() + offset, n);
    return n;
  }
  Result<size_t> Write(uint64_t offset, std::span<const std::byte> first,
                       std::span<const std::byte> second) override {
    const size_t end = offset + first.size() + second.size();
    if (bytes_->size() < end) bytes_->resize(end);
    bytes_->replace(offset, first.size(), AsView(first));
    bytes_->replace(offset + first.size(), second.size(), AsView(second));
    return first.size() + second.size();
  }
  Status SyncData() override { return {}; }
  Status SyncAll() override { return {}; }
  Status Truncate(uint64_t size) override {
    bytes_->resize(size);
    return {};
  }
  Status Allocate(uint64_t) override { return {}; }
  Result<uint64_t> Size() const override { return uint64_t{bytes_->size()}; }
  Status Close() override { return {}; }
  std::string_view path() const override { return path_; }

 private:
  const std::string path_;
  const std::shared_ptr<std::string> bytes_;
};

// Opens what `contents` holds. Not thread safe, except Open of files that are there.
class MemoryFiles final : public io::FileSystem {
 public:
  std::map<std::string, std::shared_ptr<std::string>, std::less<>> contents;
  int opens = 0;

  Result<std::unique_ptr<io::File>> Open(std::string_view path, io::OpenMode) override {
    const auto it = contents.find(path);
    if (it == contents.end()) return InvalidArgument("no file " + std::string(path));
    ++opens;
    return std::unique_ptr<io::File>(new MemoryFile(std::string(path), it->second));
  }
  Result<bool> Exists(std::string_view path) const override { return contents.contains(path); }
  Result<std::vector<std::string>> List(std::string_view) const override { return Unused(); }
  Status CreateDirectory(std::string_view) override { return Unused(); }
  Status Rename(std::string_view, std::string_view) override { return Unused(); }
  Status Remove(std::string_view) override { return Unused(); }
  Status Link(std::string_view, std::string_view) override { return Unused(); }
  Status SyncDirectory(std::string_view) override { return Unused(); }
  Result<std::unique_ptr<io::DirectoryLock>> Lock(std::string_view, io::LockMode) override {
    return Unused();
  }
  Result<uint64_t> FreeBytes(std::string_view) const override { return Unused(); }
  Result<std::unique_ptr<io::SharedRegion>> OpenRegion(std::string_view, uint64_t) override {
    return Unused();
  }
  io::RegionSupport RegionSupportAt(std::string_view) const override {
    return io::RegionSupport::kRefused;
  }
  std::string BootId() const override { return {}; }

 private:
  static Status Unused() { return Internal("tables do not ask for this"); }
};

}  // namespace aidb::lsm

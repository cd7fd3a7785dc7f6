#pragma once

#include <algorithm>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "aidb/io/file_system.h"

namespace aidb::journal {

// Files in a map, for fuzz targets: fast, never failing, one directory level per path. What is
// removed while open stays readable. No locks and no regions.
//
// Thread safety: none.
class MemoryFiles final : public io::FileSystem {
 public:
  std::map<std::string, std::shared_ptr<std::string>, std::less<>> files;

  void Put(std::string path, std::string_view bytes) {
    files[std::move(path)] = std::make_shared<std::string>(bytes);
  }

  Result<std::unique_ptr<io::File>> Open(std::string_view path, io::OpenMode mode) override {
    auto found = files.find(path);
    const bool create = mode == io::OpenMode::kCreateNew;
    if (create != (found == files.end())) return InvalidArgument("open " + std::string(path));
    if (create) found = files.emplace(path, std::make_shared<std::string>()).first;
    return std::make_unique<MemoryFile>(found->first, found->second);
  }
  Result<bool> Exists(std::string_view path) const override { return files.contains(path); }
  Result<std::vector<std::string>> List(std::string_view directory) const override {
    std::vector<std::string> names;
    const std::string prefix = std::string(directory) + "/";
    for (const auto& [path, bytes] : files) {
      if (!path.starts_with(prefix)) continue;
      if (path.find('/', prefix.size()) == std::string::npos) {
        names.push_back(path.substr(prefix.size()));
      }
    }
    return names;
  }
  Status CreateDirectory(std::string_view) override { return {}; }
  Status Rename(std::string_view from, std::string_view to) override {
    const auto found = files.find(from);
    if (found == files.end()) return InvalidArgument("rename " + std::string(from));
    files.insert_or_assign(std::string(to), std::move(found->second));
    files.erase(files.find(from));
    return {};
  }
  Status Remove(std::string_view path) override {
    const auto found = files.find(path);
    if (found == files.end()) return InvalidArgument("remove " + std::string(path));
    files.erase(found);
    return {};
  }
  Status Link(std::string_view from, std::string_view to) override {
    return files.emplace(to, files.find(from)->second).second ? Status() : InvalidArgument("link");
  }
  Status SyncDirectory(std::string_view) override { return {}; }
  Result<std::unique_ptr<io::DirectoryLock>> Lock(std::string_view, io::LockMode) override {
    return Unavailable("no locks");
  }
  Result<uint64_t> FreeBytes(std::string_view) const override { return ~uint64_t{0}; }
  Result<std::unique_ptr<io::SharedRegion>> OpenRegion(std::string_view, uint64_t) override {
    return Unavailable("no regions");
  }
  io::RegionSupport RegionSupportAt(std::string_view) const override {
    return io::RegionSupport::kRefused;
  }
  std::string BootId() const override { return "boot"; }

 private:
  class MemoryFile final : public io::File {
   public:
    MemoryFile(std::string path, std::shared_ptr<std::string> bytes)
        : path_(std::move(path)), bytes_(std::move(bytes)) {}
    Result<size_t> Read(uint64_t offset, std::span<std::byte> out) const override {
      if (offset >= bytes_->size()) return size_t{0};
      const size_t count = std::min<size_t>(out.size(), bytes_->size() - offset);
      std::memcpy(out.data(), bytes_->data() + offset, count);
      return count;
    }
    Result<size_t> Write(uint64_t offset, std::span<const std::byte> first,
                         std::span<const std::byte> second) override {
      const uint64_t end = offset + first.size() + second.size();
      if (offset > kBytesMax || end > kBytesMax) return ResourceExhausted("write " + path_);
      if (bytes_->size() < end) bytes_->resize(end);
      if (!first.empty()) std::memcpy(bytes_->data() + offset, first.data(), first.size());
      if (!second.empty()) {
        std::memcpy(bytes_->data() + offset + first.size(), second.data(), second.size());
      }
      return first.size() + second.size();
    }
    Status SyncData() override { return {}; }
    Status SyncAll() override { return {}; }
    Status Truncate(uint64_t size) override {
      bytes_->resize(size);
      return {};
    }
    Status Allocate(uint64_t) override { return {}; }
    Result<uint64_t> Size() const override { return bytes_->size(); }
    Status Close() override { return {}; }
    std::string_view path() const override { return path_; }

   private:
    static constexpr uint64_t kBytesMax = uint64_t{64} << 20;
    const std::string path_;
    const std::shared_ptr<std::string> bytes_;
  };
};

}  // namespace aidb::journal

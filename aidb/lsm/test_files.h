#pragma once

// For tests only: a file system in memory that fails and crashes on request.
//
// What a power cut leaves is as weak as the FileSystem contract allows: of each file's unsynced
// 512-byte sectors any subset, of unsynced directory operations any subset.
//
// Thread safety: none.

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "aidb/base/random.h"
#include "aidb/io/file_system.h"

namespace aidb::lsm {

class TestFiles final : public io::FileSystem {
 public:
  // Every call that changes something asks for leave; `fail` may refuse it. Counted from 0.
  uint64_t operations = 0;
  std::function<Status(uint64_t operation, std::string_view what)> fail;

  // What a power cut now would leave.
  std::unique_ptr<TestFiles> PowerCut(uint64_t seed) const {
    Rng rng(seed);
    auto after = std::make_unique<TestFiles>();
    std::map<std::string, std::shared_ptr<Inode>> names = durable_;
    for (const auto& change : pending_)
      if (rng.OneIn(2)) change(names);
    std::map<const Inode*, std::shared_ptr<Inode>> copies;
    for (const auto& [name, inode] : names) {
      auto& copy = copies[inode.get()];
      if (copy == nullptr) copy = std::make_shared<Inode>(Survive(*inode, rng));
      after->names_[name] = copy;
      after->durable_[name] = copy;
    }
    return after;
  }
  // The current content, or "" when there is none.
  std::string Content(const std::string& path) const {
    const auto it = names_.find(path);
    return it == names_.end() ? std::string() : it->second->now;
  }
  void SetContent(const std::string& path, std::string content) {
    auto& inode = names_[path];
    inode = std::make_shared<Inode>();
    inode->now = inode->synced = std::move(content);
    durable_[path] = inode;
  }
  std::vector<std::string> Paths() const {
    std::vector<std::string> paths;
    for (const auto& [name, inode] : names_) paths.push_back(name);
    return paths;
  }
  size_t open_files() const { return *open_files_; }

  Result<std::unique_ptr<io::File>> Open(std::string_view path, io::OpenMode mode) override {
    const auto it = names_.find(std::string(path));
    if (mode == io::OpenMode::kCreateNew) {
      if (it != names_.end()) return InvalidArgument(std::string(path) + " exists");
      AIDB_RETURN_IF_ERROR(Leave("create " + std::string(path)));
      auto inode = std::make_shared<Inode>();
      Change([name = std::string(path), inode](auto& names) { names[name] = inode; });
      return std::unique_ptr<io::File>(std::make_unique<OpenFile>(*this, path, inode));
    }
    if (it == names_.end()) return InvalidArgument(std::string(path) + " does not exist");
    return std::unique_ptr<io::File>(std::make_unique<OpenFile>(*this, path, it->second));
  }
  Result<bool> Exists(std::string_view path) const override {
    return names_.contains(std::string(path));
  }
  Result<std::vector<std::string>> List(std::string_view directory) const override {
    std::vector<std::string> found;
    const std::string prefix = std::string(directory) + "/";
    for (const auto& [name, inode] : names_) {
      if (name.starts_with(prefix) && name.find('/', prefix.size()) == std::string::npos)
        found.push_back(name.substr(prefix.size()));
    }
    return found;
  }
  Status CreateDirectory(std::string_view path) override {
    return Leave("create directory " + std::string(path));
  }
  Status Rename(std::string_view from, std::string_view to) override {
    if (!names_.contains(std::string(from))) return InvalidArgument("nothing to rename");
    AIDB_RETURN_IF_ERROR(Leave("rename " + std::string(from) + " to " + std::string(to)));
    Change([a = std::string(from), b = std::string(to),
            inode = names_.at(std::string(from))](auto& names) {
      names.erase(a);
      names[b] = inode;
    });
    return {};
  }
  Status Remove(std::string_view path) override {
    if (!names_.contains(std::string(path))) return InvalidArgument("nothing to remove");
    AIDB_RETURN_IF_ERROR(Leave("remove " + std::string(path)));
    Change([name = std::string(path)](auto& names) { names.erase(name); });
    return {};
  }
  Status Link(std::string_view from, std::string_view to) override {
    AIDB_RETURN_IF_ERROR(Leave("link " + std::string(to)));
    Change([inode = names_.at(std::string(from)), name = std::string(to)](auto& names) {
      names[name] = inode;
    });
    return {};
  }
  Status SyncDirectory(std::string_view path) override {
    AIDB_RETURN_IF_ERROR(Leave("sync directory " + std::string(path)));
    durable_ = names_;
    pending_.clear();
    return {};
  }
  Result<std::unique_ptr<io::DirectoryLock>> Lock(std::string_view, io::LockMode) override {
    return std::make_unique<io::DirectoryLock>();
  }
  Result<uint64_t> FreeBytes(std::string_view) const override { return uint64_t{1} << 40; }
  Result<std::unique_ptr<io::SharedRegion>> OpenRegion(std::string_view, uint64_t) override {
    return Unavailable("no regions here");
  }
  io::RegionSupport RegionSupportAt(std::string_view) const override {
    return io::RegionSupport::kRefused;
  }
  std::string BootId() const override { return "test"; }

 private:
  static constexpr size_t kSector = 512;

  struct Inode {
    std::string now;
    std::string synced;
  };
  using Names = std::map<std::string, std::shared_ptr<Inode>>;

  class OpenFile final : public io::File {
   public:
    OpenFile(TestFiles& files, std::string_view path, std::shared_ptr<Inode> inode)
        : files_(files), path_(path), inode_(std::move(inode)), open_files_(files.open_files_) {
      ++*open_files_;
    }
    ~OpenFile() override { --*open_files_; }

    Result<size_t> Read(uint64_t offset, std::span<std::byte> out) const override {
      const std::string& bytes = inode_->now;
      if (offset >= bytes.size()) return size_t{0};
      const size_t count = std::min<size_t>(out.size(), bytes.size() - offset);
      std::memcpy(out.data(), bytes.data() + offset, count);
      return count;
    }
    Result<size_t> Write(uint64_t offset, std::span<const std::byte> first,
                         std::span<const std::byte> second) override {
      AIDB_RETURN_IF_ERROR(files_.Leave("write " + path_));
      std::string& bytes = inode_->now;
      bytes.resize(std::max<size_t>(bytes.size(), offset + first.size() + second.size()));
      if (!first.empty()) std::memcpy(bytes.data() + offset, first.data(), first.size());
      if (!second.empty())
        std::memcpy(bytes.data() + offset + first.size(), second.data(), second.size());
      return first.size() + second.size();
    }
    Status SyncData() override {
      AIDB_RETURN_IF_ERROR(files_.Leave("sync " + path_));
      inode_->synced = inode_->now;
      return {};
    }
    Status SyncAll() override { return SyncData(); }
    Status Truncate(uint64_t size) override {
      AIDB_RETURN_IF_ERROR(files_.Leave("truncate " + path_));
      inode_->now.resize(size);
      return {};
    }
    Status Allocate(uint64_t) override { return {}; }
    Result<uint64_t> Size() const override { return inode_->now.size(); }
    Status Close() override { return {}; }
    std::string_view path() const override { return path_; }

   private:
    TestFiles& files_;
    const std::string path_;
    const std::shared_ptr<Inode> inode_;
    const std::shared_ptr<size_t> open_files_;
  };

  Status Leave(const std::string& what) {
    const uint64_t operation = operations++;
    return fail ? fail(operation, what) : Status();
  }
  void Change(std::function<void(Names&)> change) {
    change(names_);
    pending_.push_back(std::move(change));
  }
  static Inode Survive(const Inode& inode, Rng& rng) {
    std::string bytes = rng.OneIn(2) ? inode.synced : inode.now;
    const size_t size = bytes.size();
    for (size_t at = 0; at < size; at += kSector) {
      const std::string& source = rng.OneIn(2) ? inode.synced : inode.now;
      for (size_t i = at; i < std::min(size, at + kSector); ++i)
        bytes[i] = i < source.size() ? source[i] : '\0';
    }
    return {bytes, bytes};
  }

  Names names_;    // As the process sees them.
  Names durable_;  // As the last directory sync left them.
  std::vector<std::function<void(Names&)>> pending_;
  const std::shared_ptr<size_t> open_files_ = std::make_shared<size_t>(0);
};

}  // namespace aidb::lsm

#pragma once

// The objects a SimFileSystem hands out. Private to aidb/io/sim.

#include <array>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "aidb/io/sim/file_system.h"

namespace aidb::io {

class SimFileSystem::OpenFile final : public File {
 public:
  OpenFile(SimFileSystem& files, Handle handle) : files_(files), handle_(std::move(handle)) {
    files_.handles_.push_back(&handle_);
  }
  ~OpenFile() override {
    if (handle_.open) static_cast<void>(files_.Close(handle_, SimScheduler::From::kDestructor));
  }

  Result<size_t> Read(uint64_t offset, std::span<std::byte> out) const override {
    return files_.Read(handle_, offset, out);
  }
  Result<size_t> Write(uint64_t offset, std::span<const std::byte> first,
                       std::span<const std::byte> second) override {
    return files_.Write(handle_, offset, first, second);
  }
  Status SyncData() override { return files_.Sync(handle_); }
  Status SyncAll() override { return files_.Sync(handle_); }
  Status Truncate(uint64_t size) override { return files_.Truncate(handle_, size); }
  Status Allocate(uint64_t size) override { return files_.Allocate(handle_, size); }
  Result<uint64_t> Size() const override { return files_.Size(handle_); }
  Status Close() override { return files_.Close(handle_, SimScheduler::From::kCall); }
  std::string_view path() const override { return handle_.path; }

 private:
  SimFileSystem& files_;
  Handle handle_;
};

class SimFileSystem::HeldLock final : public DirectoryLock {
 public:
  HeldLock(SimFileSystem& files, std::pair<std::string, LockMode> entry)
      : files_(files), entry_(std::move(entry)) {}
  ~HeldLock() override {
    auto& locks = files_.locks_;
    locks.erase(std::find(locks.begin(), locks.end(), entry_));
  }

 private:
  SimFileSystem& files_;
  const std::pair<std::string, LockMode> entry_;
};

// The memory of one region, shared by all that map it.
struct SimFileSystem::RegionMemory {
  struct alignas(SimContent::kPageBytes) Page {
    std::array<std::byte, SimContent::kPageBytes> bytes{};
  };

  InodeId inode{};
  std::vector<Page> pages;

  std::span<std::byte> bytes() {
    return {reinterpret_cast<std::byte*>(pages.data()), pages.size() * sizeof(Page)};
  }
};

class SimFileSystem::MappedRegion final : public SharedRegion {
 public:
  MappedRegion(SimFileSystem& files, std::shared_ptr<RegionMemory> memory)
      : files_(files), memory_(std::move(memory)) {}
  ~MappedRegion() override { files_.Unmap(memory_); }
  std::span<std::byte> bytes() override { return memory_->bytes(); }

 private:
  SimFileSystem& files_;
  const std::shared_ptr<RegionMemory> memory_;
};

}  // namespace aidb::io

#pragma once

#include <atomic>
#include <string>

#include "aidb/io/file_system.h"
#include "aidb/io/posix/descriptor.h"

namespace aidb::io::posix {

// A regular file on the running kernel: pread, pwritev, fdatasync.
//
// Once a sync has failed every later sync fails too, without asking the kernel: ext4, XFS and
// btrfs would answer ok although the pages are lost.
//
// Thread safety: any thread may call any method; Close only when no other call is running.
class PosixFile final : public File {
 public:
  PosixFile(Descriptor descriptor, std::string path)
      : path_(std::move(path)), descriptor_(std::move(descriptor)) {}

  Result<size_t> Read(uint64_t offset, std::span<std::byte> out) const override;
  Result<size_t> Write(uint64_t offset, std::span<const std::byte> first,
                       std::span<const std::byte> second) override;
  Status SyncData() override;
  Status SyncAll() override;
  Status Truncate(uint64_t size) override;
  Status Allocate(uint64_t size) override;
  Result<uint64_t> Size() const override;
  Status Close() override;
  std::string_view path() const override { return path_; }

 private:
  Status Sync(int (*sync)(int));

  const std::string path_;
  Descriptor descriptor_;
  std::atomic<bool> sync_failed_ = false;  // Relaxed: it orders nothing, it only stays set.
};

}  // namespace aidb::io::posix

#pragma once

#include <string>

#include "aidb/io/file_system.h"
#include "aidb/io/posix/descriptor.h"

namespace aidb::io::posix {

// A regular file whose reads go past the page cache (O_DIRECT), for reading only.
//
// The kernel wants offset, size and memory of such a read in whole blocks: each read takes the
// blocks around what is asked for, at most kReadBytesMax of them, into memory of its own.
//
// Thread safety: any thread may call any method; Close only when no other call is running.
class DirectFile final : public File {
 public:
  DirectFile(Descriptor descriptor, std::string path)
      : path_(std::move(path)), descriptor_(std::move(descriptor)) {}

  Result<size_t> Read(uint64_t offset, std::span<std::byte> out) const override;
  Result<size_t> Write(uint64_t offset, std::span<const std::byte> first,
                       std::span<const std::byte> second) override;
  Status SyncData() override { return ReadingOnly("sync"); }
  Status SyncAll() override { return ReadingOnly("sync"); }
  Status Truncate(uint64_t) override { return ReadingOnly("truncate"); }
  Status Allocate(uint64_t) override { return ReadingOnly("allocate"); }
  Result<uint64_t> Size() const override;
  Status Close() override;
  std::string_view path() const override { return path_; }

  static constexpr uint64_t kBlockBytes = 4096;  // No device in use wants more.
  static constexpr uint64_t kReadBytesMax = uint64_t{1} << 20;

 private:
  Status ReadingOnly(std::string_view operation) const;

  const std::string path_;
  Descriptor descriptor_;
};

}  // namespace aidb::io::posix

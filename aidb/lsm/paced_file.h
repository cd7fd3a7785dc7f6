#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <utility>

#include "aidb/io/file_system.h"

namespace aidb::lsm {

// Another file whose reads somebody lets through, one by one. For reading only.
//
// Thread safety: that of what it is given.
class PacedFile final : public io::File {
 public:
  struct Gate {
    std::function<Status()> before;      // A read fails with its error.
    std::function<void(uint64_t)> read;  // So many bytes were read.
  };

  PacedFile(std::unique_ptr<io::File> file, Gate gate)
      : file_(std::move(file)), gate_(std::move(gate)) {}

  Result<size_t> Read(uint64_t offset, std::span<std::byte> out) const override {
    AIDB_RETURN_IF_ERROR(gate_.before());
    auto got = file_->Read(offset, out);
    gate_.read(got.ok() ? *got : out.size());
    return got;
  }
  Result<size_t> Write(uint64_t offset, std::span<const std::byte> first,
                       std::span<const std::byte> second) override {
    return file_->Write(offset, first, second);
  }
  Status SyncData() override { return file_->SyncData(); }
  Status SyncAll() override { return file_->SyncAll(); }
  Status Truncate(uint64_t size) override { return file_->Truncate(size); }
  Status Allocate(uint64_t size) override { return file_->Allocate(size); }
  Result<uint64_t> Size() const override { return file_->Size(); }
  Status Close() override { return file_->Close(); }
  std::string_view path() const override { return file_->path(); }

 private:
  const std::unique_ptr<io::File> file_;
  const Gate gate_;
};

}  // namespace aidb::lsm

#pragma once

#include <string>

#include "aidb/io/file_system.h"

namespace aidb::io {

// The files of the running kernel (Linux).
//
// Every descriptor is O_CLOEXEC; the last name of a file is never followed when it is a symbolic
// link; files are made 0600 and directories 0700. Every error names the operation and the path.
//
// A write beyond RLIMIT_FSIZE raises SIGXFSZ before it fails: programs that set that limit ignore
// the signal.
//
// Thread safety: any thread may call any method.
class PosixFileSystem final : public FileSystem {
 public:
  PosixFileSystem();

  Result<std::unique_ptr<File>> Open(std::string_view path, OpenMode mode) override;
  Result<bool> Exists(std::string_view path) const override;
  Result<std::vector<std::string>> List(std::string_view directory) const override;
  Status CreateDirectory(std::string_view path) override;
  Status Rename(std::string_view from, std::string_view to) override;
  Status Remove(std::string_view path) override;
  Status Link(std::string_view from, std::string_view to) override;
  Status SyncDirectory(std::string_view path) override;
  Result<std::unique_ptr<DirectoryLock>> Lock(std::string_view path, LockMode mode) override;
  Result<uint64_t> FreeBytes(std::string_view path) const override;
  Result<std::unique_ptr<SharedRegion>> OpenRegion(std::string_view path,
                                                   uint64_t size_bytes) override;
  RegionSupport RegionSupportAt(std::string_view path) const override;
  std::string BootId() const override { return boot_id_; }

 private:
  const std::string boot_id_;
};

}  // namespace aidb::io

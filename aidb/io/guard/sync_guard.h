#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "aidb/base/sync.h"
#include "aidb/io/file_system.h"

namespace aidb::io {

// Another file system, but for one thing: a directory whose sync has failed is never synced again.
//
// The kernel reports a failed write-back once and then forgets what it could not write. A second
// sync may say ok while names that the first one was to make durable are lost, and whoever trusts
// it deletes the files that could have replaced them. Those who share a directory share a guard,
// since what the failed sync of one has lost may be the name of another's file.
//
// Syncs of directories take turns: one that begins beside another that fails may be told ok.
//
// Files are handed out as the base opens them; after the failed sync of a file its owner drops it.
//
// Thread safety: any thread may call any method.
// Lifetime: borrows `base`, which outlives it. Files opened here need `base` alone.
class SyncGuard final : public FileSystem {
 public:
  explicit SyncGuard(FileSystem& base) : base_(base) {}

  // kIoError, without a call on the base, once a sync of `path` has given that.
  Status SyncDirectory(std::string_view path) override AIDB_EXCLUDES(mu_);
  // Whether the sync of any directory has failed.
  bool sync_failed() const AIDB_EXCLUDES(mu_);

  Result<std::unique_ptr<File>> Open(std::string_view path, OpenMode mode) override {
    return base_.Open(path, mode);
  }
  Result<bool> Exists(std::string_view path) const override { return base_.Exists(path); }
  Result<std::vector<std::string>> List(std::string_view directory) const override {
    return base_.List(directory);
  }
  Status CreateDirectory(std::string_view path) override { return base_.CreateDirectory(path); }
  Status Rename(std::string_view from, std::string_view to) override {
    return base_.Rename(from, to);
  }
  Status Remove(std::string_view path) override { return base_.Remove(path); }
  Status Link(std::string_view from, std::string_view to) override { return base_.Link(from, to); }
  Result<std::unique_ptr<DirectoryLock>> Lock(std::string_view path, LockMode mode) override {
    return base_.Lock(path, mode);
  }
  Result<uint64_t> FreeBytes(std::string_view path) const override { return base_.FreeBytes(path); }
  Result<std::unique_ptr<SharedRegion>> OpenRegion(std::string_view path,
                                                   uint64_t size_bytes) override {
    return base_.OpenRegion(path, size_bytes);
  }
  RegionSupport RegionSupportAt(std::string_view path) const override {
    return base_.RegionSupportAt(path);
  }
  std::string BootId() const override { return base_.BootId(); }

 private:
  FileSystem& base_;
  // Held across the syncs of directories.
  mutable Mutex mu_;
  std::map<std::string, Status, std::less<>> failed_ AIDB_GUARDED_BY(mu_);  // By directory: why.
};

}  // namespace aidb::io

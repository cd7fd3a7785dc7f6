#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "aidb/io/file_system.h"

namespace aidb::io {

// Another file system as it would be after changes that are kept in memory and nowhere else: what
// would a repair, a recovery do? It shows, and the real files stay as they are, opened for reading
// only.
//
// Memory: the 4 KiB pages whose bytes differ from what lies below. Writing the same bytes again
// costs nothing.
//
// Syncs succeed and do nothing. There are no locks and no regions here (kUnavailable): whoever
// looks takes the lock of the real directory.
//
// Thread safety: one thread at a time.
// Lifetime: borrows `base`, whose files must not change meanwhile; outlives every File opened here.
class OverlayFileSystem final : public FileSystem {
 public:
  explicit OverlayFileSystem(FileSystem& base) : base_(base) {}

  Result<std::unique_ptr<File>> Open(std::string_view path, OpenMode mode) override;
  Result<bool> Exists(std::string_view path) const override;
  Result<std::vector<std::string>> List(std::string_view directory) const override;
  Status CreateDirectory(std::string_view path) override;
  Status Rename(std::string_view from, std::string_view to) override;
  Status Remove(std::string_view path) override;
  Status Link(std::string_view from, std::string_view to) override;
  Status SyncDirectory(std::string_view) override { return {}; }
  Result<std::unique_ptr<DirectoryLock>> Lock(std::string_view path, LockMode mode) override;
  Result<uint64_t> FreeBytes(std::string_view path) const override;
  Result<std::unique_ptr<SharedRegion>> OpenRegion(std::string_view path,
                                                   uint64_t size_bytes) override;
  RegionSupport RegionSupportAt(std::string_view) const override { return RegionSupport::kRefused; }
  std::string BootId() const override { return base_.BootId(); }

 private:
  struct Node;
  class OverlayFile;

  // The node of a file that was opened or made here, or a new one for a file below.
  // kInvalidArgument when there is no such file.
  Result<std::shared_ptr<Node>> NodeOf(std::string_view path);

  FileSystem& base_;
  // What differs from below, by path. Null: removed.
  std::map<std::string, std::shared_ptr<Node>, std::less<>> nodes_;
};

}  // namespace aidb::io

#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "aidb/base/status.h"
#include "aidb/io/file_system.h"

namespace aidb::lsm {

inline constexpr std::string_view kUnfinishedSuffix = ".unfinished";

// A store's directory that is there whole or not at all: it is filled under "<target>.unfinished"
// and renamed at the end. What a crash leaves under that name the next Begin removes, but only
// files that a store without a log has: a log says that somebody has opened it.
//
// Thread safety: none. Two of one name exclude each other by the lock in the directory.
// Lifetime: borrows the file systems.
class UnfinishedDirectory {
 public:
  UnfinishedDirectory(io::FileSystem& files, std::string_view target);

  // kInvalidArgument when the target is there or is named as only an unfinished one, or a file of a
  // store, may be, or when there is a file that this may not remove; kUnavailable when another one
  // works on it.
  Status Begin();
  const std::string& target() const { return target_; }
  // Where the files go, until Finish.
  const std::string& path() const { return path_; }
  std::string PathOf(std::string_view name) const { return io::JoinPath(path_, name); }
  // Its files must be durable. `parents` syncs the directory that holds the target; it must
  // remember failed syncs (io::SyncGuard) as long as the process may sync that one again. After an
  // error of that sync the target is there, but its name may be lost with the power.
  Status Finish(io::FileSystem& parents);
  // After an error: removes what is there, as far as it can be removed.
  void Abandon();

 private:
  Status Lock();
  Status CheckTargetIsFree() const;
  Status RemoveLeftovers();

  io::FileSystem& files_;
  const std::string target_;
  const std::string path_;
  std::unique_ptr<io::DirectoryLock> lock_;
};

}  // namespace aidb::lsm

#include "aidb/lsm/unfinished_directory.h"

#include <optional>
#include <utility>
#include <vector>

#include "aidb/base/canary.h"
#include "aidb/lsm/file_names.h"

namespace aidb::lsm {
namespace {

constexpr std::string_view kLockName = "LOCK";

std::string_view WithoutSlash(std::string_view path) {
  while (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
  return path;
}

bool MayBeLeft(std::string_view name) {
  const std::optional<FileName> file = ParseFileName(name);
  if (!file) return false;
  switch (file->kind) {
    case FileKind::kTable:
    case FileKind::kManifest:
    case FileKind::kCurrent:
    case FileKind::kJournal:
    case FileKind::kLock:
    case FileKind::kTemporary:
      return true;
    case FileKind::kLog:
    case FileKind::kRing:
    case FileKind::kQuarantine:
      return false;
  }
  return false;
}

}  // namespace

UnfinishedDirectory::UnfinishedDirectory(io::FileSystem& files, std::string_view target)
    : files_(files),
      target_(WithoutSlash(target)),
      path_(target_ + std::string(kUnfinishedSuffix)) {}

Status UnfinishedDirectory::Begin() {
  AIDB_RETURN_IF_ERROR(CheckTargetIsFree());
  AIDB_RETURN_IF_ERROR(RemoveLeftovers());
  AIDB_RETURN_IF_ERROR(files_.CreateDirectory(path_));
  return Lock();
}

Status UnfinishedDirectory::Finish(io::FileSystem& parents) {
  // Locked to the end: whoever comes now must not take it for what a crash has left.
  Status status = CheckTargetIsFree();
  if (status.ok()) status = files_.Rename(path_, target_);
  if (!status.ok()) {
    Abandon();
    return status;
  }
  lock_.reset();
  if (AIDB_CANARY_HIT(kCheckpointNameNotSynced)) return {};
  return parents.SyncDirectory(io::ParentOf(target_))
      .Annotate(target_ + " is whole, but its name may be lost with the power");
}

// The error that led here is the one to report, and the next Begin tries again.
void UnfinishedDirectory::Abandon() {
  lock_.reset();
  static_cast<void>(RemoveLeftovers());
}

Status UnfinishedDirectory::Lock() {
  AIDB_ASSIGN_OR_RETURN(lock_, files_.Lock(PathOf(kLockName), io::LockMode::kExclusive));
  return {};
}

Status UnfinishedDirectory::CheckTargetIsFree() const {
  if (target_.ends_with(kUnfinishedSuffix)) {
    return InvalidArgument(target_ + ": a name that ends in " + std::string(kUnfinishedSuffix) +
                           " is for what a crash leaves; choose another");
  }
  // Inside a store it would be in the way of a file, or be taken for one.
  if (ParseFileName(std::string_view(target_).substr(target_.rfind('/') + 1))) {
    return InvalidArgument(target_ + ": is named as a file of a store; choose another name");
  }
  AIDB_ASSIGN_OR_RETURN(const bool exists, files_.Exists(target_));
  if (!exists) return {};
  return InvalidArgument(target_ + ": is there already; give a name that is not");
}

// The directory goes with them: if a sync of it has failed, it is never synced again.
Status UnfinishedDirectory::RemoveLeftovers() {
  AIDB_ASSIGN_OR_RETURN(const bool exists, files_.Exists(path_));
  if (!exists) return {};
  AIDB_RETURN_IF_ERROR(files_.CreateDirectory(path_));  // Whether it is a safe one.
  AIDB_RETURN_IF_ERROR(Lock());
  AIDB_ASSIGN_OR_RETURN(const std::vector<std::string> names, files_.List(path_));
  for (const std::string& name : names) {
    if (MayBeLeft(name)) continue;
    lock_.reset();
    return InvalidArgument(PathOf(name) + ": is not what was left unfinished here; remove " +
                           path_ + " or choose another target");
  }
  for (const std::string& name : names) {
    if (name != kLockName) AIDB_RETURN_IF_ERROR(files_.Remove(PathOf(name)));
  }
  AIDB_RETURN_IF_ERROR(files_.Remove(PathOf(kLockName)));
  lock_.reset();
  return files_.Remove(path_);
}

}  // namespace aidb::lsm

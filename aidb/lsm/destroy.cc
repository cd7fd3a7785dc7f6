#include "aidb/lsm/destroy.h"

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "aidb/lsm/file_names.h"

namespace aidb::lsm {
namespace {

constexpr std::string_view kIdentityName = "JOURNAL";
constexpr std::string_view kLockName = "LOCK";

// What recovery keeps of a file is named "<file>.<offset>".
bool IsSetAside(std::string_view name) {
  const size_t dot = name.rfind('.');
  return dot != std::string_view::npos && ParseFileName(name.substr(0, dot)).has_value();
}

Status RemoveDirectoryIfEmpty(io::FileSystem& files, const std::string& path) {
  AIDB_ASSIGN_OR_RETURN(const std::vector<std::string> names, files.List(path));
  return names.empty() ? files.Remove(path) : Status();
}

Status RemoveQuarantine(io::FileSystem& files, const std::string& path) {
  AIDB_ASSIGN_OR_RETURN(const std::vector<std::string> names, files.List(path));
  for (const std::string& name : names) {
    if (IsSetAside(name)) AIDB_RETURN_IF_ERROR(files.Remove(io::JoinPath(path, name)));
  }
  return RemoveDirectoryIfEmpty(files, path);
}

// All but the identity, by which a second call knows that the rest is ours, and the lock, which
// is held.
Status RemoveContents(io::FileSystem& files, std::string_view directory) {
  AIDB_ASSIGN_OR_RETURN(const std::vector<std::string> names, files.List(directory));
  if (std::ranges::binary_search(names, kCurrentName)) {
    AIDB_RETURN_IF_ERROR(files.Remove(io::JoinPath(directory, kCurrentName)));
    AIDB_RETURN_IF_ERROR(files.SyncDirectory(directory));
  }
  for (const std::string& name : names) {
    const std::optional<FileName> file = ParseFileName(name);
    if (!file || name == kCurrentName || name == kIdentityName || name == kLockName) continue;
    const std::string path = io::JoinPath(directory, name);
    AIDB_RETURN_IF_ERROR(file->kind == FileKind::kQuarantine ? RemoveQuarantine(files, path)
                                                             : files.Remove(path));
  }
  return {};
}

}  // namespace

Status DestroyStore(const io::Env& env, std::string_view directory) {
  const std::string identity = io::JoinPath(directory, kIdentityName);
  AIDB_ASSIGN_OR_RETURN(const bool exists, env.files.Exists(identity));
  if (!exists) return {};
  const std::string lock_path = io::JoinPath(directory, kLockName);
  AIDB_ASSIGN_OR_RETURN(std::unique_ptr<io::DirectoryLock> lock,
                        env.files.Lock(lock_path, io::LockMode::kExclusive));
  AIDB_RETURN_IF_ERROR(RemoveContents(env.files, directory));
  AIDB_RETURN_IF_ERROR(env.files.Remove(identity));
  AIDB_RETURN_IF_ERROR(env.files.Remove(lock_path));
  lock.reset();
  return RemoveDirectoryIfEmpty(env.files, std::string(directory));
}

}  // namespace aidb::lsm

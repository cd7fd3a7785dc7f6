#include "aidb/io/guard/sync_guard.h"

namespace aidb::io {

Status SyncGuard::SyncDirectory(std::string_view path) {
  const MutexLock lock(mu_);
  if (const auto failed = failed_.find(path); failed != failed_.end()) {
    return IoError("sync directory " + std::string(path) +
                   ": not tried again, since names may be lost for which a first sync failed: " +
                   std::string(failed->second.message()));
  }
  Status status = base_.SyncDirectory(path);
  if (status.code() == StatusCode::kIoError) failed_.emplace(path, status);
  return status;
}

bool SyncGuard::sync_failed() const {
  const MutexLock lock(mu_);
  return !failed_.empty();
}

}  // namespace aidb::io

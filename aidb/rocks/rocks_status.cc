#include "aidb/rocks/rocks_status.h"

#include <string>

namespace aidb::rocks {

Status Translate(const rocksdb::Status& status) {
  if (status.ok()) return {};
  std::string message = "rocksdb: " + status.ToString();
  switch (status.code()) {
    case rocksdb::Status::kCorruption:
      return Corruption(std::move(message));
    case rocksdb::Status::kIOError:
      if (status.subcode() == rocksdb::Status::kNoSpace ||
          status.subcode() == rocksdb::Status::kSpaceLimit) {
        return ResourceExhausted(std::move(message));
      }
      return IoError(std::move(message));
    case rocksdb::Status::kInvalidArgument:
    case rocksdb::Status::kNotSupported:
      return InvalidArgument(std::move(message));
    case rocksdb::Status::kBusy:
    case rocksdb::Status::kTryAgain:
      return Conflict(std::move(message));
    case rocksdb::Status::kIncomplete:
      return ResourceExhausted(std::move(message));
    case rocksdb::Status::kShutdownInProgress:
      return Unavailable(std::move(message));
    case rocksdb::Status::kTimedOut:
      return DeadlineExceeded(std::move(message));
    default:
      return Internal(std::move(message));
  }
}

Status TranslateOpen(const rocksdb::Status& status) {
  const std::string text = status.ToString();
  // RocksDB has no code for a held lock. Its two texts: "lock hold by current process" and
  // "While lock file: …: Resource temporarily unavailable".
  if (status.IsIOError() && (text.find("lock hold by current process") != std::string::npos ||
                             text.find("While lock file") != std::string::npos)) {
    return Unavailable("already open here or in another process: rocksdb: " + text);
  }
  if (status.IsNotFound() || status.IsPathNotFound()) {
    return InvalidArgument("no store here: rocksdb: " + text);
  }
  return Translate(status);
}

}  // namespace aidb::rocks

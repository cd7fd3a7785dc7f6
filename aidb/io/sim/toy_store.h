#pragma once

// A store small enough to be read at one sitting, and with every step that a real one has: a
// log with group commit, tables written by a background flush, a manifest replaced by rename.
// Tests plant bugs in it to show that the simulated world finds them.
//
//   MANIFEST   u32 crc32c of the rest | u64 first log | u64 table …
//   log-N      records; replayed when N >= the manifest's first log, oldest first
//   table-N    records, each of them intact
//   record     u32 crc32c of {u64 file number, the rest} | u32 key size | u32 value size | both

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "aidb/base/result.h"
#include "aidb/base/sync.h"
#include "aidb/io/env.h"

namespace aidb::io {

enum class ToyBug : unsigned char {
  kNone,
  kAcknowledgesBeforeTheSync,
  kNoSyncOfTheLog,
  kNoSyncOfTheTable,
  kNoSyncOfTheManifest,
  kNoDirectorySyncAfterANewLog,
  kNoDirectorySyncAfterATable,
  kNoDirectorySyncAfterTheManifest,
  kForgetsToWakeStalledWriters,
};

// Thread safety: any thread may call Put. Nobody does while the store is destroyed.
class ToyStore {
 public:
  static constexpr size_t kMemoryRecordsMax = 8;

  using Contents = std::map<std::string, std::string>;

  static Result<std::unique_ptr<ToyStore>> Open(Env& env, ToyBug bug);
  ~ToyStore();

  // Durable when it returns ok.
  Status Put(std::string_view key, std::string_view value) AIDB_EXCLUDES(mu_);
  Contents All() const AIDB_EXCLUDES(mu_);

 private:
  struct Writer {
    std::string key;
    std::string value;
    bool done = false;
    Status status;
  };
  using Group = std::vector<std::shared_ptr<Writer>>;

  ToyStore(Env& env, ToyBug bug) : env_(env), bug_(bug) {}

  // Opening.
  Status Recover();
  Status LoadManifest();
  Status LoadTables();
  Status ReplayLogs(const std::vector<std::string>& names);
  Status RemoveStrangers(const std::vector<std::string>& names);
  // Steps of writing, each with its own place for a bug.
  Status NewLog() AIDB_EXCLUDES(mu_);
  Status WriteTable(uint64_t number, const Contents& contents);
  Status WriteManifest(uint64_t first_log, const std::vector<uint64_t>& tables);
  Status WriteGroup(const Group& group) AIDB_EXCLUDES(mu_);
  Status Flush(const Contents& contents, uint64_t old_log, uint64_t new_log) AIDB_EXCLUDES(mu_);
  void Acknowledge(const Group& group, const Status& status) AIDB_EXCLUDES(mu_);
  void FlushInBackground() AIDB_EXCLUDES(mu_);

  Env& env_;
  const ToyBug bug_;
  mutable Mutex mu_;
  CondVar changed_;
  std::deque<std::shared_ptr<Writer>> queue_ AIDB_GUARDED_BY(mu_);
  bool leading_ AIDB_GUARDED_BY(mu_) = false;
  bool flushing_ AIDB_GUARDED_BY(mu_) = false;
  bool stop_ AIDB_GUARDED_BY(mu_) = false;
  Status broken_ AIDB_GUARDED_BY(mu_);
  Contents memory_ AIDB_GUARDED_BY(mu_);
  Contents immutable_ AIDB_GUARDED_BY(mu_);
  Contents stored_ AIDB_GUARDED_BY(mu_);
  uint64_t old_log_ AIDB_GUARDED_BY(mu_) = 0;
  // Touched by one writer at a time: the leader, the flush, or Open.
  std::unique_ptr<File> log_;
  uint64_t log_number_ = 0;
  uint64_t log_end_ = 0;
  uint64_t next_table_ = 1;
  uint64_t first_log_ = 1;
  std::vector<uint64_t> tables_;
  Contents recovered_;
  std::unique_ptr<Task> task_;
};

}  // namespace aidb::io

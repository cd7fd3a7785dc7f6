#include "aidb/io/sim/toy_store.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

#include "aidb/base/bytes.h"
#include "aidb/base/crc32c.h"
#include "aidb/io/transfer.h"

namespace aidb::io {
namespace {

constexpr uint64_t kFileBytesMax = 1 << 20;
constexpr std::string_view kManifest = "MANIFEST";
constexpr std::string_view kNewManifest = "MANIFEST.new";

std::string Name(std::string_view kind, uint64_t number) {
  return std::string(kind) + "-" + std::to_string(number);
}

std::optional<uint64_t> NumberOf(std::string_view name, std::string_view kind) {
  if (!name.starts_with(kind) || name.size() <= kind.size() + 1) return std::nullopt;
  uint64_t number = 0;
  const char* const begin = name.data() + kind.size() + 1;
  const auto parsed = std::from_chars(begin, name.data() + name.size(), number);
  if (parsed.ptr != name.data() + name.size()) return std::nullopt;
  return number;
}

std::string Record(uint64_t file, std::string_view key, std::string_view value) {
  std::string body;
  AppendLe<uint64_t>(body, file);
  AppendLe<uint32_t>(body, static_cast<uint32_t>(key.size()));
  AppendLe<uint32_t>(body, static_cast<uint32_t>(value.size()));
  body.append(key).append(value);
  std::string record;
  AppendLe<uint32_t>(record, Crc32c(body));
  return record.append(body, sizeof(uint64_t));
}

// Reads records until one is not intact; returns how many bytes were.
size_t ParseRecords(std::string_view bytes, uint64_t file, ToyStore::Contents& contents) {
  ByteReader reader(bytes);
  size_t intact = 0;
  for (;;) {
    const auto crc = reader.Le<uint32_t>();
    const auto key_size = reader.Le<uint32_t>();
    const auto value_size = reader.Le<uint32_t>();
    if (!crc || !key_size || !value_size) return intact;
    const auto key = reader.Bytes(*key_size);
    const auto value = key ? reader.Bytes(*value_size) : std::nullopt;
    if (!value) return intact;
    if (LoadLe<uint32_t>(Record(file, *key, *value).data()) != *crc) return intact;
    contents.insert_or_assign(std::string(*key), std::string(*value));
    intact = reader.position();
  }
}

}  // namespace

// ---- Opening ----------------------------------------------------------------------------

Result<std::unique_ptr<ToyStore>> ToyStore::Open(Env& env, ToyBug bug) {
  std::unique_ptr<ToyStore> store(new ToyStore(env, bug));
  AIDB_RETURN_IF_ERROR(store->Recover());
  ToyStore* const raw = store.get();
  {
    MutexLock lock(raw->mu_);
    raw->stored_ = std::move(raw->recovered_);
  }
  store->task_ = env.executor.Start("flush", [raw] { raw->FlushInBackground(); });
  return store;
}

Status ToyStore::Recover() {
  AIDB_ASSIGN_OR_RETURN(const bool exists, env_.files.Exists(kManifest));
  if (exists) AIDB_RETURN_IF_ERROR(LoadManifest());
  AIDB_RETURN_IF_ERROR(LoadTables());
  AIDB_ASSIGN_OR_RETURN(const std::vector<std::string> names, env_.files.List(""));
  for (const std::string& name : names) {
    if (const auto table = NumberOf(name, "table")) next_table_ = std::max(next_table_, *table + 1);
    if (const auto log = NumberOf(name, "log")) log_number_ = std::max(log_number_, *log);
  }
  if (exists) AIDB_RETURN_IF_ERROR(ReplayLogs(names));
  // What the logs held goes to a table before they may go; the new log must be there first.
  AIDB_RETURN_IF_ERROR(NewLog());
  std::vector<uint64_t> tables;
  if (!recovered_.empty()) {
    tables = {next_table_++};
    AIDB_RETURN_IF_ERROR(WriteTable(tables[0], recovered_));
  }
  AIDB_RETURN_IF_ERROR(WriteManifest(log_number_, tables));
  tables_ = tables;
  first_log_ = log_number_;
  return RemoveStrangers(names);
}

Status ToyStore::LoadManifest() {
  AIDB_ASSIGN_OR_RETURN(const std::string bytes, ReadWhole(env_.files, kManifest, kFileBytesMax));
  ByteReader reader(bytes);
  const auto crc = reader.Le<uint32_t>();
  if (!crc || *crc != Crc32c(reader.rest())) return Corruption("MANIFEST: bad checksum");
  const auto first_log = reader.Le<uint64_t>();
  if (!first_log) return Corruption("MANIFEST: too short");
  first_log_ = *first_log;
  while (const auto table = reader.Le<uint64_t>()) tables_.push_back(*table);
  return {};
}

Status ToyStore::LoadTables() {
  for (const uint64_t table : tables_) {
    const std::string name = Name("table", table);
    AIDB_ASSIGN_OR_RETURN(const std::string bytes, ReadWhole(env_.files, name, kFileBytesMax));
    if (bytes.empty() || ParseRecords(bytes, table, recovered_) != bytes.size()) {
      return Corruption(name + ": bad record");
    }
  }
  return {};
}

Status ToyStore::ReplayLogs(const std::vector<std::string>& names) {
  std::vector<uint64_t> logs;
  for (const std::string& name : names) {
    const auto log = NumberOf(name, "log");
    if (log && *log >= first_log_) logs.push_back(*log);
  }
  std::sort(logs.begin(), logs.end());
  for (const uint64_t log : logs) {
    AIDB_ASSIGN_OR_RETURN(const std::string bytes,
                          ReadWhole(env_.files, Name("log", log), kFileBytesMax));
    ParseRecords(bytes, log, recovered_);
  }
  return {};
}

Status ToyStore::RemoveStrangers(const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    const auto log = NumberOf(name, "log");
    const auto table = NumberOf(name, "table");
    const bool listed = table && std::find(tables_.begin(), tables_.end(), *table) != tables_.end();
    if ((log && *log < first_log_) || (table && !listed)) {
      AIDB_RETURN_IF_ERROR(env_.files.Remove(name));
    }
  }
  return {};
}

ToyStore::~ToyStore() {
  {
    MutexLock lock(mu_);
    stop_ = true;
    changed_.NotifyAll();
  }
  task_.reset();
}

// ---- Steps ------------------------------------------------------------------------------

Status ToyStore::NewLog() {
  const uint64_t number = log_number_ + 1;
  AIDB_ASSIGN_OR_RETURN(auto log, env_.files.Open(Name("log", number), OpenMode::kCreateNew));
  if (bug_ != ToyBug::kNoDirectorySyncAfterANewLog) {
    AIDB_RETURN_IF_ERROR(env_.files.SyncDirectory(""));
  }
  log_ = std::move(log);
  log_number_ = number;
  log_end_ = 0;
  return {};
}

Status ToyStore::WriteTable(uint64_t number, const Contents& contents) {
  std::string bytes;
  for (const auto& [key, value] : contents) bytes += Record(number, key, value);
  AIDB_ASSIGN_OR_RETURN(const auto file,
                        env_.files.Open(Name("table", number), OpenMode::kCreateNew));
  AIDB_RETURN_IF_ERROR(WriteFully(*file, 0, AsBytes(bytes)));
  if (bug_ != ToyBug::kNoSyncOfTheTable) AIDB_RETURN_IF_ERROR(file->SyncAll());
  AIDB_RETURN_IF_ERROR(file->Close());
  if (bug_ == ToyBug::kNoDirectorySyncAfterATable) return {};
  return env_.files.SyncDirectory("");
}

Status ToyStore::WriteManifest(uint64_t first_log, const std::vector<uint64_t>& tables) {
  std::string body;
  AppendLe<uint64_t>(body, first_log);
  for (const uint64_t table : tables) AppendLe<uint64_t>(body, table);
  std::string bytes;
  AppendLe<uint32_t>(bytes, Crc32c(body));
  bytes += body;

  AIDB_ASSIGN_OR_RETURN(const bool left_over, env_.files.Exists(kNewManifest));
  if (left_over) AIDB_RETURN_IF_ERROR(env_.files.Remove(kNewManifest));
  AIDB_ASSIGN_OR_RETURN(const auto file, env_.files.Open(kNewManifest, OpenMode::kCreateNew));
  AIDB_RETURN_IF_ERROR(WriteFully(*file, 0, AsBytes(bytes)));
  if (bug_ != ToyBug::kNoSyncOfTheManifest) AIDB_RETURN_IF_ERROR(file->SyncAll());
  AIDB_RETURN_IF_ERROR(file->Close());
  AIDB_RETURN_IF_ERROR(env_.files.Rename(kNewManifest, kManifest));
  if (bug_ == ToyBug::kNoDirectorySyncAfterTheManifest) return {};
  return env_.files.SyncDirectory("");
}

// ---- Writing ----------------------------------------------------------------------------

Status ToyStore::Put(std::string_view key, std::string_view value) {
  const auto writer = std::make_shared<Writer>();
  writer->key = key;
  writer->value = value;
  Group group;
  {
    MutexLock lock(mu_);
    queue_.push_back(writer);
    // Stalls while the flush is behind.
    while (!writer->done &&
           (leading_ || (flushing_ && memory_.size() >= 2 * kMemoryRecordsMax && broken_.ok()))) {
      changed_.Wait(mu_);
    }
    if (writer->done) return writer->status;
    leading_ = true;
    group.assign(queue_.begin(), queue_.end());
    queue_.clear();
  }
  const Status status = WriteGroup(group);
  Acknowledge(group, status);
  return status;
}

Status ToyStore::WriteGroup(const Group& group) {
  {
    MutexLock lock(mu_);
    if (!broken_.ok()) return broken_;
  }
  std::string bytes;
  for (const auto& writer : group) bytes += Record(log_number_, writer->key, writer->value);
  AIDB_RETURN_IF_ERROR(WriteFully(*log_, log_end_, AsBytes(bytes)));
  log_end_ += bytes.size();
  if (bug_ == ToyBug::kAcknowledgesBeforeTheSync) {
    MutexLock lock(mu_);
    for (const auto& writer : group) writer->done = true;
    changed_.NotifyAll();
  }
  return bug_ == ToyBug::kNoSyncOfTheLog ? Status() : log_->SyncData();
}

void ToyStore::Acknowledge(const Group& group, const Status& status) {
  bool roll = false;
  {
    MutexLock lock(mu_);
    if (broken_.ok()) broken_ = status;  // The log's tail is unknown now: never again.
    for (const auto& writer : group) {
      if (status.ok()) memory_.insert_or_assign(writer->key, writer->value);
      writer->status = status;
      writer->done = true;
    }
    roll = status.ok() && memory_.size() >= kMemoryRecordsMax && !flushing_;
    if (roll) old_log_ = log_number_;
  }
  const Status rolled = roll ? NewLog() : Status();
  MutexLock lock(mu_);
  if (!rolled.ok()) broken_ = rolled;
  if (roll && rolled.ok()) {
    immutable_.swap(memory_);
    flushing_ = true;
  }
  leading_ = false;
  changed_.NotifyAll();
}

Status ToyStore::Flush(const Contents& contents, uint64_t old_log, uint64_t new_log) {
  const uint64_t table = next_table_++;
  AIDB_RETURN_IF_ERROR(WriteTable(table, contents));
  std::vector<uint64_t> tables = tables_;
  tables.push_back(table);
  AIDB_RETURN_IF_ERROR(WriteManifest(new_log, tables));
  tables_ = std::move(tables);
  return env_.files.Remove(Name("log", old_log));
}

void ToyStore::FlushInBackground() {
  for (;;) {
    Contents contents;
    uint64_t old_log = 0;
    {
      MutexLock lock(mu_);
      while (!flushing_ && !stop_) changed_.Wait(mu_);
      if (!flushing_) return;
      contents = immutable_;
      old_log = old_log_;
    }
    const Status status = Flush(contents, old_log, old_log + 1);
    MutexLock lock(mu_);
    if (!status.ok()) {
      if (broken_.ok()) broken_ = status;
      changed_.NotifyAll();
      return;
    }
    for (auto& [key, value] : contents) stored_.insert_or_assign(key, value);
    immutable_.clear();
    flushing_ = false;
    if (bug_ != ToyBug::kForgetsToWakeStalledWriters) changed_.NotifyAll();
  }
}

ToyStore::Contents ToyStore::All() const {
  MutexLock lock(mu_);
  Contents all = memory_;
  all.insert(immutable_.begin(), immutable_.end());  // insert keeps the newer one.
  all.insert(stored_.begin(), stored_.end());
  return all;
}

}  // namespace aidb::io

#include "aidb/lsm/check.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "aidb/io/transfer.h"
#include "aidb/journal/check.h"
#include "aidb/kv/write_batch.h"
#include "aidb/lsm/block_cache.h"
#include "aidb/lsm/file_names.h"
#include "aidb/lsm/log_framing.h"
#include "aidb/lsm/log_names.h"
#include "aidb/lsm/manifest.h"
#include "aidb/lsm/table_reader.h"
#include "aidb/lsm/version.h"

namespace aidb::lsm {
namespace {

constexpr uint64_t kCacheBytes = uint64_t{1} << 20;
constexpr uint64_t kReadBytes = uint64_t{1} << 20;

// Messages of damage name the place as "offset N": the one form they have in common.
std::optional<uint64_t> OffsetIn(std::string_view message) {
  constexpr std::string_view kWord = "offset ";
  const size_t at = message.find(kWord);
  if (at == std::string_view::npos) return std::nullopt;
  uint64_t offset = 0;
  const std::string_view digits = message.substr(at + kWord.size());
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), offset);
  if (error != std::errc{}) return std::nullopt;
  return offset;
}

std::string KeyRange(const TableFacts& facts) {
  return KeyText(facts.first_key) + " to " + KeyText(facts.last_key);
}

// The name of the first of `names` that `message` mentions.
std::string NamedIn(std::string_view message, const std::vector<std::string>& names,
                    std::string otherwise) {
  size_t first = std::string_view::npos;
  for (const std::string& name : names) {
    const size_t at = message.find(name);
    if (at >= first) continue;
    first = at;
    otherwise = name;
  }
  return otherwise;
}

class StoreCheck {
 public:
  StoreCheck(const io::Env& env, std::string_view directory, const CheckProgress& progress)
      : env_(env), directory_(directory), progress_(progress), cache_(kCacheBytes) {}

  Result<CheckReport> Run() {
    AIDB_RETURN_IF_ERROR(TakeStock());
    auto found = ReadManifest(env_.files, directory_);
    if (found.ok() && !*found) return InvalidArgument(directory_ + ": there is no store here");
    if (found.ok()) {
      AIDB_RETURN_IF_ERROR(CheckNamed(**found));
    } else {
      if (found.status().code() != StatusCode::kCorruption) return std::move(found).status();
      AddProblem(NamedIn(found.status().message(), names_, std::string(kCurrentName)),
                 std::move(found).status());
      AIDB_RETURN_IF_ERROR(CheckWithoutManifest());
    }
    return std::move(report_);
  }

 private:
  std::string PathOf(std::string_view name) const { return io::JoinPath(directory_, name); }
  void AddProblem(std::string file, const Status& status, std::string keys_lost = {}) {
    report_.problems.push_back({.file = std::move(file),
                                .offset = OffsetIn(status.message()),
                                .what = std::string(status.message()),
                                .keys_lost = std::move(keys_lost)});
  }
  void Advance(uint64_t bytes) {
    done_ += bytes;
    if (progress_) progress_(std::min(done_, report_.bytes), report_.bytes);
  }

  // Which files there are; quarantine/ and what is not ours is left alone.
  Status TakeStock() {
    AIDB_ASSIGN_OR_RETURN(const std::vector<std::string> all, env_.files.List(directory_));
    for (const std::string& name : all) {
      const std::optional<FileName> file = ParseFileName(name);
      if (!file) {
        report_.notes.push_back(name + ": not a file of a store; left alone");
        continue;
      }
      if (file->kind == FileKind::kLock || file->kind == FileKind::kQuarantine) continue;
      names_.push_back(name);
      auto opened = env_.files.Open(PathOf(name), io::OpenMode::kRead);
      if (!opened.ok()) {
        AddProblem(name, opened.status());
        continue;
      }
      AIDB_ASSIGN_OR_RETURN(const uint64_t size, (*opened)->Size());
      ++report_.files;
      report_.bytes += size;
    }
    return {};
  }

  // Whether every byte of a file nobody needs can be read; its content is nobody's business.
  Status ReadThrough(const std::string& name) {
    AIDB_ASSIGN_OR_RETURN(const auto file, env_.files.Open(PathOf(name), io::OpenMode::kRead));
    std::vector<std::byte> piece(kReadBytes);
    for (uint64_t at = 0;;) {
      AIDB_ASSIGN_OR_RETURN(const size_t got, io::ReadUpTo(*file, at, std::span(piece)));
      if (got == 0) return {};
      at += got;
      Advance(got);
    }
  }

  Status CheckNamed(const ManifestFound& found) {
    if (found.torn) {
      report_.notes.push_back(ManifestName(found.number) + ": a crash tore its last edit, " +
                              std::to_string(found.torn->bytes) + " bytes at offset " +
                              std::to_string(found.torn->offset) + ", which was never in force");
    }
    for (const auto& [number, table] : found.state.tables) CheckTable(table);
    CheckLevels(found.state);
    AIDB_RETURN_IF_ERROR(CheckLog(found.state));
    for (const std::string& name : names_) {
      const FileName file = *ParseFileName(name);
      const bool orphan =
          (file.kind == FileKind::kTable && !found.state.tables.contains(file.number)) ||
          (file.kind == FileKind::kLog && file.number < found.state.log_floor) ||
          (file.kind == FileKind::kManifest && file.number != found.number) ||
          file.kind == FileKind::kTemporary;
      if (!orphan) continue;
      report_.notes.push_back(name + ": left by an interrupted job; opening removes it");
      AIDB_RETURN_IF_ERROR(ReadThrough(name));
    }
    return {};
  }

  // Each table is judged by what it says of itself.
  Status CheckWithoutManifest() {
    for (const std::string& name : names_) {
      const FileName file = *ParseFileName(name);
      if (file.kind != FileKind::kTable) continue;
      auto opened = env_.files.Open(PathOf(name), io::OpenMode::kRead);
      if (!opened.ok()) continue;  // TakeStock has told it.
      auto facts = TableReader::ReadFacts(**opened);
      if (!facts.ok()) {
        AddProblem(name, facts.status());
        continue;
      }
      CheckOpened(name, *std::move(opened), *std::move(facts));
    }
    report_.notes.emplace_back("the log was not checked: where it begins stands in the manifest");
    return {};
  }

  void CheckTable(const ManifestState::Table& table) {
    ++report_.tables;
    const std::string name = TableName(table.facts.number);
    if (!std::binary_search(names_.begin(), names_.end(), name)) {
      AddProblem(name, Corruption(PathOf(name) + ": is missing; the manifest names it"),
                 KeyRange(table.facts));
      return;
    }
    auto opened = env_.files.Open(PathOf(name), io::OpenMode::kRead);
    if (!opened.ok()) return;  // TakeStock has told it.
    if (table.damaged) {
      report_.notes.push_back(name + ": marked as damaged; no compaction touches it");
    }
    CheckOpened(name, *std::move(opened), table.facts);
  }

  void CheckOpened(const std::string& name, std::unique_ptr<io::File> file, TableFacts facts) {
    const std::string range = KeyRange(facts);
    auto table = TableReader::Open(std::move(file), std::move(facts), cache_);
    if (!table.ok()) {
      AddProblem(name, table.status(), range);
      return;
    }
    uint64_t told = 0;
    const Status status = (*table)->Check([&](uint64_t bytes) {
      Advance(bytes / 2 - told);
      told = bytes / 2;
    });
    if (status.ok()) return;
    AddProblem(name, status, LostKeysIn(status.message(), range));
  }

  // TableReader::Check ends its message with them when it knows them.
  static std::string LostKeysIn(std::string_view message, const std::string& otherwise) {
    constexpr std::string_view kBegin = "; keys from ";
    constexpr std::string_view kEnd = " cannot be read";
    const size_t at = message.rfind(kBegin);
    if (at == std::string_view::npos || !message.ends_with(kEnd)) return otherwise;
    message.remove_prefix(at + kBegin.size());
    message.remove_suffix(kEnd.size());
    return std::string(message);
  }

  void CheckLevels(const ManifestState& state) {
    VersionEdit all;
    for (const auto& [number, table] : state.tables) {
      all.added.push_back({.level = table.level, .run = table.run, .facts = table.facts});
    }
    const auto version = Version::Empty([](uint64_t) {})->Apply(all);
    if (!version.ok()) AddProblem(NamedIn("MANIFEST", names_, "MANIFEST"), version.status());
  }

  Status CheckLog(const ManifestState& state) {
    journal::JournalOptions options;
    options.directory = directory_;
    options.record_bytes_max = kLogRecordBytesMax;
    journal::RecoveryFloor floor;
    floor.number = state.log_floor;
    floor.first_id = journal::RecordId{ToNumber(state.last_sequence) + 1};
    if (state.clean_shutdown) {
      floor.clean_end =
          journal::DurableEnd{state.clean_shutdown->number, state.clean_shutdown->size_bytes};
    }
    if (floor.number == 0) return {};  // A store whose creation was interrupted: no log yet.
    const LogFraming framing;
    const LogNames log_names;
    AIDB_ASSIGN_OR_RETURN(const journal::JournalCheck found,
                          journal::CheckJournal(env_, framing, log_names, options, floor,
                                                [this](uint64_t, journal::RecordId, uint32_t count,
                                                       std::string_view operations) {
                                                  Advance(operations.size());
                                                  return CheckBatch(count, operations);
                                                }));
    report_.log_records = found.records;
    report_.notes.insert(report_.notes.end(), found.notes.begin(), found.notes.end());
    if (!found.damage.ok()) {
      std::vector<std::string> names = names_;  // And those that may be missing.
      names.insert(names.end(), {"JOURNAL", "ring"});
      AddProblem(NamedIn(found.damage.message(), names, LogName(floor.number)), found.damage);
    } else if (state.clean_shutdown &&
               ToNumber(found.next_id) != ToNumber(state.clean_shutdown->last) + 1) {
      AddProblem(LogName(state.clean_shutdown->number),
                 Corruption("the log ends with sequence " +
                            std::to_string(ToNumber(found.next_id) - 1) + ", the manifest says " +
                            std::to_string(ToNumber(state.clean_shutdown->last))));
    }
    return {};
  }

  static Status CheckBatch(uint32_t count, std::string_view operations) {
    kv::WriteBatch::Reader reader(operations);
    for (uint32_t i = 0;; ++i) {
      AIDB_ASSIGN_OR_RETURN(const auto operation, reader.Next());
      if (operation.has_value() != (i < count)) {
        return Corruption("a batch says it has " + std::to_string(count) +
                          " operations and has another number");
      }
      if (!operation) return {};
      AIDB_RETURN_IF_ERROR(CheckLogged(*operation));
    }
  }

  const io::Env& env_;
  const std::string directory_;
  const CheckProgress& progress_;
  BlockCache cache_;
  std::vector<std::string> names_;  // Ours, in byte order.
  uint64_t done_ = 0;
  CheckReport report_;
};

}  // namespace

Result<CheckReport> CheckStore(const io::Env& env, std::string_view directory,
                               const CheckProgress& progress) {
  AIDB_ASSIGN_OR_RETURN(const bool exists, env.files.Exists(directory));
  if (!exists) return InvalidArgument(std::string(directory) + ": there is no such directory");
  AIDB_ASSIGN_OR_RETURN(const auto lock,
                        env.files.Lock(io::JoinPath(directory, "LOCK"), io::LockMode::kShared));
  return StoreCheck(env, directory, progress).Run();
}

}  // namespace aidb::lsm

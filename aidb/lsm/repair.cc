#include "aidb/lsm/repair.h"

#include <algorithm>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "aidb/base/bytes.h"
#include "aidb/base/canary.h"
#include "aidb/io/guard/sync_guard.h"
#include "aidb/journal/identity.h"
#include "aidb/kv/ingester.h"
#include "aidb/kv/write_batch.h"
#include "aidb/lsm/file_names.h"
#include "aidb/lsm/level_cursor.h"
#include "aidb/lsm/manifest.h"
#include "aidb/lsm/merging_cursor.h"
#include "aidb/lsm/operands.h"
#include "aidb/lsm/salvaged_log.h"
#include "aidb/lsm/salvaged_table.h"
#include "aidb/lsm/table_reader.h"
#include "aidb/lsm/table_writer.h"
#include "aidb/lsm/unfinished_directory.h"

namespace aidb::lsm {
namespace {

constexpr uint64_t kTableBytes = uint64_t{32} << 20;

// The operations of batches, as a cursor.
//
// Lifetime: borrows the batches.
class BatchCursor final : public EntryCursor {
 public:
  // Told of a batch that does not decode, though its record is whole: no part of it is taken.
  using OnLoss = std::function<void(Sequence first, const SalvagedLog::Batch&, const Status&)>;

  // kInvalidArgument when a newer version wrote a batch.
  static Result<std::unique_ptr<BatchCursor>> Make(const SalvagedLog& log, Sequence behind,
                                                   const OnLoss& on_loss) {
    std::unique_ptr<BatchCursor> cursor(new BatchCursor());
    for (const auto& [first, batch] : log.batches) {
      const Status taken = cursor->Take(first, batch, behind);
      if (taken.code() == StatusCode::kInvalidArgument) return taken;
      if (!taken.ok()) on_loss(first, batch, taken);
    }
    std::ranges::sort(cursor->entries_, [](const Entry& a, const Entry& b) {
      return a.key != b.key ? a.key < b.key : a.sequence > b.sequence;
    });
    return cursor;
  }

  void SeekToFirst() override { Show(0); }
  void SeekToLast() override { Show(entries_.size() - 1); }
  void Seek(std::string_view key, Sequence sequence) override {
    const auto at = std::ranges::partition_point(entries_, [&](const Entry& entry) {
      return entry.key != key ? entry.key < key : entry.sequence > sequence;
    });
    Show(static_cast<size_t>(at - entries_.begin()));
  }
  void Next() override { Show(at_ + 1); }
  void Prev() override { Show(at_ - 1); }
  Status status() const override { return {}; }
  // Whether values among them expire.
  bool expires() const { return expires_; }
  bool has_operands() const { return !operands_.empty(); }
  std::span<const RangeDelete> range_deletes() const { return range_deletes_; }

 private:
  BatchCursor() = default;
  Status Take(Sequence first, const SalvagedLog::Batch& batch, Sequence behind) {
    std::vector<Entry> entries;
    std::vector<RangeDelete> range_deletes;
    bool expires = false;
    kv::WriteBatch::Reader reader(batch.operations);
    for (uint64_t i = 0;; ++i) {
      AIDB_ASSIGN_OR_RETURN(const auto operation, reader.Next());
      if (!operation) break;
      AIDB_RETURN_IF_ERROR(CheckLogged(*operation));
      expires = expires || kv::Expires(operation->kind);
      if (first + i <= behind || operation->kind == OpKind::kNote) continue;
      if (operation->kind == OpKind::kDeleteRange) {
        range_deletes.push_back({operation->key, operation->value, first + i});
        continue;
      }
      std::string operand;
      entries.push_back(EntryOf(*operation, first + i, operand));
      if (operation->kind == OpKind::kMerge) {
        entries.back().value = operands_.emplace_back(std::move(operand));
      }
    }
    entries_.insert(entries_.end(), entries.begin(), entries.end());
    range_deletes_.insert(range_deletes_.end(), range_deletes.begin(), range_deletes.end());
    expires_ = expires_ || expires;
    return {};
  }
  void Show(size_t at) {
    at_ = at;
    valid_ = at < entries_.size();
    if (valid_) entry_ = entries_[at];
  }

  std::vector<Entry> entries_;
  std::deque<std::string> operands_;  // What entries look at; the others look at the batches.
  std::vector<RangeDelete> range_deletes_;
  size_t at_ = 0;
  bool expires_ = false;
};

// The entries of another cursor but for operands. What they hide nothing of shows again.
//
// Lifetime: borrows the other.
class WithoutOperands final : public EntryCursor {
 public:
  explicit WithoutOperands(EntryCursor& entries) : entries_(entries) {}

  void SeekToFirst() override {
    entries_.SeekToFirst();
    Forward();
  }
  void SeekToLast() override {
    entries_.SeekToLast();
    Backward();
  }
  void Seek(std::string_view key, Sequence sequence) override {
    entries_.Seek(key, sequence);
    Forward();
  }
  void Next() override {
    entries_.Next();
    Forward();
  }
  void Prev() override {
    entries_.Prev();
    Backward();
  }
  Status status() const override { return entries_.status(); }

 private:
  bool AtOperand() const { return entries_.valid() && entries_.entry().kind == OpKind::kMerge; }
  void Forward() {
    while (AtOperand()) entries_.Next();
    Show();
  }
  void Backward() {
    while (AtOperand()) entries_.Prev();
    Show();
  }
  void Show() {
    valid_ = entries_.valid();
    if (valid_) entry_ = entries_.entry();
  }

  EntryCursor& entries_;
};

// A table that counts, and where its bytes are.
struct Source {
  std::string name;
  std::optional<uint64_t> salt{};
  // What is known of its place: the manifest says it of all, its properties otherwise.
  std::optional<TableFacts> facts{};
  // Without a manifest: it was born under another number. An ingested file, as a rule, whose own
  // sequences say nothing.
  bool renumbered = false;
  int level = 0;
  uint64_t run = 0;
};

class Repair {
 public:
  Repair(const io::Env& env, std::string_view directory, std::string_view target)
      : env_(env), directory_(directory), into_(env.files, target) {}

  Result<kv::RepairReport> Run() {
    AIDB_ASSIGN_OR_RETURN(names_, env_.files.List(directory_));
    AIDB_RETURN_IF_ERROR(ReadManifestIfItCanBe());
    AIDB_RETURN_IF_ERROR(FindTables());
    AIDB_RETURN_IF_ERROR(TakeLogs());
    if (sources_.empty() && log_.batches.empty() && !report_.losses.empty()) {
      return Corruption(directory_ + ": nothing can be saved. " + report_.losses.front().file +
                        ": " + report_.losses.front().what);
    }
    AIDB_RETURN_IF_ERROR(into_.Begin());
    if (Status status = Fill(); !status.ok()) {
      into_.Abandon();
      return status;
    }
    io::SyncGuard parents(env_.files);
    // What was lost is told even so: a second repair would be refused, for the target is there.
    if (const Status named = into_.Finish(parents); !named.ok()) {
      AIDB_ASSIGN_OR_RETURN(const bool whole, env_.files.Exists(into_.target()));
      if (!whole) return named;
      report_.notes.emplace_back(named.message());
    }
    return std::move(report_);
  }

 private:
  std::string PathOf(std::string_view name) const { return io::JoinPath(directory_, name); }
  void Lose(std::string file, uint64_t offset, std::string_view what, std::string keys = {}) {
    const bool told = std::ranges::any_of(report_.losses, [&](const auto& loss) {
      return loss.file == file && loss.offset == offset && loss.what == what;
    });
    if (told) return;
    report_.losses.push_back({.file = std::move(file),
                              .offset = offset,
                              .what = std::string(what),
                              .keys_lost = std::move(keys)});
  }

  Status ReadManifestIfItCanBe() {
    const bool ours = std::ranges::any_of(names_, [](const std::string& name) {
      const auto file = ParseFileName(name);
      return file && file->kind != FileKind::kLock && file->kind != FileKind::kQuarantine;
    });
    if (!ours) return InvalidArgument(directory_ + ": there is no store here");
    auto found = ReadManifest(env_.files, directory_);
    if (found.ok() && *found) {
      manifest_ = (*std::move(found))->state;
      return {};
    }
    if (found.ok()) return {};  // A store whose first open was interrupted.
    const StatusCode code = found.status().code();
    if (code != StatusCode::kCorruption && code != StatusCode::kIoError) return found.status();
    Lose(std::string(kCurrentName), 0, found.status().message());
    report_.notes.emplace_back(
        "without the manifest all tables count that are there: one that had just been replaced may "
        "bring back what was deleted since");
    return {};
  }

  Status FindTables() {
    // Files by the salt in their footer: a table may lie under another's name.
    std::map<uint64_t, std::string> by_salt;
    std::map<std::string, std::optional<TableFacts>> facts_of;
    for (const std::string& name : names_) {
      const std::optional<FileName> file = ParseFileName(name);
      if (!file || file->kind != FileKind::kTable) continue;
      const auto opened = env_.files.Open(PathOf(name), io::OpenMode::kRead);
      std::optional<TableFacts>& facts = facts_of[name];
      if (!opened.ok()) continue;
      auto read = TableReader::ReadFacts(**opened);
      if (!read.ok()) continue;
      facts = *std::move(read);
      by_salt.emplace(facts->salt, name);
    }
    if (manifest_) {
      for (const auto& [number, table] : manifest_->tables) {
        Source source{.name = TableName(number),
                      .salt = table.facts.salt,
                      .facts = table.facts,
                      .level = table.level,
                      .run = table.run};
        const auto own = facts_of.find(source.name);
        const auto other = by_salt.find(table.facts.salt);
        const bool in_place =
            own != facts_of.end() && own->second && own->second->salt == table.facts.salt;
        if (!in_place && other != by_salt.end()) {
          report_.notes.push_back(source.name + " was found under the name " + other->second);
          source.name = other->second;
        } else if (own == facts_of.end()) {
          Lose(source.name, 0, "is missing", Keys(table.facts) + MayBeBack(table.facts));
          continue;
        }
        sources_.push_back(std::move(source));
      }
      return {};
    }
    for (auto& [name, facts] : facts_of) {
      Source source{.name = name};
      if (facts) source.salt = facts->salt;
      source.renumbered = facts && facts->number != ParseFileName(name)->number;
      source.facts = std::move(facts);
      sources_.push_back(std::move(source));
    }
    return {};
  }

  static std::string Sequences(Sequence first, uint64_t count) {
    return "sequences " + std::to_string(ToNumber(first)) + " to " +
           std::to_string(ToNumber(first) + count - 1);
  }
  static std::string Keys(const TableFacts& facts) {
    return KeyText(facts.first_key) + " to " + KeyText(facts.last_key);
  }

  // Of a table that is lost as a whole.
  static std::string MayBeBack(const TableFacts& facts) {
    return facts.range_deletes == 0 ? "" : "; keys that its range deletes hid may be back";
  }

  // What tables hold to the end, so that a batch of a log is old news.
  Sequence Covered() const {
    if (manifest_) return manifest_->last_sequence;
    Sequence covered{};
    for (const Source& source : sources_) {
      if (source.facts && !source.renumbered) covered = std::max(covered, source.facts->highest);
    }
    return covered;
  }

  // The log tells of an ingest which tables came by it, and so their sequence.
  void PlaceIngested() {
    for (const auto& [first, batch] : log_.batches) {
      kv::WriteBatch::Reader reader(batch.operations);
      const auto operation = reader.Next();
      if (!operation.ok() || !*operation || !kv::IngestNote::Is(**operation)) continue;
      const auto note = kv::IngestNote::Decode((*operation)->value);
      if (!note.ok()) continue;
      for (const kv::IngestedFile& file : note->files) PlaceIngested(file, first);
    }
    for (const Source& source : sources_) {
      if (!source.renumbered || source.facts->ingested) continue;
      report_.notes.push_back(source.name +
                              " was ingested, or renamed: without the manifest what it holds "
                              "counts as the oldest, and what it had replaced may be back");
    }
  }
  void PlaceIngested(const kv::IngestedFile& file, Sequence sequence) {
    for (Source& source : sources_) {
      if (source.name != TableName(file.table) || !source.facts) continue;
      if (source.facts->crc != file.crc) continue;
      source.facts->ingested = true;
      source.facts->lowest = source.facts->highest = sequence;
    }
  }

  Status TakeLogs() {
    const Sequence covered = Covered();
    newest_ = manifest_ ? std::max(covered, manifest_->ingest_sequence) : covered;
    if (AIDB_CANARY_HIT(kRepairForgetsLog)) return {};
    const uint64_t floor_number = manifest_ ? manifest_->log_floor : 0;
    if (manifest_ && floor_number != 0) {
      journal::RecoveryFloor floor{.number = floor_number,
                                   .first_id = journal::RecordId{ToNumber(covered) + 1}};
      if (const auto& end = manifest_->clean_shutdown) {
        floor.clean_end = journal::DurableEnd{end->number, end->size_bytes};
      }
      auto replayed = ReplayLogs(env_, directory_, floor);
      if (replayed.ok()) {
        log_ = *std::move(replayed);
        CountLogs();
        return {};
      }
      if (replayed.status().code() == StatusCode::kInvalidArgument) return replayed.status();
      Lose(LogName(floor_number), 0, replayed.status().message());
    }
    log_ = SalvageLogs(env_, directory_, floor_number);
    if (!manifest_) PlaceIngested();
    for (const SalvagedLog::Damage& damage : log_.damage) {
      Lose(damage.file, damage.offset, damage.what);
    }
    log_.DropUpTo(covered);
    // Without a manifest nothing says how far tables go whose entries have lost their sequences.
    Sequence behind = covered;
    if (!manifest_ && !log_.batches.empty()) {
      behind = std::max(behind, Sequence{ToNumber(log_.batches.begin()->first) - 1});
    }
    for (const auto& [first, last] : log_.Missing(behind)) {
      Lose("the log", 0, "has a gap", Sequences(first, ToNumber(last) - ToNumber(first) + 1));
    }
    CountLogs();
    return {};
  }

  void CountLogs() {
    report_.log_batches = log_.batches.size();
    if (log_.batches.empty()) return;
    const auto& [first, batch] = *log_.batches.rbegin();
    newest_ = std::max(newest_, Sequence{ToNumber(first) + batch.count - 1});
  }

  // What everything in it counts as of, if it was ingested.
  static std::optional<Sequence> SequenceOf(const Source& source) {
    if (!source.facts || !source.facts->ingested) return std::nullopt;
    return source.facts->highest;
  }

  Result<std::unique_ptr<EntryCursor>> OpenTable(const Source& source) {
    AIDB_ASSIGN_OR_RETURN(auto file, env_.files.Open(PathOf(source.name), io::OpenMode::kRead));
    AIDB_ASSIGN_OR_RETURN(
        std::unique_ptr<SalvagedTable> table,
        SalvagedTable::Open(
            std::move(file), source.salt, source.facts ? source.facts->last_key : "",
            [this, name = source.name](const LostStretch& lost) {
              Lose(name, lost.offset, lost.what, lost.keys);
            },
            SequenceOf(source)));
    ++report_.tables;
    return std::unique_ptr<EntryCursor>(std::move(table));
  }

  // Opens the table once more, for what has to be known before the walk begins. What else is lost
  // of it, the walk tells.
  std::shared_ptr<const RangeDeleteList> RangeDeletesOf(const Source& source) {
    auto file = env_.files.Open(PathOf(source.name), io::OpenMode::kRead);
    if (!file.ok()) return nullptr;
    bool tells = false;
    auto table = SalvagedTable::Open(
        *std::move(file), source.salt, "",
        [&](const LostStretch& lost) {
          if (tells) Lose(source.name, lost.offset, lost.what, lost.keys);
        },
        SequenceOf(source));
    if (!table.ok()) return nullptr;
    tells = true;
    return (*table)->TakeRangeDeletes();
  }

  // Those of the tables, kept alive by `lists`.
  std::vector<RangeDelete> TableRangeDeletes(
      std::vector<std::shared_ptr<const RangeDeleteList>>& lists) {
    std::vector<RangeDelete> deletes;
    for (const Source& source : sources_) {
      if (source.facts && source.facts->range_deletes == 0) continue;
      const size_t told = report_.losses.size();
      auto list = RangeDeletesOf(source);
      if (list == nullptr && source.facts && report_.losses.size() == told) {
        Lose(source.name, 0, "its range deletes were not found",
             "none; but keys that they hid may be back");
      }
      if (list == nullptr) continue;
      list->deletes().AppendTo(deletes);
      lists.push_back(std::move(list));
    }
    return deletes;
  }

  // A table that cannot even be opened is a loss and no reason to stop.
  std::unique_ptr<EntryCursor> OpenOrLose(const Source& source) {
    auto opened = OpenTable(source);
    if (opened.ok()) return *std::move(opened);
    Lose(source.name, 0, opened.status().message(),
         source.facts ? Keys(*source.facts)
                      : "unknown; keys that its range deletes hid, if it had any, may be back");
    return NewMergingCursor({});
  }

  // Tables that share no key, walked as one: of all that overlap the one that holds the newer
  // version of a key is in an earlier group.
  struct Group {
    std::vector<const Source*> sources;
    std::vector<ListedTables::Bounds> bounds;
  };

  std::vector<Group> GroupTables() const {
    std::vector<const Source*> order;
    for (const Source& source : sources_) order.push_back(&source);
    // By the manifest the shallower level and the newer run; without it the younger file.
    std::ranges::sort(order, [](const Source* a, const Source* b) {
      if (a->level != b->level) return a->level < b->level;
      if (a->run != b->run) return a->run > b->run;
      return ParseFileName(a->name)->number > ParseFileName(b->name)->number;
    });
    std::vector<Group> groups;
    for (const Source* source : order) {
      size_t group = source->facts ? 0 : groups.size();
      for (size_t i = 0; source->facts && i < groups.size(); ++i) {
        if (std::ranges::any_of(groups[i].sources, [&](const Source* other) {
              return !other->facts || (other->facts->first_key <= source->facts->last_key &&
                                       source->facts->first_key <= other->facts->last_key);
            })) {
          group = i + 1;
        }
      }
      if (group == groups.size()) groups.emplace_back();
      groups[group].sources.push_back(source);
    }
    for (Group& group : groups) {
      std::ranges::sort(group.sources, {}, [](const Source* source) -> std::string_view {
        return source->facts ? std::string_view(source->facts->first_key) : std::string_view();
      });
      for (const Source* source : group.sources) {
        if (source->facts)
          group.bounds.push_back({source->facts->first_key, source->facts->last_key});
      }
    }
    return groups;
  }

  // Newest first. Borrows `groups`.
  void OpenGroups(const std::vector<Group>& groups,
                  std::vector<std::unique_ptr<EntryCursor>>& cursors) {
    for (const Group& group : groups) {
      if (group.bounds.empty()) {  // Its keys are not known.
        cursors.push_back(OpenOrLose(*group.sources.front()));
        continue;
      }
      cursors.push_back(std::make_unique<LevelCursor<ListedTables>>(ListedTables(
          group.bounds, [this, &group](size_t table) -> Result<std::unique_ptr<EntryCursor>> {
            return OpenOrLose(*group.sources[table]);
          })));
    }
  }

  // Whether what operands lie on is sure to be there. If anything is lost, it may be that, or one
  // of them, and what is left would make a value that the key never had. So the tables are read to
  // their end before any operand is believed.
  bool OperandsCount(const std::vector<Group>& groups, bool in_log) {
    const bool in_tables = std::ranges::any_of(
        sources_, [](const Source& source) { return !source.facts || source.facts->operands > 0; });
    if (!in_log && !in_tables) return true;
    const uint64_t tables = report_.tables;
    std::vector<std::unique_ptr<EntryCursor>> cursors;
    OpenGroups(groups, cursors);
    for (const auto& cursor : cursors) {
      for (cursor->SeekToFirst(); cursor->valid(); cursor->Next()) {
      }
    }
    report_.tables = tables;
    if (report_.losses.empty()) return true;
    report_.notes.emplace_back(
        "merges that were in no value yet are left out: what they lay on may be among what is "
        "lost");
    return false;
  }

  Status Fill() {
    const std::vector<Group> groups = GroupTables();
    std::vector<std::unique_ptr<EntryCursor>> newest_first;
    AIDB_ASSIGN_OR_RETURN(
        auto batches,
        BatchCursor::Make(
            log_, Covered(),
            [this](Sequence first, const SalvagedLog::Batch& batch, const Status& why) {
              --report_.log_batches;
              Lose("the log", 0, why.message(), Sequences(first, batch.count));
            }));
    const bool log_expires = batches->expires();
    std::vector<std::shared_ptr<const RangeDeleteList>> lists;
    std::vector<RangeDelete> range_deletes = TableRangeDeletes(lists);
    range_deletes.insert(range_deletes.end(), batches->range_deletes().begin(),
                         batches->range_deletes().end());
    const bool operands_count = OperandsCount(groups, batches->has_operands());
    newest_first.push_back(std::move(batches));
    OpenGroups(groups, newest_first);
    const auto all = NewMergingCursor(std::move(newest_first));
    WithoutOperands others(*all);
    EntryCursor& entries = operands_count ? *all : others;
    KeepRule rule =
        KeepRule::ForCompaction({}, OlderTables(), KeepRule::Zeroing::kAtTheBottom, range_deletes);
    AIDB_ASSIGN_OR_RETURN(const uint64_t next_number, NextNumberFree(env_.files, directory_));
    FileNumbers numbers(next_number);
    AIDB_ASSIGN_OR_RETURN(WrittenTables written, WriteTables(entries, rule,
                                                             {.files = env_.files,
                                                              .directory = into_.path(),
                                                              .numbers = numbers,
                                                              .random = env_.random,
                                                              .table = {.level = kLevels - 1},
                                                              .table_bytes = kTableBytes,
                                                              .grandparents = {},
                                                              .stop = nullptr}));
    return WriteManifest(std::move(written.tables), ClockFor(log_expires), numbers);
  }

  // 0 says that no value ever expires. Without a manifest that is not known, and the clock that
  // readers have gone by is the wall's at best.
  int64_t ClockFor(bool log_expires) const {
    const int64_t known = manifest_ ? manifest_->clock_ms_max : 0;
    if (manifest_ && !log_expires) return known;
    return std::max<int64_t>({known, env_.clock.WallMillis(), 1});
  }

  Status WriteManifest(std::vector<TableFacts> tables, int64_t clock_ms_max, FileNumbers& numbers) {
    ManifestState state;
    state.uuid = Uuid::Generate(env_.random);
    state.last_sequence = newest_;
    state.clock_ms_max = clock_ms_max;
    for (TableFacts& facts : tables) {
      report_.keys += facts.entries;
      const uint64_t number = facts.number;
      state.tables[number] = {.level = kLevels - 1, .facts = std::move(facts)};
    }
    journal::Identity identity;
    StoreLe<uint64_t>(identity.uuid.data(), env_.random.Next());
    StoreLe<uint64_t>(identity.uuid.data() + 8, env_.random.Next());
    AIDB_RETURN_IF_ERROR(journal::WriteIdentity(env_.files, into_.path(), identity));
    return Manifest::Create(env_.files, into_.path(), numbers, std::move(state)).status();
  }

  const io::Env& env_;
  const std::string directory_;
  UnfinishedDirectory into_;
  std::vector<std::string> names_;
  std::optional<ManifestState> manifest_;
  std::vector<Source> sources_;
  SalvagedLog log_;
  Sequence newest_{};
  kv::RepairReport report_;
};

}  // namespace

Result<kv::RepairReport> RepairStore(const io::Env& env, std::string_view directory,
                                     std::string_view target) {
  AIDB_ASSIGN_OR_RETURN(const bool exists, env.files.Exists(directory));
  if (!exists) return InvalidArgument(std::string(directory) + ": there is no such directory");
  AIDB_ASSIGN_OR_RETURN(const auto lock,
                        env.files.Lock(io::JoinPath(directory, "LOCK"), io::LockMode::kShared));
  return Repair(env, directory, target).Run();
}

}  // namespace aidb::lsm

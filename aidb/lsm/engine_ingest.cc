// Sorted files that become tables of the native engine as they are.
//
//   I1 verify every byte              no lock
//   I2 link or copy, sync, sync the directory
//   I3 flush the memtables that overlap
//   ── from here on under the writers' lock ──────────────────────────────────────────────────
//   I4 choose the levels, by what is there and by what running jobs will write
//   I5 make the log durable up to its end, n: what an ingest follows survives if that does
//   I6 one edit {added tables, ingest sequence n + 1}, durable; install the version
//   I7 append the note n + 1 to the log, publish: now reads see the tables
//
// A crash before I6: orphans, which the next open removes. Behind it: the ingest is there, and the
// next open appends the note if the log lacks it, before it gives n + 1 to a write. So the manifest
// decides, and the log tells (docs/decisions/0010).
//
// Between I6 and I7 no read sees the tables, for its sequence is below theirs, and no merge touches
// them: it could drop what such a read needs.

#include <algorithm>
#include <utility>

#include "aidb/base/canary.h"
#include "aidb/base/check.h"
#include "aidb/kv/range_delete.h"
#include "aidb/lsm/engine.h"
#include "aidb/lsm/repair_command.h"

namespace aidb::lsm {
namespace {

bool Overlaps(const Memtable& memtable, const TableFacts& facts) {
  if (memtable.entries() > 0) {
    const auto entries = memtable.NewCursor();
    entries->Seek(facts.first_key, kv::kSequenceMax);
    if (entries->valid() && entries->entry().key <= facts.last_key) return true;
  }
  std::optional<std::string> behind = kv::NextKey(facts.last_key);
  if (behind->empty()) behind.reset();
  return memtable.range_deletes()
      .FirstAbove(kv::kSequenceNone, facts.first_key, behind)
      .has_value();
}

bool Overlaps(const ReadState& state, const TableFacts& facts) {
  if (Overlaps(*state.active.table, facts)) return true;
  return std::ranges::any_of(state.sealed, [&](const LoggedMemtable& memtable) {
    return Overlaps(*memtable.table, facts);
  });
}

bool MemtablesAreEmpty(const ReadState& state) {
  return state.active.table->empty() && state.sealed.empty();
}

std::string NoteOf(const std::vector<SortedFile>& files) {
  kv::IngestNote note;
  for (const SortedFile& file : files) {
    note.files.push_back(DescriptionOf(file));
    note.files.back().table = file.facts.number;
  }
  return note.Encode();
}

std::vector<TableFacts> FactsOf(const std::vector<SortedFile>& files) {
  std::vector<TableFacts> facts;
  for (const SortedFile& file : files) {
    if (file.facts.number != 0) facts.push_back(file.facts);
  }
  return facts;
}

}  // namespace

Result<Sequence> Engine::Ingest(std::span<const std::string> paths, std::string_view below) {
  const CallPass pass(calls_);
  if (!pass) return Closed();
  AIDB_RETURN_IF_ERROR(CheckWritable());
  auto verified = VerifySortedFiles(env_.files, paths);
  if (!verified.ok()) return Status(std::move(verified).status()).Annotate("ingest");
  std::vector<SortedFile> files = *std::move(verified);
  for (SortedFile& file : files) {
    AIDB_RETURN_IF_ERROR(kv::CheckIngestBelow(file.path, file.facts.last_key, below));
    file.facts.number = 0;
  }
  Status status = PlaceFiles(files);
  // Most of what is in the way goes before writers have to wait.
  if (status.ok()) {
    const std::shared_ptr<const ReadState> state = CurrentState();
    const bool in_the_way = std::ranges::any_of(
        files, [&](const SortedFile& file) { return Overlaps(*state, file.facts); });
    if (in_the_way) status = Flush();
  }
  if (!status.ok()) {
    RemoveUnnamed(env_.files, directory_, FactsOf(files));
    if (guard_.sync_failed()) StopWriting(std::string(status.message()));
    return std::move(status).Annotate("ingest");
  }
  auto sequence = [&] {
    MutexLock lock(write_mu_);
    return InstallFiles(files);
  }();
  RemoveUnused();  // What the state before alone held.
  return sequence;
}

// Not synced again is also what was synced by another call: that file may have lost its bytes.
Status Engine::PlaceFiles(std::vector<SortedFile>& files) {
  for (SortedFile& file : files) {
    if (Stopping()) return Closed();
    const uint64_t number = numbers_->Take();
    bool link = false;
    {
      MutexLock lock(ingest_mu_);
      link = !never_linked_.contains(file.facts.salt);
    }
    const Status placed = PlaceSortedFile(env_.files, file, directory_, number,
                                          link ? Placing::kLinkIfItCanBe : Placing::kCopy);
    file.facts.number = number;
    if (placed.ok()) continue;
    MutexLock lock(ingest_mu_);
    if (placed.code() == StatusCode::kIoError) never_linked_.insert(file.facts.salt);
    return placed;
  }
  if (AIDB_CANARY_HIT(kTableNameNotSynced)) return {};
  return env_.files.SyncDirectory(directory_);
}

Result<Sequence> Engine::InstallFiles(std::vector<SortedFile>& files) {
  const auto give_up = [&](Status status) {
    RemoveUnnamed(env_.files, directory_, FactsOf(files));
    return std::move(status).Annotate("ingest");
  };
  const Instant deadline = WriteDeadline();
  if (Status status = CheckWritable(); !status.ok()) return give_up(std::move(status));
  const std::string note = NoteOf(files);
  if (note.size() > options_.batch_bytes_max) {
    return give_up(InvalidArgument("the note of " + std::to_string(files.size()) + " files has " +
                                   std::to_string(note.size()) + " bytes; batch_bytes_max allows " +
                                   std::to_string(options_.batch_bytes_max) +
                                   ". Ingest them in parts"));
  }
  auto places = ChoosePlaces(files, deadline);
  if (!places.ok()) return give_up(std::move(places).status());
  const journal::RecordId newest = journal_->published_id();
  Status status = journal_->WaitDurable(newest, Instant::Never());
  if (!status.ok()) {
    EndPlacing(*places);
    return give_up(std::move(status));
  }
  if (std::ranges::any_of(files, [](const SortedFile& file) { return file.expires; })) {
    core_->expires.store(true, std::memory_order_release);
  }
  const Sequence sequence{ToNumber(newest) + 1};
  status = InstallAt(sequence, *places, note);
  EndPlacing(*places);
  UpdateBacklog();
  if (!status.ok()) return std::move(status).Annotate("ingest");
  return sequence;
}

// The tables are busy from here to EndPlacing.
Result<std::vector<AddedTable>> Engine::ChoosePlaces(const std::vector<SortedFile>& files,
                                                     Instant deadline) {
  while (true) {
    const std::shared_ptr<const ReadState> state = CurrentState();
    std::vector<AddedTable> places;
    {
      MutexLock lock(work_mu_);
      bool level0 = false;
      for (const SortedFile& file : files) {
        places.push_back({.level = PlaceFor(*state, file.facts), .run = 0, .facts = file.facts});
        level0 = level0 || places.back().level == 0;
      }
      // What became of the version meanwhile, a job did that has ended: it is looked at again.
      const bool same = CurrentState().get() == state.get();
      if (same && (!level0 || (MemtablesAreEmpty(*state) && !Level0Full(*state)))) {
        for (const AddedTable& place : places) {
          busy_tables_.Claim(place.facts.number, place.level, place.facts.first_key,
                             place.facts.last_key);
        }
        const uint64_t run = level0 ? numbers_->Take() : 0;
        for (AddedTable& place : places) place.run = place.level == 0 ? run : 0;
        return places;
      }
      if (!same) continue;
    }
    AIDB_RETURN_IF_ERROR(FlushBefore(*state, deadline));
  }
}

// A table may not lie below older versions of its keys.
int Engine::PlaceFor(const ReadState& state, const TableFacts& facts) const {
  const Version& version = *state.version;
  if (AIDB_CANARY_HIT(kIngestPlacedBelow)) {
    int deepest = kLevels - 1;
    while (deepest > 0 && !version.Overlapping(deepest, facts.first_key, facts.last_key).empty()) {
      --deepest;
    }
    return deepest;
  }
  if (Overlaps(state, facts)) return 0;
  int place = 0;
  for (int level = 0; level < kLevels; ++level) {
    if (!version.Overlapping(level, facts.first_key, facts.last_key).empty()) break;
    // A running job may span keys of which it has none.
    if (!busy_tables_.MayWrite(level, facts.first_key, facts.last_key)) place = level;
  }
  return place;
}

// Runs of level 0 rise with their sequences: one of an ingest goes behind all that was written.
Status Engine::FlushBefore(const ReadState& state, Instant deadline) {
  if (MemtablesAreEmpty(state)) {
    MutexLock lock(work_mu_);
    if (CurrentState().get() != &state || !Level0Full(state)) return {};
    if (!failure_.ok()) return failure_;
    if (core_->closed.load(std::memory_order_acquire)) return Closed();
    if (!compaction_trouble_.ok()) return Level0Trouble(state);
    if (progress_cv_.WaitUntil(work_mu_, deadline)) return {};
    return Level0Trouble(state);
  }
  if (!active_->empty()) {
    AIDB_RETURN_IF_ERROR(WaitFlushed(UINT64_MAX, kSealedMax - 1));
    AIDB_RETURN_IF_ERROR(Seal(deadline));
  }
  return WaitFlushed(UINT64_MAX, 0);
}

Status Engine::InstallAt(Sequence sequence, std::vector<AddedTable> tables, std::string_view note) {
  VersionEdit edit;
  edit.ingest_sequence = sequence;
  for (AddedTable& table : tables) table.facts.lowest = table.facts.highest = sequence;
  edit.added = std::move(tables);
  if (Status installed = InstallEdit(edit, nullptr); !installed.ok()) {
    MutexLock lock(manifest_mu_);
    if (!manifest_->edit_in_doubt()) return installed;
    // A crash may bring it back, so its sequence goes to nobody else.
    installed = IoError("the files are in the store when it is opened again, or they are not: " +
                        std::string(installed.message()));
    StopWriting(std::string(installed.message()));
    return installed;
  }
  // From here on it has happened: either the note follows or nothing does.
  Status status = AppendNote(sequence, note, WriteDeadline());
  if (status.ok() || status.code() == StatusCode::kIoError) return status;
  status = IoError(
      "the files are in the store and show when it is opened again, for the log does "
      "not take the place of the ingest: " +
      std::string(status.message()));
  StopWriting(std::string(status.message()));
  return status;
}

Status Engine::AppendNote(Sequence sequence, std::string_view note, Instant deadline) {
  auto appended = journal_->Append({.payload = note, .ids = 1}, deadline);
  if (!appended.ok()) {
    // Never as kIoError, which says that it was published.
    return Unavailable(std::string(appended.status().message()));
  }
  AIDB_CHECK(ToNumber(appended->first_id) == ToNumber(sequence));
  {
    MutexLock lock(active_->write_mutex());
    active_->AddNote(sequence);
  }
  if (journal_->Publish(*appended)) return {};
  return IoError(
      "the files are in the store, but the log would not survive the end of this "
      "process: " +
      std::string(journal_->health().message()));
}

void Engine::EndPlacing(const std::vector<AddedTable>& tables) {
  MutexLock lock(work_mu_);
  for (const AddedTable& table : tables) busy_tables_.EndClaim(table.facts.number);
  work_cv_.NotifyAll();
  progress_cv_.NotifyAll();
}

Status Engine::NoteIngestAgain() {
  Sequence sequence{};
  kv::IngestNote note;
  {
    MutexLock lock(manifest_mu_);
    const ManifestState& state = manifest_->state();
    sequence = state.ingest_sequence;
    if (sequence <= VisibleSequence()) return {};
    for (const auto& [number, table] : state.tables) {
      if (!table.facts.ingested || table.facts.highest != sequence) continue;
      note.files.push_back(DescriptionOf({.path = TableName(number), .facts = table.facts}));
      note.files.back().table = number;
    }
  }
  if (sequence != VisibleSequence() + 1) {
    return Corruption(directory_ + ": the log ends with sequence " +
                      std::to_string(ToNumber(VisibleSequence())) +
                      ", but was durable to that before " + std::to_string(ToNumber(sequence)) +
                      ", which an ingest took" + RepairCommand(directory_));
  }
  MutexLock lock(write_mu_);
  return AppendNote(sequence, note.Encode(), WriteDeadline()).Annotate("note an ingest again");
}

}  // namespace aidb::lsm

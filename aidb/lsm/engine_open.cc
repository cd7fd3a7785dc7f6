// Opening and closing the native engine.
//
// Open: lock, CURRENT, manifest, tables present, a new manifest, orphan tables removed, logs
// replayed into memtables, a new log, an edit, all orphans removed. Nothing is deleted before the
// manifest that no longer names it is durable; every step can be interrupted and repeated.

#include <algorithm>
#include <set>
#include <utility>

#include "aidb/base/canary.h"
#include "aidb/base/check.h"
#include "aidb/journal/replay.h"
#include "aidb/lsm/engine.h"
#include "aidb/lsm/merging_cursor.h"
#include "aidb/lsm/record.h"
#include "aidb/lsm/repair_command.h"

namespace aidb::lsm {
namespace {

// Every option has a meaning here.
constexpr std::string_view kHonoured[] = {
    "memory_bytes",        "write_buffer_bytes", "cache_bytes",      "block_bytes",
    "filter_bits_per_key", "compression",        "level0_trigger",   "level_base_bytes",
    "level_multiplier",    "background_threads", "sync_interval_ms", "log_bytes",
    "batch_bytes_max",     "write_wait_ms",      "scrub_period_s"};

Status NoStore(std::string_view directory) {
  return InvalidArgument(std::string(directory) +
                         ": there is no store here; create one with another open mode");
}

TableUnused NoteIn(std::shared_ptr<UnusedTables> unused) {
  return [unused = std::move(unused)](uint64_t number) { unused->Note(number); };
}

}  // namespace

Result<OpenedStore> OpenStore(const io::Env& env, std::string_view directory,
                              const kv::Options& options, const kv::MergeFunction* merge) {
  OpenedStore opened;
  AIDB_ASSIGN_OR_RETURN(std::unique_ptr<Engine> engine,
                        Engine::Open(env, directory, options, opened.report, merge));
  opened.conditional = engine.get();
  opened.compactor = engine.get();
  opened.checkpointer = engine.get();
  opened.updates = engine.get();
  opened.ingester = engine.get();
  opened.store = std::move(engine);
  return opened;
}

Result<std::unique_ptr<Engine>> Engine::Open(const io::Env& env, std::string_view directory,
                                             const kv::Options& options, OpenReport& report,
                                             const kv::MergeFunction* merge) {
  AIDB_RETURN_IF_ERROR(options.Validate());
  AIDB_RETURN_IF_ERROR(options.RefuseAllBut(kHonoured, "native"));
  AIDB_RETURN_IF_ERROR(MemoryPlan::For(options).Check(options));
  const bool must_exist =
      options.mode == kv::StoreMode::kMustExist || options.mode == kv::StoreMode::kReadOnly;
  AIDB_ASSIGN_OR_RETURN(const bool exists, env.files.Exists(directory));
  if (!exists && must_exist) return NoStore(directory);
  if (!must_exist) AIDB_RETURN_IF_ERROR(env.files.CreateDirectory(directory));
  std::unique_ptr<Engine> engine(new Engine(env, std::string(directory), options, merge));
  AIDB_ASSIGN_OR_RETURN(engine->lock_, env.files.Lock(io::JoinPath(directory, "LOCK"),
                                                      options.mode == kv::StoreMode::kReadOnly
                                                          ? io::LockMode::kShared
                                                          : io::LockMode::kExclusive));
  AIDB_RETURN_IF_ERROR(engine->OpenLocked(report));
  return engine;
}

Status Engine::OpenLocked(OpenReport& report) {
  AIDB_ASSIGN_OR_RETURN(std::optional<ManifestFound> found, ReadManifest(env_.files, directory_));
  if (!found) {
    if (options_.mode == kv::StoreMode::kMustExist || options_.mode == kv::StoreMode::kReadOnly) {
      return NoStore(directory_);
    }
    return OpenNew(report);
  }
  if (options_.mode == kv::StoreMode::kMustBeNew) {
    return InvalidArgument(directory_ +
                           ": there is a store here already; open it with another mode");
  }
  AIDB_RETURN_IF_ERROR(BuildVersion(found->state));
  AIDB_RETURN_IF_ERROR(CheckTablesPresent(found->state));
  report.clean = found->state.clean_shutdown.has_value();
  if (options_.mode == kv::StoreMode::kReadOnly) return OpenReadOnly(*found, report);
  return OpenExisting(*std::move(found), report);
}

Status Engine::OpenNew(OpenReport& report) {
  report.created = true;
  report.clean = true;
  // Before CURRENT exists: whoever finds a store here knows that its directory's name is durable.
  AIDB_RETURN_IF_ERROR(
      env_.files.SyncDirectory(io::ParentOf(directory_)).Annotate("create " + directory_));
  AIDB_ASSIGN_OR_RETURN(const uint64_t first, NextNumberFree(env_.files, directory_));
  numbers_ = std::make_unique<FileNumbers>(first);
  {
    MutexLock lock(manifest_mu_);
    AIDB_ASSIGN_OR_RETURN(manifest_, Manifest::Create(env_.files, directory_, *numbers_,
                                                      Uuid::Generate(env_.random)));
    AIDB_RETURN_IF_ERROR(BuildVersion(manifest_->state()));
  }
  AIDB_RETURN_IF_ERROR(StartJournal({}, report));
  VersionEdit edit;
  edit.log_floor = CurrentState()->active.log_number;
  {
    MutexLock lock(manifest_mu_);
    AIDB_RETURN_IF_ERROR(manifest_->Append(edit));
  }
  AIDB_RETURN_IF_ERROR(RemoveOrphans(Orphans::kAll, report));
  StartBackground();
  return {};
}

Status Engine::OpenExisting(ManifestFound found, OpenReport& report) {
  numbers_ = std::make_unique<FileNumbers>(found.next_number_free);
  journal::RecoveryFloor floor;
  floor.number = found.state.log_floor;
  floor.first_id = journal::RecordId{ToNumber(found.state.last_sequence) + 1};
  if (found.state.clean_shutdown) {
    floor.clean_end = journal::DurableEnd{found.state.clean_shutdown->number,
                                          found.state.clean_shutdown->size_bytes};
  }
  // After a kill the newest edit may be in the page cache alone. Recovery goes by it, and makes
  // logs durable without those below the floor: so the manifest must be durable first. Behind an
  // orderly close it is; there the log is looked at first, for an open that is refused, by a
  // newer format for one, has changed nothing.
  const bool clean = found.state.clean_shutdown.has_value();
  if (!clean) {
    AIDB_RETURN_IF_ERROR(ContinueManifest(std::move(found)));
    // What earlier opens spilled and did not come to name, before this one spills as much again.
    AIDB_RETURN_IF_ERROR(RemoveOrphans(Orphans::kTables, report));
  }
  Status status = StartJournal(floor, report);
  if (status.ok() && clean) status = ContinueManifest(std::move(found));
  if (!status.ok()) {
    RemoveSpilled();
    return status;
  }
  const std::shared_ptr<const ReadState> state = CurrentState();
  VersionEdit edit = std::exchange(spilled_, {}).value_or(VersionEdit());
  edit.log_floor =
      state->sealed.empty() ? state->active.log_number : state->sealed.back().log_number;
  AIDB_RETURN_IF_ERROR(InstallEdit(edit, nullptr));
  UpdateBacklog();
  journal_->Release(*edit.log_floor);
  AIDB_RETURN_IF_ERROR(NoteIngestAgain());
  AIDB_RETURN_IF_ERROR(RemoveOrphans(Orphans::kAll, report));
  StartBackground();
  return {};
}

void Engine::RemoveSpilled() {
  if (!spilled_) return;
  std::vector<TableFacts> tables;
  for (const AddedTable& added : spilled_->added) tables.push_back(added.facts);
  RemoveUnnamed(env_.files, directory_, tables);
}

Status Engine::ContinueManifest(ManifestFound found) {
  MutexLock lock(manifest_mu_);
  AIDB_ASSIGN_OR_RETURN(manifest_,
                        Manifest::Continue(env_.files, directory_, *numbers_, std::move(found)));
  return {};
}

// A store that was closed in order holds everything in files that need no repair, so nothing is
// written. One that was not must be opened for writing first.
Status Engine::OpenReadOnly(const ManifestFound& found, OpenReport& report) {
  if (found.state.log_floor == 0) {
    // A checkpoint that was never opened for writing, or a store whose first open was interrupted:
    // no log has taken a record yet.
    read_only_sequence_ = std::max(found.state.last_sequence, found.state.ingest_sequence);
    return {};
  }
  if (!found.state.clean_shutdown) {
    return Unavailable(directory_ +
                       ": was not closed in order, so its log needs recovery; open it for "
                       "writing once, then read-only");
  }
  journal::RecoveryFloor floor;
  floor.number = found.state.log_floor;
  floor.first_id = journal::RecordId{ToNumber(found.state.last_sequence) + 1};
  floor.clean_end = journal::DurableEnd{found.state.clean_shutdown->number,
                                        found.state.clean_shutdown->size_bytes};
  AIDB_ASSIGN_OR_RETURN(const journal::RecordId next,
                        journal::ReplayClosed(env_, framing_, *this, JournalOptionsFor(), floor,
                                              [this](uint64_t number, journal::RecordId first,
                                                     uint32_t count, std::string_view operations) {
                                                return Replay(number, Sequence{ToNumber(first)},
                                                              count, operations);
                                              }));
  read_only_sequence_ = Sequence{ToNumber(next) - 1};
  report.log_records = ToNumber(next) - ToNumber(floor.first_id);
  ShrinkCache();
  return {};
}

// There is no log ring. What the memtables take beyond its share and theirs, the cache gives.
void Engine::ShrinkCache() {
  const std::shared_ptr<const ReadState> state = CurrentState();
  const uint64_t taken = SealedBytes(*state) + state->active.table->memory_bytes();
  const uint64_t shared = memory_.ring_bytes + memory_.memtable_bytes + memory_.cache_bytes;
  const uint64_t left = shared - std::min(shared, taken);
  if (left >= memory_.cache_bytes) return;
  AIDB_CHECK(core_->tables.size() == 0);  // Or a TableFile could point into the old one.
  auto shrunk =
      std::make_shared<HandleCore>(core_->files, core_->wall, directory_, left, core_->tables_max);
  shrunk->clock.Raise(core_->clock.highest_ms());
  shrunk->expires.store(core_->expires.load());
  core_ = std::move(shrunk);
}

Status Engine::BuildVersion(const ManifestState& manifest) {
  VersionEdit all;
  for (const auto& [number, table] : manifest.tables) {
    all.added.push_back({.level = table.level, .run = table.run, .facts = table.facts});
    if (table.damaged) all.damaged.push_back(number);
  }
  AIDB_ASSIGN_OR_RETURN(std::shared_ptr<const Version> version,
                        Version::Empty(NoteIn(unused_))->Apply(all));
  auto state = std::make_shared<ReadState>();
  state->active.table = std::make_shared<Memtable>(MemtableOptionsAfter(nullptr));
  state->version = std::move(version);
  if (manifest.clock_ms_max > 0) {  // Kept since the first value that expires.
    core_->clock.Raise(static_cast<uint64_t>(manifest.clock_ms_max));
    core_->expires.store(true);
  }
  {
    MutexLock lock(work_mu_);
    pointers_ = manifest.pointers;
  }
  states_.Reset(std::move(state));
  return {};
}

Status Engine::CheckTablesPresent(const ManifestState& manifest) const {
  AIDB_ASSIGN_OR_RETURN(const std::vector<std::string> names, env_.files.List(directory_));
  for (const auto& [number, table] : manifest.tables) {
    if (!std::binary_search(names.begin(), names.end(), TableName(number))) {
      return Corruption(io::JoinPath(directory_, TableName(number)) +
                        ": is missing; the manifest names it with keys from '" +
                        table.facts.first_key + "' to '" + table.facts.last_key +
                        "'. Restore the file from a copy, or save the rest" +
                        RepairCommand(directory_));
    }
  }
  return {};
}

journal::JournalOptions Engine::JournalOptionsFor() const {
  journal::JournalOptions options;
  options.directory = directory_;
  // A log ends with its memtable, whose entries take less room in the log: more would only be
  // zero-filled in vain.
  options.file_bytes = std::min(options_.log_bytes, memory_.write_buffer_bytes);
  options.ring_bytes = memory_.ring_bytes;
  // Batches are held against batch_bytes_max before they come here. Those in the log were written
  // under other options, perhaps, and must not be taken for damage.
  options.record_bytes_max = kLogRecordBytesMax;
  if (options_.sync_interval_ms > 0) {
    options.strategy =
        journal::FlushStrategy::Periodic(std::chrono::milliseconds(options_.sync_interval_ms));
  }
  return options;
}

Status Engine::StartJournal(const journal::RecoveryFloor& floor, OpenReport& report) {
  AIDB_ASSIGN_OR_RETURN(journal::Journal::Opened opened,
                        journal::Journal::Open(env_, framing_, *this, JournalOptionsFor(), floor,
                                               [this](uint64_t number, journal::RecordId first,
                                                      uint32_t count, std::string_view operations) {
                                                 return Replay(number, Sequence{ToNumber(first)},
                                                               count, operations);
                                               }));
  journal_ = std::move(opened.journal);
  report.log_records = opened.report.records;
  report.quarantine = std::move(opened.report.quarantine);
  report.notes = std::move(opened.report.notes);
  for (const journal::FileReport& file : opened.report.files) {
    if (file.cut_bytes == 0) continue;
    report.notes.push_back(LogName(file.number) + ": " +
                           std::string(journal::VerdictName(file.verdict)) + " at offset " +
                           std::to_string(file.end) + ", " + std::to_string(file.cut_bytes) +
                           " bytes kept in quarantine");
  }
  for (const std::string& note : report.notes) env_.log.Log(LogLevel::kWarning, note);
  if (spilled_) AIDB_RETURN_IF_ERROR(Spill(0, MemtableOptionsAfter(nullptr)));
  MutexLock write_lock(write_mu_);
  states_.Change([&](ReadState& next) {
    if (next.active.log_number == 0) next.active.log_number = opened.active_number;
  });
  states_.ReleaseReplaced();
  active_ = CurrentState()->active.table.get();
  return {};
}

Status Engine::Replay(uint64_t log_number, Sequence first, uint32_t count,
                      std::string_view operations) {
  const std::vector<RangeDelete> range_deletes = RangeDeletesIn(operations, first);
  AIDB_RETURN_IF_ERROR(
      MakeReplayRoom(log_number, {operations.size(), count, range_deletes.size()}));
  const std::shared_ptr<const ReadState> state = CurrentState();
  Memtable& memtable = *state->active.table;
  MutexLock write_lock(memtable.write_mutex());
  if (!range_deletes.empty()) memtable.AddRangeDeletes(range_deletes);
  kv::WriteBatch::Reader reader(operations);
  std::string operand;
  for (uint32_t i = 0;; ++i) {
    AIDB_ASSIGN_OR_RETURN(const std::optional<kv::WriteBatch::Operation> operation, reader.Next());
    if (operation.has_value() != (i < count)) {
      return Corruption("a batch says it has " + std::to_string(count) +
                        " operations and has another number");
    }
    if (!operation) return {};
    AIDB_RETURN_IF_ERROR(CheckLogged(*operation));
    if (AIDB_CANARY_HIT(kHalfBatch) && i > 0) continue;
    if (operation->kind == OpKind::kNote) {
      memtable.AddNote(first + i);
      continue;
    }
    AIDB_RETURN_IF_ERROR(CountReplayed(*operation));
    if (operation->kind == OpKind::kDeleteRange) continue;
    if (kv::Expires(operation->kind)) core_->expires.store(true);
    memtable.Add(EntryOf(*operation, first + i, operand));
  }
}

// Counts the records alone, which took as much in the memtables of the engine that wrote them:
// what an engine with these options has closed is never refused, however much more it takes here.
Status Engine::CountReplayed(const kv::WriteBatch::Operation& operation) {
  replayed_bytes_ += Record::Bytes(operation.key.size(), operation.value.size(), operation.kind);
  if (options_.mode != kv::StoreMode::kReadOnly) return {};
  if (replayed_bytes_ <= memory_.memtable_bytes) return {};
  return ResourceExhausted("the log holds more than the " + std::to_string(memory_.memtable_bytes) +
                           " bytes that memtables may take, and a store opened read-only writes "
                           "no tables; raise write_buffer_bytes with memory_bytes, or open it "
                           "for writing once");
}

bool Engine::HasRoom(Memtable& memtable, const ReplayedBatch& batch) {
  MutexLock lock(memtable.write_mutex());
  return memtable.Fits(batch.bytes, 0, batch.count, batch.range_deletes);
}

// Logs were rolled where memtables were sealed, so a memtable is ended between two logs once it
// is half full: the new ones come out like the old.
//
// An engine with more memory may have left more than the memtables of this one hold. Then all
// that was replayed so far goes to a table, and what comes goes the same way, to the end: so no
// log is half in tables, and one edit names them all once recovery has ended. Opened read-only, it
// begins one more memtable instead.
Status Engine::MakeReplayRoom(uint64_t log_number, const ReplayedBatch& batch) {
  const bool next_log = replayed_log_ != log_number;
  replayed_log_ = log_number;
  std::shared_ptr<const ReadState> state = CurrentState();
  const bool half_full = state->active.table->memory_bytes() > memory_.write_buffer_bytes / 2;
  const bool ends = next_log && half_full && !state->active.table->empty() &&
                    state->sealed.size() < kSealedMax && !spilled_;
  if (state->active.log_number == 0 || ends) {
    SealReplayed(log_number);
    state = CurrentState();
  }
  if (HasRoom(*state->active.table, batch)) return {};
  // A batch that an engine with more memory took is taken, however large it is.
  const MemtableOptions alone = Memtable::OptionsFor(batch.bytes, batch.count, batch.range_deletes);
  if (options_.mode == kv::StoreMode::kReadOnly) {
    SealReplayed(log_number);
    if (!HasRoom(*CurrentState()->active.table, batch)) ReplaceReplayed(log_number, alone);
    return {};
  }
  MemtableOptions next = MemtableOptionsAfter(state->active.table.get());
  next.capacity_bytes = memory_.memtable_bytes;
  if (alone.capacity_bytes > next.capacity_bytes) next = alone;
  state.reset();
  return Spill(log_number, next);
}

// Begins a memtable that may take all that the sealed ones leave; read-only at least half of what
// they have, so that there are never many.
void Engine::SealReplayed(uint64_t log_number) {
  states_.Change([&](ReadState& next) {
    MemtableOptions options = MemtableOptionsAfter(next.active.table.get());
    if (!next.active.table->empty()) next.sealed.insert(next.sealed.begin(), next.active);
    // Its index stays that of a usual one: most replays end long before this capacity.
    const uint64_t taken = SealedBytes(next);
    uint64_t left = memory_.memtable_bytes - std::min(memory_.memtable_bytes, taken);
    if (options_.mode == kv::StoreMode::kReadOnly) left = std::max(left, taken / 2);
    options.expected_entry_bytes *= std::max<uint64_t>(1, left / options.capacity_bytes);
    options.capacity_bytes = left;
    next.active = {.table = std::make_shared<Memtable>(options), .log_number = log_number};
  });
  states_.ReleaseReplaced();
}

// Puts another memtable in the place of the active one, which is empty or not there.
void Engine::ReplaceReplayed(uint64_t log_number, const MemtableOptions& options) {
  states_.Change([&](ReadState& next) {
    next.active = {.table = std::make_shared<Memtable>(options), .log_number = log_number};
  });
  states_.ReleaseReplaced();
}

// The old memtables end before the next one takes memory, unless the caller holds them.
Status Engine::Spill(uint64_t log_number, const MemtableOptions& next) {
  AIDB_RETURN_IF_ERROR(WriteReplayed());
  const auto between = std::make_shared<ReadState>();
  {
    const std::shared_ptr<const ReadState> before = CurrentState();
    between->number = before->number + 1;
    between->version = before->version;
  }
  states_.Reset(between);
  states_.ReleaseReplaced();
  ReplaceReplayed(log_number, next);
  return {};
}

Status Engine::WriteReplayed() {
  const std::shared_ptr<const ReadState> state = CurrentState();
  std::vector<LoggedMemtable> memtables = state->sealed;
  memtables.insert(memtables.begin(), state->active);
  std::erase_if(memtables, [](const LoggedMemtable& m) { return m.table->empty(); });
  std::vector<std::unique_ptr<EntryCursor>> newest_first;
  std::vector<RangeDelete> range_deletes;
  for (const LoggedMemtable& memtable : memtables) {
    newest_first.push_back(memtable.table->NewCursor());
    memtable.table->range_deletes().AppendTo(range_deletes);
  }
  const auto entries = NewMergingCursor(std::move(newest_first));
  const uint64_t run = numbers_->Take();
  KeepRule rule = KeepRule::ForFlush({}, range_deletes);
  AIDB_ASSIGN_OR_RETURN(WrittenTables written, WriteTables(*entries, rule, TargetFor(0, run)));
  if (!spilled_) spilled_.emplace();
  for (TableFacts& facts : written.tables) {
    spilled_->added.push_back({.level = 0, .run = run, .facts = std::move(facts)});
  }
  if (!memtables.empty()) spilled_->last_sequence = memtables.front().table->highest_sequence();
  return {};
}

// No manifest but the one that is written now can come into force: its state is durable.
Status Engine::RemoveOrphans(Orphans which, OpenReport& report) {
  AIDB_ASSIGN_OR_RETURN(const std::vector<std::string> names, env_.files.List(directory_));
  uint64_t log_floor = 0;
  std::set<uint64_t> tables;
  {
    MutexLock lock(manifest_mu_);
    log_floor = manifest_->state().log_floor;
    for (const auto& [number, table] : manifest_->state().tables) tables.insert(number);
  }
  for (const std::string& name : names) {
    const std::optional<FileName> file = ParseFileName(name);
    if (!file) continue;  // Not ours.
    const bool table = file->kind == FileKind::kTable && !tables.contains(file->number);
    const bool other = (file->kind == FileKind::kLog && file->number < log_floor) ||
                       file->kind == FileKind::kTemporary;
    if (!table && (!other || which == Orphans::kTables)) continue;
    AIDB_RETURN_IF_ERROR(env_.files.Remove(io::JoinPath(directory_, name)));
    ++report.orphans_removed;
  }
  return {};
}

void Engine::StartScrub() {
  if (options_.scrub_period_s == 0) return;
  scrub_ = std::make_unique<Scrub>(
      env_, directory_, std::chrono::seconds(options_.scrub_period_s), core_->blocks, damage_,
      Scrub::Host{.version = [this] { return CurrentState()->version; },
                  .busy = [this] { return controller_.Slows(); },
                  .released = [this] { RemoveUnused(); },
                  .mark_damaged = [this](uint64_t number) { return MarkDamaged(number); }});
  tasks_.push_back(env_.executor.Start("lsm-scrub", [this] { scrub_->Main(); }));
}

void Engine::StartBackground() {
  StartScrub();
  const int threads = options_.background_threads != 0
                          ? options_.background_threads
                          : std::clamp(env_.executor.Parallelism() - 1, 1, 4);
  tasks_.push_back(env_.executor.Start("lsm-flush", [this] { FlushMain(); }));
  for (int i = 0; i < std::max(threads - 1, 1); ++i) {
    tasks_.push_back(env_.executor.Start("lsm-compact", [this] { CompactMain(); }));
  }
}

void Engine::StopBackground() {
  {
    MutexLock lock(work_mu_);
    stopping_.store(true, std::memory_order_release);
    work_cv_.NotifyAll();
    progress_cv_.NotifyAll();
  }
  if (scrub_ != nullptr) scrub_->Stop();
  tasks_.clear();  // Joins.
}

Status Engine::Close() {
  MutexLock closing(close_mu_);
  if (core_->closed.exchange(true, std::memory_order_acq_rel)) return {};
  StopBackground();  // Wakes the calls that wait for a flush.
  calls_.ShutAndWait();
  reads_.ShutAndWait();
  if (journal_ != nullptr) RemoveUnused();  // What handles have let go since the last job.
  Status status;
  if (journal_ != nullptr) {
    auto end = journal_->Close();
    status = end.status();
    if (status.ok() && !failed_.load(std::memory_order_acquire)) {
      VersionEdit edit;
      edit.clean_shutdown = ClosedLog{.number = end->number,
                                      .size_bytes = end->offset,
                                      .last = Sequence{ToNumber(journal_->published_id())}};
      edit.clock_ms_max = ClockToKeep();
      MutexLock lock(manifest_mu_);
      status = manifest_->Append(edit).Annotate("mark the store as closed");
    }
  }
  lock_.reset();
  return status;
}

}  // namespace aidb::lsm

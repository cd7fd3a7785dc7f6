#pragma once

// The native engine: a log-structured merge tree (O'Neil et al., 1996) over the journal.
//
//   Write ──► journal ──► active memtable ──full──► sealed memtables ──flush──► level 0 tables
//                                                                                  │ compaction
//   Get, Scan: memtables, level 0 newest first, one table per deeper level  ◄── levels 1…6
//
// What is where:
//   engine.cc             writes, sealing
//   engine_read.cc        reads, snapshots, conditional writes
//   engine_open.cc        open: manifest, log, orphans; close
//   engine_background.cc  flush, compaction, removal of unused files
//   engine_checkpoint.cc  copies of the store while it is in use
//   engine_updates.cc     who follows it
//   engine_ingest.cc      sorted files that become tables of it
//
// One writer at a time appends to the journal and inserts into the memtable; readers never wait
// for it. A read looks at one ReadState, which holds everything it may look at, and one sequence.

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "aidb/base/call_gate.h"
#include "aidb/base/sync.h"
#include "aidb/io/guard/sync_guard.h"
#include "aidb/journal/journal.h"
#include "aidb/kv/expiry_clock.h"
#include "aidb/kv/ingester.h"
#include "aidb/kv/merge.h"
#include "aidb/kv/update_feed.h"
#include "aidb/lsm/block_cache.h"
#include "aidb/lsm/compaction.h"
#include "aidb/lsm/compaction_picker.h"
#include "aidb/lsm/controller.h"
#include "aidb/lsm/damage_notes.h"
#include "aidb/lsm/failing_tables.h"
#include "aidb/lsm/file_names.h"
#include "aidb/lsm/log_framing.h"
#include "aidb/lsm/manifest.h"
#include "aidb/lsm/memtable.h"
#include "aidb/lsm/open.h"
#include "aidb/lsm/operands.h"
#include "aidb/lsm/range_compaction.h"
#include "aidb/lsm/read_state.h"
#include "aidb/lsm/scrub.h"
#include "aidb/lsm/snapshot_list.h"
#include "aidb/lsm/sorted_file.h"
#include "aidb/lsm/table_cache.h"
#include "aidb/lsm/table_writer.h"
#include "aidb/lsm/version.h"
#include "aidb/metrics/counter.h"

namespace aidb::lsm {

// What every call on a closed store gives.
inline Status Closed() { return Unavailable("the store is closed"); }

// Numbers of tables that nobody needs any more, waiting to be deleted. Outlives the engine with
// the last iterator.
class UnusedTables {
 public:
  void Note(uint64_t number) AIDB_EXCLUDES(mu_) {
    MutexLock lock(mu_);
    numbers_.push_back(number);
  }
  std::vector<uint64_t> Take() AIDB_EXCLUDES(mu_) {
    MutexLock lock(mu_);
    return std::exchange(numbers_, {});
  }

 private:
  Mutex mu_;
  std::vector<uint64_t> numbers_ AIDB_GUARDED_BY(mu_);
};

// How memory_bytes is split. A sixteenth stays for iterators and compaction buffers.
struct MemoryPlan {
  uint64_t ring_bytes = 0;
  uint64_t write_buffer_bytes = 0;
  // All memtables together: three write buffers, or what the largest batch takes, if not more.
  uint64_t memtable_bytes = 0;
  uint64_t cache_bytes = 0;

  static MemoryPlan For(const kv::Options& options);
  // What sealed memtables of so many bytes are measured against: three write buffers, as no more
  // of the usual size are sealed, or all there is once a large batch is among them.
  uint64_t BudgetFor(uint64_t sealed_bytes) const;
  // kInvalidArgument naming the options that ask for more than memory_bytes, and the way out.
  Status Check(const kv::Options& options) const;
};

// What handles share with the engine, so that they may outlive it.
struct HandleCore {
  HandleCore(io::FileSystem& files, const Clock& wall, const std::string& directory,
             uint64_t cache_bytes, size_t tables_max)
      : files(files),
        wall(wall),
        tables_max(tables_max),
        clock{wall},
        blocks(cache_bytes),
        tables(files, directory, blocks, tables_max) {}

  // What a read judges expiry by.
  uint64_t NowMs() const { return expires.load(std::memory_order_acquire) ? clock.NowMs() : 0; }

  io::FileSystem& files;  // Outlives the engine, unlike its guard.
  const Clock& wall;
  const size_t tables_max;
  const kv::ExpiryClock clock;
  // Whether a value that expires was ever written. Until then no read asks for the time. Set before
  // the first one is visible.
  std::atomic<bool> expires{false};
  BlockCache blocks;
  TableCache tables;
  SnapshotList snapshots;
  std::atomic<bool> closed{false};
};

// See kv::Store for the contract.
//
// Thread safety: any thread may call any method.
// Lifetime: see OpenStore.
class Engine final : public kv::Store,
                     public kv::ConditionalWriter,
                     public kv::RangeCompactor,
                     public kv::Checkpointer,
                     public kv::UpdateFeed,
                     public kv::Ingester,
                     private journal::JournalFiles {
 public:
  static Result<std::unique_ptr<Engine>> Open(const io::Env& env, std::string_view directory,
                                              const kv::Options& options, OpenReport& report,
                                              const kv::MergeFunction* merge = nullptr);
  // Without Close: leaves what SIGKILL would.
  ~Engine() override;

  Result<Sequence> Write(kv::WriteBatch batch, const kv::WriteOptions& options) override;
  Result<Sequence> WriteIf(const kv::Precondition& unchanged, kv::WriteBatch batch,
                           const kv::WriteOptions& options) override;
  Result<std::optional<kv::PinnedValue>> Get(std::string_view key,
                                             const kv::ReadOptions& options) const override;
  std::vector<Result<std::optional<kv::PinnedValue>>> MultiGet(
      std::span<const std::string_view> keys, const kv::ReadOptions& options) const override;
  kv::Iterator Scan(const kv::ScanOptions& options) const override;
  kv::Snapshot TakeSnapshot() const override;
  Status Sync() override;
  Status Flush() override;
  Status Compact(const kv::ScanRange& range) override;
  Status Checkpoint(std::string_view directory) override;
  Result<kv::Updates> UpdatesSince(Sequence from, const kv::UpdateOptions& options) override;
  Result<Sequence> Ingest(std::span<const std::string> files, std::string_view below = {}) override;
  kv::StoreStats Stats() const override;
  Status Close() override;

  // Returns when the memtables are flushed and no level is above its target.
  Status WaitForCompaction();

 private:
  static constexpr size_t kSealedMax = 2;
  // Runs of level 0 above the trigger at which nothing is flushed before a compaction begins to
  // merge them.
  static constexpr uint64_t kLevel0RunsOverMax = Controller::kRunsMax;

  // One read: what it looks at and where it stands. Good while the call is inside reads_.
  struct View {
    const ReadState* state = nullptr;
    Sequence sequence{};
    std::optional<uint64_t> now_ms{};  // The snapshot's; else read when it is first needed.
  };
  // The same for as long as it is kept.
  struct SharedView {
    std::shared_ptr<const ReadState> state;
    Sequence sequence{};
    std::optional<uint64_t> now_ms{};
  };
  struct Found {
    OpKind kind{};
    Sequence sequence{};
    kv::PinnedValue value;
    uint64_t expires_at_ms = 0;
  };
  class SnapshotHandle;

  Engine(const io::Env& env, std::string directory, const kv::Options& options,
         const kv::MergeFunction* merge);

  // engine.cc
  Status CheckWritable() const;
  void Delay(uint64_t bytes);
  // `batch` as it is written: range deletes have ends, merges are folded but those that can wait.
  Result<kv::WriteBatch> Folded(kv::WriteBatch batch, Instant deadline) const
      AIDB_REQUIRES(write_mu_);
  Result<kv::WriteBatch> WithEnds(const kv::WriteBatch& batch) const AIDB_REQUIRES(write_mu_);
  Result<Sequence> WriteLocked(const kv::WriteBatch& batch, Instant deadline,
                               const kv::WriteOptions& options) AIDB_REQUIRES(write_mu_);
  bool ActiveFits(const kv::WriteBatch& batch) const AIDB_REQUIRES(write_mu_);
  Status MakeRoom(const kv::WriteBatch& batch, Instant deadline) AIDB_REQUIRES(write_mu_);
  Status TooLarge(const kv::WriteBatch& batch, uint64_t memory_bytes) const;
  static uint64_t SealedBytes(const ReadState& state);
  void ReplaceEmptyActive(const MemtableOptions& options) AIDB_REQUIRES(write_mu_);
  Status WaitForFlush(const ReadState& seen, Instant deadline) AIDB_REQUIRES(write_mu_);
  Status Seal(Instant deadline) AIDB_REQUIRES(write_mu_);
  Status WaitDurable(Sequence sequence);
  Status WaitFlushed(uint64_t floor, size_t sealed_max) AIDB_EXCLUDES(work_mu_);
  MemtableOptions MemtableOptionsAfter(const Memtable* before) const;
  Instant WriteDeadline() const;
  uint64_t NextNumber() override { return numbers_->Take(); }
  std::string NameOf(uint64_t number) const override { return LogName(number); }
  std::optional<uint64_t> NumberOf(std::string_view name) const override;

  // engine_read.cc
  Result<View> TakeView(const kv::Snapshot* snapshot) const;
  Result<SharedView> TakeSharedView(const kv::Snapshot* snapshot) const;
  std::shared_ptr<const ReadState> CurrentState() const { return states_.Share(); }
  Sequence VisibleSequence() const;
  static Found FoundIn(TableReader::Found&& entry) {
    return {entry.kind, entry.sequence, std::move(entry.value), entry.expires_at_ms};
  }
  static std::optional<Found> FindIn(const LoggedMemtable& memtable, const HashedKey& key,
                                     Sequence at);
  // The newest entry that is not newer than `at`. With `operands` below those of merges, which it
  // gets.
  Result<std::optional<Found>> Find(const ReadState& state, const HashedKey& key, Sequence at,
                                    OperandChain* operands = nullptr) const;
  // What the key holds at `at`.
  Result<std::optional<kv::PinnedValue>> Read(const ReadState& state, const HashedKey& key,
                                              Sequence at, std::optional<uint64_t>& now_ms) const;
  void Count(const ReadCounters& counters) const;
  // `now_ms` is a view's, and is set when it is needed and was not.
  std::optional<kv::PinnedValue> ValueOf(std::optional<Found> found,
                                         std::optional<uint64_t>& now_ms) const;
  // Without the entries that a range delete hides at `at`; with all of them if there is none given.
  // Borrows `state` and this engine's core.
  std::unique_ptr<EntryCursor> NewStateCursor(const ReadState& state, const kv::ScanRange& range,
                                              CacheFill fill, std::optional<Sequence> at) const;
  // The first key in `range` that a range delete above `since` covers.
  Result<std::optional<std::string>> FirstRangeDeleted(const ReadState& state,
                                                       const kv::ScanRange& range,
                                                       Sequence since) const;
  Status CheckRangeUnchanged(const ReadState& state, const kv::ScanRange& range,
                             Sequence since) const AIDB_REQUIRES(write_mu_);
  Status CheckUnchanged(const kv::Precondition& unchanged) const AIDB_REQUIRES(write_mu_);
  uint64_t LogBytes() const;
  void AddLevelStats(const Version& version, kv::StoreStats& stats) const;

  // engine_multi_get.cc
  class KeysTogether;

  // engine_open.cc
  Status OpenLocked(OpenReport& report);
  Status OpenNew(OpenReport& report);
  Status OpenExisting(ManifestFound found, OpenReport& report);
  void RemoveSpilled();
  Status ContinueManifest(ManifestFound found) AIDB_EXCLUDES(manifest_mu_);
  Status OpenReadOnly(const ManifestFound& found, OpenReport& report);
  void ShrinkCache();
  Status BuildVersion(const ManifestState& state);
  Status CheckTablesPresent(const ManifestState& state) const;
  Status StartJournal(const journal::RecoveryFloor& floor, OpenReport& report);
  Status Replay(uint64_t log_number, Sequence first, uint32_t count, std::string_view operations);
  struct ReplayedBatch {
    uint64_t bytes = 0;
    uint32_t count = 0;
    size_t range_deletes = 0;
  };
  Status MakeReplayRoom(uint64_t log_number, const ReplayedBatch& batch);
  Status CountReplayed(const kv::WriteBatch::Operation& operation);
  static bool HasRoom(Memtable& memtable, const ReplayedBatch& batch);
  void SealReplayed(uint64_t log_number);
  void ReplaceReplayed(uint64_t log_number, const MemtableOptions& options);
  Status Spill(uint64_t log_number, const MemtableOptions& next);
  Status WriteReplayed();
  enum class Orphans : bool { kTables, kAll };
  Status RemoveOrphans(Orphans which, OpenReport& report);
  void StartBackground();
  void StartScrub();
  void StopBackground();
  journal::JournalOptions JournalOptionsFor() const;

  // engine_ingest.cc
  Status PlaceFiles(std::vector<SortedFile>& files);
  Result<Sequence> InstallFiles(std::vector<SortedFile>& files) AIDB_REQUIRES(write_mu_);
  // Levels that the files' tables may take. Those of level 0 are newer than every memtable.
  Result<std::vector<AddedTable>> ChoosePlaces(const std::vector<SortedFile>& files,
                                               Instant deadline) AIDB_REQUIRES(write_mu_);
  int PlaceFor(const ReadState& state, const TableFacts& facts) const AIDB_REQUIRES(work_mu_);
  Status FlushBefore(const ReadState& state, Instant deadline) AIDB_REQUIRES(write_mu_);
  Status InstallAt(Sequence sequence, std::vector<AddedTable> tables, std::string_view note)
      AIDB_REQUIRES(write_mu_);
  Status AppendNote(Sequence sequence, std::string_view note, Instant deadline)
      AIDB_REQUIRES(write_mu_);
  void EndPlacing(const std::vector<AddedTable>& tables) AIDB_EXCLUDES(work_mu_);
  // During open: the note of an ingest that a crash kept from the log.
  Status NoteIngestAgain() AIDB_EXCLUDES(write_mu_);

  // engine_background.cc
  bool FlushIsDue() const AIDB_REQUIRES(work_mu_);
  void FlushMain();
  void CompactMain();
  Status FlushOldest() AIDB_EXCLUDES(work_mu_);
  // What the background leaves alone: what running jobs have, and what compactions by hand wait
  // for, which would wait for ever if something else always came first.
  BusyTables BusyOrAwaited() const AIDB_REQUIRES(work_mu_);
  // A job that was chosen while no other had its tables: BeginJob under the same lock, then RunJob.
  void BeginJob(const CompactionJob& job) AIDB_REQUIRES(work_mu_);
  CompactionOutcome RunJob(const CompactionJob& job, const Version& version)
      AIDB_EXCLUDES(work_mu_);
  CompactionOutcome Merge(const CompactionJob& job, const Version& version) AIDB_EXCLUDES(work_mu_);
  // Chooses and runs the next job of a compaction by hand; false when none is left.
  Result<bool> RunNextOf(RangeCompaction& compaction) AIDB_EXCLUDES(work_mu_);
  void NoteInputs(const CompactionJob& job, const CompactionOutcome& outcome)
      AIDB_REQUIRES(work_mu_);
  TableTarget TargetFor(int level, uint64_t run);
  TableOptions TableOptionsFor(int level, uint64_t run) const;
  void AfterJob(uint64_t bytes_written, Instant begin) AIDB_EXCLUDES(work_mu_);
  // Reads go on; only another open writes again.
  void StopWriting(const std::string& why) AIDB_EXCLUDES(work_mu_);
  // For an edit: the time that no later life may go back behind; none while nothing expires.
  std::optional<int64_t> ClockToKeep() const;
  Status InstallEdit(const VersionEdit& edit, const Memtable* flushed) AIDB_EXCLUDES(manifest_mu_);
  // So that no compaction picks the table; one that is gone needs no mark.
  Status MarkDamaged(uint64_t number) AIDB_EXCLUDES(manifest_mu_, work_mu_);
  void KeepOrRemoveAdded(const VersionEdit& edit) AIDB_REQUIRES(manifest_mu_);
  // Runs of level 0 that wait for compaction. Those that a job merges do not, or a long job would
  // stop flushes; unless the last job failed, as this one may.
  uint64_t Level0Waiting(const ReadState& state) const AIDB_REQUIRES(work_mu_);
  // At this many runs flushes wait, and with them writers: level 0 has a bound even while
  // compaction fails, that of a job's runs, kLevel0JobRunsMax, and the limit.
  bool Level0Full(const ReadState& state) const AIDB_REQUIRES(work_mu_);
  Status Level0Trouble(const ReadState& state) const AIDB_REQUIRES(work_mu_);
  void RemoveUnused();
  // Those below `floor`, but for what a feed still needs.
  void RemoveOldLogs(uint64_t floor);
  void UpdateBacklog();
  // Keeps the outcome of a job in view; after a failure waits a little before the next try.
  enum class JobKind : bool { kFlush, kCompaction };
  void NoteOutcome(JobKind kind, const Status& status) AIDB_EXCLUDES(work_mu_);
  bool Stopping() const { return stopping_.load(std::memory_order_acquire); }

  io::SyncGuard guard_;  // The directory's, for the journal, the manifest and tables alike.
  const io::Env env_;    // Its files are the guard's.
  io::SyncGuard checkpoint_parents_;  // Directories that checkpoints are put into.
  const std::string directory_;
  const kv::Options options_;
  const MemoryPlan memory_;
  const kv::Merger merger_;
  std::shared_ptr<HandleCore> core_;  // The same from the end of Open on.
  const std::shared_ptr<UnusedTables> unused_;
  const LogFraming framing_;
  const CompactionShape shape_;
  const CompactionPicker picker_;
  std::unique_ptr<FileNumbers> numbers_;
  std::unique_ptr<io::DirectoryLock> lock_;
  std::unique_ptr<journal::Journal> journal_;  // Null when read-only.
  Sequence read_only_sequence_{};
  uint64_t replayed_log_ = 0;    // During open: where the last record came from.
  uint64_t replayed_bytes_ = 0;  // During open: what the records of all entries take.
  // During open, once memory did not suffice: tables of what was replayed, which no manifest
  // names yet.
  std::optional<VersionEdit> spilled_;

  // Calls in progress, but for those that work on a closed store as well. In reads_ are those
  // that look at a state without a reference: one Get at most, which waits for the disk alone, and
  // for no lock that is held while somebody waits for reads_.
  mutable CallGate reads_;
  mutable CallGate calls_;
  // Held for all of Close, I/O included: a second Close returns when the first is done.
  Mutex close_mu_;

  // Serialises writers. Held across waits for room: whoever comes later would wait as well.
  mutable Mutex write_mu_;
  // The active memtable of the newest state, which keeps it: only a writer seals it.
  Memtable* active_ AIDB_GUARDED_BY(write_mu_) = nullptr;

  ReadStates states_{reads_};

  // Salts of sorted files of which a sync has failed: no link to one is synced again.
  Mutex ingest_mu_;
  std::set<uint64_t> never_linked_ AIDB_GUARDED_BY(ingest_mu_);

  // Serialises edits. Held across the manifest's writes: edits have one order on disk.
  mutable Mutex manifest_mu_;
  std::unique_ptr<Manifest> manifest_ AIDB_GUARDED_BY(manifest_mu_);
  // Tables of edits that failed and may still be found after a crash; deleted once an edit is
  // durable in a manifest without them.
  std::vector<TableFacts> doubtful_ AIDB_GUARDED_BY(manifest_mu_);

  // Background work. Lock order: close_mu_, write_mu_, manifest_mu_, work_mu_; those of
  // states_ come last.
  mutable Mutex work_mu_;
  CondVar work_cv_;      // Work may have appeared, or the engine stops.
  CondVar progress_cv_;  // A job has ended, well or badly.
  uint64_t jobs_running_ AIDB_GUARDED_BY(work_mu_) = 0;
  BusyTables busy_tables_ AIDB_GUARDED_BY(work_mu_);
  std::map<const RangeCompaction*, BusyTables> awaited_ AIDB_GUARDED_BY(work_mu_);
  CompactionPointers pointers_ AIDB_GUARDED_BY(work_mu_);
  FailingTables failing_tables_ AIDB_GUARDED_BY(work_mu_);
  // Passing: the last job of the kind failed and is tried again.
  Status flush_trouble_ AIDB_GUARDED_BY(work_mu_);
  Status compaction_trouble_ AIDB_GUARDED_BY(work_mu_);
  int flush_failures_ AIDB_GUARDED_BY(work_mu_) = 0;  // In a row.
  int compaction_failures_ AIDB_GUARDED_BY(work_mu_) = 0;
  Status failure_ AIDB_GUARDED_BY(work_mu_);  // For good: the engine is read-only.
  Controller controller_;
  std::atomic<bool> stopping_{false};
  std::atomic<bool> failed_{false};

  // Statistics. Those that calls add to are striped; the others are relaxed: they order nothing.
  struct Counters {
    metrics::Counter writes;
    metrics::Counter gets;
    metrics::Counter scans;
    metrics::Counter user_bytes;
    metrics::Counter filter_useful;
    metrics::Counter filter_false;
    std::atomic<uint64_t> flushes{0};
    std::atomic<uint64_t> compactions{0};
    std::atomic<uint64_t> delays{0};
    std::atomic<uint64_t> delay_us{0};
    std::array<std::atomic<uint64_t>, kLevels> level_read{};
    std::array<std::atomic<uint64_t>, kLevels> level_written{};
  };
  mutable Counters counters_;

  DamageNotes damage_;
  std::unique_ptr<Scrub> scrub_;  // From the end of Open on; null: there is none.
  std::vector<std::unique_ptr<io::Task>> tasks_;
};

}  // namespace aidb::lsm

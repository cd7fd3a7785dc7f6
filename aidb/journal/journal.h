#pragma once

// How bytes reach a file in order.
//
// A journal is one endless run of byte positions, cut into files. Four marks, only growing, say
// everything:
//
//    older files      sealed | active file                                     | next, ready
//    ------------------------+----------+-----------+------------+-------------+------------
//                       durable <=  written <=  published <=  reserved
//                       on disk     in the      copied and    promised to
//                                   page cache  visible       one appender
//          bytes a re-drive needs  +------------ ring ----------+
//
// Appending takes no system call: Append reserves ids and bytes under a short lock, encodes into
// the ring outside it, and Publish moves `published` over the unbroken prefix. A flusher writes
// the ring to the file; whoever waits for durability first becomes the driver: it waits a moment
// for those of the last group (sync_group.h), writes and syncs once what is published, and wakes
// all of them.
//
// After a failed write or sync the file is dead: it is never written or synced again. One
// re-drive writes everything not yet durable to a new file, framed anew for its new place, and
// only when that file is synced and named does anything go on (journal_redrive.cc).
//
// Sources: group commit (Gray and Reuter 1993, 9.4); write-ahead logging (ARIES, Mohan et al.
// 1992); fsync failures (Rebello et al., USENIX ATC 2020).

#include <array>
#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "aidb/base/call_gate.h"
#include "aidb/base/sync.h"
#include "aidb/io/env.h"
#include "aidb/io/guard/sync_guard.h"
#include "aidb/journal/file_table.h"
#include "aidb/journal/identity.h"
#include "aidb/journal/options.h"
#include "aidb/journal/ring.h"
#include "aidb/journal/sync_group.h"
#include "aidb/journal/tail.h"

namespace aidb::journal {

struct Recovered;

// What happened since Open.
struct JournalStats {
  uint64_t records = 0;
  uint64_t bytes = 0;       // Published, framing included.
  uint64_t writes = 0;      // Calls that wrote ring bytes to a file.
  uint64_t syncs = 0;       // Successful syncs of files.
  uint64_t sync_us = 0;     // Time spent in them.
  uint64_t room_waits = 0;  // Appends that had to wait.
  uint64_t rolls = 0;
  uint64_t redrives = 0;
  uint64_t unsynced_bytes = 0;
  bool ring_survives_kill = false;  // Otherwise every append writes before it returns.
  uint64_t tails = 0;
  uint64_t tail_lag_bytes = 0;  // Of the slowest.
};

// Thread safety: any thread may call any method, Close included; the destructor comes last.
// Lifetime: owns its files and ring; borrows Env, framing and JournalFiles.
class Journal {
 public:
  // A record on its way: between Append and Publish. Must be published, soon: everything behind
  // it waits.
  struct Appended {
    RecordId first_id{};
    RecordId last_id{};
    uint64_t file_number = 0;
    uint64_t slot = 0;
    uint64_t end_position = 0;
  };
  struct Opened {
    std::unique_ptr<Journal> journal;
    RecoveryReport report;
    uint64_t active_number = 0;  // The file that takes the next record.
  };

  // Recovers what is there (recovery.h), hands it to `sink`, and starts a new file. The caller
  // holds the directory's lock.
  static Result<Opened> Open(const io::Env& env, const Framing& framing, JournalFiles& names,
                             JournalOptions options, const RecoveryFloor& floor,
                             const RecordSink& sink);
  // Stops the tasks. Published records are in the ring or in a file; nothing is synced.
  ~Journal();

  // Gives the record its ids and copies it. Waits for room until `deadline`, then fails with
  // kResourceExhausted. On any error no id was taken and nothing happened, but for kIoError: a
  // record above a quarter of the ring, whose write or sync failed, may then be found after a
  // crash, if no id was given since. The message says whether.
  Result<Appended> Append(const Record& record, Instant deadline);
  // What the caller of Publish does next.
  enum class Next : uint8_t {
    kGoesOn,
    kWaitsDurable,  // Calls WaitDurable at once, and so writes what the flusher need not then.
  };
  // Makes it visible and safe from a kill; returns when all records before it are, too. False:
  // visible, but without a ring that outlives the process its bytes have not reached the page
  // cache, and health() says why. Where the ring survives a kill it never is false.
  bool Publish(const Appended& appended, Next next = Next::kGoesOn);
  // ok: the record is on the disk. Anything else: it is published and not yet known to be durable.
  // A caller whose deadline has passed may still find itself driving one sync to its end.
  Status WaitDurable(RecordId id, Instant deadline);
  // ok: everything published before the call is on the disk.
  Status Flush(Instant deadline);
  // Ends the active file; the next record goes to a new one, whose number is returned.
  Result<uint64_t> Roll(Instant deadline);
  // The owner has the records of all files below `number` durable elsewhere: they count as
  // durable here and are neither synced any more nor, unless a tail needs them, written.
  void Retire(uint64_t number);

  // A reader of all records behind `after`, which is published (tail.h). kResourceExhausted when
  // the files do not hold the next one any more.
  Result<std::unique_ptr<Tail>> Follow(RecordId after, const TailOptions& options);
  // The owner needs no file below `number` and may remove what is below the number returned: tails
  // need the others.
  uint64_t Release(uint64_t number);
  // The first record that a tail can begin with.
  RecordId oldest_id() const { return table_.oldest(); }

  RecordId published_id() const { return RecordId{published_id_.load(std::memory_order_acquire)}; }
  RecordId durable_id() const { return RecordId{durable_id_.load(std::memory_order_acquire)}; }
  uint64_t active_offset() const;
  // Why the journal stopped taking records; ok while healthy.
  Status health() const;
  JournalStats stats() const;

  // Refuses new records, makes everything durable, stops its tasks, and frees what it had laid out
  // ahead. Where it ended, for the mark of an orderly close. The marks stay readable.
  Result<DurableEnd> Close();

 private:
  friend class Tail;

  static constexpr uint64_t kSlots = 1024;
  static constexpr uint64_t kFlushBytes = uint64_t{256} << 10;
  // Ended files that no sync has covered, which only the Async strategy lets be. An owner that
  // retires files as it stores their records elsewhere does not get here.
  static constexpr size_t kUnsyncedFilesMax = 8;

  struct Slot {
    uint64_t end_position = 0;
    uint64_t end_id = 0;
    std::atomic<bool> done{false};
  };
  // One file that may still get bytes or a sync.
  struct FileSpan {
    uint64_t number = 0;
    uint64_t begin = 0;         // Its first position.
    uint64_t end = UINT64_MAX;  // Behind its last; open for the active file.
    uint64_t start = 0;         // Position of offset 0, modulo 2^64.
    uint64_t last_id = 0;       // Of its last record, once ended.
    OpenFacts open{};           // What its head says of the file before.
    std::shared_ptr<io::File> file{};
    bool dead = false;  // A write or sync failed: house rule 4.
  };
  // A caller of WaitDurable, while another drives. Whoever takes it out of waiters_ wakes it.
  struct Waiter {
    bool Sleep(Instant deadline);
    void Wake();

    const uint64_t id;
    Mutex mu{};
    CondVar cv{};
    bool woken AIDB_GUARDED_BY(mu) = false;
  };
  struct Prepared {
    uint64_t number = 0;
    std::shared_ptr<io::File> file;
  };
  enum class Goal : uint8_t {
    kWrite,
    kSyncOldest,  // Write, and sync the oldest file if it is ended.
    kSync,
  };
  // What the flusher should do now, and when to look again.
  struct Due {
    bool mark = false;
    std::optional<Goal> drive{};
    Instant next = Instant::Never();
  };

  Journal(const io::Env& env, const Framing& framing, JournalFiles& names, JournalOptions options,
          Identity identity, Ring ring);

  // journal_open.cc
  Status Begin(const Recovered& recovered);
  // `expected_bytes`: what the file will probably come to hold.
  Result<Prepared> PrepareFile(uint64_t expected_bytes);
  // Makes the names in the directory durable; once that has failed, always fails. The file system
  // may have lost names that nobody has touched since, and would say ok to the next sync of the
  // same directory (house rule 4).
  void StopForLostNames(const Status& cause);
  void PreparerMain();
  void StopTasks();
  // Gives back what was laid out ahead: the file prepared next, and zeros behind the last record.
  void TrimFiles() AIDB_REQUIRES(ticket_mu_);

  // journal.cc: intake
  Status CheckIntake() AIDB_REQUIRES(ticket_mu_);
  bool HasRoom(uint64_t bytes, uint64_t ids) const AIDB_REQUIRES(ticket_mu_);
  // Waits for the next change of what HasRoom or RollLocked look at. `seen` is room_changes_ from
  // before the caller looked.
  Status WaitForRoom(uint64_t seen, Instant deadline) AIDB_REQUIRES(ticket_mu_);
  void AskForNextFile(uint64_t expected_bytes);
  Status RollLocked(uint64_t seen, Instant deadline) AIDB_REQUIRES(ticket_mu_);
  std::optional<Prepared> PeekNextFile(Status& why_none) AIDB_REQUIRES(ticket_mu_);
  Status StartFile(Prepared next, const OpenFacts& open) AIDB_REQUIRES(ticket_mu_);
  // Nullopt: the active file has changed meanwhile; look again.
  Result<std::optional<Appended>> AppendDirect(const Record& record) AIDB_REQUIRES(ticket_mu_);
  Result<bool> WriteDirect(uint64_t position, const Place& place, const Record& record);
  Status DropDirect(const FileSpan& span, uint64_t offset, const Status& why, bool may_be_whole);
  void AppendControl(ControlKind kind, const OpenFacts& open) AIDB_REQUIRES(ticket_mu_);
  Appended TakeSlot(uint64_t bytes, uint32_t ids) AIDB_REQUIRES(ticket_mu_);
  Place PlaceAt(uint64_t position) const AIDB_REQUIRES(ticket_mu_);
  void EncodeInto(uint64_t position, uint64_t bytes, const Place& place, const Record& record);
  void MarkDone(uint64_t slot);
  void WaitPublished(uint64_t slot);
  bool WaitWritten(uint64_t position);
  void WakeFlusherIfDue(const Appended& appended);
  void AdvancePublished();
  void WaitDrained() AIDB_REQUIRES(ticket_mu_);
  void NotifyRoom();
  void KickFlusher();

  // journal_wait.cc: the driver is whoever set driving_; it alone writes and syncs.
  void BecomeDriver() AIDB_REQUIRES(io_mu_);
  void StopDriving() AIDB_REQUIRES(io_mu_);
  std::vector<Waiter*> StopDrivingForWaiters() AIDB_REQUIRES(io_mu_);
  Status DriveUnlocked(Goal goal, bool for_group = false) AIDB_REQUIRES(io_mu_);
  Status SyncForGroup() AIDB_REQUIRES(io_mu_);

  // journal_drive.cc: output.
  void FlusherMain();
  Due DueNow(Instant now) AIDB_REQUIRES(io_mu_);
  void WriteForTails(const FileSpan& span);
  Status Drive(Goal goal);
  Status DriveOnce(Goal goal);
  Status WriteTo(uint64_t position);
  Status SyncTo(uint64_t position, uint64_t id);
  Status SyncOldest();
  Status SyncFile(const FileSpan& span);
  std::optional<FileSpan> SpanAt(uint64_t position);
  Status FailedBefore(const FileSpan& span) const;
  void MarkDead(uint64_t number);
  void AdvanceWritten(uint64_t position);
  void AdvanceDurable(uint64_t position, uint64_t id);
  void AdvanceDurableId(uint64_t id);
  void AppendIdleMark();

  // journal_redrive.cc
  Status Redrive(const Status& cause);
  Status RedriveLocked(const Status& cause) AIDB_REQUIRES(ticket_mu_);
  OpenFacts HeadAfter(const FileSpan& front, uint64_t from) AIDB_REQUIRES(ticket_mu_);
  Result<std::string> BytesAt(const FileSpan& span, uint64_t from, uint64_t count)
      AIDB_REQUIRES(ticket_mu_);
  struct NewFile {
    Prepared file;
    OpenFacts open;
    uint64_t size = 0;
  };
  Result<NewFile> WriteAnew(const std::vector<FileSpan>& spans, uint64_t from)
      AIDB_REQUIRES(ticket_mu_);
  Result<uint64_t> FrameAnew(const std::vector<FileSpan>& spans, uint64_t from, io::File& file,
                             uint64_t number, OpenFacts& open) AIDB_REQUIRES(ticket_mu_);
  void DropPrepared(uint64_t number) AIDB_REQUIRES(ticket_mu_);
  Status Fail(const Status& cause);

  // tail.cc
  // Whether the record that the tail waits for is there. kUnavailable when it will never be.
  Result<bool> WaitForTail(Tail& tail, Duration wait);
  uint64_t PublishedEndOf(const FileTable::File& file) const;
  uint64_t WrittenEndOf(const FileTable::File& file) const;
  // Published bytes, while the ring still has all of them.
  bool CopyFromRing(uint64_t position, std::span<std::byte> out);
  void WakeDurableTails();
  void WakeTails();
  void EndTails();

  const io::Env env_;
  io::SyncGuard guard_;  // Syncs the directory.
  const Framing& framing_;
  JournalFiles& names_;
  const JournalOptions options_;
  const Identity identity_;
  Ring ring_;

  // Intake. Lock order: copy_mu_, ticket_mu_, then io_mu_ or prepare_mu_; then publish_mu_.
  alignas(64) mutable Mutex ticket_mu_;
  CondVar room_cv_;
  uint64_t next_id_ AIDB_GUARDED_BY(ticket_mu_) = 1;
  uint64_t reserved_ AIDB_GUARDED_BY(ticket_mu_) = 0;
  uint64_t next_slot_ AIDB_GUARDED_BY(ticket_mu_) = 0;
  uint64_t active_number_ AIDB_GUARDED_BY(ticket_mu_) = 0;
  uint64_t active_start_ AIDB_GUARDED_BY(ticket_mu_) = 0;
  uint64_t active_first_id_ AIDB_GUARDED_BY(ticket_mu_) = 1;
  bool prepare_asked_ AIDB_GUARDED_BY(ticket_mu_) = false;  // For the file after the active one.
  uint64_t file_turn_ AIDB_GUARDED_BY(ticket_mu_) = 0;
  std::array<uint64_t, Ring::kFileSlots> turn_end_ AIDB_GUARDED_BY(ticket_mu_){};
  bool exclusive_ AIDB_GUARDED_BY(ticket_mu_) = false;  // A direct record is being written.
  // Behind the last direct record: what lies in front of it is in files, not all of it in the ring.
  uint64_t direct_end_ AIDB_GUARDED_BY(ticket_mu_) = 0;
  bool closed_ AIDB_GUARDED_BY(ticket_mu_) = false;
  // What a tail copies just now begins here and must not be overwritten.
  uint64_t copied_from_ AIDB_GUARDED_BY(ticket_mu_) = UINT64_MAX;

  // Shared without a lock. A slot belongs to its appender until `done` (release), then to the
  // ratchet (acquire), which alone moves the published marks.
  alignas(64) std::array<Slot, kSlots> slots_;
  alignas(64) std::atomic<bool> ratchet_busy_{false};
  std::atomic<uint64_t> published_slot_{0};
  std::atomic<uint64_t> published_position_{0};  // Stored before published_id_.
  std::atomic<uint64_t> published_id_{0};
  alignas(64) std::atomic<uint64_t> written_position_{0};
  std::atomic<uint64_t> durable_position_{0};
  std::atomic<uint64_t> durable_id_{0};
  std::atomic<int> room_waiters_{0};
  std::atomic<uint64_t> room_changes_{0};
  std::atomic<int> publish_waiters_{0};
  std::atomic<int> durable_waiters_{0};  // Tails that wait for the disk.
  std::atomic<bool> flusher_parked_{false};
  std::atomic<bool> flusher_kicked_{false};
  std::atomic<bool> seen_sync_{false};         // Somebody waits for the disk: zero-fill ahead.
  std::atomic<int64_t> unsynced_since_ns_{0};  // 0 = everything is durable.
  std::atomic<uint64_t> idle_mark_end_{UINT64_MAX};
  // The active file may hold a large record that never happened: no id is given before a
  // re-drive has made it void.
  std::atomic<bool> orphan_{false};
  std::atomic<bool> stalled_{false};  // The disk is full: trouble_ says so.
  std::atomic<bool> failed_{false};
  std::atomic<bool> ended_{false};  // No record comes any more, nor becomes durable.

  alignas(64) mutable Mutex publish_mu_;
  CondVar publish_cv_;
  CondVar durable_cv_;

  // Output.
  alignas(64) mutable Mutex io_mu_;
  CondVar driver_cv_;
  CondVar flusher_cv_;
  std::vector<Waiter*> waiters_ AIDB_GUARDED_BY(io_mu_);  // In the order they came.
  CondVar group_cv_;                                      // The driver waits here for its group.
  SyncGroup group_ AIDB_GUARDED_BY(io_mu_);
  bool gathering_ AIDB_GUARDED_BY(io_mu_) = false;
  bool driving_ AIDB_GUARDED_BY(io_mu_) = false;
  bool stopping_ AIDB_GUARDED_BY(io_mu_) = false;
  std::deque<FileSpan> spans_ AIDB_GUARDED_BY(io_mu_);
  Instant pending_since_ AIDB_GUARDED_BY(io_mu_) = Instant::Never();
  Instant last_sync_ AIDB_GUARDED_BY(io_mu_) = Instant::Never();
  Instant retry_at_ AIDB_GUARDED_BY(io_mu_){0};
  Status trouble_ AIDB_GUARDED_BY(io_mu_);  // Passing: the disk is full.
  Status failure_ AIDB_GUARDED_BY(io_mu_);  // For good: the first reason.
  JournalStats stats_ AIDB_GUARDED_BY(io_mu_);

  // Preparation of the next file.
  mutable Mutex prepare_mu_;
  CondVar prepare_cv_;
  bool prepare_wanted_ AIDB_GUARDED_BY(prepare_mu_) = false;
  uint64_t prepare_bytes_ AIDB_GUARDED_BY(prepare_mu_) = 0;
  bool prepare_stopping_ AIDB_GUARDED_BY(prepare_mu_) = false;
  std::optional<Prepared> next_ AIDB_GUARDED_BY(prepare_mu_);
  Status prepare_error_ AIDB_GUARDED_BY(prepare_mu_);

  // Readers. Calls of tails are inside the gate, which they share: they may outlive the journal.
  FileTable table_;
  const std::shared_ptr<CallGate> tails_ = std::make_shared<CallGate>();
  // Held while a tail copies out of the ring: one at a time, and none once the journal has ended.
  Mutex copy_mu_;

  std::unique_ptr<io::Task> flusher_;
  std::unique_ptr<io::Task> preparer_;
};

}  // namespace aidb::journal

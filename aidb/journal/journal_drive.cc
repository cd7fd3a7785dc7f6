// The output side of the journal: the flusher, and the driver's two verbs, write and sync.
//
// One driver at a time (driving_). Order is kept by construction: bytes are written in order of
// positions, and a later file is synced only after every earlier one.

#include <algorithm>
#include <utility>

#include "aidb/base/canary.h"
#include "aidb/base/check.h"
#include "aidb/io/transfer.h"
#include "aidb/journal/journal.h"

namespace aidb::journal {
namespace {

constexpr Duration kWriteDelay = std::chrono::milliseconds(5);
constexpr Duration kRetryDelay = std::chrono::milliseconds(100);
constexpr Duration kIdleMarkDelay = std::chrono::seconds(1);
constexpr uint64_t kWriteBytesMax = uint64_t{1} << 20;

int64_t Micros(Duration d) {
  return std::chrono::duration_cast<std::chrono::microseconds>(d).count();
}

}  // namespace

Status Journal::Drive(Goal goal) {
  if (failed_.load(std::memory_order_acquire)) {
    MutexLock lock(io_mu_);
    return failure_;
  }
  Status status = orphan_.load(std::memory_order_acquire)
                      ? Redrive(IoError("a large record could not be written to it"))
                      : Status();
  if (status.ok()) status = DriveOnce(goal);
  MutexLock lock(io_mu_);
  if (status.code() == StatusCode::kResourceExhausted) {
    trouble_ = status;
    stalled_.store(true, std::memory_order_release);
  } else if (status.ok() && stalled_.load(std::memory_order_relaxed)) {
    trouble_ = Status();
    stalled_.store(false, std::memory_order_release);
  }
  return status;
}

Status Journal::DriveOnce(Goal goal) {
  // The id first: the position read after it covers at least that id.
  const uint64_t id = published_id_.load(std::memory_order_acquire);
  const uint64_t position = published_position_.load(std::memory_order_acquire);
  const Instant begin = env_.clock.Now();
  Status status = WriteTo(position);
  if (status.ok() && goal == Goal::kSyncOldest) status = SyncOldest();
  if (status.ok() && goal == Goal::kSync) {
    status = SyncTo(position, id);
    if (status.ok()) {
      // What came after `position` was written no earlier than this drive began.
      const bool more = published_position_.load(std::memory_order_seq_cst) > position;
      unsynced_since_ns_.store(more ? begin.ns : 0, std::memory_order_seq_cst);
    }
  }
  return status;
}

std::optional<Journal::FileSpan> Journal::SpanAt(uint64_t position) {
  MutexLock lock(io_mu_);
  for (const FileSpan& span : spans_) {
    if (position < span.end) return span;
  }
  return std::nullopt;
}

Status Journal::FailedBefore(const FileSpan& span) const {
  return IoError(std::string(span.file->path()) + ": an earlier write or sync of it failed");
}

void Journal::MarkDead(uint64_t number) {
  MutexLock lock(io_mu_);
  for (FileSpan& span : spans_) {
    if (span.number == number) span.dead = true;
  }
}

void Journal::AdvanceWritten(uint64_t position) {
  ring_.SetWritten(position);
  written_position_.store(position, std::memory_order_seq_cst);
}

void Journal::AdvanceDurable(uint64_t position, uint64_t id) {
  if (position > durable_position_.load(std::memory_order_relaxed)) {
    ring_.SetDurable(position);
    durable_position_.store(position, std::memory_order_seq_cst);
  }
  AdvanceDurableId(id);
}

void Journal::AdvanceDurableId(uint64_t id) {
  uint64_t now = durable_id_.load(std::memory_order_relaxed);
  while (id > now) {
    if (!durable_id_.compare_exchange_weak(now, id, std::memory_order_seq_cst)) continue;
    // Who waits announces it first and then looks at the mark, so one of the two sees the other.
    if (durable_waiters_.load(std::memory_order_seq_cst) > 0) WakeDurableTails();
    return;
  }
}

Status Journal::WriteTo(uint64_t position) {
  for (uint64_t at = written_position_.load(std::memory_order_relaxed); at < position;) {
    const std::optional<FileSpan> span = SpanAt(at);
    AIDB_CHECK(span.has_value());
    if (span->dead) return Redrive(FailedBefore(*span));
    const uint64_t count = std::min({position - at, span->end - at, kWriteBytesMax});
    const Ring::Pieces pieces = ring_.At(at, count);
    Status status = io::WriteFully(*span->file, at - span->start, pieces.first, pieces.second);
    if (!status.ok()) {
      // A full disk harms nobody: the same bytes are written again when there is room.
      if (status.code() == StatusCode::kResourceExhausted) return status;
      MarkDead(span->number);
      return Redrive(status);
    }
    at += count;
    AdvanceWritten(at);
    {
      MutexLock lock(io_mu_);
      ++stats_.writes;
    }
    if (options_.strategy.async()) NotifyRoom();
  }
  return {};
}

Status Journal::SyncTo(uint64_t position, uint64_t id) {
  for (uint64_t at = durable_position_.load(std::memory_order_relaxed); at < position;) {
    const std::optional<FileSpan> span = SpanAt(at);
    AIDB_CHECK(span.has_value());
    if (span->dead) return Redrive(FailedBefore(*span));
    Status status = SyncFile(*span);
    if (!status.ok() && AIDB_CANARY_HIT(kSyncsAgain)) status = SyncFile(*span);
    if (!status.ok()) {
      MarkDead(span->number);
      return Redrive(status);
    }
    at = std::min(position, span->end);
    AdvanceDurable(at, span->end <= at ? span->last_id : 0);
    MutexLock lock(io_mu_);
    while (spans_.front().end <= at) spans_.pop_front();
  }
  AdvanceDurable(position, id);
  return {};
}

Status Journal::SyncOldest() {
  std::optional<FileSpan> oldest;
  {
    MutexLock lock(io_mu_);
    if (spans_.size() > 1) oldest = spans_.front();
  }
  return oldest ? SyncTo(oldest->end, oldest->last_id) : Status();
}

Status Journal::SyncFile(const FileSpan& span) {
  const Instant begin = env_.clock.Now();
  Status status = span.file->SyncData();
  const Instant end = env_.clock.Now();
  if (!status.ok()) return status;
  MutexLock lock(io_mu_);
  ++stats_.syncs;
  stats_.sync_us += static_cast<uint64_t>(Micros(end - begin));
  // Parked without a time to wake: now there is one, that of the next mark.
  if (last_sync_ == Instant::Never()) flusher_cv_.NotifyOne();
  last_sync_ = end;
  return {};
}

// What the ring lets go of must be in its file, or a tail that is behind would miss it.
void Journal::WriteForTails(const FileSpan& span) {
  uint64_t at = std::max(written_position_.load(std::memory_order_relaxed), span.begin);
  Status status = span.dead ? FailedBefore(span) : Status();
  while (status.ok() && at < span.end) {
    const uint64_t count = std::min(span.end - at, kWriteBytesMax);
    const Ring::Pieces pieces = ring_.At(at, count);
    status = io::WriteFully(*span.file, at - span.start, pieces.first, pieces.second);
    at += count;
  }
  if (status.ok()) return;
  env_.log.Log(LogLevel::kWarning, "who follows the log is cut off: " + status.ToString());
  table_.Lose(span.number);
}

void Journal::Retire(uint64_t number) {
  const uint64_t needed = Release(number);
  io_mu_.lock();
  BecomeDriver();
  while (spans_.size() > 1 && spans_.front().number < number) {
    const FileSpan span = spans_.front();
    if (span.number >= needed) {
      io_mu_.unlock();
      WriteForTails(span);
      io_mu_.lock();
    }
    if (written_position_.load(std::memory_order_relaxed) < span.end) AdvanceWritten(span.end);
    AdvanceDurable(span.end, span.last_id);
    spans_.pop_front();
  }
  StopDriving();
  io_mu_.unlock();
  NotifyRoom();
}

Journal::Due Journal::DueNow(Instant now) {
  Due due;
  if (failed_.load(std::memory_order_relaxed)) return due;
  if (now < retry_at_) {
    due.next = retry_at_;
    return due;
  }
  const uint64_t published = published_position_.load(std::memory_order_seq_cst);
  const uint64_t written = written_position_.load(std::memory_order_relaxed);
  const uint64_t durable = durable_position_.load(std::memory_order_relaxed);
  const FlushStrategy& strategy = options_.strategy;
  const bool waited_for = room_waiters_.load(std::memory_order_seq_cst) > 0;
  if (stalled_.load(std::memory_order_relaxed)) due.drive = Goal::kWrite;
  if (published > written) {
    if (pending_since_ == Instant::Never()) pending_since_ = now;
    const Instant at = pending_since_ + kWriteDelay;
    if (now >= at || published - written >= kFlushBytes || waited_for) due.drive = Goal::kWrite;
    due.next = std::min(due.next, at);
  }
  if (strategy.async() && spans_.size() > kUnsyncedFilesMax) due.drive = Goal::kSyncOldest;
  const bool only_mark = published == idle_mark_end_.load(std::memory_order_relaxed);
  if (published > durable && !strategy.async() && !only_mark) {
    int64_t since = unsynced_since_ns_.load(std::memory_order_seq_cst);
    if (since == 0) {
      since = now.ns;
      unsynced_since_ns_.store(since, std::memory_order_seq_cst);
    }
    const uint64_t records =
        published_id_.load(std::memory_order_relaxed) - durable_id_.load(std::memory_order_relaxed);
    bool sync = published - durable >= ring_.size() / 2 || waited_for ||
                (strategy.records > 0 && records >= strategy.records);
    if (strategy.interval > Duration{0}) {
      const Instant at = Instant{since} + strategy.interval;
      sync = sync || now >= at;
      due.next = std::min(due.next, at);
    }
    if (sync) due.drive = Goal::kSync;
  }
  if (published == durable && last_sync_ != Instant::Never()) {
    const Instant at = last_sync_ + kIdleMarkDelay;
    due.mark = now >= at;
    due.next = std::min(due.next, at);
  }
  return due;
}

void Journal::FlusherMain() {
  io_mu_.lock();
  while (!stopping_) {
    flusher_kicked_.store(false, std::memory_order_seq_cst);
    const Instant now = env_.clock.Now();
    const Due due = DueNow(now);
    if (due.mark) {
      last_sync_ = Instant::Never();  // One mark per burst.
      io_mu_.unlock();
      AppendIdleMark();
      io_mu_.lock();
    } else if (due.drive) {
      if (driving_) {
        driver_cv_.Wait(io_mu_);
        continue;
      }
      pending_since_ = Instant::Never();
      const Status status = DriveUnlocked(*due.drive);
      if (!status.ok()) retry_at_ = env_.clock.Now() + kRetryDelay;
    } else {
      // Parked while nothing waits to be written: the next Publish brings a nearer deadline, and
      // wakes us. The mark is set before the last look, and a publisher looks for it after it has
      // published, so one of the two sees the other.
      flusher_parked_.store(published_position_.load(std::memory_order_seq_cst) ==
                                written_position_.load(std::memory_order_relaxed),
                            std::memory_order_seq_cst);
      const bool still = !flusher_parked_.load(std::memory_order_relaxed) ||
                         published_position_.load(std::memory_order_seq_cst) ==
                             written_position_.load(std::memory_order_relaxed);
      if (still && !stopping_) static_cast<void>(flusher_cv_.WaitUntil(io_mu_, due.next));
      flusher_parked_.store(false, std::memory_order_seq_cst);
    }
  }
  io_mu_.unlock();
}

// A quiet journal carries the proof of all its records: the mark says that everything before it
// is durable. It is not synced itself; it rides on the next sync or the kernel's write-back.
void Journal::AppendIdleMark() {
  MutexLock lock(ticket_mu_);
  const bool idle = reserved_ == durable_position_.load(std::memory_order_seq_cst);
  if (!idle || exclusive_ || closed_ || failed_.load(std::memory_order_acquire) ||
      !HasRoom(256, 0)) {
    return;
  }
  idle_mark_end_.store(
      reserved_ + framing_.ControlSize(ControlKind::kMark, reserved_ - active_start_),
      std::memory_order_seq_cst);
  AppendControl(ControlKind::kMark, {});
}

}  // namespace aidb::journal

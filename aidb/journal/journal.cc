#include "aidb/journal/journal.h"

#include <algorithm>
#include <utility>

#include "aidb/base/canary.h"
#include "aidb/base/check.h"
#include "aidb/io/transfer.h"

namespace aidb::journal {
namespace {

constexpr int kPublishSpins = 64;  // About 2 µs, then sleep.

}  // namespace

uint64_t Journal::active_offset() const {
  MutexLock lock(ticket_mu_);
  return reserved_ - active_start_;
}

Status Journal::health() const {
  MutexLock lock(io_mu_);
  return failure_.ok() ? trouble_ : failure_;
}

JournalStats Journal::stats() const {
  MutexLock lock(io_mu_);
  JournalStats stats = stats_;
  stats.records = published_slot_.load(std::memory_order_relaxed);
  stats.bytes = published_position_.load(std::memory_order_relaxed);
  const uint64_t durable = durable_position_.load(std::memory_order_relaxed);
  stats.unsynced_bytes = stats.bytes > durable ? stats.bytes - durable : 0;
  stats.ring_survives_kill = ring_.durable_memory();
  stats.tails = table_.readers();
  if (stats.tails > 0) stats.tail_lag_bytes = table_.LagBytes(stats.bytes);
  return stats;
}

Status Journal::CheckIntake() {
  if (closed_) {
    return Unavailable(options_.directory + ": the log is closed; open the store again");
  }
  if (failed_.load(std::memory_order_acquire)) {
    MutexLock lock(io_mu_);
    return failure_;
  }
  return {};
}

bool Journal::HasRoom(uint64_t bytes, uint64_t ids) const {
  // Bytes a re-drive may need stay in the ring; the Async strategy can read them back.
  const uint64_t durable = durable_position_.load(std::memory_order_acquire);
  const uint64_t unneeded =
      options_.strategy.async() ? written_position_.load(std::memory_order_acquire) : durable;
  const uint64_t released = std::min(unneeded, copied_from_);
  if (reserved_ + bytes > released && reserved_ + bytes - released > ring_.size()) return false;
  // Two slots stay free for the end of a file and the head of the next.
  if (next_slot_ + 2 - published_slot_.load(std::memory_order_acquire) >= kSlots) return false;
  if (options_.strategy.records > 0) {
    // Fewer than 2n are acknowledged and not durable; a batch of more than that goes alone.
    const uint64_t pending = next_id_ - 1 - durable_id_.load(std::memory_order_acquire);
    if (pending > 0 && pending + ids >= 2 * options_.strategy.records) return false;
  }
  if (options_.strategy.interval > Duration{0} && durable < reserved_) {
    const int64_t since = unsynced_since_ns_.load(std::memory_order_acquire);
    if (since != 0 && env_.clock.Now().ns - since > 2 * options_.strategy.interval.count()) {
      return false;
    }
  }
  if (orphan_.load(std::memory_order_acquire)) return false;
  // Without a ring that outlives the process, a full disk must be told before an id is given.
  return ring_.durable_memory() || !stalled_.load(std::memory_order_acquire);
}

Status Journal::WaitForRoom(uint64_t seen, Instant deadline) {
  // Whoever changes something counts it, then looks for waiters: either we see the change, or
  // the waiter is seen and woken, under ticket_mu_, once it waits.
  room_waiters_.fetch_add(1, std::memory_order_seq_cst);
  {
    MutexLock lock(io_mu_);
    ++stats_.room_waits;
    flusher_cv_.NotifyOne();
  }
  const bool in_time = room_changes_.load(std::memory_order_seq_cst) != seen ||
                       room_cv_.WaitUntil(ticket_mu_, deadline);
  room_waiters_.fetch_sub(1, std::memory_order_seq_cst);
  if (stalled_.load(std::memory_order_acquire)) {
    MutexLock lock(io_mu_);
    if (!trouble_.ok()) return trouble_;
  }
  if (!in_time) {
    return ResourceExhausted(
        options_.directory +
        ": the log is full of records that the disk has not taken yet; wait, or give the store a "
        "faster disk");
  }
  return {};
}

Journal::Appended Journal::TakeSlot(uint64_t bytes, uint32_t ids) {
  const uint64_t slot = next_slot_++;
  reserved_ += bytes;
  Appended appended{.first_id = RecordId{next_id_},
                    .last_id = RecordId{next_id_ + ids - 1},
                    .file_number = active_number_,
                    .slot = slot,
                    .end_position = reserved_};
  next_id_ += ids;
  slots_[slot % kSlots].end_position = reserved_;
  slots_[slot % kSlots].end_id = next_id_ - 1;
  return appended;
}

Place Journal::PlaceAt(uint64_t position) const {
  const uint64_t offset = position - active_start_;
  // What is durable of this file: nothing while the mark stands in an earlier one.
  const uint64_t durable = durable_position_.load(std::memory_order_acquire) - active_start_;
  const uint64_t behind = durable <= offset ? offset - durable : offset;
  return {.file = {.journal_uuid = identity_.uuid, .number = active_number_},
          .offset = offset,
          .first_id = RecordId{next_id_},
          .behind = static_cast<uint32_t>(std::min<uint64_t>(behind, kBehindUnknown))};
}

void Journal::EncodeInto(uint64_t position, uint64_t bytes, const Place& place,
                         const Record& record) {
  const Ring::Pieces pieces = ring_.At(position, bytes);
  if (pieces.second.empty()) {
    framing_.Encode(place, record, pieces.first);
    return;
  }
  std::vector<std::byte> joined(bytes);  // Once per lap of the ring.
  framing_.Encode(place, record, joined);
  ring_.CopyIn(position, joined);
}

Result<Journal::Appended> Journal::Append(const Record& record, Instant deadline) {
  AIDB_CHECK(record.ids > 0);
  if (record.payload.size() > options_.record_bytes_max) {
    return InvalidArgument("a record of " + std::to_string(record.payload.size()) +
                           " bytes is above the limit of " +
                           std::to_string(options_.record_bytes_max) + "; split it");
  }
  ticket_mu_.lock();
  uint64_t bytes = 0;
  while (true) {
    const uint64_t seen = room_changes_.load(std::memory_order_seq_cst);
    Status status = CheckIntake();
    const uint64_t offset = reserved_ - active_start_;
    bytes = framing_.FramedSize(record, RecordId{next_id_}, offset);
    if (status.ok()) {
      if (exclusive_) {
        status = WaitForRoom(seen, deadline);
      } else if (offset + bytes > options_.file_bytes && next_id_ > active_first_id_) {
        status = RollLocked(seen, deadline);
      } else if (bytes > ring_.size() / 4 && !orphan_.load(std::memory_order_acquire)) {
        auto direct = AppendDirect(record);
        if (!direct.ok() || direct->has_value()) {
          ticket_mu_.unlock();
          if (!direct.ok()) return std::move(direct).status().Annotate("write a large record");
          return **std::move(direct);
        }
      } else if (HasRoom(bytes, record.ids)) {
        break;
      } else {
        status = WaitForRoom(seen, deadline);
      }
    }
    if (!status.ok()) {
      ticket_mu_.unlock();
      return status;
    }
  }
  if (options_.strategy.interval > Duration{0} &&
      unsynced_since_ns_.load(std::memory_order_relaxed) == 0) {
    unsynced_since_ns_.store(env_.clock.Now().ns, std::memory_order_seq_cst);
  }
  const uint64_t position = reserved_;
  const Place place = PlaceAt(position);
  const Appended appended = TakeSlot(bytes, record.ids);
  const bool ask = !prepare_asked_ && place.offset > options_.file_bytes / 4;
  prepare_asked_ = prepare_asked_ || ask;
  ticket_mu_.unlock();
  if (ask) AskForNextFile(options_.file_bytes);
  EncodeInto(position, bytes, place, record);
  return appended;
}

Result<std::optional<Journal::Appended>> Journal::AppendDirect(const Record& record) {
  // Nobody else takes bytes while this record goes to the file, past the ring.
  exclusive_ = true;
  WaitDrained();
  const Place place = PlaceAt(reserved_);
  const uint64_t position = reserved_;
  const uint64_t bytes = framing_.FramedSize(record, place.first_id, place.offset);
  ticket_mu_.unlock();
  io_mu_.lock();
  BecomeDriver();
  io_mu_.unlock();
  Result<bool> written = WriteDirect(position, place, record);
  ticket_mu_.lock();
  std::optional<Appended> appended;
  if (written.ok() && *written) {
    appended = TakeSlot(bytes, record.ids);
    direct_end_ = reserved_;
    AdvanceWritten(reserved_);
    // Synced already, so that a re-drive never needs it; its id counts when it is published.
    if (!options_.strategy.async()) AdvanceDurable(reserved_, 0);
  }
  exclusive_ = false;
  room_changes_.fetch_add(1, std::memory_order_seq_cst);
  room_cv_.NotifyAll();
  io_mu_.lock();
  StopDriving();
  io_mu_.unlock();
  if (!written.ok()) return std::move(written).status();
  return appended;
}

Result<bool> Journal::WriteDirect(uint64_t position, const Place& place, const Record& record) {
  AIDB_RETURN_IF_ERROR(Drive(options_.strategy.async() ? Goal::kWrite : Goal::kSync));
  const std::optional<FileSpan> span = SpanAt(position);
  AIDB_CHECK(span.has_value());
  if (span->number != place.file.number) return false;
  if (span->dead) {
    AIDB_RETURN_IF_ERROR(Redrive(FailedBefore(*span)));
    return false;
  }
  std::vector<std::byte> framed(framing_.FramedSize(record, place.first_id, place.offset));
  framing_.Encode(place, record, framed);
  Status status = io::WriteFully(*span->file, place.offset, framed);
  // A full disk refuses at least the last byte, and without it the record is none.
  const bool partly =
      status.code() == StatusCode::kResourceExhausted && framed.back() != std::byte{0};
  if (status.ok() && !options_.strategy.async()) status = SyncFile(*span);
  if (status.ok()) return true;
  return DropDirect(*span, place.offset, status, /*may_be_whole=*/!partly);
}

// The file holds an unknown part of a record that never happened. Pieces of it must not be read
// together with pieces of the next record at this place, which may have the same id and size:
// everything behind is void from the next file's head on, and gone at once for a kill.
Status Journal::DropDirect(const FileSpan& span, uint64_t offset, const Status& why,
                           bool may_be_whole) {
  static_cast<void>(span.file->Truncate(offset));
  MarkDead(span.number);
  orphan_.store(true, std::memory_order_release);
  const Status redriven = Drive(Goal::kWrite);
  const bool stopped = failed_.load(std::memory_order_acquire);
  const std::string text = names_.NameOf(span.number) + " offset " + std::to_string(offset) + ": " +
                           std::string(why.message()) +
                           (stopped ? "; " + std::string(redriven.message()) : std::string());
  // Only a new file in force makes void what a sync may have left behind.
  const bool is_void = !orphan_.load(std::memory_order_acquire);
  if (is_void || !may_be_whole) {
    return Status(stopped ? StatusCode::kIoError : why.code(),
                  text + "; the record is not in the log");
  }
  return IoError(text + "; the record got no id, and until " +
                 (stopped ? "the store is opened again" : "the log goes on in a new file") +
                 " it may or may not survive: look for it then, before writing it again");
}

void Journal::MarkDone(uint64_t slot) {
  slots_[slot % kSlots].done.store(true, std::memory_order_release);
  AdvancePublished();
}

// Moves the published marks over every finished slot of the prefix. One thread at a time does
// it; the others leave their mark and go. Whoever lets go does so by an exchange, which takes
// over what those wrote who found it busy, and looks once more: no finished slot is left behind.
void Journal::AdvancePublished() {
  uint64_t id_before = UINT64_MAX;
  while (!ratchet_busy_.exchange(true, std::memory_order_acq_rel)) {
    uint64_t at = published_slot_.load(std::memory_order_relaxed);
    const uint64_t before = at;
    uint64_t position = 0;
    uint64_t id = 0;
    while (slots_[at % kSlots].done.load(std::memory_order_acquire)) {
      Slot& slot = slots_[at % kSlots];
      position = slot.end_position;
      id = slot.end_id;
      slot.done.store(false, std::memory_order_relaxed);
      ++at;
    }
    if (at != before) {
      id_before = std::min(id_before, published_id_.load(std::memory_order_relaxed));
      ring_.SetPublished(position);
      published_position_.store(position, std::memory_order_release);
      published_id_.store(id, std::memory_order_release);
      published_slot_.store(at, std::memory_order_release);
    }
    ratchet_busy_.exchange(false, std::memory_order_acq_rel);
    if (!slots_[at % kSlots].done.load(std::memory_order_acquire)) break;
  }
  // Between the marks above and every look at who waits for them (here, and for the parked
  // flusher in Publish). Those who wait announce it first and then look at the marks, so one of
  // the two sees the other.
  std::atomic_thread_fence(std::memory_order_seq_cst);
  if (publish_waiters_.load(std::memory_order_relaxed) > 0) {
    MutexLock lock(publish_mu_);
    publish_cv_.NotifyAll();
  }
  // The disk may have had the position above before the id was there to be seen. Else whoever
  // waits for the disk has nothing to look at.
  if (durable_waiters_.load(std::memory_order_relaxed) > 0 &&
      durable_id_.load(std::memory_order_relaxed) > id_before) {
    WakeDurableTails();
  }
}

bool Journal::Publish(const Appended& appended, Next next) {
  MarkDone(appended.slot);
  WaitPublished(appended.slot);
  // A large record was synced before it was published.
  if (durable_position_.load(std::memory_order_acquire) >= appended.end_position) {
    AdvanceDurableId(ToNumber(appended.last_id));
  }
  // Without a ring that outlives the process, "published" must mean "in the page cache".
  const bool safe = ring_.durable_memory() || WaitWritten(appended.end_position);
  if (next == Next::kGoesOn || !safe) WakeFlusherIfDue(appended);
  return safe;
}

void Journal::WaitPublished(uint64_t slot) {
  const auto covered = [&] { return published_slot_.load(std::memory_order_seq_cst) > slot; };
  for (int i = 0; i < kPublishSpins; ++i) {
    if (covered()) return;
    SpinPause();
  }
  publish_waiters_.fetch_add(1, std::memory_order_seq_cst);
  {
    MutexLock lock(publish_mu_);
    while (!covered()) publish_cv_.Wait(publish_mu_);
  }
  publish_waiters_.fetch_sub(1, std::memory_order_seq_cst);
}

bool Journal::WaitWritten(uint64_t position) {
  MutexLock lock(io_mu_);
  const auto written = [&] {
    return written_position_.load(std::memory_order_relaxed) >= position;
  };
  while (!written()) {
    if (!failure_.ok()) return false;
    if (driving_) {
      driver_cv_.Wait(io_mu_);
    } else if (!DriveUnlocked(Goal::kWrite).ok() && !written()) {
      return false;  // The flusher goes on trying.
    }
  }
  return true;
}

void Journal::WakeFlusherIfDue(const Appended& appended) {
  if (flusher_parked_.load(std::memory_order_relaxed)) {
    if (AIDB_CANARY_HIT(kLostWakeUp)) return;
    if (flusher_parked_.exchange(false, std::memory_order_seq_cst)) KickFlusher();
    return;
  }
  const uint64_t written = written_position_.load(std::memory_order_relaxed);
  const uint64_t durable = durable_position_.load(std::memory_order_relaxed);
  const FlushStrategy& strategy = options_.strategy;
  const bool much_to_write =
      appended.end_position > written + std::min(kFlushBytes, ring_.size() / 4);
  const bool much_to_sync = !strategy.async() && appended.end_position > durable + ring_.size() / 2;
  const bool many_to_sync =
      strategy.records > 0 &&
      ToNumber(appended.last_id) >= durable_id_.load(std::memory_order_relaxed) + strategy.records;
  if ((much_to_write || much_to_sync || many_to_sync) &&
      !flusher_kicked_.exchange(true, std::memory_order_acq_rel)) {
    KickFlusher();
  }
}

void Journal::KickFlusher() {
  MutexLock lock(io_mu_);
  flusher_cv_.NotifyOne();
}

void Journal::NotifyRoom() {
  room_changes_.fetch_add(1, std::memory_order_seq_cst);
  if (room_waiters_.load(std::memory_order_seq_cst) == 0) return;
  MutexLock lock(ticket_mu_);
  room_cv_.NotifyAll();
}

void Journal::WaitDrained() {
  publish_waiters_.fetch_add(1, std::memory_order_seq_cst);
  {
    MutexLock lock(publish_mu_);
    while (published_slot_.load(std::memory_order_seq_cst) != next_slot_) {
      publish_cv_.Wait(publish_mu_);
    }
  }
  publish_waiters_.fetch_sub(1, std::memory_order_seq_cst);
}

void Journal::AppendControl(ControlKind kind, const OpenFacts& open) {
  const uint64_t position = reserved_;
  const Place place = PlaceAt(position);
  std::vector<std::byte> bytes(framing_.ControlSize(kind, place.offset));
  framing_.EncodeControl(place, kind, open, bytes);
  ring_.CopyIn(position, bytes);
  MarkDone(TakeSlot(bytes.size(), 0).slot);
}

void Journal::AskForNextFile(uint64_t expected_bytes) {
  MutexLock lock(prepare_mu_);
  if (next_ || prepare_wanted_) return;
  prepare_wanted_ = true;
  prepare_bytes_ = expected_bytes;
  prepare_cv_.NotifyOne();
}

// The file prepared ahead; it stays there until it is taken. Nullopt while there is none. One that
// is asked for only now follows a file that ends early: it will probably hold no more than that.
std::optional<Journal::Prepared> Journal::PeekNextFile(Status& why_none) {
  DropPrepared(active_number_);
  AskForNextFile(reserved_ - active_start_);
  MutexLock lock(prepare_mu_);
  if (!next_) why_none = prepare_error_;
  return next_;
}

// Drops a prepared file whose number is below `number`: one in use since then has a higher one,
// and the numbers of a chain rise. The preparer may have been at work while a re-drive took one.
void Journal::DropPrepared(uint64_t number) {
  std::optional<Prepared> stale;
  {
    MutexLock lock(prepare_mu_);
    if (next_ && next_->number < number) stale.swap(next_);
  }
  if (!stale) return;
  // Left behind, it is empty and recovery drops it.
  static_cast<void>(
      env_.files.Remove(io::JoinPath(options_.directory, names_.NameOf(stale->number))));
}

Status Journal::RollLocked(uint64_t seen, Instant deadline) {
  Status why_none;
  std::optional<Prepared> next = PeekNextFile(why_none);
  if (!why_none.ok()) return std::move(why_none).Annotate("begin a new log file");
  // The table entry that the new file takes must belong to a file whose bytes are all written.
  const uint64_t replaced_end = turn_end_[file_turn_ % Ring::kFileSlots];
  const bool entry_free = written_position_.load(std::memory_order_seq_cst) >= replaced_end;
  size_t files = 0;
  {
    MutexLock lock(io_mu_);
    files = spans_.size();
  }
  if (!next || !entry_free || files > kUnsyncedFilesMax || !HasRoom(256, 0)) {
    return WaitForRoom(seen, deadline);
  }

  const uint64_t previous = active_number_;
  AppendControl(ControlKind::kClose, {});
  const uint64_t end = reserved_ - active_start_;
  const uint64_t durable = durable_position_.load(std::memory_order_acquire) - active_start_;
  {
    MutexLock lock(prepare_mu_);
    next_.reset();
  }
  return StartFile(*std::move(next), {.previous_number = previous,
                                      .previous_end = end,
                                      .previous_durable = durable <= end ? durable : 0,
                                      .first_id = RecordId{next_id_}});
}

Status Journal::StartFile(Prepared next, const OpenFacts& open) {
  {
    MutexLock lock(io_mu_);
    if (!spans_.empty()) {
      spans_.back().end = reserved_;
      spans_.back().last_id = next_id_ - 1;
      ++stats_.rolls;
    }
    spans_.push_back({.number = next.number,
                      .begin = reserved_,
                      .start = reserved_,
                      .open = open,
                      .file = std::move(next.file)});
  }
  if (file_turn_ > 0) turn_end_[(file_turn_ - 1) % Ring::kFileSlots] = reserved_;
  active_number_ = next.number;
  active_start_ = reserved_;
  active_first_id_ = next_id_;
  prepare_asked_ = false;
  ring_.SetFile(file_turn_++, {.start = active_start_, .number = active_number_});
  table_.Begin(active_number_, RecordId{next_id_}, active_start_);
  AppendControl(ControlKind::kOpen, open);
  return {};
}

Result<uint64_t> Journal::Roll(Instant deadline) {
  MutexLock lock(ticket_mu_);
  const uint64_t before = active_number_;
  while (active_number_ == before) {
    const uint64_t seen = room_changes_.load(std::memory_order_seq_cst);
    AIDB_RETURN_IF_ERROR(CheckIntake());
    AIDB_RETURN_IF_ERROR(exclusive_ ? WaitForRoom(seen, deadline) : RollLocked(seen, deadline));
  }
  return active_number_;
}

}  // namespace aidb::journal

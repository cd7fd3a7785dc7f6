#include "aidb/journal/journal.h"

#include <algorithm>
#include <utility>

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
  return stats;
}

Status Journal::CheckIntake() {
  if (closed_) return Unavailable("the journal is closed");
  if (failed_.load(std::memory_order_acquire)) {
    MutexLock lock(io_mu_);
    return failure_;
  }
  return {};
}

bool Journal::HasRoom(uint64_t bytes) const {
  // Bytes a re-drive may need stay in the ring; the Async strategy can read them back.
  const uint64_t released = options_.strategy.async()
                                ? written_position_.load(std::memory_order_seq_cst)
                                : durable_position_.load(std::memory_order_seq_cst);
  if (reserved_ + bytes > released && reserved_ + bytes - released > ring_.size()) return false;
  // Two slots stay free for the end of a file and the head of the next.
  if (next_slot_ + 2 - published_slot_.load(std::memory_order_seq_cst) >= kSlots) return false;
  if (options_.strategy.records > 0 &&
      next_id_ - durable_id_.load(std::memory_order_seq_cst) > 2 * options_.strategy.records) {
    return false;
  }
  if (options_.strategy.interval > Duration{0}) {
    const int64_t since = unsynced_since_ns_.load(std::memory_order_seq_cst);
    if (since != 0 && env_.clock.Now().ns - since > 2 * options_.strategy.interval.count()) {
      return false;
    }
  }
  return true;
}

Status Journal::WaitForRoom(Instant deadline) {
  room_waiters_.fetch_add(1, std::memory_order_seq_cst);
  KickFlusher();
  bool in_time = true;
  // Whoever makes room sees the waiter and notifies under ticket_mu_; the short timeout only
  // bounds how late a change of trouble is seen.
  const Instant look_again = env_.clock.Now() + std::chrono::milliseconds(50);
  if (deadline < look_again) {
    in_time = room_cv_.WaitUntil(ticket_mu_, deadline);
  } else {
    static_cast<void>(room_cv_.WaitUntil(ticket_mu_, look_again));
  }
  room_waiters_.fetch_sub(1, std::memory_order_seq_cst);
  if (stalled_.load(std::memory_order_acquire)) {
    MutexLock lock(io_mu_);
    if (!trouble_.ok()) return trouble_;
  }
  if (!in_time) {
    return ResourceExhausted(
        "the log is full of records that the disk has not taken yet; wait, or give the store a "
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
                           std::to_string(options_.record_bytes_max));
  }
  ticket_mu_.lock();
  uint64_t bytes = 0;
  while (true) {
    Status status = CheckIntake();
    const uint64_t offset = reserved_ - active_start_;
    bytes = framing_.FramedSize(record.payload.size(), offset);
    if (status.ok()) {
      if (exclusive_) {
        status = WaitForRoom(deadline);
      } else if (offset + bytes > options_.file_bytes && next_id_ > active_first_id_) {
        status = RollLocked(deadline);
      } else if (bytes > ring_.size() / 4) {
        auto direct = AppendDirect(record);
        ticket_mu_.unlock();
        return direct;
      } else if (HasRoom(bytes)) {
        break;
      } else {
        status = WaitForRoom(deadline);
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
  if (ask) AskForNextFile();
  EncodeInto(position, bytes, place, record);
  return appended;
}

Result<Journal::Appended> Journal::AppendDirect(const Record& record) {
  // Nobody else takes bytes while this record goes to the file, past the ring.
  exclusive_ = true;
  WaitDrained();
  const uint64_t position = reserved_;
  const Place place = PlaceAt(position);
  const uint64_t bytes = framing_.FramedSize(record.payload.size(), place.offset);
  ticket_mu_.unlock();
  std::vector<std::byte> framed(bytes);
  framing_.Encode(place, record, framed);
  io_mu_.lock();
  BecomeDriver();
  io_mu_.unlock();
  const Status status = WriteDirect(position, place, framed);
  ticket_mu_.lock();
  Appended appended;
  if (status.ok()) {
    appended = TakeSlot(bytes, record.ids);
    AdvanceWritten(reserved_);
    // Synced already, so that a re-drive never needs it; its id counts when it is published.
    if (!options_.strategy.async()) AdvanceDurable(reserved_, 0);
  }
  exclusive_ = false;
  room_cv_.NotifyAll();
  io_mu_.lock();
  StopDriving();
  io_mu_.unlock();
  if (!status.ok()) return Status(status).Annotate("write a large record");
  return appended;
}

Status Journal::WriteDirect(uint64_t position, const Place& place,
                            std::span<const std::byte> framed) {
  AIDB_RETURN_IF_ERROR(Drive(options_.strategy.async() ? Goal::kWrite : Goal::kSync));
  const std::optional<FileSpan> span = SpanAt(position);
  if (!span || span->dead || span->number != place.file.number) {
    return ResourceExhausted("the log has just moved to another file; retry");
  }
  Status status = io::WriteFully(*span->file, place.offset, framed);
  if (status.ok() && !options_.strategy.async()) status = span->file->SyncData();
  if (!status.ok() && status.code() != StatusCode::kResourceExhausted) {
    // The file may hold a part of the record: it is dead. What was published before is driven
    // to another file by whoever writes next; this record never happened.
    MarkDead(span->number);
  }
  return status;
}

void Journal::MarkDone(uint64_t slot) {
  slots_[slot % kSlots].done.store(true, std::memory_order_seq_cst);
  AdvancePublished();
}

// Moves the published marks over every finished slot of the prefix. One thread at a time does
// it; the others leave their mark and go. Whoever lets go looks once more, so that no finished
// slot is left behind.
void Journal::AdvancePublished() {
  while (!ratchet_busy_.exchange(true, std::memory_order_seq_cst)) {
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
      ring_.SetPublished(position);
      published_position_.store(position, std::memory_order_seq_cst);
      published_id_.store(id, std::memory_order_release);
      published_slot_.store(at, std::memory_order_seq_cst);
    }
    ratchet_busy_.store(false, std::memory_order_seq_cst);
    if (!slots_[at % kSlots].done.load(std::memory_order_seq_cst)) break;
  }
  if (publish_waiters_.load(std::memory_order_seq_cst) > 0) {
    MutexLock lock(publish_mu_);
    publish_cv_.NotifyAll();
  }
}

void Journal::Publish(const Appended& appended) {
  MarkDone(appended.slot);
  const auto covered = [&] {
    return published_slot_.load(std::memory_order_seq_cst) > appended.slot;
  };
  for (int i = 0; i < kPublishSpins && !covered(); ++i) SpinPause();
  if (!covered()) {
    publish_waiters_.fetch_add(1, std::memory_order_seq_cst);
    {
      MutexLock lock(publish_mu_);
      while (!covered()) publish_cv_.Wait(publish_mu_);
    }
    publish_waiters_.fetch_sub(1, std::memory_order_seq_cst);
  }
  if (!ring_.durable_memory()) {
    // Without a ring that outlives the process, "published" must mean "in the page cache".
    MutexLock lock(io_mu_);
    while (written_position_.load(std::memory_order_relaxed) < appended.end_position &&
           failure_.ok()) {
      if (driving_) {
        driver_cv_.Wait(io_mu_);
      } else if (!DriveUnlocked(Goal::kWrite).ok()) {
        break;  // The flusher goes on trying; health() says why.
      }
    }
    return;
  }
  if (flusher_parked_.load(std::memory_order_seq_cst)) {
    if (flusher_parked_.exchange(false, std::memory_order_seq_cst)) KickFlusher();
    return;
  }
  const uint64_t written = written_position_.load(std::memory_order_relaxed);
  const uint64_t durable = durable_position_.load(std::memory_order_relaxed);
  const FlushStrategy& strategy = options_.strategy;
  const bool much_to_write = appended.end_position > written + kFlushBytes;
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

void Journal::AskForNextFile() {
  MutexLock lock(prepare_mu_);
  if (next_ || prepare_wanted_) return;
  prepare_wanted_ = true;
  prepare_cv_.NotifyOne();
}

Status Journal::RollLocked(Instant deadline) {
  AskForNextFile();
  std::optional<Prepared> next;
  {
    MutexLock lock(prepare_mu_);
    next = next_;
    if (!next && !prepare_error_.ok()) {
      return Status(prepare_error_).Annotate("begin a new log file");
    }
  }
  // The table entry that the new file takes must belong to a file whose bytes are all written.
  const uint64_t replaced_end = turn_end_[file_turn_ % Ring::kFileSlots];
  const bool entry_free = written_position_.load(std::memory_order_seq_cst) >= replaced_end;
  if (!next || !entry_free || !HasRoom(256)) return WaitForRoom(deadline);

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
  AppendControl(ControlKind::kOpen, open);
  return {};
}

Result<uint64_t> Journal::Roll(Instant deadline) {
  MutexLock lock(ticket_mu_);
  const uint64_t before = active_number_;
  while (active_number_ == before) {
    AIDB_RETURN_IF_ERROR(CheckIntake());
    AIDB_RETURN_IF_ERROR(exclusive_ ? WaitForRoom(deadline) : RollLocked(deadline));
  }
  return active_number_;
}

}  // namespace aidb::journal

// What happens after a write or a sync of a log file has failed.
//
// The file is dead: ext4, XFS and btrfs answer ok to the next fdatasync and return old bytes
// once the cache is dropped, so it is never touched again (house rule 4). Everything published
// and not durable is still in the ring, or, under the Async strategy, readable from the file.
// It is framed anew, because a record's checksum names its file and offset, and written to a
// new file under a temporary name; that file is synced, renamed and its directory synced. Its
// first record says how much of the dead file counts, so what may lie behind is void, and a
// crash at any step finds either the old file or the new one in force, never half of each.

#include <algorithm>
#include <utility>

#include "aidb/base/bytes.h"
#include "aidb/base/check.h"
#include "aidb/io/transfer.h"
#include "aidb/journal/journal.h"

namespace aidb::journal {

Status Journal::Redrive(const Status& cause) {
  ticket_mu_.lock();
  WaitDrained();
  const Status status = RedriveLocked(cause);
  ticket_mu_.unlock();
  if (status.ok() || status.code() == StatusCode::kResourceExhausted) return status;
  return Fail(
      IoError(std::string(cause.message()) +
              "; and the attempt to go on in a new file failed: " + std::string(status.message())));
}

Status Journal::Fail(const Status& cause) {
  const std::string text = "the log stopped after an I/O error, reads go on; reopen the store. " +
                           std::string(cause.message());
  env_.log.Log(LogLevel::kError, text);
  {
    MutexLock lock(io_mu_);
    if (failure_.ok()) failure_ = Unavailable(text);
    failed_.store(true, std::memory_order_release);
    driver_cv_.NotifyAll();
  }
  NotifyRoom();
  return cause;
}

Status Journal::RedriveLocked(const Status& cause) {
  const uint64_t from = durable_position_.load(std::memory_order_acquire);
  const uint64_t to = reserved_;
  std::vector<FileSpan> spans;
  {
    MutexLock lock(io_mu_);
    for (const FileSpan& span : spans_) {
      if (span.end > from) spans.push_back(span);
    }
  }
  AIDB_CHECK(!spans.empty());
  env_.log.Log(LogLevel::kWarning, "log file " + names_.NameOf(spans.front().number) + " failed (" +
                                       std::string(cause.message()) + "); writing " +
                                       std::to_string(to - from) + " bytes to a new file");
  const OpenFacts open = HeadAfter(spans, from);
  uint64_t size = 0;
  AIDB_ASSIGN_OR_RETURN(Prepared fresh, WriteAnew(spans, from, to, open, size));

  uint64_t stale_number = 0;
  {
    MutexLock lock(prepare_mu_);
    // A file prepared before has a lower number than the one now in use: it would break the
    // order of the chain.
    if (next_) stale_number = next_->number;
    next_.reset();
  }
  if (stale_number != 0) {
    // Left behind, it is empty and recovery drops it.
    static_cast<void>(
        env_.files.Remove(io::JoinPath(options_.directory, names_.NameOf(stale_number))));
  }
  {
    MutexLock lock(io_mu_);
    spans_.clear();
    spans_.push_back({.number = fresh.number,
                      .begin = to,
                      .start = to - size,
                      .open = open,
                      .file = std::move(fresh.file)});
    ++stats_.redrives;
  }
  active_number_ = fresh.number;
  active_start_ = to - size;
  active_first_id_ = ToNumber(open.first_id);
  prepare_asked_ = false;
  turn_end_.fill(0);
  // The marks before the table: a process that dies in between must not look for old positions
  // in an entry that is gone.
  AdvanceWritten(to);
  AdvanceDurable(to, next_id_ - 1);
  ring_.SetFile(file_turn_++, {.start = active_start_, .number = active_number_});
  room_cv_.NotifyAll();
  return {};
}

// What the head of a file says that goes on at position `from`, which lies in spans.front().
OpenFacts Journal::HeadAfter(const std::vector<FileSpan>& spans, uint64_t from) {
  const FileSpan& front = spans.front();
  OpenFacts open{.previous_number = front.number,
                 .previous_end = from - front.start,
                 .previous_durable = from - front.start,
                 .first_id = RecordId{next_id_}};
  if (from == front.start) {
    // Not even its head is durable: the new file continues what that one continued.
    open.previous_number = front.open.previous_number;
    open.previous_end = front.open.previous_end;
    open.previous_durable = front.open.previous_end;
  }
  std::string scratch;
  for (const FileSpan& span : spans) {
    const uint64_t begin = std::max(from, span.begin);
    auto bytes = BytesOf(span, begin, std::min(reserved_, span.end));
    for (size_t at = 0; bytes.ok() && at < bytes->size();) {
      const Parsed parsed =
          framing_.Parse(std::string_view(*bytes).substr(at), false, begin + at - span.start,
                         {.journal_uuid = identity_.uuid, .number = span.number}, scratch);
      if (parsed.kind == ParseKind::kRecord) {
        open.first_id = parsed.first_id;
        return open;
      }
      if (parsed.kind != ParseKind::kControl) return open;  // WriteAnew reports it.
      at += parsed.size;
    }
  }
  return open;
}

Result<std::string> Journal::BytesOf(const FileSpan& span, uint64_t from, uint64_t to) {
  std::string bytes(to - from, '\0');
  const std::span<std::byte> out = std::as_writable_bytes(std::span(bytes));
  // The ring holds the last ring_.size() bytes that were reserved; what is older was written.
  const uint64_t ring_begin = reserved_ > ring_.size() ? reserved_ - ring_.size() : 0;
  const uint64_t from_file = from < ring_begin ? std::min(ring_begin, to) - from : 0;
  if (from_file > 0) {
    AIDB_RETURN_IF_ERROR(io::ReadExact(*span.file, from - span.start, out.first(from_file)));
  }
  if (from_file < bytes.size()) ring_.CopyOut(from + from_file, out.subspan(from_file));
  return bytes;
}

Result<Journal::Prepared> Journal::WriteAnew(const std::vector<FileSpan>& spans, uint64_t from,
                                             uint64_t to, const OpenFacts& open, uint64_t& size) {
  const uint64_t number = names_.NextNumber();
  const std::string path = io::JoinPath(options_.directory, names_.NameOf(number));
  const std::string temporary = path + ".tmp";
  AIDB_ASSIGN_OR_RETURN(std::shared_ptr<io::File> file,
                        env_.files.Open(temporary, io::OpenMode::kCreateNew));
  Place place{.file = {.journal_uuid = identity_.uuid, .number = number},
              .first_id = open.first_id};
  std::vector<std::byte> framed(framing_.ControlSize(ControlKind::kOpen, 0));
  framing_.EncodeControl(place, ControlKind::kOpen, open, framed);
  AIDB_RETURN_IF_ERROR(io::WriteFully(*file, 0, framed));
  place.offset = framed.size();

  std::string scratch;
  for (const FileSpan& span : spans) {
    const uint64_t begin = std::max(from, span.begin);
    const uint64_t end = std::min(to, span.end);
    if (begin >= end) continue;
    AIDB_ASSIGN_OR_RETURN(const std::string bytes, BytesOf(span, begin, end));
    for (size_t at = 0; at < bytes.size();) {
      const Parsed parsed =
          framing_.Parse(std::string_view(bytes).substr(at), false, begin + at - span.start,
                         {.journal_uuid = identity_.uuid, .number = span.number}, scratch);
      if (parsed.kind == ParseKind::kRecord) {
        place.first_id = parsed.first_id;
        place.behind = static_cast<uint32_t>(std::min<uint64_t>(place.offset, kBehindUnknown));
        framed.resize(framing_.FramedSize(parsed.payload.size(), place.offset));
        framing_.Encode(place, {.payload = parsed.payload, .ids = parsed.ids}, framed);
        AIDB_RETURN_IF_ERROR(io::WriteFully(*file, place.offset, framed));
        place.offset += framed.size();
      } else if (parsed.kind != ParseKind::kControl) {
        return Corruption("record at offset " + std::to_string(begin + at - span.start) + " of " +
                          names_.NameOf(span.number) + " cannot be read back (" + parsed.reason +
                          ")");
      }
      at += parsed.size;
    }
  }
  AIDB_RETURN_IF_ERROR(file->SyncAll());
  AIDB_RETURN_IF_ERROR(env_.files.Rename(temporary, path));
  AIDB_RETURN_IF_ERROR(env_.files.SyncDirectory(options_.directory));
  size = place.offset;
  return Prepared{.number = number, .file = std::move(file)};
}

}  // namespace aidb::journal

// What happens after a write or a sync of a log file has failed.
//
// The file is dead: ext4, XFS and btrfs answer ok to the next fdatasync and return old bytes
// once the cache is dropped, so it is never touched again (house rule 4). Everything published
// and not durable is still in the ring, or, under the Async strategy, readable from the file.
// It is framed anew, because a record's checksum names its file and offset, and written to a
// new file under a temporary name; that file is synced, renamed and its directory synced. Its
// first record says how much of the dead file counts, so what may lie behind is void, and a
// crash at any step finds either the old file or the new one in force, never half of each.
//
// All of it runs under ticket_mu_: nobody may take a place in a file that is about to be left.

#include <algorithm>
#include <utility>

#include "aidb/base/bytes.h"
#include "aidb/base/canary.h"
#include "aidb/base/check.h"
#include "aidb/io/transfer.h"
#include "aidb/journal/chain.h"
#include "aidb/journal/journal.h"

namespace aidb::journal {
namespace {

constexpr uint64_t kWindowBytes = uint64_t{1} << 20;

}  // namespace

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
  const std::string text = options_.directory +
                           ": the log stopped after an I/O error, reads go on; reopen the store. " +
                           std::string(cause.message());
  env_.log.Log(LogLevel::kError, text);
  {
    MutexLock lock(io_mu_);
    if (failure_.ok()) failure_ = Unavailable(text);
    failed_.store(true, std::memory_order_release);
    driver_cv_.NotifyAll();
    // Not only a driver fails: the directory's names are synced by the preparer, too.
    for (Waiter* waiter : std::exchange(waiters_, {})) waiter->Wake();
  }
  NotifyRoom();
  WakeTails();
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
  AIDB_ASSIGN_OR_RETURN(NewFile fresh, WriteAnew(spans, from));
  DropPrepared(fresh.file.number);
  {
    MutexLock lock(io_mu_);
    spans_.clear();
    spans_.push_back({.number = fresh.file.number,
                      .begin = to,
                      .start = to - fresh.size,
                      .open = fresh.open,
                      .file = std::move(fresh.file.file)});
    ++stats_.redrives;
  }
  table_.Replace(from, to, fresh.file.number, fresh.open.first_id, fresh.size);
  active_number_ = fresh.file.number;
  active_start_ = to - fresh.size;
  active_first_id_ = ToNumber(fresh.open.first_id);
  prepare_asked_ = false;
  turn_end_.fill(0);
  // The marks before the table: a process that dies in between must not look for old positions
  // in an entry that is gone.
  AdvanceWritten(to);
  AdvanceDurable(to, next_id_ - 1);
  ring_.SetFile(file_turn_++, {.start = active_start_, .number = active_number_});
  orphan_.store(false, std::memory_order_release);
  unsynced_since_ns_.store(0, std::memory_order_seq_cst);
  room_changes_.fetch_add(1, std::memory_order_seq_cst);
  room_cv_.NotifyAll();
  return {};
}

// What the head of a file says that goes on at position `from`, which lies in `front`.
OpenFacts Journal::HeadAfter(const FileSpan& front, uint64_t from) {
  if (from == front.start) {
    // Not even its head is durable: the new file continues what that one continued.
    return {.previous_number = front.open.previous_number,
            .previous_end = front.open.previous_end,
            .previous_durable = front.open.previous_end,
            .first_id = RecordId{next_id_}};
  }
  return {.previous_number = front.number,
          .previous_end = from - front.start,
          .previous_durable = from - front.start,
          .first_id = RecordId{next_id_}};
}

// Bytes of `span`. The ring holds what was reserved last; what is older was written, and so was
// a large record, with everything in front of it.
Result<std::string> Journal::BytesAt(const FileSpan& span, uint64_t from, uint64_t count) {
  std::string bytes(count, '\0');
  const std::span<std::byte> out = std::as_writable_bytes(std::span(bytes));
  const uint64_t ring_begin =
      std::max(direct_end_, reserved_ > ring_.size() ? reserved_ - ring_.size() : 0);
  const uint64_t from_file = from < ring_begin ? std::min(ring_begin - from, count) : 0;
  AIDB_RETURN_IF_ERROR(io::ReadExact(*span.file, from - span.start, out.first(from_file)));
  ring_.CopyOut(from + from_file, out.subspan(from_file));
  return bytes;
}

// Writes all records from position `from` on to `file`, behind the place of its head. Returns
// where they end; sets open.first_id to the id of the first.
Result<uint64_t> Journal::FrameAnew(const std::vector<FileSpan>& spans, uint64_t from,
                                    io::File& file, uint64_t number, OpenFacts& open) {
  Place place{.file = {.journal_uuid = identity_.uuid, .number = number},
              .offset = framing_.ControlSize(ControlKind::kOpen, 0)};
  std::vector<std::byte> framed;  // Not yet written; ends at place.offset.
  const auto write = [&] {
    const Status status = io::WriteFully(file, place.offset - framed.size(), framed);
    framed.clear();
    return status;
  };
  bool first = true;
  std::string scratch;
  for (const FileSpan& span : spans) {
    const uint64_t end = std::min(reserved_, span.end);
    uint64_t window_bytes = kWindowBytes;
    for (uint64_t at = std::max(from, span.begin); at < end;) {
      const uint64_t count = std::min(end - at, window_bytes);
      AIDB_ASSIGN_OR_RETURN(const std::string window, BytesAt(span, at, count));
      uint64_t done = 0;
      Parsed parsed;
      while (done < count) {
        parsed = framing_.Parse(std::string_view(window).substr(done), count < end - at,
                                at + done - span.start,
                                {.journal_uuid = identity_.uuid, .number = span.number}, scratch);
        if (parsed.kind == ParseKind::kRecord) {
          if (std::exchange(first, false)) open.first_id = parsed.first_id;
          place.first_id = parsed.first_id;
          if (AIDB_CANARY_HIT(kRedriveCopies)) place.file.number = span.number;
          place.behind = static_cast<uint32_t>(std::min<uint64_t>(place.offset, kBehindUnknown));
          const Record record{.payload = parsed.payload, .ids = parsed.ids};
          const uint64_t size = framing_.FramedSize(record, place.first_id, place.offset);
          framed.resize(framed.size() + size);
          framing_.Encode(place, record, std::span(framed).last(size));
          place.offset += size;
          if (framed.size() >= kWindowBytes) AIDB_RETURN_IF_ERROR(write());
        } else if (parsed.kind != ParseKind::kControl) {
          break;
        }
        done += parsed.size;
      }
      if (done == 0 && parsed.kind != ParseKind::kNeedMore) {
        return Corruption(std::string(span.file->path()) + ": the record at offset " +
                          std::to_string(at - span.start) + " cannot be read back (" +
                          parsed.reason + ")");
      }
      if (done == 0) window_bytes *= 2;  // A record larger than the window.
      at += done;
    }
  }
  AIDB_RETURN_IF_ERROR(write());
  return place.offset;
}

Result<Journal::NewFile> Journal::WriteAnew(const std::vector<FileSpan>& spans, uint64_t from) {
  const uint64_t number = names_.NextNumber();
  const std::string path = io::JoinPath(options_.directory, names_.NameOf(number));
  const std::string temporary = path + std::string(kTemporarySuffix);
  AIDB_ASSIGN_OR_RETURN(std::shared_ptr<io::File> file,
                        env_.files.Open(temporary, io::OpenMode::kCreateNew));
  OpenFacts open = HeadAfter(spans.front(), from);
  const auto fill = [&]() AIDB_REQUIRES(ticket_mu_) -> Result<uint64_t> {
    AIDB_ASSIGN_OR_RETURN(const uint64_t size, FrameAnew(spans, from, *file, number, open));
    std::vector<std::byte> head(framing_.ControlSize(ControlKind::kOpen, 0));
    framing_.EncodeControl(
        {.file = {.journal_uuid = identity_.uuid, .number = number}, .first_id = open.first_id},
        ControlKind::kOpen, open, head);
    AIDB_RETURN_IF_ERROR(io::WriteFully(*file, 0, head));
    AIDB_RETURN_IF_ERROR(file->SyncAll());
    return size;
  };
  const Result<uint64_t> size = fill();
  if (!size.ok()) {
    // On a full disk this is tried again and again; recovery removes what stays behind.
    static_cast<void>(env_.files.Remove(temporary));
    return size.status();
  }
  // From here on the file may be in force after a crash, so there is no second try: a record
  // appended in between would be in none of the files that count.
  Status named = env_.files.Rename(temporary, path);
  if (named.ok()) named = guard_.SyncDirectory(options_.directory);
  if (!named.ok()) return IoError(std::string(named.message()));
  return NewFile{.file = {.number = number, .file = std::move(file)}, .open = open, .size = *size};
}

}  // namespace aidb::journal

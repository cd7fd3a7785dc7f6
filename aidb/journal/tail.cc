#include "aidb/journal/tail.h"

#include <algorithm>
#include <span>
#include <utility>

#include "aidb/io/transfer.h"
#include "aidb/journal/journal.h"

namespace aidb::journal {
namespace {

constexpr uint64_t kWindowBytes = uint64_t{64} << 10;

Status Ended() { return Unavailable("the log is closed; open the store again to read on"); }

}  // namespace

Tail::Tail(Journal& journal, std::shared_ptr<CallGate> gate,
           std::list<FileTable::Reader>::iterator place, const TailOptions& options)
    : journal_(journal),
      gate_(std::move(gate)),
      place_(place),
      options_(options),
      next_id_(RecordId{place->next_id}),
      wanted_bytes_(kWindowBytes) {}

Tail::~Tail() {
  const CallPass pass(*gate_);
  if (pass) journal_.table_.Detach(place_);
}

RecordId Tail::oldest_id() const {
  const CallPass pass(*gate_);
  return pass ? journal_.oldest_id() : next_id_;
}

Result<std::optional<Tail::Record>> Tail::Next(Duration wait) {
  const CallPass pass(*gate_);
  if (!pass) return Ended();
  AIDB_ASSIGN_OR_RETURN(const bool there, journal_.WaitForTail(*this, wait));
  if (!there) return std::optional<Record>();
  AIDB_ASSIGN_OR_RETURN(const Record record, Read());
  next_id_ = record.first_id + record.ids;
  return std::optional<Record>(record);
}

// A record with next_id_ is published: so one of the files has it.
Result<Tail::Record> Tail::Read() {
  while (true) {
    AIDB_ASSIGN_OR_RETURN(const std::optional<Record> record, Parse());
    if (record) return *record;
    AIDB_RETURN_IF_ERROR(Load());
  }
}

Result<std::optional<Tail::Record>> Tail::Parse() {
  while (offset_ < window_offset_ + window_.size()) {
    const std::string_view rest = std::string_view(window_).substr(offset_ - window_offset_);
    const Parsed parsed = journal_.framing_.Parse(
        rest, !window_ends_, offset_, {.journal_uuid = journal_.identity_.uuid, .number = number_},
        scratch_);
    if (parsed.kind == ParseKind::kNeedMore) {
      wanted_bytes_ = std::max(wanted_bytes_, 2 * rest.size());
      break;
    }
    const bool record = parsed.kind == ParseKind::kRecord;
    if (!record && parsed.kind != ParseKind::kControl) {
      AIDB_RETURN_IF_ERROR(Fail(Broken(parsed.reason), window_version_));
      break;
    }
    if (record && parsed.first_id > next_id_) {
      AIDB_RETURN_IF_ERROR(
          Fail(Broken("record " + std::to_string(ToNumber(parsed.first_id)) + " follows where " +
                      std::to_string(ToNumber(next_id_)) + " is due"),
               window_version_));
      break;
    }
    offset_ += parsed.size;
    if (!record || parsed.first_id + parsed.ids <= next_id_) continue;
    wanted_bytes_ = kWindowBytes;
    return std::optional<Record>(
        Record{.first_id = parsed.first_id, .ids = parsed.ids, .payload = parsed.payload});
  }
  return std::optional<Record>();
}

Status Tail::Load() {
  AIDB_ASSIGN_OR_RETURN(const FileTable::Found found, journal_.table_.Find(*place_, next_id_));
  const FileTable::File& file = found.file;
  if (file.number != number_) Enter(file.number);
  journal_.table_.Advance(*place_, next_id_, number_, offset_);
  const uint64_t end = journal_.PublishedEndOf(file);
  if (offset_ >= end) {
    return Fail(Broken("it ends without record " + std::to_string(ToNumber(next_id_))),
                found.version);
  }
  // The old window first: never are there two.
  window_ = std::string();
  window_.resize(std::min(wanted_bytes_, end - offset_));
  window_offset_ = offset_;
  const auto got = ReadFrom(file, end, std::as_writable_bytes(std::span(window_)));
  window_.resize(got.ok() ? *got : 0);
  if (!got.ok()) return Fail(got.status(), found.version);
  // The end belongs to the file only if that was the active one until now.
  if (journal_.table_.version() != found.version) {
    window_.clear();
    return {};
  }
  window_ends_ = offset_ + *got == end;
  window_version_ = found.version;
  return {};
}

Result<size_t> Tail::ReadFrom(const FileTable::File& file, uint64_t end, std::span<std::byte> out) {
  if (file.start && offset_ >= file.ring_offset &&
      journal_.CopyFromRing(*file.start + offset_, out)) {
    return out.size();
  }
  // The ring has let go of what is written.
  const uint64_t in_file = std::min(end, journal_.WrittenEndOf(file));
  // A Close that failed has left the rest in the ring, for whoever opens the store next.
  if (in_file <= offset_ && journal_.ended_.load(std::memory_order_acquire)) return Ended();
  if (file_ == nullptr) {
    const std::string path =
        io::JoinPath(journal_.options_.directory, journal_.names_.NameOf(number_));
    auto opened = journal_.env_.files.Open(path, io::OpenMode::kRead);
    // Whoever opened the store since may have removed it.
    if (!opened.ok() && journal_.ended_.load(std::memory_order_acquire)) return Ended();
    AIDB_RETURN_IF_ERROR(opened.status());
    file_ = *std::move(opened);
  }
  const uint64_t count = std::min<uint64_t>(out.size(), in_file - std::min(in_file, offset_));
  AIDB_RETURN_IF_ERROR(io::ReadExact(*file_, offset_, out.first(count)));
  return count;
}

void Tail::Enter(uint64_t number) {
  number_ = number;
  file_.reset();
  offset_ = window_offset_ = 0;
  window_.clear();
}

Status Tail::Broken(std::string_view reason) const {
  return Corruption(io::JoinPath(journal_.options_.directory, journal_.names_.NameOf(number_)) +
                    " at offset " + std::to_string(offset_) + ": cannot be read back (" +
                    std::string(reason) + ")");
}

Status Tail::Fail(Status status, uint64_t version) {
  AIDB_ASSIGN_OR_RETURN(const FileTable::Found found, journal_.table_.Find(*place_, next_id_));
  const bool changed = found.version != version;
  if (changed || status.code() == StatusCode::kCorruption) Enter(0);  // The next try reads it anew.
  return changed ? Status() : status;
}

// ---- The journal's side.

Result<std::unique_ptr<Tail>> Journal::Follow(RecordId after, const TailOptions& options) {
  std::optional<uint64_t> begin = published_position_.load(std::memory_order_acquire);
  if (after != published_id()) begin.reset();
  AIDB_ASSIGN_OR_RETURN(const auto place, table_.Attach(after + 1, options.lag_bytes_max, begin));
  return std::unique_ptr<Tail>(new Tail(*this, tails_, place, options));
}

uint64_t Journal::Release(uint64_t number) {
  return table_.Release(number, published_position_.load(std::memory_order_acquire));
}

// Offset behind what is published of a file with a published record: of one that is ended, too,
// appenders may still be filling the rest. Asked for after the file itself, so that it is never
// less than what the table has said.
uint64_t Journal::PublishedEndOf(const FileTable::File& file) const {
  if (!file.start) return file.end;
  return std::min(file.end, published_position_.load(std::memory_order_acquire) - *file.start);
}

// May stand in an earlier file yet; what a re-drive wrote is there.
uint64_t Journal::WrittenEndOf(const FileTable::File& file) const {
  if (!file.start) return file.end;
  const uint64_t written = written_position_.load(std::memory_order_seq_cst) - *file.start;
  const bool in_front = static_cast<int64_t>(written) < 0;
  return std::min(file.end, in_front ? file.ring_offset : std::max(written, file.ring_offset));
}

// Bytes in the ring are overwritten once they are durable, or written under the Async strategy. So
// the copy is announced, for as long as it takes, to whoever looks for room. Once the journal is
// closed its memory belongs to whoever opens the directory next.
bool Journal::CopyFromRing(uint64_t position, std::span<std::byte> out) {
  MutexLock copying(copy_mu_);
  if (ended_.load(std::memory_order_seq_cst)) return false;
  {
    MutexLock lock(ticket_mu_);
    if (position < direct_end_ || reserved_ - position > ring_.size()) return false;
    copied_from_ = position;
  }
  ring_.CopyOut(position, out);
  MutexLock lock(ticket_mu_);
  copied_from_ = UINT64_MAX;
  if (room_waiters_.load(std::memory_order_seq_cst) > 0) {
    room_changes_.fetch_add(1, std::memory_order_seq_cst);
    room_cv_.NotifyAll();
  }
  return true;
}

Result<bool> Journal::WaitForTail(Tail& tail, Duration wait) {
  const bool durable = tail.options_.level == TailLevel::kDurable;
  const uint64_t id = ToNumber(tail.next_id_);
  const auto there = [&] {
    return published_id_.load(std::memory_order_seq_cst) >= id &&
           (!durable || durable_id_.load(std::memory_order_seq_cst) >= id);
  };
  const auto over = [&] {
    return ended_.load(std::memory_order_seq_cst) || failed_.load(std::memory_order_seq_cst);
  };
  if (there()) return true;
  // Caught up: it needs no file but the newest.
  table_.Advance(*tail.place_, tail.next_id_, tail.number_, tail.offset_);
  if (!over() && wait > Duration{0}) {
    const Instant deadline = env_.clock.Now() + wait;
    std::atomic<int>& waiters = durable ? durable_waiters_ : publish_waiters_;
    CondVar& moved = durable ? durable_cv_ : publish_cv_;
    waiters.fetch_add(1, std::memory_order_seq_cst);
    {
      MutexLock lock(publish_mu_);
      while (!there() && !over() && moved.WaitUntil(publish_mu_, deadline)) {
      }
    }
    waiters.fetch_sub(1, std::memory_order_seq_cst);
  }
  const bool was_over = over();
  if (there()) return true;
  if (!was_over) return false;
  if (ended_.load(std::memory_order_seq_cst)) {
    return Unavailable(options_.directory + ": the log is closed; open the store again to read on");
  }
  return health();
}

void Journal::WakeDurableTails() {
  MutexLock lock(publish_mu_);
  durable_cv_.NotifyAll();
}

void Journal::WakeTails() {
  MutexLock lock(publish_mu_);
  publish_cv_.NotifyAll();
  durable_cv_.NotifyAll();
}

// From here on no record comes, nor becomes durable, and no tail looks at the ring.
void Journal::EndTails() {
  ended_.store(true, std::memory_order_seq_cst);
  {
    MutexLock copying(copy_mu_);  // Whoever copies just now has seen it open.
  }
  WakeTails();
}

}  // namespace aidb::journal

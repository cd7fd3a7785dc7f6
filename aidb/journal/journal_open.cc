// Opening, preparing files ahead, and closing.

#include <algorithm>
#include <bit>
#include <utility>

#include "aidb/base/bytes.h"
#include "aidb/base/canary.h"
#include "aidb/base/check.h"
#include "aidb/base/hash.h"
#include "aidb/io/transfer.h"
#include "aidb/journal/journal.h"
#include "aidb/journal/old_ring.h"
#include "aidb/journal/recovery.h"

namespace aidb::journal {
namespace {

constexpr Duration kRetryDelay = std::chrono::milliseconds(100);
constexpr uint64_t kZeroFillBytes = uint64_t{1} << 20;  // At a time.
// Of a file, once zeros are laid out at all: what 16 small records take that are synced one by one.
constexpr uint64_t kZeroFillBytesMin = uint64_t{64} << 10;

Identity NewIdentity(Random& random) {
  Identity identity;
  StoreLe<uint64_t>(identity.uuid.data(), random.Next());
  StoreLe<uint64_t>(identity.uuid.data() + 8, random.Next());
  return identity;
}

Status ZeroFill(io::File& file, uint64_t bytes) {
  const std::vector<std::byte> zeros(kZeroFillBytes);
  for (uint64_t at = 0; at < bytes; at += kZeroFillBytes) {
    const uint64_t count = std::min(kZeroFillBytes, bytes - at);
    AIDB_RETURN_IF_ERROR(io::WriteFully(file, at, std::span(zeros).first(count)));
  }
  return file.SyncAll();
}

// A journal without an identity must be new: its identity is durable before its first file is
// there, and without it no record can be verified.
Status CheckNew(io::FileSystem& files, const JournalFiles& names, std::string_view directory,
                bool has_ring) {
  AIDB_ASSIGN_OR_RETURN(const auto found, files.List(directory));
  const auto file = std::find_if(found.begin(), found.end(), [&](const std::string& name) {
    return names.NumberOf(name).has_value();
  });
  if (file == found.end() && !has_ring) return {};
  return IdentityIsMissing(directory, file == found.end() ? Ring::kName : *file);
}

}  // namespace

Journal::Journal(const io::Env& env, const Framing& framing, JournalFiles& names,
                 JournalOptions options, Identity identity, Ring ring)
    : env_(env),
      guard_(env.files),
      framing_(framing),
      names_(names),
      options_(std::move(options)),
      identity_(identity),
      ring_(std::move(ring)) {}

Result<Journal::Opened> Journal::Open(const io::Env& env, const Framing& framing,
                                      JournalFiles& names, JournalOptions options,
                                      const RecoveryFloor& floor, const RecordSink& sink) {
  AIDB_CHECK(std::has_single_bit(options.ring_bytes));
  io::FileSystem& files = env.files;
  AIDB_ASSIGN_OR_RETURN(const std::optional<Identity> stored,
                        ReadIdentity(files, options.directory));
  if (!stored && floor.number != 0) {
    return IdentityIsMissing(options.directory, "the log");
  }
  Identity identity = stored ? *stored : NewIdentity(env.random);
  Opened opened;
  const RecoveryInput input{files, framing, names, options, floor, identity};
  std::optional<RingRemains> left;
  if (stored) {
    AIDB_ASSIGN_OR_RETURN(left, FindOldRing(input, opened.report));
  } else {
    AIDB_ASSIGN_OR_RETURN(const bool has_ring,
                          files.Exists(io::JoinPath(options.directory, Ring::kName)));
    AIDB_RETURN_IF_ERROR(CheckNew(files, names, options.directory, has_ring));
  }
  AIDB_ASSIGN_OR_RETURN(const Recovered recovered, Recover(input, left, sink, opened.report));
  left.reset();  // Closes the file.
  // Recovery is durable: from here on the old ring must not be adopted again.
  ++identity.generation;
  identity.boot_hash = Hash64(files.BootId());
  identity.ring_in_use = false;
  AIDB_RETURN_IF_ERROR(WriteIdentity(files, options.directory, identity));
  AIDB_ASSIGN_OR_RETURN(Ring ring, Ring::Open(files, options.directory, options.ring_bytes));
  ring.Reset(identity.uuid, identity.generation, files.BootId());
  if (ring.durable_memory()) {
    identity.ring_in_use = true;
    AIDB_RETURN_IF_ERROR(WriteIdentity(files, options.directory, identity));
  }

  opened.journal.reset(
      new Journal(env, framing, names, std::move(options), identity, std::move(ring)));
  AIDB_RETURN_IF_ERROR(opened.journal->Begin(recovered));
  {
    MutexLock lock(opened.journal->ticket_mu_);
    opened.active_number = opened.journal->active_number_;
  }
  return opened;
}

Status Journal::Begin(const Recovered& recovered) {
  AIDB_ASSIGN_OR_RETURN(Prepared first, PrepareFile(options_.file_bytes));
  for (const RecoveredFile& file : recovered.files) {
    table_.AddRecovered(file.number, file.first_id, file.next_id, file.end);
  }
  {
    MutexLock lock(ticket_mu_);
    next_id_ = ToNumber(recovered.next_id) + (AIDB_CANARY_HIT(kSequenceOffByOne) ? 1 : 0);
    published_id_.store(next_id_ - 1, std::memory_order_release);
    durable_id_.store(next_id_ - 1, std::memory_order_release);
    AIDB_RETURN_IF_ERROR(StartFile(std::move(first), {.previous_number = recovered.last_number,
                                                      .previous_end = recovered.last_end,
                                                      .previous_durable = recovered.last_end,
                                                      .first_id = recovered.next_id}));
  }
  flusher_ = env_.executor.Start("journal-flush", [this] { FlusherMain(); });
  preparer_ = env_.executor.Start("journal-prepare", [this] { PreparerMain(); });
  return {};
}

// Creates the next file ahead: under its own name only when its directory entry is durable, so
// that it may receive records at once. Once somebody waits for the disk the file is also filled
// with zeros, as far as it will probably be used: a sync then writes no metadata.
Result<Journal::Prepared> Journal::PrepareFile(uint64_t expected_bytes) {
  const uint64_t number = names_.NextNumber();
  const std::string path = io::JoinPath(options_.directory, names_.NameOf(number));
  AIDB_ASSIGN_OR_RETURN(std::shared_ptr<io::File> file,
                        env_.files.Open(path, io::OpenMode::kCreateNew));
  Status status;
  if (seen_sync_.load(std::memory_order_relaxed)) {
    status =
        ZeroFill(*file, std::clamp(expected_bytes, std::min(kZeroFillBytesMin, options_.file_bytes),
                                   options_.file_bytes));
  }
  if (status.ok() && !AIDB_CANARY_HIT(kLogNameNotSynced)) {
    status = guard_.SyncDirectory(options_.directory);
  }
  if (!status.ok()) {
    static_cast<void>(env_.files.Remove(path));  // Empty: recovery drops what stays behind.
    return std::move(status).Annotate("prepare log file " + path);
  }
  return Prepared{.number = number, .file = std::move(file)};
}

// No file can be begun any more. What was published so far lies in files whose names are durable,
// and becomes so itself before the journal stops.
void Journal::StopForLostNames(const Status& cause) {
  {
    MutexLock lock(io_mu_);
    BecomeDriver();
    io_mu_.unlock();
    const Status synced = Drive(Goal::kSync);
    if (!failed_.load(std::memory_order_acquire)) static_cast<void>(Fail(cause));
    if (!synced.ok()) env_.log.Log(LogLevel::kError, synced.message());
    io_mu_.lock();
    StopDriving();
  }
  NotifyRoom();
}

void Journal::PreparerMain() {
  prepare_mu_.lock();
  while (!prepare_stopping_) {
    if (next_ || !prepare_wanted_) {
      prepare_cv_.Wait(prepare_mu_);
      continue;
    }
    const uint64_t expected_bytes = prepare_bytes_;
    prepare_mu_.unlock();
    auto prepared = PrepareFile(expected_bytes);
    prepare_mu_.lock();
    prepare_error_ = prepared.status();
    if (prepared.ok()) {
      next_ = *std::move(prepared);
      prepare_wanted_ = false;
    }
    prepare_mu_.unlock();
    const bool stop = !prepared.ok() && guard_.sync_failed();
    if (stop) StopForLostNames(prepared.status());
    NotifyRoom();
    prepare_mu_.lock();
    if (stop) break;
    if (!prepare_error_.ok() && !prepare_stopping_) {
      static_cast<void>(prepare_cv_.WaitUntil(prepare_mu_, env_.clock.Now() + kRetryDelay));
    }
  }
  prepare_mu_.unlock();
}

Result<DurableEnd> Journal::Close() {
  {
    MutexLock lock(ticket_mu_);
    while (exclusive_) room_cv_.Wait(ticket_mu_);
    closed_ = true;
    room_changes_.fetch_add(1, std::memory_order_seq_cst);
    room_cv_.NotifyAll();
    WaitDrained();
  }
  Status status;
  {
    MutexLock lock(io_mu_);
    BecomeDriver();
    io_mu_.unlock();
    status = Drive(Goal::kSync);
    io_mu_.lock();
    StopDriving();
  }
  NotifyRoom();
  StopTasks();
  EndTails();
  AIDB_RETURN_IF_ERROR(status);
  MutexLock lock(ticket_mu_);
  TrimFiles();
  return DurableEnd{.number = active_number_, .offset = reserved_ - active_start_};
}

// Everything is durable without it: what does not succeed only leaves zeros, or a file without a
// record, which recovery takes for the end.
void Journal::TrimFiles() {
  DropPrepared(UINT64_MAX);
  std::shared_ptr<io::File> active;
  {
    MutexLock lock(io_mu_);
    active = spans_.back().file;
  }
  const uint64_t end = reserved_ - active_start_;
  const Result<uint64_t> size = active->Size();
  Status trimmed = size.status();
  if (size.ok() && *size > end) trimmed = active->Truncate(end);
  if (!trimmed.ok()) env_.log.Log(LogLevel::kWarning, trimmed.message());
}

Journal::~Journal() {
  EndTails();
  tails_->ShutAndWait();
  StopTasks();
}

void Journal::StopTasks() {
  {
    MutexLock lock(io_mu_);
    stopping_ = true;
    flusher_cv_.NotifyAll();
    driver_cv_.NotifyAll();
  }
  {
    MutexLock lock(prepare_mu_);
    prepare_stopping_ = true;
    prepare_cv_.NotifyAll();
  }
  flusher_.reset();  // Joins.
  preparer_.reset();
}

}  // namespace aidb::journal

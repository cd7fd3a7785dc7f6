#include "aidb/lsm/scrub.h"

#include <algorithm>
#include <utility>

#include "aidb/base/canary.h"
#include "aidb/lsm/file_names.h"
#include "aidb/lsm/paced_file.h"
#include "aidb/lsm/table_reader.h"

namespace aidb::lsm {
namespace {

constexpr uint64_t kPasses = 2;  // Check reads the file, and then its blocks.

TableRef TableOf(const Version& version, uint64_t number) {
  for (int level = 0; level < kLevels; ++level) {
    for (const Run& run : version.runs(level)) {
      for (const TableRef& table : run.tables()) {
        if (table->number() == number) return table;
      }
    }
  }
  return nullptr;
}

}  // namespace

Scrub::Scrub(const io::Env& env, std::string directory, Duration period, BlockCache& blocks,
             DamageNotes& notes, Host host)
    : env_(env),
      directory_(std::move(directory)),
      blocks_(blocks),
      notes_(notes),
      host_(std::move(host)),
      pace_(period, env.clock.Now()) {}

void Scrub::Stop() {
  const MutexLock lock(mu_);
  stopped_ = true;
  cv_.NotifyAll();
}

void Scrub::TablesChanged() {
  const MutexLock lock(mu_);
  ++changes_;
  cv_.NotifyAll();
}

Scrub::Progress Scrub::progress() const {
  const MutexLock lock(mu_);
  return progress_;
}

bool Scrub::stopped() const {
  const MutexLock lock(mu_);
  return stopped_;
}

void Scrub::Main() {
  while (Await(For::kNextTable)) {
    const std::vector<uint64_t> round = NewRound();
    host_.released();
    for (const uint64_t number : round) {
      if (!Verify(number)) return;
    }
    notes_.KeepThoseOf(*host_.version());
    host_.released();
    const MutexLock lock(mu_);
    if (!round.empty()) ++progress_.rounds;
  }
}

std::vector<uint64_t> Scrub::NewRound() {
  const std::shared_ptr<const Version> version = host_.version();
  std::vector<uint64_t> numbers;
  for (int level = 0; level < kLevels; ++level) {
    for (const Run& run : version->runs(level)) {
      for (const TableRef& table : run.tables()) numbers.push_back(table->number());
    }
  }
  std::ranges::sort(numbers);
  if (numbers.empty()) return numbers;
  if (seam_ == 0) seam_ = numbers[env_.random.Next() % numbers.size()];
  std::ranges::rotate(numbers, std::ranges::lower_bound(numbers, seam_));
  if (numbers.size() > 1 && AIDB_CANARY_HIT(kScrubSkipsATable)) numbers.pop_back();
  return numbers;
}

bool Scrub::Verify(uint64_t number) {
  reading_.reset();
  if (!Await(For::kNextTable)) return false;
  spent_ = 0;
  Status status = Read(number);
  if (status.code() == StatusCode::kCorruption && !stopped()) {
    urgent_ = true;
    status = Read(number);
    urgent_ = false;
  }
  if (stopped()) return false;
  const TableRef table = reading_.lock();
  if (table == nullptr || status.code() == StatusCode::kUnavailable) return true;  // It is gone.
  // A table that cannot be read takes its time, too: else a round of such would be none.
  const uint64_t due = kPasses * table->size_bytes();
  pace_.Spend(due - spent_);
  if (!status.ok()) {
    Note(number, status);
    return true;
  }
  if (!table->damaged()) notes_.Forget(number);
  const MutexLock lock(mu_);
  progress_.bytes += table->size_bytes();
  return true;
}

// While it reads nobody is kept from deleting the file.
Status Scrub::Read(uint64_t number) {
  TableFacts facts;
  auto file = [&]() -> Result<std::unique_ptr<io::File>> {
    const TableRef table = TableOf(*host_.version(), number);
    if (table == nullptr) return Unavailable("the table is gone");
    reading_ = table;
    facts = table->facts();
    return env_.files.Open(io::JoinPath(directory_, TableName(number)),
                           io::OpenMode::kReadFromDisk);
  }();
  host_.released();
  AIDB_RETURN_IF_ERROR(file.status());
  const auto before = [this] {
    return Await(For::kTableAtHand) ? Status() : Unavailable("the table is read no further");
  };
  // The footer and the like are read more than once; they are in no account of a period.
  const auto read = [this, due = kPasses * facts.size_bytes](uint64_t bytes) {
    const uint64_t counted = std::min(bytes, due - spent_);
    spent_ += counted;
    pace_.Spend(counted);
  };
  AIDB_ASSIGN_OR_RETURN(const auto table,
                        TableReader::Open(std::make_unique<PacedFile>(
                                              *std::move(file), PacedFile::Gate{before, read}),
                                          std::move(facts), blocks_));
  return table->Check();
}

void Scrub::Note(uint64_t number, const Status& why) {
  // That there is no descriptor or no memory says nothing of the table.
  const bool tells = why.code() != StatusCode::kResourceExhausted;
  const bool news = tells && notes_.Note(number, why, env_.clock.WallMillis());
  if (news || !tells) {
    env_.log.Log(tells ? LogLevel::kError : LogLevel::kWarning,
                 "scrub: " + std::string(why.message()));
  }
  // An error of the disk may pass; compaction finds out for itself.
  if (why.code() != StatusCode::kCorruption) return;
  const Status marked = host_.mark_damaged(number);
  if (!marked.ok()) env_.log.Log(LogLevel::kWarning, "scrub: " + std::string(marked.message()));
}

uint64_t Scrub::BytesInPeriod() const {
  uint64_t bytes = 0;
  {
    const std::shared_ptr<const Version> version = host_.version();
    for (int level = 0; level < kLevels; ++level) bytes += version->LevelBytes(level);
  }
  host_.released();
  return kPasses * bytes;
}

bool Scrub::Await(For what) {
  while (true) {
    uint64_t changes = 0;
    {
      const MutexLock lock(mu_);
      if (stopped_) return false;
      changes = changes_;
    }
    if (what == For::kTableAtHand && reading_.expired()) return false;
    if (what == For::kTableAtHand && urgent_) return true;
    const uint64_t bytes = BytesInPeriod();
    const Instant now = env_.clock.Now();
    const Duration wait = pace_.Wait(bytes, host_.busy(), now);
    if (wait <= Duration{0}) return true;
    const MutexLock lock(mu_);
    if (!stopped_ && changes == changes_) static_cast<void>(cv_.WaitUntil(mu_, now + wait));
  }
}

}  // namespace aidb::lsm

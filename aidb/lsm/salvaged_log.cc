#include "aidb/lsm/salvaged_log.h"

#include <algorithm>
#include <array>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <utility>

#include "aidb/io/transfer.h"
#include "aidb/journal/check.h"
#include "aidb/journal/identity.h"
#include "aidb/journal/ring.h"
#include "aidb/lsm/file_names.h"
#include "aidb/lsm/log_framing.h"
#include "aidb/lsm/log_names.h"

namespace aidb::lsm {
namespace {

using journal::Parsed;
using journal::ParseKind;
using kv::Sequence;

// More than any log: one record of the largest size beside a full file.
constexpr uint64_t kLogBytesMax = uint64_t{3} << 30;
// Holds a log's first record, which says whose it is.
constexpr size_t kBeginBytes = 256;

class Salvage {
 public:
  Salvage(const io::Env& env, std::string_view directory) : env_(env), directory_(directory) {}

  SalvagedLog Run(uint64_t floor) {
    const auto names = env_.files.List(directory_);
    if (!names.ok()) {
      Damaged(directory_, 0, names.status().message());
      return std::move(log_);
    }
    const auto ring = journal::RingRemains::Read(env_.files, directory_, env_.files.BootId());
    ChooseJournal(*names, ring.ok() && *ring ? std::optional((*ring)->uuid) : std::nullopt);
    for (const std::string& name : *names) {
      const std::optional<FileName> file = ParseFileName(name);
      if (file && file->kind == FileKind::kLog && file->number >= floor) {
        TakeFile(name, file->number);
      }
    }
    if (!ring.ok()) Damaged(std::string(journal::Ring::kName), 0, ring.status().message());
    if (ring.ok() && *ring) TakeRing(**ring);
    return std::move(log_);
  }

 private:
  void Damaged(std::string file, uint64_t offset, std::string_view what) {
    log_.damage.push_back({.file = std::move(file), .offset = offset, .what = std::string(what)});
  }

  using JournalUuid = std::array<uint8_t, 16>;

  // One of the files may be another store's. The journal is the one that most of them belong to;
  // JOURNAL's, if they are at one.
  void ChooseJournal(const std::vector<std::string>& names,
                     const std::optional<JournalUuid>& of_ring) {
    std::map<JournalUuid, int> votes;
    if (of_ring) votes[*of_ring] += 2;
    for (const std::string& name : names) {
      const std::optional<FileName> file = ParseFileName(name);
      if (!file || file->kind != FileKind::kLog) continue;
      if (const auto own = IdentityIn(name)) votes[own->journal_uuid] += 2;
    }
    const auto stored = journal::ReadIdentity(env_.files, directory_);
    if (stored.ok() && *stored) votes[(*stored)->uuid] += 3;
    const auto most =
        std::ranges::max_element(votes, {}, [](const auto& entry) { return entry.second; });
    if (most != votes.end()) journal_ = most->first;
  }
  // By its first record.
  std::optional<journal::FileIdentity> IdentityIn(const std::string& name) const {
    const auto file = env_.files.Open(io::JoinPath(directory_, name), io::OpenMode::kRead);
    if (!file.ok()) return std::nullopt;
    const auto size = (*file)->Size();
    if (!size.ok()) return std::nullopt;
    std::string begin(std::min<uint64_t>(*size, kBeginBytes), '\0');
    const Status read = io::ReadExact(**file, 0, std::as_writable_bytes(std::span(begin)));
    return read.ok() ? LogFraming::ReadIdentity(begin) : std::nullopt;
  }
  static std::string IsAnothers() { return "belongs to the journal of another store"; }

  void TakeFile(const std::string& name, uint64_t number) {
    const auto bytes = io::ReadWhole(env_.files, io::JoinPath(directory_, name), kLogBytesMax);
    if (!bytes.ok()) return Damaged(name, 0, bytes.status().message());
    // Prepared and never begun.
    if (bytes->find_first_not_of('\0') == std::string::npos) return;
    if (!journal_) {
      return Damaged(name, 0,
                     "nothing tells which journal it belongs to, so no record of it can "
                     "prove itself");
    }
    const journal::FileIdentity identity =
        LogFraming::ReadIdentity(*bytes).value_or(journal::FileIdentity{*journal_, number});
    if (identity.journal_uuid != *journal_) return Damaged(name, 0, IsAnothers());
    Take(name, *bytes, 0, identity);
  }

  // Takes the whole batches of `bytes`, which lie at `offset` of the file.
  void Take(const std::string& name, std::string_view bytes, uint64_t offset,
            const journal::FileIdentity& identity) {
    bool told = false;  // Of the damage at hand.
    for (uint64_t at = 0; at < bytes.size();) {
      const Parsed parsed =
          framing_.Parse(bytes.substr(at), false, offset + at, identity, scratch_);
      if (parsed.kind == ParseKind::kRecord) {
        log_.batches.try_emplace(Sequence{ToNumber(parsed.first_id)},
                                 SalvagedLog::Batch{parsed.ids, std::string(parsed.payload)});
      } else if (parsed.kind != ParseKind::kControl) {
        const auto next = framing_.FindEvidence(bytes, at + 1, offset, identity);
        if (parsed.kind == ParseKind::kFill && !next) return;  // Its end.
        // Pieces of a batch that is not whole are found as well, and begin none.
        if (!told) Damaged(name, offset + at, parsed.reason);
        told = true;
        if (!next) return;
        at = next->offset - offset;
        continue;
      }
      told = false;
      at += parsed.size;
    }
  }

  // What the process had not yet written to a file when it ended.
  void TakeRing(const journal::RingRemains& remains) {
    const std::string name(journal::Ring::kName);
    if (remains.uuid != *journal_) return Damaged(name, 0, IsAnothers());
    if (!remains.published) return;
    const uint64_t end = *remains.published;
    const uint64_t oldest = end - std::min(end, remains.ring_bytes);
    for (size_t i = 0; i < remains.files.size(); ++i) {
      const journal::RingFile& file = remains.files[i];
      const bool last = i + 1 == remains.files.size();
      const uint64_t stop = last ? end : std::min(end, remains.files[i + 1].start);
      // A file of a re-drive starts "before" its first byte, which then is at no position here.
      const uint64_t from = std::max(oldest, std::max(file.start, remains.written.value_or(0)));
      if (file.start > end || from >= stop) continue;
      const auto bytes = remains.BytesAt(from, stop - from);
      if (!bytes.ok()) {
        Damaged(name, from, bytes.status().message());
        continue;
      }
      Take(name, *bytes, from - file.start, {remains.uuid, file.number});
    }
  }

  const io::Env& env_;
  const std::string directory_;
  const LogFraming framing_;
  std::optional<JournalUuid> journal_;
  SalvagedLog log_;
  std::string scratch_;
};

}  // namespace

std::vector<std::pair<Sequence, Sequence>> SalvagedLog::Missing(Sequence behind) const {
  std::vector<std::pair<Sequence, Sequence>> missing;
  Sequence next = behind + 1;
  for (const auto& [first, batch] : batches) {
    if (first > next) missing.emplace_back(next, Sequence{ToNumber(first) - 1});
    next = std::max(next, first + batch.count);
  }
  return missing;
}

void SalvagedLog::DropUpTo(Sequence covered) {
  std::erase_if(batches, [&](const auto& entry) {
    return ToNumber(entry.first) + entry.second.count <= ToNumber(covered) + 1;
  });
}

Result<SalvagedLog> ReplayLogs(const io::Env& env, std::string_view directory,
                               const journal::RecoveryFloor& floor) {
  journal::JournalOptions options;
  options.directory = std::string(directory);
  options.record_bytes_max = kLogRecordBytesMax;
  const LogFraming framing;
  const LogNames names;
  SalvagedLog log;
  AIDB_ASSIGN_OR_RETURN(
      const journal::JournalCheck found,
      journal::CheckJournal(
          env, framing, names, options, floor,
          [&](uint64_t, journal::RecordId first, uint32_t count, std::string_view operations) {
            log.batches.try_emplace(Sequence{ToNumber(first)},
                                    SalvagedLog::Batch{count, std::string(operations)});
            return Status();
          }));
  AIDB_RETURN_IF_ERROR(found.damage);
  return log;
}

SalvagedLog SalvageLogs(const io::Env& env, std::string_view directory, uint64_t floor) {
  return Salvage(env, directory).Run(floor);
}

}  // namespace aidb::lsm

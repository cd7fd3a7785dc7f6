#include "aidb/journal/check.h"

#include <optional>
#include <utility>

#include "aidb/io/overlay/overlay_file_system.h"
#include "aidb/journal/old_ring.h"

namespace aidb::journal {
namespace {

Result<Recovered> RecoverCopy(const RecoveryInput& input, const RecordSink& sink,
                              RecoveryReport& report) {
  AIDB_ASSIGN_OR_RETURN(const std::optional<RingRemains> ring, FindOldRing(input, report));
  return Recover(input, ring, sink, report);
}

std::string WouldCut(const JournalFiles& names, const FileReport& file) {
  return names.NameOf(file.number) + ": not closed in order, and " +
         std::string(VerdictName(file.verdict)) + " at offset " + std::to_string(file.end) + " (" +
         file.reason + "); opening moves " + std::to_string(file.cut_bytes) +
         " bytes, which nothing proves to have been durable, to quarantine/";
}

}  // namespace

Result<JournalCheck> CheckJournal(const io::Env& env, const Framing& framing,
                                  const JournalFiles& names, const JournalOptions& options,
                                  const RecoveryFloor& floor, const RecordSink& sink) {
  JournalCheck check;
  auto stored = ReadIdentity(env.files, options.directory);
  if (stored.ok() && !*stored) {
    stored = IdentityIsMissing(options.directory, "the log");
  }
  RecoveryReport report;
  Status status = stored.status();
  if (status.ok()) {
    io::OverlayFileSystem copies(env.files);
    const RecoveryInput input{copies,
                              framing,
                              names,
                              options,
                              floor,
                              **stored,
                              /*read_only=*/floor.clean_end.has_value()};
    auto recovered = RecoverCopy(input, sink, report);
    status = recovered.status();
    if (recovered.ok()) check.next_id = recovered->next_id;
  }
  if (!status.ok() && status.code() != StatusCode::kCorruption) return status;
  check.damage = std::move(status);
  check.records = report.records;
  check.notes = std::move(report.notes);
  for (const FileReport& file : report.files) {
    if (file.cut_bytes != 0) check.notes.push_back(WouldCut(names, file));
  }
  return check;
}

}  // namespace aidb::journal

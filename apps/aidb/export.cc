#include <utility>

#include <fmt/format.h>

#include "apps/aidb/commands.h"
#include "apps/aidb/records.h"
#include "apps/aidb/text.h"

namespace aidb::cli {
namespace {

std::string Line(ExportFormat format, std::string_view key, std::string_view value,
                 std::optional<uint64_t> expires_at_ms) {
  if (format == ExportFormat::kTsv) {
    std::string line = Escape(key) + '\t' + Escape(value);
    if (expires_at_ms) line += fmt::format("\t{}={}", kExpiryField, *expires_at_ms);
    return line + '\n';
  }
  std::string line = "{";
  AppendJsonField(line, "key", key);
  line += ',';
  AppendJsonField(line, "value", value);
  if (expires_at_ms) line += fmt::format(",\"{}\":{}", kExpiryField, *expires_at_ms);
  return line + "}\n";
}

// When the value of a key of `snapshot` expires. A walk does not tell; where nothing ever expired
// the snapshot does, and nobody need look.
Result<std::optional<uint64_t>> ExpiryOf(const DB& db, const Snapshot& snapshot,
                                         std::string_view key) {
  if (snapshot.now_ms() == 0) return std::optional<uint64_t>();
  AIDB_ASSIGN_OR_RETURN(const auto value, db.GetPinned(key, {.snapshot = &snapshot}));
  return value ? value->expires_at_ms() : std::nullopt;
}

ExportFormat FormatByName(std::string_view name) {
  if (name.ends_with(".tsv")) return ExportFormat::kTsv;
  return name.ends_with(".sst") ? ExportFormat::kSorted : ExportFormat::kNdjson;
}

// A file for `aidb ingest`.
Result<ExitCode> ExportSorted(const Context& context, const std::string& path, const Range& range) {
  if (path == "-") return InvalidArgument("a sorted file needs a name: it is not written in order");
  AIDB_ASSIGN_OR_RETURN(const auto db, OpenToRead(context));
  AIDB_ASSIGN_OR_RETURN(const IngestedFile made, db->Export(path, range.scan_options()));
  AIDB_RETURN_IF_ERROR(db->Close());
  AIDB_RETURN_IF_ERROR(context.out.Write(
      context.json()
          ? fmt::format("{{\"records\":{},\"bytes\":{}}}\n", made.entries, made.size_bytes)
          : fmt::format("exported {} ({}) to {}\n", Count(made.entries, "record"),
                        BytesInWords(made.size_bytes), path)));
  return ExitCode::kOk;
}

}  // namespace

Result<ExitCode> Ingest(const Context& context, const IngestOptions& options) {
  AIDB_ASSIGN_OR_RETURN(const auto db, OpenToWrite(context, StoreMode::kCreateIfMissing));
  AIDB_ASSIGN_OR_RETURN(const Sequence sequence, db->Ingest(options.files));
  AIDB_RETURN_IF_ERROR(db->Close());
  AIDB_RETURN_IF_ERROR(context.out.Write(
      context.json() ? fmt::format("{{\"files\":{},\"sequence\":{}}}\n", options.files.size(),
                                   ToNumber(sequence))
                     : fmt::format("ingested {} as sequence {}\n",
                                   Count(options.files.size(), "file"), ToNumber(sequence))));
  return ExitCode::kOk;
}

Result<ExitCode> Export(const Context& context, const ExportOptions& options) {
  AIDB_ASSIGN_OR_RETURN(const Range range, Range::Make(options.range));
  const ExportFormat format = options.format.value_or(FormatByName(options.output));
  if (format == ExportFormat::kSorted) return ExportSorted(context, options.output, range);
  AIDB_ASSIGN_OR_RETURN(const auto db, OpenToRead(context));
  std::optional<Output> file;
  if (options.output != "-") {
    AIDB_ASSIGN_OR_RETURN(file, Output::Open(options.output));
  }
  Output& out = file ? *file : context.out;
  Progress progress(context.env.clock, options.progress, "exporting", Progress::Unit::kRecords);
  uint64_t records = 0;
  uint64_t bytes = 0;
  const Snapshot snapshot = db->Snapshot();
  ScanOptions scan = range.scan_options();
  scan.snapshot = &snapshot;
  Iterator it = db->Scan(scan);
  for (; it.Valid(); it.Next()) {
    AIDB_ASSIGN_OR_RETURN(const auto expires_at_ms, ExpiryOf(*db, snapshot, it.key()));
    const std::string line = Line(format, it.key(), it.value(), expires_at_ms);
    AIDB_RETURN_IF_ERROR(out.Write(line));
    bytes += line.size();
    progress.Update(++records, bytes);
  }
  progress.Finish(records, bytes);
  AIDB_RETURN_IF_ERROR(it.status());
  AIDB_RETURN_IF_ERROR(out.Flush());
  AIDB_RETURN_IF_ERROR(db->Close());
  if (!file) return ExitCode::kOk;
  const std::string text = context.json()
                               ? fmt::format("{{\"records\":{},\"bytes\":{}}}\n", records, bytes)
                               : fmt::format("exported {} ({}) to {}\n", Count(records, "record"),
                                             BytesInWords(bytes), options.output);
  AIDB_RETURN_IF_ERROR(context.out.Write(text));
  return ExitCode::kOk;
}

}  // namespace aidb::cli

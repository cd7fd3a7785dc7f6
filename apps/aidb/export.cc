#include <utility>
#include <vector>

#include <fmt/format.h>

#include "apps/aidb/commands.h"
#include "apps/aidb/keyspaces.h"
#include "apps/aidb/records.h"
#include "apps/aidb/text.h"

namespace aidb::cli {
namespace {

std::string Line(ExportFormat format, std::string_view key, std::string_view value,
                 std::optional<uint64_t> expires_at_ms, const Keyspace* keyspace) {
  if (format == ExportFormat::kTsv) {
    std::string line = Escape(key) + '\t' + Escape(value);
    if (expires_at_ms) line += fmt::format("\t{}={}", kExpiryField, *expires_at_ms);
    if (keyspace != nullptr)
      line += fmt::format("\t{}=", kKeyspaceField) + Escape(keyspace->name());
    return line + '\n';
  }
  std::string line = "{";
  AppendJsonField(line, "key", key);
  line += ',';
  AppendJsonField(line, "value", value);
  if (expires_at_ms) line += fmt::format(",\"{}\":{}", kExpiryField, *expires_at_ms);
  if (keyspace != nullptr) {
    line += ',';
    AppendJsonField(line, kKeyspaceField, keyspace->name());
  }
  return line + "}\n";
}

// Writes keyspaces, one behind the other, as they were at one moment.
//
// Thread safety: none.
class Exporter {
 public:
  Exporter(const DB& db, Output& out, ExportFormat format, Progress& progress)
      : db_(db), out_(out), format_(format), progress_(progress), snapshot_(db.Snapshot()) {}

  // `named` says whether each record names its keyspace.
  enum class Named : bool { kNo, kYes };
  Status Write(const Range& range, const Keyspace* keyspace, Named named) {
    ScanOptions scan = range.scan_options();
    scan.snapshot = &snapshot_;
    scan.keyspace = keyspace;
    Iterator it = db_.Scan(scan);
    for (; it.Valid(); it.Next()) {
      AIDB_ASSIGN_OR_RETURN(const auto expires_at_ms, ExpiryOf(it.key(), keyspace));
      const std::string line = Line(format_, it.key(), it.value(), expires_at_ms,
                                    named == Named::kYes ? keyspace : nullptr);
      AIDB_RETURN_IF_ERROR(out_.Write(line));
      bytes_ += line.size();
      progress_.Update(++records_, bytes_);
    }
    return it.status();
  }

  uint64_t records() const { return records_; }
  uint64_t bytes() const { return bytes_; }

 private:
  // When the value of a key expires. A walk does not tell; where nothing ever expired the snapshot
  // does, and nobody need look.
  Result<std::optional<uint64_t>> ExpiryOf(std::string_view key, const Keyspace* keyspace) const {
    if (snapshot_.now_ms() == 0) return std::optional<uint64_t>();
    AIDB_ASSIGN_OR_RETURN(const auto value,
                          db_.GetPinned(key, {.snapshot = &snapshot_, .keyspace = keyspace}));
    return value ? value->expires_at_ms() : std::nullopt;
  }

  const DB& db_;
  Output& out_;
  const ExportFormat format_;
  Progress& progress_;
  const Snapshot snapshot_;
  uint64_t records_ = 0;
  uint64_t bytes_ = 0;
};

// The one of --keyspace, or all where neither that nor a range is given.
Status ExportChosen(const Context& context, DB& db, const Range& range, Exporter& exporter) {
  NamedKeyspaces keyspaces(db, StoreMode::kMustExist);
  AIDB_ASSIGN_OR_RETURN(const Keyspace* const chosen, keyspaces.Find(context.keyspace));
  AIDB_RETURN_IF_ERROR(exporter.Write(range, chosen, Exporter::Named::kNo));
  if (chosen != nullptr || range.bounded()) return {};
  AIDB_ASSIGN_OR_RETURN(const std::vector<Keyspace> all, db.Keyspaces());
  for (const Keyspace& keyspace : all) {
    AIDB_RETURN_IF_ERROR(exporter.Write(range, &keyspace, Exporter::Named::kYes));
  }
  return {};
}

ExportFormat FormatByName(std::string_view name) {
  if (name.ends_with(".tsv")) return ExportFormat::kTsv;
  return name.ends_with(".sst") ? ExportFormat::kSorted : ExportFormat::kNdjson;
}

// A file for `aidb ingest`.
Result<ExitCode> ExportSorted(const Context& context, const std::string& path, const Range& range) {
  if (path == "-") return InvalidArgument("a sorted file needs a name: it is not written in order");
  AIDB_ASSIGN_OR_RETURN(const auto db, OpenToRead(context));
  NamedKeyspaces keyspaces(*db, StoreMode::kMustExist);
  ScanOptions scan = range.scan_options();
  AIDB_ASSIGN_OR_RETURN(scan.keyspace, keyspaces.Find(context.keyspace));
  AIDB_ASSIGN_OR_RETURN(const IngestedFile made, db->Export(path, scan));
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
  AIDB_RETURN_IF_ERROR(RefuseKeyspace(context, "ingest"));
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
  Exporter exporter(*db, out, format, progress);
  const Status written = ExportChosen(context, *db, range, exporter);
  const uint64_t records = exporter.records();
  const uint64_t bytes = exporter.bytes();
  progress.Finish(records, bytes);
  AIDB_RETURN_IF_ERROR(written);
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

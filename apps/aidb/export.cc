#include <utility>

#include <fmt/format.h>

#include "apps/aidb/commands.h"
#include "apps/aidb/text.h"

namespace aidb::cli {
namespace {

std::string Line(ExportFormat format, std::string_view key, std::string_view value) {
  if (format == ExportFormat::kTsv) return Escape(key) + '\t' + Escape(value) + '\n';
  std::string line = "{";
  AppendJsonField(line, "key", key);
  line += ',';
  AppendJsonField(line, "value", value);
  return line + "}\n";
}

}  // namespace

Result<ExitCode> Export(const Context& context, const ExportOptions& options) {
  AIDB_ASSIGN_OR_RETURN(const Range range, Range::Make(options.range));
  const ExportFormat format = options.format.value_or(
      options.output.ends_with(".tsv") ? ExportFormat::kTsv : ExportFormat::kNdjson);
  AIDB_ASSIGN_OR_RETURN(const auto db, OpenToRead(context));
  std::optional<Output> file;
  if (options.output != "-") {
    AIDB_ASSIGN_OR_RETURN(file, Output::Open(options.output));
  }
  Output& out = file ? *file : context.out;
  Progress progress(context.env.clock, options.progress, "exporting", Progress::Unit::kRecords);
  uint64_t records = 0;
  uint64_t bytes = 0;
  Iterator it = db->Scan(range.scan_options());
  for (; it.Valid(); it.Next()) {
    const std::string line = Line(format, it.key(), it.value());
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

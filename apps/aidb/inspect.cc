// check, repair and dump: what only the files of a native store can say.

#include <span>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "aidb/lsm/check.h"
#include "aidb/lsm/dump.h"

#include "apps/aidb/commands.h"
#include "apps/aidb/keyspaces.h"
#include "apps/aidb/text.h"

namespace aidb::cli {
namespace {

std::string NotesAsJson(std::span<const std::string> notes) {
  std::string json = ",\"notes\":[";
  for (size_t i = 0; i < notes.size(); ++i) {
    if (i > 0) json += ',';
    AppendJsonString(json, Escape(notes[i]));
  }
  return json + ']';
}

std::string ReportAsText(const lsm::CheckReport& report) {
  std::string text;
  for (const std::string& note : report.notes) text += fmt::format("note: {}\n", note);
  for (const lsm::StoreProblem& problem : report.problems) {
    text += fmt::format("problem: {}\n", problem.what);
  }
  return text + fmt::format("checked {} ({}), {} and {} in logs: {}\n", Count(report.files, "file"),
                            BytesInWords(report.bytes), Count(report.tables, "table"),
                            Count(report.log_records, "record"),
                            report.ok() ? "no problem" : Count(report.problems.size(), "problem"));
}

std::string ProblemAsJson(const lsm::StoreProblem& problem) {
  std::string json = "{";
  AppendJsonField(json, "file", problem.file);
  if (problem.offset) json += fmt::format(",\"offset\":{}", *problem.offset);
  json += ',';
  AppendJsonField(json, "what", problem.what);
  json += ',';
  AppendJsonField(json, "keys_lost", problem.keys_lost);
  return json + "}";
}

std::string ReportAsJson(const lsm::CheckReport& report) {
  std::string json =
      fmt::format(R"({{"ok":{},"files":{},"bytes":{},"tables":{},"log_records":{},"problems":[)",
                  report.ok(), report.files, report.bytes, report.tables, report.log_records);
  for (size_t i = 0; i < report.problems.size(); ++i) {
    json += (i == 0 ? "" : ",") + ProblemAsJson(report.problems[i]);
  }
  return json + ']' + NotesAsJson(report.notes) + "}\n";
}

}  // namespace

Result<ExitCode> Check(const Context& context, const CheckOptions& options) {
  AIDB_RETURN_IF_ERROR(RefuseKeyspace(context, "check"));
  if (context.backend != Backend::kNative) {
    return InvalidArgument("check reads the files of the native backend only");
  }
  Progress progress(context.env.clock, options.progress, "checking", Progress::Unit::kBytes);
  AIDB_ASSIGN_OR_RETURN(
      const lsm::CheckReport report,
      lsm::CheckStore(context.env, context.db_path, [&](uint64_t bytes, uint64_t total) {
        progress.set_total_bytes(total);
        progress.Update(bytes, bytes);
      }));
  progress.set_total_bytes(report.bytes);
  progress.Finish(report.bytes, report.bytes);
  AIDB_RETURN_IF_ERROR(
      context.out.Write(context.json() ? ReportAsJson(report) : ReportAsText(report)));
  return report.ok() ? ExitCode::kOk : ExitCode::kFailed;
}

namespace {

std::string RepairAsText(const RepairReport& report) {
  std::string text;
  for (const std::string& note : report.notes) text += fmt::format("note: {}\n", note);
  for (const kv::RepairLoss& loss : report.losses) {
    text += fmt::format("damaged: {} at offset {}: {}", loss.file, loss.offset, loss.what);
    text += loss.keys_lost.empty() ? "\n" : fmt::format("; keys lost: {}\n", loss.keys_lost);
  }
  return text + fmt::format("saved {} from {} and {} of logs\n", Count(report.keys, "key"),
                            Count(report.tables, "table"), Count(report.log_batches, "batch"));
}

std::string RepairAsJson(const RepairReport& report) {
  std::string json =
      fmt::format(R"({{"ok":{},"keys":{},"tables":{},"log_batches":{},"losses":[)",
                  report.losses.empty(), report.keys, report.tables, report.log_batches);
  for (const kv::RepairLoss& loss : report.losses) {
    if (!json.ends_with('[')) json += ',';
    json += '{';
    AppendJsonField(json, "file", loss.file);
    json += fmt::format(",\"offset\":{},", loss.offset);
    AppendJsonField(json, "what", Escape(loss.what));
    json += ',';
    AppendJsonField(json, "keys_lost", Escape(loss.keys_lost));
    json += '}';
  }
  return json + ']' + NotesAsJson(report.notes) + "}\n";
}

}  // namespace

Result<ExitCode> Repair(const Context& context, const RepairOptions& options) {
  AIDB_RETURN_IF_ERROR(RefuseKeyspace(context, "repair"));
  AIDB_ASSIGN_OR_RETURN(const RepairReport report,
                        DB::Repair(context.env, context.db_path, options.target));
  AIDB_RETURN_IF_ERROR(
      context.out.Write(context.json() ? RepairAsJson(report) : RepairAsText(report)));
  return report.losses.empty() ? ExitCode::kOk : ExitCode::kFailed;
}

Result<ExitCode> Dump(const Context& context, const DumpOptions& options) {
  AIDB_RETURN_IF_ERROR(RefuseKeyspace(context, "dump"));
  Status written;
  const std::string path = io::JoinPath(context.db_path, options.file);
  AIDB_RETURN_IF_ERROR(lsm::DumpFile(context.env.files, path, [&](std::string_view line) {
    if (!written.ok()) return;
    std::string out;
    if (context.json()) {
      out = "{";
      AppendJsonField(out, "line", line);
      out += '}';
    } else {
      out = line;
    }
    written = context.out.Write(out + "\n");
  }));
  AIDB_RETURN_IF_ERROR(std::move(written));
  return ExitCode::kOk;
}

}  // namespace aidb::cli

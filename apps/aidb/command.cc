#include "apps/aidb/command.h"

#include <utility>

#include <fmt/format.h>

#include "apps/aidb/text.h"

namespace aidb::cli {

ExitCode ExitCodeOf(const Status& status) {
  switch (status.code()) {
    case StatusCode::kOk:
      return ExitCode::kOk;
    case StatusCode::kInvalidArgument:
      return ExitCode::kInvalid;
    case StatusCode::kIoError:
    case StatusCode::kCorruption:
      return ExitCode::kFailed;
    case StatusCode::kConflict:
    case StatusCode::kResourceExhausted:
    case StatusCode::kUnavailable:
    case StatusCode::kDeadlineExceeded:
    case StatusCode::kPermissionDenied:
      return ExitCode::kUnavailable;
    case StatusCode::kInternal:
      return ExitCode::kInternal;
  }
  return ExitCode::kInternal;
}

Result<std::unique_ptr<DB>> OpenToWrite(const Context& context, StoreMode mode) {
  Options options;
  options.backend = context.backend;
  options.mode = mode;
  return DB::Open(context.env, context.db_path, options);
}

Result<std::unique_ptr<DB>> OpenToRead(const Context& context) {
  Result<std::unique_ptr<DB>> db = OpenToWrite(context, StoreMode::kReadOnly);
  if (db.ok() || db.status().code() != StatusCode::kUnavailable) return db;
  // Left as a kill leaves it, which only opening for writing repairs; or in use, which that says.
  return OpenToWrite(context, StoreMode::kMustExist);
}

Result<Range> Range::Make(const RangeOptions& options) {
  Range range;
  range.options_ = options;
  for (std::optional<std::string>* bound : {&range.options_.from, &range.options_.to}) {
    if (!*bound) continue;
    AIDB_ASSIGN_OR_RETURN(*bound, Argument(**bound, options.escaped));
  }
  AIDB_ASSIGN_OR_RETURN(range.options_.prefix, Argument(options.prefix, options.escaped));
  return range;
}

ScanOptions Range::scan_options() const {
  ScanOptions scan;
  if (options_.from) scan.lower = *options_.from;
  if (options_.to) scan.upper = *options_.to;
  scan.prefix = options_.prefix;
  scan.order = options_.reverse ? ScanOrder::kReverse : ScanOrder::kForward;
  scan.fill_cache = false;  // The process ends behind the scan.
  return scan;
}

Result<std::string> Argument(const std::string& text, bool escaped) {
  if (!escaped) return text;
  return Unescape(text);
}

std::string Count(uint64_t count, std::string_view noun) {
  return fmt::format("{} {}{}", WithCommas(count), noun, count == 1 ? "" : "s");
}

}  // namespace aidb::cli

#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "aidb/db/db.h"
#include "aidb/io/env.h"

#include "apps/aidb/streams.h"

namespace aidb::cli {

// What the process ends with. Part of the command line's contract: docs/guides/command-line.md.
enum class ExitCode : int {
  kOk = 0,
  kNo = 1,           // The answer is no: key not found, record missing or different.
  kInvalid = 2,      // Command line, option, input record, or no store there.
  kFailed = 3,       // I/O error, or damaged files.
  kUnavailable = 4,  // In use by another process, disk full, not permitted: try again later.
  kInternal = 5,     // A bug of ours.
};

ExitCode ExitCodeOf(const Status& status);

enum class OutputFormat : unsigned char { kText, kJson };

// What every command is given: the global options, and the world.
struct Context {
  io::Env env;
  Output& out;
  std::string db_path;
  Backend backend = Backend::kNative;
  OutputFormat format = OutputFormat::kText;
  bool sync = false;
  std::optional<std::string> keyspace = std::nullopt;  // Absent: the default one.

  bool json() const { return format == OutputFormat::kJson; }
  WriteOptions write_options(const Keyspace* where = nullptr) const {
    return {.sync = sync, .keyspace = where};
  }
};

// Opens for writing; created if missing where `mode` says so.
Result<std::unique_ptr<DB>> OpenToWrite(const Context& context, StoreMode mode);
// Opens what is there without changing it; if it was not closed in order, recovers it.
Result<std::unique_ptr<DB>> OpenToRead(const Context& context);

// Which keys a scan, count or export walks; copied from the command line.
struct RangeOptions {
  std::optional<std::string> from;
  std::optional<std::string> to;
  std::string prefix;
  bool reverse = false;
  bool escaped = false;
};

// RangeOptions decoded. Lives as long as the scan options made of it are used.
//
// Thread safety: const methods may run concurrently.
class Range {
 public:
  // kInvalidArgument for a bad escape.
  static Result<Range> Make(const RangeOptions& options);
  ScanOptions scan_options() const;
  bool bounded() const { return options_.from || options_.to || !options_.prefix.empty(); }

 private:
  RangeOptions options_;
};

// An argument of the command line as bytes.
Result<std::string> Argument(const std::string& text, bool escaped);

// "1 record", "2 records".
std::string Count(uint64_t count, std::string_view noun);

}  // namespace aidb::cli

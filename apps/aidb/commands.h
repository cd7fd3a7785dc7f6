#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "aidb/base/result.h"

#include "apps/aidb/command.h"
#include "apps/aidb/progress.h"
#include "apps/aidb/records.h"

// One function per command. Each opens the store, answers on context.out and closes the store;
// an error ends it with nothing half said on standard error: main prints the status.

namespace aidb::cli {

struct PutOptions {
  std::string key;
  std::optional<std::string> value;  // Absent: all of standard input.
  std::optional<double> ttl_s;       // Absent: for ever.
  bool escaped = false;
};
Result<ExitCode> Put(const Context& context, const PutOptions& options);

struct MergeOptions {
  std::string key;
  MergeOperator op = MergeOperator::kAddI64;
  std::string operand;
  bool escaped = false;
};
Result<ExitCode> Merge(const Context& context, const MergeOptions& options);

struct KeyOptions {
  std::string key;
  bool escaped = false;
};
Result<ExitCode> Get(const Context& context, const KeyOptions& options);
Result<ExitCode> Delete(const Context& context, const KeyOptions& options);

struct DeleteRangeOptions {
  RangeOptions range;
  bool all = false;  // Needed where the range has no bound.
};
Result<ExitCode> DeleteRange(const Context& context, const DeleteRangeOptions& options);

struct ScanCommandOptions {
  RangeOptions range;
  std::optional<uint64_t> limit;
  bool keys_only = false;
};
Result<ExitCode> Scan(const Context& context, const ScanCommandOptions& options);
Result<ExitCode> CountKeys(const Context& context, const RangeOptions& options);
Result<ExitCode> Stats(const Context& context);
struct CheckpointOptions {
  std::string directory;
};
Result<ExitCode> Checkpoint(const Context& context, const CheckpointOptions& options);
// Merges a range to one sorted run.
Result<ExitCode> Compact(const Context& context, const RangeOptions& options);

struct ImportOptions {
  std::string input = "-";
  std::optional<RecordFormat> format;  // Absent: by the name of the input.
  std::optional<std::string> key_template;
  uint64_t batch_records = 1000;
  uint64_t skip = 0;
  std::optional<uint64_t> limit;
  std::optional<std::string> acknowledge;
  ProgressMode progress = ProgressMode::kAuto;
};
Result<ExitCode> Import(const Context& context, const ImportOptions& options);
// Compares instead of writing: every record must be in the store, with exactly its value.
Result<ExitCode> Verify(const Context& context, const ImportOptions& options);

struct UpdatesOptions {
  std::optional<uint64_t> since;  // Absent: from the first that the log holds.
  std::optional<uint64_t> limit;  // Operations.
};
// Prints what was written, in its order, as far as the log holds it.
Result<ExitCode> PrintUpdates(const Context& context, const UpdatesOptions& options);

struct IngestOptions {
  std::vector<std::string> files;
};
// Takes sorted files into the store as one write.
Result<ExitCode> Ingest(const Context& context, const IngestOptions& options);

enum class ExportFormat : unsigned char { kNdjson, kTsv, kSorted };
struct ExportOptions {
  std::string output = "-";
  std::optional<ExportFormat> format;  // Absent: by the name of the output.
  RangeOptions range;
  ProgressMode progress = ProgressMode::kAuto;
};
Result<ExitCode> Export(const Context& context, const ExportOptions& options);

struct CheckOptions {
  ProgressMode progress = ProgressMode::kAuto;
};
// Reads every byte of a native store that nobody has open; kFailed when it finds a problem.
Result<ExitCode> Check(const Context& context, const CheckOptions& options);

struct RepairOptions {
  std::string target;
};
// Saves what can be read of a damaged native store into a new one; kFailed when something is lost.
Result<ExitCode> Repair(const Context& context, const RepairOptions& options);

struct DumpOptions {
  std::string file;  // Its name in the store.
};
Result<ExitCode> Dump(const Context& context, const DumpOptions& options);

}  // namespace aidb::cli

// aidb, the command line: parses, opens the world, calls one command, and turns its outcome into
// a message and an exit code.

#include <cstdio>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "aidb/io/posix/posix_env.h"

#include "apps/aidb/commands.h"
#include "apps/aidb/keyspaces.h"
#include "apps/aidb/text.h"

namespace aidb::cli {
namespace {

constexpr double kTtlSecondsMax = 1e11;  // Some 3,000 years.

constexpr const char* kDescription = "aidb - put, get, scan, import and inspect an AiDb store";

constexpr const char* kImportFooter = R"help(Examples:
  aidb import cities.json --key-template 'city:{country}:{name}#{n}' --db data
  zcat more.ndjson.gz | aidb import - --db data
  aidb import pairs.tsv --batch 100 --sync --acknowledge done.txt --db data
  aidb import pairs.tsv --skip "$(tail -n1 done.txt)" --db data      go on after an interruption
  aidb import pairs.tsv --verify --db data)help";

constexpr const char* kFooter = R"(Examples:
  aidb put city:paris 2.1M --db data       write one key; the store is created if missing
  aidb put session:7 open --ttl 60 --db data
  aidb merge visits add 1 --db data
  aidb get city:paris --db data            its value, byte for byte
  aidb scan --prefix city: --limit 10 --db data
  aidb import cities.json --key-template 'city:{country}:{name}#{n}' --db data
  aidb export cities.ndjson --prefix city:FR: --db data
  aidb export cities.sst --db data         a sorted file, for another store
  aidb ingest cities.sst --db other        takes it in as it is
  aidb put alice 30 --keyspace users --db data
  aidb stats --output json --db data
  aidb updates --since 1200 --db data      what was written behind that sequence
  aidb compact --db data                   give back the space of what was deleted
  aidb check --db data

Exit codes:
  0  done
  1  the answer is no: key not found, or a record that is verified is missing or different
  2  wrong command line, option or input record, or there is no store
  3  I/O error, or the store is damaged
  4  not now: in use by another process, disk full, not permitted, interrupted
  5  a bug of aidb's

docs/guides/command-line.md describes the formats.)";

using Command = std::function<Result<ExitCode>(const Context&)>;

// What the command line said, and the command it chose.
struct Parsed {
  std::string db_path;
  Backend backend = Backend::kNative;
  OutputFormat output = OutputFormat::kText;
  bool sync = false;
  std::optional<std::string> keyspace;
  Command command;
};

template <typename Enum>
using Names = std::map<std::string, Enum>;

// An option that takes one of the names. `target` is an Enum or an optional of it.
template <typename Target, typename Enum>
void AddChoice(CLI::App& app, const std::string& flag, Target& target, const Names<Enum>& names,
               const std::string& description) {
  std::string listed;
  for (const auto& [name, value] : names) listed += (listed.empty() ? "" : "|") + name;
  app.add_option_function<std::string>(
         flag, [&target, names](const std::string& name) { target = names.at(name); }, description)
      ->check(CLI::IsMember(names).description(""))
      ->option_text(listed);
}

void AddGlobals(CLI::App& app, Parsed& parsed) {
  app.add_option("--db", parsed.db_path, "Directory of the store")->option_text("PATH REQUIRED");
  AddChoice(app, "--backend", parsed.backend,
            Names<Backend>{{"native", Backend::kNative}, {"rocksdb", Backend::kRocksDb}},
            "Engine of the store (default: native)");
  AddChoice(app, "--output", parsed.output,
            Names<OutputFormat>{{"text", OutputFormat::kText}, {"json", OutputFormat::kJson}},
            "How answers and errors are printed (default: text)");
  app.add_flag("--sync", parsed.sync, "Writes return only when they are on the disk");
  app.add_option("--keyspace", parsed.keyspace, "Keys of a keyspace (default: the default one)")
      ->option_text("NAME");
}

void AddEscaped(CLI::App& app, bool& escaped) {
  app.add_flag("--escaped", escaped, R"(Read \xNN, \t, \n, \r, \0 and \\ in keys and values)");
}

void AddRange(CLI::App& app, RangeOptions& range) {
  app.add_option("--prefix", range.prefix, "Keys that start so")->option_text("BYTES");
  app.add_option("--from", range.from, "First key")->option_text("KEY");
  app.add_option("--to", range.to, "The key behind the last one")->option_text("KEY");
  AddEscaped(app, range.escaped);
}

void AddProgress(CLI::App& app, ProgressMode& mode) {
  AddChoice(app, "--progress", mode,
            Names<ProgressMode>{{"auto", ProgressMode::kAuto},
                                {"always", ProgressMode::kAlways},
                                {"never", ProgressMode::kNever}},
            "A bar on a terminal; elsewhere lines with always, nothing with auto (default: auto)");
}

void AddPut(CLI::App& app, Parsed& parsed) {
  CLI::App& put = *app.add_subcommand("put", "Write one key");
  auto options = std::make_shared<PutOptions>();
  put.add_option("key", options->key, "The key")->required();
  put.add_option("value", options->value, "The value; without it standard input is read");
  put.add_option("--ttl", options->ttl_s, "Let it expire after so many seconds (default: never)")
      ->option_text("SECONDS")
      ->check(CLI::Range(0.001, kTtlSecondsMax).description(""));
  AddEscaped(put, options->escaped);
  put.callback([&parsed, options] {
    parsed.command = [options](const Context& context) { return Put(context, *options); };
  });
}

void AddMerge(CLI::App& app, Parsed& parsed) {
  CLI::App& merge =
      *app.add_subcommand("merge", "Change what a key holds, or nothing, by an operand");
  auto options = std::make_shared<MergeOptions>();
  auto name = std::make_shared<std::string>();
  const Names<MergeOperator> names{{"add", MergeOperator::kAddI64},
                                   {"append", MergeOperator::kAppend},
                                   {"max", MergeOperator::kMax},
                                   {"min", MergeOperator::kMin}};
  merge.add_option("key", options->key, "The key")->required();
  merge.add_option("operator", *name, "add (decimal numbers), append, max, min (in byte order)")
      ->required()
      ->check(CLI::IsMember(names).description(""));
  merge.add_option("operand", options->operand, "What to merge")->required();
  AddEscaped(merge, options->escaped);
  merge.callback([&parsed, options, name, names] {
    options->op = names.at(*name);
    parsed.command = [options](const Context& context) { return Merge(context, *options); };
  });
}

void AddOfKey(CLI::App& app, Parsed& parsed, const std::string& name,
              const std::string& description,
              Result<ExitCode> (*command)(const Context&, const KeyOptions&)) {
  CLI::App& sub = *app.add_subcommand(name, description);
  auto options = std::make_shared<KeyOptions>();
  sub.add_option("key", options->key, "The key")->required();
  AddEscaped(sub, options->escaped);
  sub.callback([&parsed, options, command] {
    parsed.command = [options, command](const Context& context) {
      return command(context, *options);
    };
  });
}

void AddScan(CLI::App& app, Parsed& parsed) {
  CLI::App& scan = *app.add_subcommand("scan", "Print keys and values in order, one per line");
  auto options = std::make_shared<ScanCommandOptions>();
  AddRange(scan, options->range);
  scan.add_option("--limit", options->limit, "At most so many")->option_text("N");
  scan.add_flag("--reverse", options->range.reverse, "From the last key down");
  scan.add_flag("--keys-only", options->keys_only, "Leave the values out");
  scan.callback([&parsed, options] {
    parsed.command = [options](const Context& context) { return Scan(context, *options); };
  });
}

void AddDeleteRange(CLI::App& app, Parsed& parsed) {
  CLI::App& command = *app.add_subcommand("delete-range", "Delete the keys of a range, at once");
  auto options = std::make_shared<DeleteRangeOptions>();
  AddRange(command, options->range);
  command.add_flag("--all", options->all, "Every key, where no bound is given");
  command.callback([&parsed, options] {
    parsed.command = [options](const Context& context) { return DeleteRange(context, *options); };
  });
}

void AddCount(CLI::App& app, Parsed& parsed) {
  CLI::App& count = *app.add_subcommand("count", "Count the keys of a range");
  auto options = std::make_shared<RangeOptions>();
  AddRange(count, *options);
  count.callback([&parsed, options] {
    parsed.command = [options](const Context& context) { return CountKeys(context, *options); };
  });
}

void AddCompact(CLI::App& app, Parsed& parsed) {
  CLI::App& compact = *app.add_subcommand(
      "compact", "Merge the keys of a range into one sorted run, without what is deleted");
  auto options = std::make_shared<RangeOptions>();
  AddRange(compact, *options);
  compact.callback([&parsed, options] {
    parsed.command = [options](const Context& context) { return Compact(context, *options); };
  });
}

void AddKeyspaces(CLI::App& app, Parsed& parsed) {
  CLI::App& keyspaces = *app.add_subcommand("keyspaces", "Print the names of the keyspaces");
  keyspaces.callback([&parsed] { parsed.command = ListKeyspaces; });
  CLI::App& drop = *app.add_subcommand("drop-keyspace", "Delete a keyspace and its keys, at once");
  auto name = std::make_shared<std::string>();
  drop.add_option("name", *name, "Its name; one that is not there is no error")->required();
  drop.callback([&parsed, name] {
    parsed.command = [name](const Context& context) { return DropKeyspace(context, *name); };
  });
}

void AddCheckpoint(CLI::App& app, Parsed& parsed) {
  CLI::App& checkpoint = *app.add_subcommand(
      "checkpoint", "Make a new directory a store of its own with what this one holds");
  auto options = std::make_shared<CheckpointOptions>();
  checkpoint
      .add_option("directory", options->directory,
                  "The new one, on the file system of the store; its parent must exist")
      ->required();
  checkpoint.callback([&parsed, options] {
    parsed.command = [options](const Context& context) { return Checkpoint(context, *options); };
  });
}

void AddUpdates(CLI::App& app, Parsed& parsed) {
  CLI::App& updates = *app.add_subcommand(
      "updates", "Print what was written, in its order, as far as the log holds it");
  auto options = std::make_shared<UpdatesOptions>();
  updates
      .add_option("--since", options->since,
                  "Of all batches behind this sequence (default: all that there are)")
      ->option_text("SEQUENCE");
  updates.add_option("--limit", options->limit, "At most so many operations")->option_text("N");
  updates.callback([&parsed, options] {
    parsed.command = [options](const Context& context) { return PrintUpdates(context, *options); };
  });
}

void AddImport(CLI::App& app, Parsed& parsed) {
  CLI::App& import = *app.add_subcommand("import", "Write the records of a file");
  auto options = std::make_shared<ImportOptions>();
  auto verify = std::make_shared<bool>(false);
  import.footer(kImportFooter);
  import.add_option("file", options->input, "The file; - is standard input (default: -)");
  AddChoice(import, "--format", options->format,
            Names<RecordFormat>{{"ndjson", RecordFormat::kNdjson},
                                {"json", RecordFormat::kJson},
                                {"csv", RecordFormat::kCsv},
                                {"tsv", RecordFormat::kTsv}},
            "Of the file (default: by its name, else ndjson)");
  import
      .add_option("--key-template", options->key_template,
                  "Make keys of fields: 'city:{country}:{name}#{n}'; {n} is the record's number")
      ->option_text("TEXT");
  import.add_option("--batch", options->batch_records, "Records per write (default: 1000)")
      ->option_text("N")
      ->check(CLI::Range(uint64_t{1}, uint64_t{1'000'000}).description(""));
  import.add_option("--skip", options->skip, "Pass over the first records")->option_text("N");
  import.add_option("--limit", options->limit, "Take at most so many")->option_text("N");
  import
      .add_option("--acknowledge", options->acknowledge,
                  "Print the number of the last record of each write to a file, once it is done")
      ->option_text("FILE|-");
  import.add_flag("--verify", *verify,
                  "Write nothing; check that every record is there with its value");
  AddProgress(import, options->progress);
  import.callback([&parsed, options, verify] {
    parsed.command = [options, verify](const Context& context) {
      return *verify ? Verify(context, *options) : Import(context, *options);
    };
  });
}

void AddExport(CLI::App& app, Parsed& parsed) {
  CLI::App& export_app = *app.add_subcommand("export", "Write keys and values to a file");
  auto options = std::make_shared<ExportOptions>();
  export_app.add_option("file", options->output, "The file; - is standard output (default: -)");
  AddChoice(export_app, "--format", options->format,
            Names<ExportFormat>{{"ndjson", ExportFormat::kNdjson},
                                {"tsv", ExportFormat::kTsv},
                                {"sorted", ExportFormat::kSorted}},
            "Of the file; sorted is for ingest (default: by its name, else ndjson)");
  AddRange(export_app, options->range);
  AddProgress(export_app, options->progress);
  export_app.callback([&parsed, options] {
    parsed.command = [options](const Context& context) { return Export(context, *options); };
  });
}

void AddIngest(CLI::App& app, Parsed& parsed) {
  CLI::App& ingest = *app.add_subcommand(
      "ingest", "Take sorted files, as export FILE.sst makes them, into the store as one write");
  auto options = std::make_shared<IngestOptions>();
  ingest.add_option("file", options->files, "Files that share no key; they stay as they are")
      ->required();
  ingest.callback([&parsed, options] {
    parsed.command = [options](const Context& context) { return Ingest(context, *options); };
  });
}

void AddInspection(CLI::App& app, Parsed& parsed) {
  CLI::App& check = *app.add_subcommand(
      "check", "Read every byte of the store and say what is damaged; changes nothing");
  auto check_options = std::make_shared<CheckOptions>();
  AddProgress(check, check_options->progress);
  check.callback([&parsed, check_options] {
    parsed.command = [check_options](const Context& context) {
      return Check(context, *check_options);
    };
  });
  CLI::App& repair = *app.add_subcommand(
      "repair", "Save what can be read of a damaged store into a new one; changes nothing else");
  auto repair_options = std::make_shared<RepairOptions>();
  repair.add_option("target", repair_options->target, "The directory to make; it must not exist")
      ->required();
  repair.callback([&parsed, repair_options] {
    parsed.command = [repair_options](const Context& context) {
      return Repair(context, *repair_options);
    };
  });
  CLI::App& dump = *app.add_subcommand("dump", "Print what one file of the store holds");
  auto dump_options = std::make_shared<DumpOptions>();
  dump.add_option("file", dump_options->file, "Its name: CURRENT, 000012.sst, 000013.log, ...")
      ->required();
  dump.callback([&parsed, dump_options] {
    parsed.command = [dump_options](const Context& context) {
      return Dump(context, *dump_options);
    };
  });
}

void AddCommands(CLI::App& app, Parsed& parsed) {
  AddPut(app, parsed);
  AddMerge(app, parsed);
  AddOfKey(app, parsed, "get", "Print the value of a key, byte for byte", Get);
  AddOfKey(app, parsed, "delete", "Delete a key; an absent one is no error", Delete);
  AddDeleteRange(app, parsed);
  AddScan(app, parsed);
  AddCount(app, parsed);
  AddImport(app, parsed);
  AddExport(app, parsed);
  AddIngest(app, parsed);
  AddUpdates(app, parsed);
  CLI::App& stats = *app.add_subcommand("stats", "Print the figures of the store");
  stats.callback(
      [&parsed] { parsed.command = [](const Context& context) { return Stats(context); }; });
  AddKeyspaces(app, parsed);
  AddCompact(app, parsed);
  AddCheckpoint(app, parsed);
  AddInspection(app, parsed);
}

// Reports an error on standard error and gives its exit code.
ExitCode Report(const Status& status, OutputFormat format) {
  if (format == OutputFormat::kJson) {
    std::string json = fmt::format(R"({{"error":{{"code":"{}",)", StatusCodeName(status.code()));
    AppendJsonField(json, "message", status.message());
    fmt::print(stderr, "{}}}}}\n", json);
  } else {
    fmt::print(stderr, "aidb: {}\n", status.message());
  }
  return ExitCodeOf(status);
}

ExitCode RunCommand(const Parsed& parsed) {
  io::PosixEnv world;
  Result<Output> out = Output::Open("-");
  if (!out.ok()) return Report(out.status(), parsed.output);
  const Context context{.env = world.env(),
                        .out = *out,
                        .db_path = parsed.db_path,
                        .backend = parsed.backend,
                        .format = parsed.output,
                        .sync = parsed.sync,
                        .keyspace = parsed.keyspace};
  Result<ExitCode> result = parsed.command(context);
  Status failed = result.status();
  if (failed.ok()) failed = out->Flush();
  if (failed.ok()) return *result;
  return out->reader_gone() ? ExitCode::kOk : Report(failed, parsed.output);
}

ExitCode Main(int argc, char** argv) {
  IgnoreClosedPipes();
  Parsed parsed;
  CLI::App app(kDescription, "aidb");
  app.footer(kFooter);
  app.require_subcommand(1);
  app.fallthrough();  // Global options may stand behind the command.
  app.set_version_flag("--version", "aidb " AIDB_VERSION);
  AddGlobals(app, parsed);
  AddCommands(app, parsed);
  for (CLI::App* command : app.get_subcommands({})) {
    if (command->get_name() != "import") command->footer("");
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const std::vector<std::string> unknown = app.remaining();
    if (app.get_subcommands().empty() && !unknown.empty()) {
      return Report(InvalidArgument("there is no command or option '" + Escape(unknown.front()) +
                                    "'; aidb --help lists them"),
                    parsed.output);
    }
    return app.exit(error) == 0 ? ExitCode::kOk : ExitCode::kInvalid;
  }
  if (parsed.db_path.empty()) {
    return Report(InvalidArgument("name the store's directory with --db PATH"), parsed.output);
  }
  return RunCommand(parsed);
}

}  // namespace
}  // namespace aidb::cli

int main(int argc, char** argv) { return static_cast<int>(aidb::cli::Main(argc, argv)); }

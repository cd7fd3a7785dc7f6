// The short commands: put, get, delete, delete-range, scan, count, stats, compact, checkpoint.

#include "apps/aidb/commands.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include <fmt/chrono.h>
#include <fmt/format.h>

#include "apps/aidb/keyspaces.h"
#include "apps/aidb/text.h"

namespace aidb::cli {
namespace {

Result<std::string> ReadAll(Input& input, uint64_t bytes_max) {
  std::string all;
  char buffer[65'536];
  for (;;) {
    AIDB_ASSIGN_OR_RETURN(const size_t count, input.Read(buffer));
    if (count > bytes_max - all.size()) {
      return InvalidArgument(fmt::format("the value on {} is longer than {} bytes", input.name(),
                                         WithCommas(bytes_max)));
    }
    all.append(buffer, count);
    if (count < sizeof buffer) return all;
  }
}

// Closes the store, so that what failed there is told, and ends with `code`.
Result<ExitCode> Ended(DB& db, ExitCode code) {
  AIDB_RETURN_IF_ERROR(db.Close());
  return code;
}

ScanOptions InKeyspace(ScanOptions options, const Keyspace* keyspace) {
  options.keyspace = keyspace;
  return options;
}

Status Say(const Context& context, std::string_view text, const std::string& json) {
  return context.out.Write(context.json() ? json + "\n" : std::string(text));
}

}  // namespace

Result<ExitCode> Put(const Context& context, const PutOptions& options) {
  AIDB_ASSIGN_OR_RETURN(const std::string key, Argument(options.key, options.escaped));
  std::string value;
  if (options.value) {
    AIDB_ASSIGN_OR_RETURN(value, Argument(*options.value, options.escaped));
  } else {
    AIDB_ASSIGN_OR_RETURN(Input input, Input::Open("-"));
    AIDB_ASSIGN_OR_RETURN(value, ReadAll(input, Options().batch_bytes_max));
  }
  AIDB_ASSIGN_OR_RETURN(const auto db, OpenToWrite(context, StoreMode::kCreateIfMissing));
  NamedKeyspaces keyspaces(*db, StoreMode::kCreateIfMissing);
  AIDB_ASSIGN_OR_RETURN(const Keyspace* const keyspace, keyspaces.Find(context.keyspace));
  const WriteOptions write = context.write_options(keyspace);
  if (options.ttl_s) {
    const auto now_ms = static_cast<uint64_t>(std::max<int64_t>(context.env.clock.WallMillis(), 0));
    const auto ttl_ms = static_cast<uint64_t>(*options.ttl_s * 1000);
    AIDB_RETURN_IF_ERROR(db->PutUntil(key, value, now_ms + ttl_ms, write));
  } else {
    AIDB_RETURN_IF_ERROR(db->Put(key, value, write));
  }
  AIDB_RETURN_IF_ERROR(Say(context, "", R"({"ok":true})"));
  return Ended(*db, ExitCode::kOk);
}

Result<ExitCode> Merge(const Context& context, const MergeOptions& options) {
  AIDB_ASSIGN_OR_RETURN(const std::string key, Argument(options.key, options.escaped));
  AIDB_ASSIGN_OR_RETURN(const std::string operand, Argument(options.operand, options.escaped));
  AIDB_ASSIGN_OR_RETURN(const auto db, OpenToWrite(context, StoreMode::kCreateIfMissing));
  NamedKeyspaces keyspaces(*db, StoreMode::kCreateIfMissing);
  AIDB_ASSIGN_OR_RETURN(const Keyspace* const keyspace, keyspaces.Find(context.keyspace));
  AIDB_RETURN_IF_ERROR(db->Merge(key, options.op, operand, context.write_options(keyspace)));
  AIDB_RETURN_IF_ERROR(Say(context, "", R"({"ok":true})"));
  return Ended(*db, ExitCode::kOk);
}

Result<ExitCode> Get(const Context& context, const KeyOptions& options) {
  AIDB_ASSIGN_OR_RETURN(const std::string key, Argument(options.key, options.escaped));
  AIDB_ASSIGN_OR_RETURN(const auto db, OpenToRead(context));
  NamedKeyspaces keyspaces(*db, StoreMode::kMustExist);
  AIDB_ASSIGN_OR_RETURN(const Keyspace* const keyspace, keyspaces.Find(context.keyspace));
  AIDB_ASSIGN_OR_RETURN(const std::optional<PinnedValue> value,
                        db->GetPinned(key, {.keyspace = keyspace}));
  if (context.json()) {
    std::string json = "{";
    AppendJsonField(json, "key", key);
    json += fmt::format(",\"found\":{}", value.has_value());
    if (value) {
      json += ',';
      AppendJsonField(json, "value", *value);
      if (value->expires_at_ms()) {
        json += fmt::format(",\"expires_at_ms\":{}", *value->expires_at_ms());
      }
    }
    AIDB_RETURN_IF_ERROR(context.out.Write(json + "}\n"));
  } else if (value) {
    AIDB_RETURN_IF_ERROR(context.out.Write(*value));
    if (context.out.is_terminal()) AIDB_RETURN_IF_ERROR(context.out.Write("\n"));
  } else {
    fmt::print(stderr, "aidb: key '{}' not found\n", Escape(key));
  }
  return Ended(*db, value ? ExitCode::kOk : ExitCode::kNo);
}

Result<ExitCode> Delete(const Context& context, const KeyOptions& options) {
  AIDB_ASSIGN_OR_RETURN(const std::string key, Argument(options.key, options.escaped));
  AIDB_ASSIGN_OR_RETURN(const auto db, OpenToWrite(context, StoreMode::kMustExist));
  NamedKeyspaces keyspaces(*db, StoreMode::kMustExist);
  AIDB_ASSIGN_OR_RETURN(const Keyspace* const keyspace, keyspaces.Find(context.keyspace));
  AIDB_RETURN_IF_ERROR(db->Delete(key, context.write_options(keyspace)));
  AIDB_RETURN_IF_ERROR(Say(context, "", R"({"ok":true})"));
  return Ended(*db, ExitCode::kOk);
}

Result<ExitCode> DeleteRange(const Context& context, const DeleteRangeOptions& options) {
  const RangeOptions& bounds = options.range;
  if (!options.all && !bounds.from && !bounds.to && bounds.prefix.empty()) {
    return InvalidArgument("say which keys: --prefix, --from, --to, or --all");
  }
  AIDB_ASSIGN_OR_RETURN(const Range made, Range::Make(bounds));
  const kv::ScanRange range = kv::RangeOf(made.scan_options());
  AIDB_ASSIGN_OR_RETURN(const auto db, OpenToWrite(context, StoreMode::kMustExist));
  NamedKeyspaces keyspaces(*db, StoreMode::kMustExist);
  AIDB_ASSIGN_OR_RETURN(const Keyspace* const keyspace, keyspaces.Find(context.keyspace));
  AIDB_RETURN_IF_ERROR(db->DeleteRange(range.lower, range.upper, context.write_options(keyspace)));
  AIDB_RETURN_IF_ERROR(Say(context, "", R"({"ok":true})"));
  return Ended(*db, ExitCode::kOk);
}

Result<ExitCode> Scan(const Context& context, const ScanCommandOptions& options) {
  AIDB_ASSIGN_OR_RETURN(const Range range, Range::Make(options.range));
  AIDB_ASSIGN_OR_RETURN(const auto db, OpenToRead(context));
  NamedKeyspaces keyspaces(*db, StoreMode::kMustExist);
  AIDB_ASSIGN_OR_RETURN(const Keyspace* const keyspace, keyspaces.Find(context.keyspace));
  Iterator it = db->Scan(InKeyspace(range.scan_options(), keyspace));
  for (uint64_t shown = 0; it.Valid() && (!options.limit || shown < *options.limit); ++shown) {
    std::string line;
    if (context.json()) {
      line = "{";
      AppendJsonField(line, "key", it.key());
      if (!options.keys_only) {
        line += ',';
        AppendJsonField(line, "value", it.value());
      }
      line += '}';
    } else {
      line = Escape(it.key());
      if (!options.keys_only) line += '\t' + Escape(it.value());
    }
    AIDB_RETURN_IF_ERROR(context.out.Write(line + "\n"));
    it.Next();
  }
  AIDB_RETURN_IF_ERROR(it.status());
  return Ended(*db, ExitCode::kOk);
}

Result<ExitCode> CountKeys(const Context& context, const RangeOptions& options) {
  AIDB_ASSIGN_OR_RETURN(const Range range, Range::Make(options));
  AIDB_ASSIGN_OR_RETURN(const auto db, OpenToRead(context));
  NamedKeyspaces keyspaces(*db, StoreMode::kMustExist);
  AIDB_ASSIGN_OR_RETURN(const Keyspace* const keyspace, keyspaces.Find(context.keyspace));
  uint64_t count = 0;
  Iterator it = db->Scan(InKeyspace(range.scan_options(), keyspace));
  for (; it.Valid(); it.Next()) ++count;
  AIDB_RETURN_IF_ERROR(it.status());
  AIDB_RETURN_IF_ERROR(
      Say(context, fmt::format("{}\n", count), fmt::format("{{\"count\":{}}}", count)));
  return Ended(*db, ExitCode::kOk);
}

namespace {

struct Figure {
  std::string_view name;
  uint64_t value;
  std::string_view unit = {};
};

std::vector<Figure> FiguresOf(const StoreStats& stats) {
  return {{"sequence", ToNumber(stats.sequence)},
          {"durable_sequence", ToNumber(stats.durable_sequence)},
          {"snapshots", stats.snapshots},
          {"writes", stats.writes},
          {"gets", stats.gets},
          {"scans", stats.scans},
          {"bytes_written_by_user", stats.bytes_written_by_user, "bytes"},
          {"flushes", stats.flushes},
          {"compactions", stats.compactions},
          {"write_delays", stats.write_delays},
          {"write_delay_us", stats.write_delay_us, "us"},
          {"memtable_bytes", stats.memtable_bytes, "bytes"},
          {"memtable_count", stats.memtable_count},
          {"cache_bytes", stats.cache_bytes, "bytes"},
          {"cache_hits", stats.cache_hits},
          {"cache_misses", stats.cache_misses},
          {"filter_useful", stats.filter_useful},
          {"filter_false", stats.filter_false},
          {"log_bytes", stats.log_bytes, "bytes"},
          {"updates_from", ToNumber(stats.updates_from)},
          {"update_feeds", stats.update_feeds},
          {"update_lag_bytes", stats.update_lag_bytes, "bytes"},
          {"table_bytes", stats.table_bytes, "bytes"},
          {"scrub_rounds", stats.scrub_rounds},
          {"scrub_bytes", stats.scrub_bytes, "bytes"}};
}

std::string WhenFound(const kv::DamagedFile& damaged) {
  if (damaged.found_ms == 0) return "before";
  const std::chrono::sys_time<std::chrono::milliseconds> at{
      std::chrono::milliseconds(damaged.found_ms)};
  return fmt::format("{:%FT%TZ}", std::chrono::floor<std::chrono::seconds>(at));
}

std::string StatsAsText(const StoreStats& stats) {
  std::string text = fmt::format("{:<22} {}\n{:<22} {}\n", "backend", stats.backend, "durability",
                                 stats.durability);
  for (const Figure& figure : FiguresOf(stats)) {
    text += fmt::format("{:<22} {}", figure.name, WithCommas(figure.value));
    if (!figure.unit.empty()) text += fmt::format(" {}", figure.unit);
    text += '\n';
  }
  if (!stats.background_error.empty()) {
    text += fmt::format("{:<22} {}\n", "background_error", stats.background_error);
  }
  for (const kv::DamagedFile& damaged : stats.damaged) {
    text += fmt::format("{:<22} {} (found {}): {}\n", "damaged", damaged.file, WhenFound(damaged),
                        damaged.what);
  }
  const auto empty = [](const kv::LevelStats& level) {
    return level.tables == 0 && level.bytes_read == 0 && level.bytes_written == 0;
  };
  if (std::ranges::all_of(stats.levels, empty)) return text;
  text += "level  tables           bytes          target  score            read         written\n";
  for (const kv::LevelStats& level : stats.levels) {
    if (empty(level)) continue;
    text += fmt::format("{:>5}  {:>6}  {:>14}  {:>14}  {:>5.2f}  {:>14}  {:>14}\n", level.level,
                        WithCommas(level.tables), WithCommas(level.size_bytes),
                        WithCommas(level.target_bytes), level.score, WithCommas(level.bytes_read),
                        WithCommas(level.bytes_written));
  }
  return text;
}

std::string StatsAsJson(const StoreStats& stats) {
  std::string json = "{";
  AppendJsonField(json, "backend", stats.backend);
  json += ',';
  AppendJsonField(json, "durability", stats.durability);
  for (const Figure& figure : FiguresOf(stats)) {
    json += fmt::format(",\"{}\":{}", figure.name, figure.value);
  }
  json += ',';
  AppendJsonField(json, "background_error", stats.background_error);
  json += ",\"damaged\":[";
  for (const kv::DamagedFile& damaged : stats.damaged) {
    json += json.ends_with('[') ? "{" : ",{";
    AppendJsonField(json, "file", damaged.file);
    json += ',';
    AppendJsonField(json, "what", damaged.what);
    json += fmt::format(",\"found_ms\":{}}}", damaged.found_ms);
  }
  json += "],\"levels\":[";
  for (const kv::LevelStats& level : stats.levels) {
    if (!json.ends_with('[')) json += ',';
    json +=
        fmt::format(R"({{"level":{},"tables":{},"size_bytes":{},"target_bytes":{},"score":{:.4f},)"
                    R"("bytes_read":{},"bytes_written":{}}})",
                    level.level, level.tables, level.size_bytes, level.target_bytes, level.score,
                    level.bytes_read, level.bytes_written);
  }
  return json + "]}";
}

}  // namespace

Result<ExitCode> Stats(const Context& context) {
  AIDB_RETURN_IF_ERROR(RefuseKeyspace(context, "stats"));
  AIDB_ASSIGN_OR_RETURN(const auto db, OpenToRead(context));
  const StoreStats stats = db->Stats();
  AIDB_RETURN_IF_ERROR(Say(context, context.json() ? "" : StatsAsText(stats),
                           context.json() ? StatsAsJson(stats) : ""));
  return Ended(*db, ExitCode::kOk);
}

Result<ExitCode> Checkpoint(const Context& context, const CheckpointOptions& options) {
  AIDB_RETURN_IF_ERROR(RefuseKeyspace(context, "checkpoint"));
  AIDB_ASSIGN_OR_RETURN(const auto db, OpenToWrite(context, StoreMode::kMustExist));
  AIDB_RETURN_IF_ERROR(db->Checkpoint(options.directory));
  AIDB_RETURN_IF_ERROR(Say(context, "", R"({"ok":true})"));
  return Ended(*db, ExitCode::kOk);
}

Result<ExitCode> Compact(const Context& context, const RangeOptions& options) {
  AIDB_ASSIGN_OR_RETURN(const Range range, Range::Make(options));
  AIDB_ASSIGN_OR_RETURN(const auto db, OpenToWrite(context, StoreMode::kMustExist));
  NamedKeyspaces keyspaces(*db, StoreMode::kMustExist);
  AIDB_ASSIGN_OR_RETURN(const Keyspace* const keyspace, keyspaces.Find(context.keyspace));
  const uint64_t before = db->Stats().table_bytes;
  AIDB_RETURN_IF_ERROR(db->Compact(kv::RangeOf(range.scan_options()), keyspace));
  const uint64_t after = db->Stats().table_bytes;
  AIDB_RETURN_IF_ERROR(Say(
      context, fmt::format("tables: {} bytes, before {}\n", WithCommas(after), WithCommas(before)),
      fmt::format(R"({{"table_bytes":{},"table_bytes_before":{}}})", after, before)));
  return Ended(*db, ExitCode::kOk);
}

}  // namespace aidb::cli

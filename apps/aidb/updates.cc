#include <charconv>
#include <map>
#include <utility>

#include <fmt/format.h>

#include "apps/aidb/commands.h"
#include "apps/aidb/text.h"

namespace aidb::cli {
namespace {

// Numbers to names, as far as the catalogue and the updates tell.
using KeyspaceNames = std::map<uint32_t, std::string>;

bool IsOfCatalogue(const WriteBatch::Operation& operation) {
  return operation.keyspace == kv::kKeyspaceCatalogue;
}

// "" for the default one; of one that is gone, "#" and its number.
std::string KeyspaceOf(const WriteBatch::Operation& operation, const KeyspaceNames& names) {
  if (operation.keyspace == kv::kDefaultKeyspace || IsOfCatalogue(operation)) return "";
  const auto name = names.find(ToNumber(operation.keyspace));
  return name != names.end() ? name->second : fmt::format("#{}", ToNumber(operation.keyspace));
}

std::string NameOf(const WriteBatch::Operation& operation) {
  const kv::OpKind kind = operation.kind;
  if (IsOfCatalogue(operation)) {
    if (operation.key.empty()) return "keyspaces";
    return kind == kv::OpKind::kDelete ? "drop-keyspace" : "create-keyspace";
  }
  if (kind == kv::OpKind::kDelete) return "delete";
  if (kind == kv::OpKind::kPut || kind == kv::OpKind::kPutExpiring) return "put";
  if (kind == kv::OpKind::kDeleteRange) return "delete-range";
  if (kind == kv::OpKind::kMerge) return "merge";
  return fmt::format("operation {}", static_cast<unsigned>(kind));
}

// As the merge command spells it; a user's by its number.
std::string NameOf(MergeOperator op) {
  if (op == MergeOperator::kAddI64) return "add";
  if (op == MergeOperator::kAppend) return "append";
  if (op == MergeOperator::kMax) return "max";
  if (op == MergeOperator::kMin) return "min";
  return fmt::format("{}", static_cast<unsigned>(op));
}

std::string_view ValueName(kv::OpKind kind) {
  if (kind == kv::OpKind::kDeleteRange) return "end";
  return kind == kv::OpKind::kMerge ? "operand" : "value";
}

bool HasValue(kv::OpKind kind) { return kind != kv::OpKind::kDelete; }

std::string IngestAsText(Sequence sequence, const IngestNote& note) {
  std::string line = fmt::format("{}\tingest", ToNumber(sequence));
  for (const IngestedFile& file : note.files) {
    line += fmt::format("\t{}\t{}\t{}", Escape(file.path), Escape(file.first_key),
                        Escape(file.last_key));
  }
  return line + '\n';
}

std::string IngestAsJson(Sequence sequence, const IngestNote& note) {
  std::string line =
      fmt::format(R"({{"sequence":{},"operation":"ingest","files":[)", ToNumber(sequence));
  for (const IngestedFile& file : note.files) {
    line += line.ends_with('[') ? "{" : ",{";
    AppendJsonField(line, "path", file.path);
    line += fmt::format(R"(,"bytes":{},"crc32c":{},"entries":{},"range_deletes":{},)",
                        file.size_bytes, file.crc, file.entries, file.range_deletes);
    AppendJsonField(line, "first", file.first_key);
    line += ',';
    AppendJsonField(line, "last", file.last_key);
    line += '}';
  }
  return line + "]}\n";
}

std::string AsText(Sequence sequence, const WriteBatch::Operation& operation,
                   const std::string& keyspace) {
  std::string line =
      fmt::format("{}\t{}\t{}", ToNumber(sequence), NameOf(operation), Escape(operation.key));
  if (operation.kind == kv::OpKind::kMerge) line += '\t' + NameOf(operation.merge_operator);
  if (HasValue(operation.kind)) line += '\t' + Escape(operation.value);
  if (kv::Expires(operation.kind)) line += fmt::format("\t{}", operation.expires_at_ms);
  if (!keyspace.empty()) line += "\tkeyspace=" + Escape(keyspace);
  return line + '\n';
}

std::string AsJson(Sequence sequence, Sequence batch, const WriteBatch::Operation& operation,
                   const std::string& keyspace) {
  std::string line = fmt::format(R"({{"sequence":{},"batch":{},"operation":"{}",)",
                                 ToNumber(sequence), ToNumber(batch), NameOf(operation));
  AppendJsonField(line, "key", operation.key);
  if (HasValue(operation.kind)) {
    line += ',';
    AppendJsonField(line, ValueName(operation.kind), operation.value);
  }
  if (operation.kind == kv::OpKind::kMerge) {
    line += fmt::format(R"(,"operator":"{}")", NameOf(operation.merge_operator));
  }
  if (kv::Expires(operation.kind)) {
    line += fmt::format(",\"expires_at_ms\":{}", operation.expires_at_ms);
  }
  if (!keyspace.empty()) {
    line += fmt::format(",\"keyspace_id\":{},", ToNumber(operation.keyspace));
    AppendJsonField(line, "keyspace", keyspace);
  }
  return line + "}\n";
}

// Takes over what the catalogue says: a name behind which its number stands.
void Learn(const WriteBatch::Operation& operation, KeyspaceNames& names) {
  if (!IsOfCatalogue(operation) || operation.key.empty() || operation.value.empty()) return;
  uint32_t id = 0;
  const auto [end, error] =
      std::from_chars(operation.value.data(), operation.value.data() + operation.value.size(), id);
  if (error == std::errc()) names.insert_or_assign(id, std::string(operation.key));
}

// Prints at most `left` operations and counts them off.
Status Print(const Context& context, const Update& update, KeyspaceNames& names,
             std::optional<uint64_t>& left) {
  WriteBatch::Reader reader = update.reader();
  for (uint64_t i = 0; !left || *left > 0; ++i) {
    AIDB_ASSIGN_OR_RETURN(const std::optional<WriteBatch::Operation> operation, reader.Next());
    if (!operation) break;
    Learn(*operation, names);
    const std::string keyspace = KeyspaceOf(*operation, names);
    if (context.keyspace && keyspace != *context.keyspace) continue;
    const Sequence sequence = update.first + i;
    if (left) --*left;
    if (IngestNote::Is(*operation)) {
      AIDB_ASSIGN_OR_RETURN(const IngestNote note, IngestNote::Decode(operation->value));
      AIDB_RETURN_IF_ERROR(context.out.Write(context.json() ? IngestAsJson(sequence, note)
                                                            : IngestAsText(sequence, note)));
      continue;
    }
    AIDB_RETURN_IF_ERROR(
        context.out.Write(context.json() ? AsJson(sequence, update.first, *operation, keyspace)
                                         : AsText(sequence, *operation, keyspace)));
  }
  return {};
}

}  // namespace

Result<ExitCode> PrintUpdates(const Context& context, const UpdatesOptions& options) {
  // A store that is opened to read has no feed.
  AIDB_ASSIGN_OR_RETURN(const auto db, OpenToWrite(context, StoreMode::kMustExist));
  const Sequence since = options.since ? Sequence{*options.since} : db->Stats().updates_from;
  AIDB_ASSIGN_OR_RETURN(Updates updates, db->UpdatesSince(since));
  KeyspaceNames names;
  AIDB_ASSIGN_OR_RETURN(const auto keyspaces, db->Keyspaces());
  for (const Keyspace& keyspace : keyspaces) {
    names.emplace(ToNumber(keyspace.id()), std::string(keyspace.name()));
  }
  std::optional<uint64_t> left = options.limit;
  while (!left || *left > 0) {
    AIDB_ASSIGN_OR_RETURN(const std::optional<Update> update, updates.Next());
    if (!update) break;
    AIDB_RETURN_IF_ERROR(Print(context, *update, names, left));
  }
  AIDB_RETURN_IF_ERROR(db->Close());
  return ExitCode::kOk;
}

}  // namespace aidb::cli

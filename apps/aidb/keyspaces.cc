// keyspaces, drop-keyspace, and what --keyspace means.

#include "apps/aidb/keyspaces.h"

#include <vector>

#include <fmt/format.h>

#include "apps/aidb/text.h"

namespace aidb::cli {
namespace {

std::string AsJson(const Keyspace& keyspace) {
  std::string json = "{";
  AppendJsonField(json, "keyspace", keyspace.name());
  return json + fmt::format(",\"id\":{}}}\n", ToNumber(keyspace.id()));
}

}  // namespace

Result<const Keyspace*> NamedKeyspaces::Find(const std::optional<std::string>& name) {
  if (!name) return nullptr;
  if (const auto found = opened_.find(*name); found != opened_.end()) return &found->second;
  AIDB_ASSIGN_OR_RETURN(Keyspace keyspace, db_.OpenKeyspace(*name, mode_));
  return &opened_.emplace(*name, std::move(keyspace)).first->second;
}

Status RefuseKeyspace(const Context& context, std::string_view command) {
  if (!context.keyspace) return {};
  return InvalidArgument(fmt::format("{} is of the whole store; leave --keyspace out", command));
}

Result<ExitCode> ListKeyspaces(const Context& context) {
  AIDB_RETURN_IF_ERROR(RefuseKeyspace(context, "keyspaces"));
  AIDB_ASSIGN_OR_RETURN(const auto db, OpenToRead(context));
  AIDB_ASSIGN_OR_RETURN(const std::vector<Keyspace> keyspaces, db->Keyspaces());
  for (const Keyspace& keyspace : keyspaces) {
    AIDB_RETURN_IF_ERROR(
        context.out.Write(context.json() ? AsJson(keyspace) : Escape(keyspace.name()) + '\n'));
  }
  AIDB_RETURN_IF_ERROR(db->Close());
  return ExitCode::kOk;
}

Result<ExitCode> DropKeyspace(const Context& context, const std::string& name) {
  AIDB_RETURN_IF_ERROR(RefuseKeyspace(context, "drop-keyspace"));
  AIDB_ASSIGN_OR_RETURN(const auto db, OpenToWrite(context, StoreMode::kMustExist));
  AIDB_RETURN_IF_ERROR(db->DropKeyspace(name));
  if (context.sync) AIDB_RETURN_IF_ERROR(db->Sync());
  AIDB_RETURN_IF_ERROR(context.out.Write(context.json() ? "{\"ok\":true}\n" : ""));
  AIDB_RETURN_IF_ERROR(db->Close());
  return ExitCode::kOk;
}

}  // namespace aidb::cli

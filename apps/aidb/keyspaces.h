#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>

#include "aidb/db/db.h"

#include "apps/aidb/command.h"

namespace aidb::cli {

// Keyspaces by name, each opened once.
//
// Thread safety: none.
// Lifetime: borrows the DB; what it gives lives as long as it does.
class NamedKeyspaces {
 public:
  NamedKeyspaces(DB& db, StoreMode mode) : db_(db), mode_(mode) {}

  // Null, the default one, for no name.
  Result<const Keyspace*> Find(const std::optional<std::string>& name);

 private:
  DB& db_;
  const StoreMode mode_;
  std::map<std::string, Keyspace> opened_;
};

// kInvalidArgument where --keyspace was given to a command on the whole store.
Status RefuseKeyspace(const Context& context, std::string_view command);

Result<ExitCode> ListKeyspaces(const Context& context);
Result<ExitCode> DropKeyspace(const Context& context, const std::string& name);

}  // namespace aidb::cli

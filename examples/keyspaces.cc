// Keyspaces: several ordered maps in one store, written together.
//
//   keyspaces [DIRECTORY]     default: data

#include <cstdio>
#include <string>
#include <utility>

#include "aidb/db/db.h"

#include "examples/report.h"

namespace {

aidb::Status Run(const std::string& directory) {
  AIDB_ASSIGN_OR_RETURN(const auto db, aidb::DB::Open(directory));
  // [keyspaces]
  AIDB_ASSIGN_OR_RETURN(const aidb::Keyspace users, db->OpenKeyspace("users"));
  AIDB_ASSIGN_OR_RETURN(const aidb::Keyspace by_city, db->OpenKeyspace("users by city"));

  // Both or neither, as every batch.
  aidb::WriteBatch batch;
  batch.Put("alice", "Paris", &users);
  batch.Put("Paris/alice", "", &by_city);
  AIDB_RETURN_IF_ERROR(db->Write(std::move(batch)).status());

  AIDB_RETURN_IF_ERROR(db->Put("alice", "not a user"));  // Without a keyspace: the default one.
  AIDB_ASSIGN_OR_RETURN(const auto city, db->Get("alice", {.keyspace = &users}));
  for (auto it = db->Scan({.prefix = "Paris/", .keyspace = &by_city}); it.Valid(); it.Next()) {
    std::printf("%s\n", std::string(it.key()).c_str());
  }
  AIDB_RETURN_IF_ERROR(db->DropKeyspace("users by city"));
  // [/keyspaces]
  std::printf("alice lives in %s\n", city.value_or("nowhere").c_str());
  AIDB_ASSIGN_OR_RETURN(const auto left, db->Keyspaces());
  for (const aidb::Keyspace& keyspace : left) {
    std::printf("left: %s\n", std::string(keyspace.name()).c_str());
  }
  return db->Close();
}

}  // namespace

int main(int argc, char** argv) {
  const aidb::Status status = Run(argc > 1 ? argv[1] : "data");
  return status.ok() ? 0 : Report(status);
}

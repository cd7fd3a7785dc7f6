// Following a store: a replica that takes over every batch.
//
//   follow [DIRECTORY]     default: data; the replica is DIRECTORY-replica

#include <chrono>
#include <cstdio>
#include <optional>
#include <string>

#include "aidb/db/db.h"

#include "examples/report.h"

namespace {

// [apply]
// Takes over what is there by now, or comes within a second.
aidb::Status Apply(aidb::Updates& updates, aidb::DB& replica) {
  const aidb::Sequence has = replica.Stats().sequence;
  while (true) {
    AIDB_ASSIGN_OR_RETURN(const auto update, updates.Next(std::chrono::seconds(1)));
    if (!update) return {};               // None yet.
    if (update->last() <= has) continue;  // The checkpoint has it.
    aidb::WriteBatch batch;
    aidb::WriteBatch::Reader reader = update->reader();
    while (true) {
      AIDB_ASSIGN_OR_RETURN(const auto operation, reader.Next());
      if (!operation) break;
      batch.Add(*operation);
    }
    AIDB_RETURN_IF_ERROR(replica.Write(std::move(batch)).status());
  }
}
// [/apply]

aidb::Status Run(const std::string& directory) {
  AIDB_ASSIGN_OR_RETURN(const auto db, aidb::DB::Open(directory));
  AIDB_RETURN_IF_ERROR(db->Put("city:paris", "2.1M"));

  // [begin]
  // The feed first: from here on the log is kept for it. Then a copy of what was before.
  AIDB_ASSIGN_OR_RETURN(aidb::Updates updates, db->UpdatesSince(db->Stats().sequence));
  AIDB_RETURN_IF_ERROR(db->Checkpoint(directory + "-replica"));
  // [/begin]
  AIDB_ASSIGN_OR_RETURN(const auto replica, aidb::DB::Open(directory + "-replica"));

  AIDB_RETURN_IF_ERROR(db->Put("city:oslo", "0.7M"));
  AIDB_RETURN_IF_ERROR(db->Delete("city:paris"));
  AIDB_RETURN_IF_ERROR(Apply(updates, *replica));
  for (aidb::Iterator it = replica->Scan(); it.Valid(); it.Next()) {
    std::printf("the replica has %s\n", std::string(it.key()).c_str());
  }
  std::printf("both are at sequence %llu\n",
              static_cast<unsigned long long>(ToNumber(replica->Stats().sequence)));
  AIDB_RETURN_IF_ERROR(replica->Close());
  return db->Close();
}

}  // namespace

int main(int argc, char** argv) {
  const aidb::Status status = Run(argc > 1 ? argv[1] : "data");
  return status.ok() ? 0 : Report(status);
}

// Snapshots: the state of one moment, while others write.
//
//   snapshot [DIRECTORY]     default: data

#include <cstdio>
#include <string>

#include "aidb/db/db.h"

#include "examples/report.h"

namespace {

// How many keys begin with "city:", now or as the snapshot has it; -1 after an error.
int Count(const aidb::DB& db, const aidb::Snapshot* snapshot) {
  int count = 0;
  aidb::Iterator it = db.Scan({.prefix = "city:", .snapshot = snapshot});
  for (; it.Valid(); it.Next()) ++count;
  return it.status().ok() ? count : -1;
}

}  // namespace

int main(int argc, char** argv) {
  auto db = aidb::DB::Open(argc > 1 ? argv[1] : "data");
  if (!db.ok()) return Report(db.status());

  // [snapshot]
  auto before = (*db)->Snapshot();
  if (aidb::Status put = (*db)->Put("city:ZZ:new", "1"); !put.ok()) return Report(put);

  std::printf("now: %d cities\n", Count(**db, nullptr));
  std::printf("in the snapshot: %d cities\n", Count(**db, &before));
  auto found = (*db)->Get("city:ZZ:new", {.snapshot = &before});
  // [/snapshot]
  if (!found.ok()) return Report(found.status());
  std::printf("the new one in the snapshot: %s\n", found->has_value() ? "present" : "absent");

  // Leaves the store as it was.
  if (aidb::Status removed = (*db)->Delete("city:ZZ:new"); !removed.ok()) return Report(removed);
  return 0;
}

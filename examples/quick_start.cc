// The first program: open, put, get, a batch on the disk, a walk over a prefix.

#include <cstdio>
#include <string>
#include <utility>

#include "aidb/db/db.h"

#include "examples/report.h"

using aidb::Status;

int main() {
  // [quick_start]
  auto db = aidb::DB::Open("data", {});  // The native backend; created if missing.
  if (!db.ok()) return Report(db.status());

  if (Status put = (*db)->Put("city:beijing", "21.5M"); !put.ok()) return Report(put);
  auto population = (*db)->Get("city:beijing");  // Absence is a value, not an error.

  aidb::WriteBatch batch;  // All or nothing, on the disk before Write returns.
  batch.Put("city:paris", "2.1M");
  batch.Delete("city:beijing");
  auto written = (*db)->Write(std::move(batch), {.sync = true});

  for (auto it = (*db)->Scan({.prefix = "city:"}); it.Valid(); it.Next()) {
    std::printf("%s\n", std::string(it.key()).c_str());
  }
  // [/quick_start]
  if (!population.ok()) return Report(population.status());
  if (!written.ok()) return Report(written.status());
  std::printf("beijing had %s\n", population->value_or("nobody").c_str());
  return 0;
}

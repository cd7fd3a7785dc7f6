// Iterators: ranges, prefixes, both directions, seeking.

#include <cstdio>
#include <string>

#include "aidb/db/db.h"

#include "examples/report.h"

namespace {

void Print(const char* what, const aidb::Iterator& it) {
  std::printf("%s %s\n", what, it.Valid() ? std::string(it.key()).c_str() : "(end)");
}

}  // namespace

int main() {
  auto db = aidb::DB::Open("data");
  if (!db.ok()) return Report(db.status());
  for (const char* key : {"city:bonn", "city:lyon", "city:oslo", "river:rhine"}) {
    if (aidb::Status put = (*db)->Put(key, ""); !put.ok()) return Report(put);
  }

  // [iterator]
  // An iterator sees one moment, whatever is written while it walks.
  aidb::Iterator it = (*db)->Scan({.prefix = "city:"});
  for (; it.Valid(); it.Next()) Print("forward", it);
  if (!it.status().ok()) return Report(it.status());  // The end and an error look alike.

  // From the last key below "city:m" down to "city:c".
  aidb::Iterator down =
      (*db)->Scan({.lower = "city:c", .upper = "city:m", .order = aidb::ScanOrder::kReverse});
  for (; down.Valid(); down.Next()) Print("reverse", down);

  aidb::Iterator all = (*db)->Scan();
  all.Seek("city:m");  // The first key at or behind it.
  Print("seek", all);
  all.SeekForPrev("city:m");  // The last key at or before it.
  Print("before", all);
  all.Prev();  // Turning round is legal at any point.
  Print("and before that", all);
  // [/iterator]
  return 0;
}

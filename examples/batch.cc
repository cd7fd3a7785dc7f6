// Batches: several writes that are seen together and survive together.

#include <cstdio>
#include <string>
#include <utility>

#include "aidb/db/db.h"

#include "examples/report.h"

int main() {
  auto db = aidb::DB::Open("data");
  if (!db.ok()) return Report(db.status());

  // [batch]
  aidb::WriteBatch batch;
  batch.Put("order:17", "book");
  batch.Put("order:17:paid", "no");
  batch.Delete("cart:17");
  batch.Put("order:17:paid", "yes");  // Operations apply in order: the last one on a key wins.

  // Without sync the batch survives this process at once, and the machine after at most twice
  // Options::sync_interval_ms. With sync it is on the disk when Write returns.
  aidb::Result<aidb::Sequence> last = (*db)->Write(std::move(batch), {.sync = true});
  if (!last.ok()) return Report(last.status());
  // [/batch]

  for (auto it = (*db)->Scan({.prefix = "order:"}); it.Valid(); it.Next()) {
    std::printf("%s = %s\n", std::string(it.key()).c_str(), std::string(it.value()).c_str());
  }
  std::printf("the batch took sequences up to %llu\n",
              static_cast<unsigned long long>(aidb::kv::ToNumber(*last)));
  return 0;
}

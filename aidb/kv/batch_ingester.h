#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include "aidb/kv/ingester.h"
#include "aidb/kv/store.h"

namespace aidb::kv {

// Ingests by one synced write of all that the files hold: for stores that have no tables of this
// kind. So the files hold no more than a batch may, Options::batch_bytes_max: else
// kInvalidArgument with both numbers.
//
// Thread safety: any thread.
// Lifetime: borrows the store, owns the source.
class BatchIngester final : public Ingester {
 public:
  BatchIngester(Store& store, std::unique_ptr<SortedFileSource> source, uint64_t batch_bytes_max)
      : store_(store), source_(std::move(source)), batch_bytes_max_(batch_bytes_max) {}

  Result<Sequence> Ingest(std::span<const std::string> files, std::string_view below = {}) override;

 private:
  Store& store_;
  const std::unique_ptr<SortedFileSource> source_;
  const uint64_t batch_bytes_max_;
};

}  // namespace aidb::kv

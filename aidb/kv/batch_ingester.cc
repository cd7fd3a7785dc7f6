#include "aidb/kv/batch_ingester.h"

#include <utility>
#include <vector>

namespace aidb::kv {

Result<Sequence> BatchIngester::Ingest(std::span<const std::string> files, std::string_view below) {
  auto verified = source_->Verify(files);
  if (!verified.ok()) return Status(verified.status()).Annotate("ingest");
  for (const IngestedFile& file : *verified) {
    AIDB_RETURN_IF_ERROR(CheckIngestBelow(file.path, file.last_key, below));
  }
  WriteBatch batch;
  for (const IngestedFile& file : *verified) {
    const Status read = source_->Read(file, [&](const WriteBatch::Operation& operation) {
      batch.Add(operation);
      if (batch.size_bytes() <= batch_bytes_max_) return Status();
      return InvalidArgument(
          "this backend writes what the files hold as one batch, and that is "
          "above the " +
          std::to_string(batch_bytes_max_) +
          " bytes of batch_bytes_max: ingest smaller files, one after the other, "
          "or raise it");
    });
    if (!read.ok()) return Status(read).Annotate("ingest " + file.path);
  }
  return store_.Write(std::move(batch), {.sync = true});
}

}  // namespace aidb::kv

// Reads arbitrary bytes as the file JOURNAL. Oracle: what is accepted is what WriteIdentity writes.

#include <cstddef>
#include <cstdint>
#include <string>

#include "aidb/base/check.h"
#include "aidb/journal/identity.h"
#include "aidb/journal/memory_files_for_test.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* input, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(input), size);
  aidb::journal::MemoryFiles files;
  files.Put("d/JOURNAL", bytes);
  const auto identity = aidb::journal::ReadIdentity(files, "d");
  if (!identity.ok()) return 0;
  AIDB_CHECK(identity->has_value());
  AIDB_CHECK(aidb::journal::WriteIdentity(files, "d", **identity).ok());
  AIDB_CHECK(*files.files["d/JOURNAL"] == bytes);
  return 0;
}

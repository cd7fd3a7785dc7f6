// Decodes arbitrary bytes as a CURRENT file. Oracle: what decodes has exactly one encoding, the
// input.

#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>

#include "aidb/base/check.h"
#include "aidb/base/crc32c.h"
#include "aidb/lsm/manifest.h"

namespace {

void Check(std::string_view input) {
  const aidb::Result<aidb::lsm::CurrentFile> current = aidb::lsm::CurrentFile::Decode(input);
  if (current.ok()) AIDB_CHECK(current->Encode() == input);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(bytes), size);
  Check(input);
  // The same with a checksum that is right, so that the other fields are reached.
  char checksum[9];
  std::snprintf(checksum, sizeof checksum, "%08x", aidb::Crc32c(input));
  Check(std::string(input) + " " + checksum + "\n");
  return 0;
}

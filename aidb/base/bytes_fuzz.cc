// Reads arbitrary bytes with ByteReader. The first byte of each step chooses the read. Oracles: a
// read never moves past the end, a failed read moves nothing, and what was read encodes back to
// the bytes it came from.

#include <cstddef>
#include <cstdint>
#include <string>

#include "aidb/base/bytes.h"
#include "aidb/base/check.h"

namespace {

// Performs the chosen read and gives back its encoding; empty when it failed.
std::string ReadAndEncode(aidb::ByteReader& reader, uint8_t choice) {
  std::string encoded;
  switch (choice % 4) {
    case 0:
      if (const auto value = reader.Varint()) {
        aidb::AppendVarint(encoded, *value);
        AIDB_CHECK(encoded.size() == aidb::VarintSize(*value));
      }
      break;
    case 1:
      if (const auto bytes = reader.LengthPrefixed()) aidb::AppendLengthPrefixed(encoded, *bytes);
      break;
    case 2:
      if (const auto value = reader.Le<uint32_t>()) aidb::AppendLe(encoded, *value);
      break;
    default:
      if (const auto bytes = reader.Bytes(choice / 4)) encoded = *bytes;
  }
  return encoded;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* input, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(input), size);
  aidb::ByteReader reader(bytes);
  while (const auto choice = reader.Le<uint8_t>()) {
    const size_t before = reader.position();
    const std::string encoded = ReadAndEncode(reader, *choice);
    AIDB_CHECK(reader.position() == before + encoded.size());
    AIDB_CHECK(reader.position() + reader.left() == size);
    AIDB_CHECK(bytes.substr(before, encoded.size()) == encoded);
  }
  AIDB_CHECK(reader.empty());
  return 0;
}

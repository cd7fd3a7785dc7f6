#include "aidb/base/bytes.h"

namespace aidb {

std::optional<uint64_t> ByteReader::Varint() {
  uint64_t value = 0;
  for (size_t i = 0; i < kVarintBytesMax && i < rest_.size(); ++i) {
    const auto byte = static_cast<unsigned char>(rest_[i]);
    const unsigned shift = static_cast<unsigned>(7 * i);
    if (i == kVarintBytesMax - 1 && byte > 1) return std::nullopt;  // Above 64 bits.
    value |= static_cast<uint64_t>(byte & 0x7F) << shift;
    if ((byte & 0x80) != 0) continue;
    if (byte == 0 && i > 0) return std::nullopt;  // Overlong.
    rest_.remove_prefix(i + 1);
    return value;
  }
  return std::nullopt;
}

std::optional<std::string_view> ByteReader::LengthPrefixed() {
  ByteReader ahead(*this);
  const std::optional<uint64_t> length = ahead.Varint();
  if (!length) return std::nullopt;
  const std::optional<std::string_view> bytes = ahead.Bytes(*length);
  if (bytes) *this = ahead;
  return bytes;
}

}  // namespace aidb

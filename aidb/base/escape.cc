#include "aidb/base/escape.h"

namespace aidb {

std::string EscapeForMessage(std::string_view bytes, size_t bytes_max) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string text;
  for (const char c : bytes.substr(0, bytes_max)) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '\\') {
      text.append("\\\\");
    } else if (byte >= 0x20 && byte < 0x7F) {
      text.push_back(c);
    } else {
      text.append("\\x").append(1, kHex[byte >> 4]).append(1, kHex[byte & 0xF]);
    }
  }
  if (bytes.size() > bytes_max) {
    text.append("…(").append(std::to_string(bytes.size())).append(" bytes)");
  }
  return text;
}

}  // namespace aidb

#include "aidb/base/uuid.h"

#include "aidb/base/bytes.h"
#include "aidb/base/escape.h"

namespace aidb {
namespace {

constexpr size_t kTextSize = 36;

// Whether a dash stands before byte i: 8-4-4-4-12 digits.
bool DashBefore(size_t i) { return i == 4 || i == 6 || i == 8 || i == 10; }

// The value of a hexadecimal digit, or -1.
int Digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

Uuid Uuid::Generate(Random& random) {
  Uuid uuid;
  StoreLe(uuid.bytes.data(), random.Next());
  StoreLe(uuid.bytes.data() + 8, random.Next());
  uuid.bytes[6] = static_cast<uint8_t>((uuid.bytes[6] & 0x0F) | 0x40);  // Version 4.
  uuid.bytes[8] = static_cast<uint8_t>((uuid.bytes[8] & 0x3F) | 0x80);  // Variant 10.
  return uuid;
}

Result<Uuid> Uuid::Parse(std::string_view text) {
  const auto refuse = [&] {
    return InvalidArgument("\"" + EscapeForMessage(text, 2 * kTextSize) + "\" is not a uuid");
  };
  if (text.size() != kTextSize) return refuse();
  Uuid uuid;
  size_t at = 0;
  for (size_t i = 0; i < uuid.bytes.size(); ++i) {
    if (DashBefore(i) && text[at++] != '-') return refuse();
    const int high = Digit(text[at]);
    const int low = Digit(text[at + 1]);
    if (high < 0 || low < 0) return refuse();
    uuid.bytes[i] = static_cast<uint8_t>(high << 4 | low);
    at += 2;
  }
  return uuid;
}

std::string Uuid::ToString() const {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string text;
  text.reserve(kTextSize);
  for (size_t i = 0; i < bytes.size(); ++i) {
    if (DashBefore(i)) text.push_back('-');
    text.push_back(kHex[bytes[i] >> 4]);
    text.push_back(kHex[bytes[i] & 0xF]);
  }
  return text;
}

}  // namespace aidb

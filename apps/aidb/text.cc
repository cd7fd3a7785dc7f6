#include "apps/aidb/text.h"

#include <array>
#include <optional>

#include <fmt/format.h>

namespace aidb::cli {
namespace {

constexpr std::string_view kBase64 =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

unsigned char Byte(char c) { return static_cast<unsigned char>(c); }

// The length of the UTF-8 sequence at the start of `bytes`, 0 when there is none. Overlong forms,
// surrogates and what lies beyond U+10FFFF are none (Unicode 15, table 3-7).
size_t SequenceLength(std::string_view bytes) {
  const unsigned char first = Byte(bytes[0]);
  if (first < 0x80) return 1;
  const size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4 || bytes.size() < length) return 0;
  const unsigned char second = Byte(bytes[1]);
  const unsigned char low = first == 0xE0 ? 0xA0 : first == 0xF0 ? 0x90 : 0x80;
  const unsigned char high = first == 0xED ? 0x9F : first == 0xF4 ? 0x8F : 0xBF;
  if (second < low || second > high) return 0;
  for (size_t i = 2; i < length; ++i) {
    if ((Byte(bytes[i]) & 0xC0) != 0x80) return 0;
  }
  return length;
}

// The letter behind the backslash, or nullopt.
std::optional<char> ShortEscape(char c) {
  switch (c) {
    case '\\':
      return '\\';
    case '\t':
      return 't';
    case '\n':
      return 'n';
    case '\r':
      return 'r';
    default:
      return std::nullopt;
  }
}

std::optional<int> HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return std::nullopt;
}

std::optional<char> ShortMeaning(char letter) {
  switch (letter) {
    case '\\':
    case '"':
    case '\'':
      return letter;
    case 't':
      return '\t';
    case 'n':
      return '\n';
    case 'r':
      return '\r';
    case '0':
      return '\0';
    default:
      return std::nullopt;
  }
}

Status BadEscape(std::string_view text, size_t at) {
  return InvalidArgument(
      fmt::format("'{}' at byte {} is no escape; there are \\\\ \\t \\n \\r \\0 \\\" \\' and \\xNN",
                  Escape(text.substr(at, 4)), at));
}

std::array<int8_t, 256> Base64Values() {
  std::array<int8_t, 256> values{};
  values.fill(-1);
  for (size_t i = 0; i < kBase64.size(); ++i) values[Byte(kBase64[i])] = static_cast<int8_t>(i);
  return values;
}

}  // namespace

std::string Escape(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size());
  while (!bytes.empty()) {
    const size_t length = SequenceLength(bytes);
    const unsigned char first = Byte(bytes[0]);
    if (const auto letter = ShortEscape(bytes[0])) {
      out += '\\';
      out += *letter;
    } else if (length == 0 || first < 0x20 || first == 0x7F) {
      out += fmt::format("\\x{:02X}", first);
    } else {
      out += bytes.substr(0, length);
    }
    bytes.remove_prefix(length == 0 ? 1 : length);
  }
  return out;
}

Result<std::string> Unescape(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\') {
      out += text[i];
      continue;
    }
    const std::string_view rest = text.substr(i + 1);
    if (rest.size() >= 3 && rest[0] == 'x' && HexDigit(rest[1]) && HexDigit(rest[2])) {
      out += static_cast<char>(*HexDigit(rest[1]) * 16 + *HexDigit(rest[2]));
      i += 3;
    } else if (const auto meaning = rest.empty() ? std::nullopt : ShortMeaning(rest[0])) {
      out += *meaning;
      i += 1;
    } else {
      return BadEscape(text, i);
    }
  }
  return out;
}

bool IsUtf8(std::string_view bytes) {
  while (!bytes.empty()) {
    const size_t length = SequenceLength(bytes);
    if (length == 0) return false;
    bytes.remove_prefix(length);
  }
  return true;
}

void AppendJsonString(std::string& out, std::string_view utf8) {
  out += '"';
  for (const char c : utf8) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (const auto letter = ShortEscape(c)) {
      out += '\\';
      out += *letter;
    } else if (Byte(c) < 0x20) {
      out += fmt::format("\\u{:04x}", Byte(c));
    } else {
      out += c;
    }
  }
  out += '"';
}

void AppendJsonField(std::string& out, std::string_view name, std::string_view bytes) {
  if (IsUtf8(bytes)) {
    out += fmt::format("\"{}\":", name);
    AppendJsonString(out, bytes);
  } else {
    out += fmt::format("\"{}_base64\":\"{}\"", name, EncodeBase64(bytes));
  }
}

std::string EncodeBase64(std::string_view bytes) {
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (size_t i = 0; i < bytes.size(); i += 3) {
    const size_t left = bytes.size() - i;
    const uint32_t word = static_cast<uint32_t>(Byte(bytes[i])) << 16 |
                          (left > 1 ? static_cast<uint32_t>(Byte(bytes[i + 1])) << 8 : 0) |
                          (left > 2 ? static_cast<uint32_t>(Byte(bytes[i + 2])) : 0);
    out += kBase64[word >> 18];
    out += kBase64[word >> 12 & 63];
    out += left > 1 ? kBase64[word >> 6 & 63] : '=';
    out += left > 2 ? kBase64[word & 63] : '=';
  }
  return out;
}

Result<std::string> DecodeBase64(std::string_view text) {
  static const std::array<int8_t, 256> kValues = Base64Values();
  const auto bad = [] { return InvalidArgument("no base64 as RFC 4648 has it, with padding"); };
  if (text.size() % 4 != 0) return bad();
  const size_t padding = text.ends_with("==") ? 2 : text.ends_with("=") ? 1 : 0;
  const size_t digits = text.size() - padding;
  std::string out;
  out.reserve(text.size() / 4 * 3);
  uint32_t word = 0;
  int bits = 0;
  for (size_t i = 0; i < digits; ++i) {
    const int8_t value = kValues[Byte(text[i])];
    if (value < 0) return bad();
    word = word << 6 | static_cast<uint32_t>(value);
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      out += static_cast<char>(word >> bits & 0xFF);
    }
  }
  if ((word & ((1U << bits) - 1)) != 0) return bad();  // Bits that no byte takes must be zero.
  return out;
}

std::string WithCommas(uint64_t number) {
  std::string digits = std::to_string(number);
  for (size_t at = digits.size(); at > 3;) {
    at -= 3;
    digits.insert(at, 1, ',');
  }
  return digits;
}

std::string BytesInWords(uint64_t bytes) {
  constexpr std::string_view kUnits[] = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};
  auto value = static_cast<double>(bytes);
  size_t unit = 0;
  for (; value >= 999.95 && unit + 1 < std::size(kUnits); ++unit) value /= 1000;
  return unit == 0 ? fmt::format("{} B", bytes) : fmt::format("{:.1f} {}", value, kUnits[unit]);
}

}  // namespace aidb::cli

#pragma once

// Bytes in and out: little-endian integers, varints, and a reader that cannot run past its end.
//
// Varints are LEB128 as in protocol buffers, at most 10 bytes; an overlong encoding (a last
// byte of zero) is refused, so that every value has one encoding.

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace aidb {

static_assert(std::endian::native == std::endian::little,
              "formats are little endian; a big-endian port swaps in LoadLe and StoreLe");

template <typename T>
T LoadLe(const void* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}
template <typename T>
void StoreLe(void* to, T value) {
  std::memcpy(to, &value, sizeof value);
}

inline std::string_view AsView(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}
inline std::span<const std::byte> AsBytes(std::string_view text) {
  return std::as_bytes(std::span(text));
}

inline constexpr size_t kVarintBytesMax = 10;

inline size_t VarintSize(uint64_t value) {
  return static_cast<size_t>((std::bit_width(value | 1) + 6) / 7);
}
// Writes at most kVarintBytesMax bytes; returns the position behind them.
inline char* EncodeVarint(char* to, uint64_t value) {
  while (value >= 0x80) {
    *to++ = static_cast<char>(value | 0x80);
    value >>= 7;
  }
  *to++ = static_cast<char>(value);
  return to;
}

template <typename T>
void AppendLe(std::string& to, T value) {
  to.append(reinterpret_cast<const char*>(&value), sizeof value);
}
inline void AppendVarint(std::string& to, uint64_t value) {
  char buffer[kVarintBytesMax];
  to.append(buffer, static_cast<size_t>(EncodeVarint(buffer, value) - buffer));
}
inline void AppendLengthPrefixed(std::string& to, std::string_view bytes) {
  AppendVarint(to, bytes.size());
  to.append(bytes);
}

// Reads a byte string front to back. A read that does not fit fails, moves nothing and gives
// nullopt; it never looks past the end.
//
// Lifetime: borrows the bytes; the views it returns live as long as they do.
class ByteReader {
 public:
  explicit ByteReader(std::string_view bytes) : begin_(bytes.data()), rest_(bytes) {}

  bool empty() const { return rest_.empty(); }
  size_t left() const { return rest_.size(); }
  size_t position() const { return static_cast<size_t>(rest_.data() - begin_); }
  std::string_view rest() const { return rest_; }

  template <typename T>
  std::optional<T> Le() {
    if (rest_.size() < sizeof(T)) return std::nullopt;
    const T value = LoadLe<T>(rest_.data());
    rest_.remove_prefix(sizeof(T));
    return value;
  }
  std::optional<uint64_t> Varint();
  std::optional<std::string_view> Bytes(uint64_t count) {
    if (count > rest_.size()) return std::nullopt;
    const std::string_view bytes = rest_.substr(0, count);
    rest_.remove_prefix(count);
    return bytes;
  }
  std::optional<std::string_view> LengthPrefixed();

 private:
  const char* begin_;
  std::string_view rest_;
};

}  // namespace aidb

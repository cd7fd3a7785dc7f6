#pragma once

// For tests only: a slow second reader of the log format, written from docs/formats/log.md and
// sharing nothing with log_framing.cc but the checksum. What both say of any bytes must agree.

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "aidb/base/crc32c.h"
#include "aidb/journal/framing.h"

namespace aidb::lsm::reference {

struct Item {
  int type = 0;  // 1 for a batch, else as in the format.
  uint64_t offset = 0;
  uint64_t size = 0;
  uint64_t first_id = 0;
  uint32_t count = 0;
  std::string operations;
};

struct Piece {
  int type = 0;
  int flags = 0;
  uint64_t offset = 0;
  uint32_t behind = 0;
  std::string payload;
};

inline uint64_t Number(const std::string& bytes, uint64_t at, int width) {
  uint64_t value = 0;
  for (int i = width - 1; i >= 0; --i) value = value * 256 + static_cast<uint8_t>(bytes.at(at + i));
  return value;
}

inline void Push(std::string& to, uint64_t value, int width) {
  for (int i = 0; i < width; ++i, value /= 256) to.push_back(static_cast<char>(value % 256));
}

// The fragment at file[at], if a whole valid one stands there.
inline std::optional<Piece> PieceAt(const std::string& file, uint64_t at,
                                    const journal::FileIdentity& identity) {
  if (at + 16 > file.size() || at % 32768 + 16 > 32768) return std::nullopt;
  const uint64_t length = Number(file, at + 4, 2);
  if (at % 32768 + 16 + length > 32768 || at + 16 + length > file.size()) return std::nullopt;
  if (Number(file, at + 8, 4) != identity.number % (uint64_t{1} << 32)) return std::nullopt;
  std::string covered(identity.journal_uuid.begin(), identity.journal_uuid.end());
  Push(covered, identity.number, 8);
  Push(covered, at, 8);
  covered += file.substr(at + 4, 12 + length);
  if (Number(file, at, 4) != MaskCrc(Crc32c(covered))) return std::nullopt;
  return Piece{.type = static_cast<int>(Number(file, at + 6, 1)),
               .flags = static_cast<int>(Number(file, at + 7, 1)),
               .offset = at,
               .behind = static_cast<uint32_t>(Number(file, at + 12, 4)),
               .payload = file.substr(at + 16, length)};
}

inline uint64_t SkipPadding(uint64_t at) {
  const uint64_t in_block = at % 32768;
  return in_block + 16 > 32768 ? at + 32768 - in_block : at;
}

inline bool ZerosBetween(const std::string& file, uint64_t from, uint64_t to) {
  for (uint64_t i = from; i < to && i < file.size(); ++i)
    if (file[i] != 0) return false;
  return true;
}

// Takes a varint off the front; nullopt when it is cut, overlong or above 64 bits.
inline std::optional<uint64_t> TakeVarint(std::string& from) {
  uint64_t value = 0;
  for (size_t i = 0; i < from.size() && i < 10; ++i) {
    const auto byte = static_cast<uint8_t>(from[i]);
    if (i == 9 && byte > 1) return std::nullopt;
    value |= uint64_t{byte % 128u} << (7 * i);
    if (byte >= 128) continue;
    if (i > 0 && byte == 0) return std::nullopt;
    from.erase(0, i + 1);
    return value;
  }
  return std::nullopt;
}

// What starts at file[at], or nullopt when that is no whole, valid thing of format version 2.
inline std::optional<Item> ItemAt(const std::string& file, uint64_t at,
                                  const journal::FileIdentity& identity, uint64_t payload_max) {
  const uint64_t begin = SkipPadding(at);
  if (!ZerosBetween(file, at, begin)) return std::nullopt;
  std::optional<Piece> piece = PieceAt(file, begin, identity);
  if (!piece || piece->flags != 0) return std::nullopt;
  Item item;
  item.type = piece->type;
  item.offset = at;
  item.size = begin + 16 + piece->payload.size() - at;
  if (piece->type == 6 || piece->type == 7)
    return piece->payload.empty() ? std::optional(item) : std::nullopt;
  if (piece->type == 5) {
    if (piece->payload.size() < 2) return std::nullopt;
    const uint64_t version = Number(piece->payload, 0, 2);
    if (version != 1 && version != 2) return std::nullopt;
    std::string expected;
    Push(expected, version, 2);
    expected.append(identity.journal_uuid.begin(), identity.journal_uuid.end());
    Push(expected, identity.number, 8);
    const bool good = at == 0 && piece->payload.size() == 59 && piece->payload.ends_with('\0') &&
                      piece->payload.starts_with(expected);
    return good ? std::optional(item) : std::nullopt;
  }
  constexpr uint64_t kIds = uint64_t{1} << 56;
  if (piece->type == 8) {
    item.operations = piece->payload;
    const auto count = TakeVarint(item.operations);
    const auto first = count ? TakeVarint(item.operations) : std::nullopt;
    if (!first || *count == 0 || *count >= uint64_t{1} << 32) return std::nullopt;
    if (*first >= kIds || *count > kIds - *first || item.operations.size() > payload_max)
      return std::nullopt;
    item.type = 1;
    item.count = static_cast<uint32_t>(*count);
    item.first_id = *first;
    return item;
  }
  if (piece->type != 1 && piece->type != 2) return std::nullopt;
  std::string joined = piece->payload;
  while (piece->type != 1 && piece->type != 4) {
    const uint64_t next = piece->offset + 16 + piece->payload.size();
    if (next % 32768 != 0) return std::nullopt;
    piece = PieceAt(file, next, identity);
    if (!piece || piece->flags != 0 || piece->payload.empty()) return std::nullopt;
    if (piece->type != 3 && piece->type != 4) return std::nullopt;
    joined += piece->payload;
    item.size = next + 16 + piece->payload.size() - at;
  }
  if (joined.size() < 17 || joined.size() - 17 > payload_max) return std::nullopt;
  if (Number(joined, 0, 4) != joined.size() || joined[16] != 0) return std::nullopt;
  item.type = 1;
  item.count = static_cast<uint32_t>(Number(joined, 4, 4));
  item.first_id = Number(joined, 8, 8);
  if (item.count == 0 || item.first_id >= kIds || item.count > kIds - item.first_id)
    return std::nullopt;
  item.operations = joined.substr(17);
  return item;
}

// Everything up to the first thing that is not whole and valid.
inline std::vector<Item> ReadAll(const std::string& file, const journal::FileIdentity& identity,
                                 uint64_t payload_max) {
  std::vector<Item> items;
  uint64_t at = 0;
  while (const std::optional<Item> item = ItemAt(file, at, identity, payload_max)) {
    items.push_back(*item);
    at += item->size;
  }
  return items;
}

}  // namespace aidb::lsm::reference

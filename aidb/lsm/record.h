#pragma once

// One entry as a memtable holds it, written once into the arena:
//
//    0 u64 sequence << 4 | kind
//    8 u32 older         the next older version, for the newest versions of keys in the index; 0 =
//    none
//   12 u32 key bytes
//   16 u32 value bytes
//   20 key, value, u64 expires_at_ms if the kind has one
//
// Only `older` changes after the record was published, and only by an insertion out of order.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>
#include <string_view>

#include "aidb/lsm/arena.h"
#include "aidb/lsm/entry.h"

namespace aidb::lsm {

using RecordRef = ArenaRef;  // 0 = no record.

class Record {
 public:
  static constexpr size_t kHeaderBytes = 20;

  static size_t Bytes(size_t key_bytes, size_t value_bytes, OpKind kind) {
    return kHeaderBytes + key_bytes + value_bytes + (kv::Expires(kind) ? sizeof(uint64_t) : 0);
  }
  // Writes `entry` to `to`, which has Bytes() bytes.
  static Record* Write(char* to, const Entry& entry) {
    Record* record = new (to) Record(entry);
    std::memcpy(to + kHeaderBytes, entry.key.data(), entry.key.size());
    if (!entry.value.empty()) {
      std::memcpy(to + kHeaderBytes + entry.key.size(), entry.value.data(), entry.value.size());
    }
    if (kv::Expires(entry.kind)) {
      std::memcpy(to + kHeaderBytes + entry.key.size() + entry.value.size(), &entry.expires_at_ms,
                  sizeof(entry.expires_at_ms));
    }
    return record;
  }
  static const Record& At(const Arena& arena, RecordRef ref) {
    return *reinterpret_cast<const Record*>(arena.At(ref));
  }
  static Record& MutableAt(const Arena& arena, RecordRef ref) {
    return *reinterpret_cast<Record*>(arena.At(ref));
  }

  std::string_view key() const { return {bytes(), key_bytes_}; }
  std::string_view value() const { return {bytes() + key_bytes_, value_bytes_}; }
  Sequence sequence() const { return Sequence{sequence_and_kind_ >> 4}; }
  OpKind kind() const { return static_cast<OpKind>(sequence_and_kind_ & 15); }
  // 0 where the kind has none.
  uint64_t expires_at_ms() const {
    uint64_t ms = 0;
    if (kv::Expires(kind())) std::memcpy(&ms, bytes() + key_bytes_ + value_bytes_, sizeof(ms));
    return ms;
  }

  RecordRef older() const { return older_.load(std::memory_order_acquire); }
  void set_older(RecordRef ref) { older_.store(ref, std::memory_order_release); }

 private:
  explicit Record(const Entry& entry)
      : sequence_and_kind_(kv::ToNumber(entry.sequence) << 4 | static_cast<uint64_t>(entry.kind)),
        key_bytes_(static_cast<uint32_t>(entry.key.size())),
        value_bytes_(static_cast<uint32_t>(entry.value.size())) {}

  const char* bytes() const { return reinterpret_cast<const char*>(this) + kHeaderBytes; }

  const uint64_t sequence_and_kind_;
  std::atomic<uint32_t> older_{0};
  const uint32_t key_bytes_;
  const uint32_t value_bytes_;
};

}  // namespace aidb::lsm

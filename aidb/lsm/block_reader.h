#pragma once

// Blocks of entries (block_format.h) in memory: check once, then search and walk without checks.

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "aidb/base/bytes.h"
#include "aidb/base/result.h"
#include "aidb/lsm/block_format.h"
#include "aidb/lsm/entry.h"

namespace aidb::lsm {

// Memory for one block: aligned to a cache line, with zeroed bytes behind its end so that vector
// loads may run over it.
//
// Lifetime: owns its bytes; they stay where they are when it moves.
class BlockBuffer {
 public:
  static constexpr size_t kAlignment = 64;
  static constexpr size_t kPaddingBytes = 64;

  BlockBuffer() = default;
  explicit BlockBuffer(size_t size);  // The bytes are not initialised, the padding is.
  static BlockBuffer CopyOf(std::string_view bytes);

  size_t size() const { return size_; }
  char* data() { return bytes_.get(); }
  std::string_view view() const { return {bytes_.get(), size_}; }
  std::span<std::byte> writable() { return std::as_writable_bytes(std::span(data(), size_)); }
  // Makes it shorter; the padding follows.
  void Truncate(size_t size);
  // What was allocated, padding included; Truncate gives nothing back.
  size_t memory_bytes() const { return allocated_; }

 private:
  struct Free {
    void operator()(char* bytes) const;
  };
  std::unique_ptr<char, Free> bytes_;
  size_t size_ = 0;
  size_t allocated_ = 0;
};

// One entry as it is stored, its key not put together.
struct StoredEntry {
  uint64_t suffix_bytes;  // Key bytes behind the common ones.
  uint64_t shared;        // Bytes of its rest that are those of the entry before.
  std::string_view rest;  // The other bytes of its rest.
  Sequence sequence;
  OpKind kind;
  std::string_view value;
  uint64_t expires_at_ms;  // Where kv::Expires(kind).
};

// A parsed block of entries.
//
// Parse looks at every length, count and kind in it, so that all other methods need no checks:
// they never leave the block, whatever its bytes. The order of keys is not checked (that is what
// Check of a table does); in a block out of order searches find nothing or the wrong place.
//
// Thread safety: immutable; any thread may call any method.
// Lifetime: borrows the buffer, which must outlive it.
class EntryBlock {
 public:
  EntryBlock() = default;  // No entries; only to be assigned to.
  // kCorruption saying what is wrong, without the file's name, which the caller knows.
  static Result<EntryBlock> Parse(BlockKind kind, const BlockBuffer& bytes);

  size_t entries() const { return n_; }
  size_t interval() const { return interval_; }
  uint8_t flags() const { return flags_; }
  uint8_t tag(size_t i) const { return tags_[i]; }
  uint64_t prefix(size_t i) const { return LoadLe<uint64_t>(prefixes_ + i * kPrefixBytes); }
  std::string_view common() const { return {common_, common_bytes_}; }
  // Whether all entries have one sequence.
  bool one_sequence() const { return (flags_ & kOneSequence) != 0; }
  // Gives every entry another one. Needs one_sequence(); before the block is shared.
  void SetSequence(Sequence sequence) { base_ = ToNumber(sequence); }
  // Needs i < entries().
  StoredEntry At(size_t i) const { return Decode(entries_ + Offset(i), i); }

  // Fetches what a search reads first. Tags, prefixes and offsets lie side by side in a few cache
  // lines: asked for together they arrive together, while the search would wait for each.
  void PrefetchSearch() const {
    const char* const begin = common_ + common_bytes_;
    for (size_t line = 0; line < kLinesPrefetched && begin + line * 64 < entries_; ++line) {
      __builtin_prefetch(begin + line * 64);
    }
  }
  // The index of the first entry at or behind (key, sequence) in internal order; entries() if
  // there is none.
  size_t LowerBound(std::string_view key, Sequence sequence) const;
  bool KeyEquals(size_t i, std::string_view key) const;
  // The key of entry i put together; not for hot paths.
  std::string KeyAt(size_t i) const;

  struct Found {
    Sequence sequence;
    OpKind kind;
    std::string_view value;
    uint64_t expires_at_ms = 0;
  };
  struct Lookup {
    std::optional<Found> found = std::nullopt;
    // Nothing found, but the last entry is a newer version of the key: older ones may stand in
    // the next block.
    bool goes_on = false;
  };
  // The newest version of `key` that is not newer than `at`. Only where tags are present; `hash`
  // is Hash64(key).
  Lookup Find(std::string_view key, uint64_t hash, Sequence at) const;

 private:
  friend class BlockCursor;

  // Of 64 bytes: 40 entries of 11 bytes are seven; a core has about a dozen loads in flight.
  static constexpr size_t kLinesPrefetched = 8;

  size_t Offset(size_t i) const {
    return (flags_ & kWideOffsets) != 0 ? LoadLe<uint32_t>(offsets_ + i * 4)
                                        : LoadLe<uint16_t>(offsets_ + i * 2);
  }
  // `from` is where entry i begins, which is where entry i-1's value ends.
  StoredEntry Decode(const char* from, size_t i) const;
  bool KeyEquals(size_t i, std::string_view key, StoredEntry& entry) const;
  size_t PrefixLowerBound(uint64_t prefix) const;
  size_t LowerBoundInTies(std::string_view suffix, Sequence sequence, size_t low,
                          size_t high) const;
  // The rest of entry i put together; `scratch` holds it when it is not in one piece.
  std::string_view RestOf(size_t i, std::string& scratch) const;
  struct Seen {
    uint32_t kinds = 0;       // A bit for each that may come.
    uint64_t rest_bytes = 0;  // Of the entry before.
    bool hiding = false;      // Deletes or entries that expire.
  };
  const char* CheckEntry(size_t i, const char* from, const char* end, Seen* seen) const;

  const char* common_ = nullptr;
  const uint8_t* tags_ = nullptr;
  const char* prefixes_ = nullptr;
  const char* offsets_ = nullptr;
  const char* entries_ = nullptr;
  uint64_t base_ = 0;
  uint32_t n_ = 0;
  uint16_t common_bytes_ = 0;
  uint8_t flags_ = 0;
  uint8_t interval_ = 1;
};

// A buffer that grows, and needs no memory of its own for keys of common length.
//
// Lifetime: data() changes when it grows.
class KeyBuffer {
 public:
  KeyBuffer() = default;
  KeyBuffer(const KeyBuffer&) = delete;
  KeyBuffer& operator=(const KeyBuffer&) = delete;

  char* data() { return data_; }
  size_t size() const { return size_; }
  // Makes room for `size` bytes; keeps those that are there.
  void Grow(size_t size) {
    auto grown = std::make_unique_for_overwrite<char[]>(size);
    std::memcpy(grown.get(), data_, size_);
    grown_ = std::move(grown);
    data_ = grown_.get();
    size_ = size;
  }

 private:
  static constexpr size_t kOwnBytes = 96;

  char own_[kOwnBytes];  // NOLINT: filled before it is read.
  std::unique_ptr<char[]> grown_;
  char* data_ = own_;
  size_t size_ = kOwnBytes;
};

// A walk over one block that puts keys together. It writes each entry into the Entry it was
// given, so that a cursor above needs no copy.
//
// Thread safety: none.
// Lifetime: borrows the block (until the next Attach) and the entry.
class BlockCursor {
 public:
  explicit BlockCursor(Entry& entry) : entry_(entry) {}

  // Not positioned afterwards.
  void Attach(const EntryBlock& block);

  bool valid() const { return index_ < n_; }
  size_t index() const { return index_; }
  // Each returns valid().
  bool SeekToFirst() { return MoveTo(0); }
  bool SeekToLast() { return MoveTo(n_ - 1); }
  bool Seek(std::string_view key, Sequence sequence) {
    return MoveTo(block_.LowerBound(key, sequence));
  }
  bool Next();  // Needs valid().
  bool Prev();  // Needs valid().

 private:
  bool MoveTo(size_t i);
  void Load(const char* from, size_t i);

  Entry& entry_;
  EntryBlock block_;
  size_t n_ = 0;
  size_t index_ = 0;
  const char* next_ = nullptr;  // Where the entry behind the current one begins.
  KeyBuffer key_;               // Common bytes, prefix, rest; longer than the key.
};

struct Varint {
  uint64_t value;
  const char* next;
};

// Of a block that EntryBlock::Parse has accepted.
inline Varint TrustedVarint(const char* from) {
  auto byte = static_cast<uint8_t>(*from++);
  if (byte < 0x80) [[likely]]
    return {byte, from};
  uint64_t value = byte & 0x7F;
  for (int shift = 7;; shift += 7) {
    byte = static_cast<uint8_t>(*from++);
    value |= uint64_t{byte & 0x7Fu} << shift;
    if (byte < 0x80) return {value, from};
  }
}

inline StoredEntry EntryBlock::Decode(const char* from, size_t i) const {
  StoredEntry entry;
  Varint number = TrustedVarint(from);
  entry.suffix_bytes = number.value;
  entry.shared = 0;
  if (interval_ != 1 && i % interval_ != 0) {
    number = TrustedVarint(number.next);
    entry.shared = number.value;
  }
  const size_t rest =
      entry.suffix_bytes > kPrefixBytes ? entry.suffix_bytes - kPrefixBytes - entry.shared : 0;
  entry.rest = {number.next, rest};
  number = TrustedVarint(number.next + rest);
  entry.sequence = Sequence{base_ + (number.value >> kKindBits)};
  entry.kind = static_cast<OpKind>(number.value & ((1 << kKindBits) - 1));
  entry.expires_at_ms = 0;
  if (kv::Expires(entry.kind)) [[unlikely]] {
    entry.expires_at_ms = LoadLe<uint64_t>(number.next);
    number.next += sizeof(uint64_t);
  }
  number = TrustedVarint(number.next);
  entry.value = {number.next, number.value};
  return entry;
}

}  // namespace aidb::lsm

#include "aidb/lsm/block_reader.h"

#include <bit>
#include <cstdlib>
#include <cstring>
#include <limits>

#include "aidb/base/bytes.h"
#include "aidb/base/check.h"
#include "aidb/lsm/key_prefix.h"
#include "aidb/lsm/tag_match.h"

namespace aidb::lsm {

namespace {

static_assert(BlockBuffer::kPaddingBytes >= kTagsPerStep);

// A varint of an entry not yet believed: nothing when it does not end before `end`.
inline bool ReadVarint(const char** from, const char* end, uint64_t* value) {
  if (*from < end && static_cast<uint8_t>(**from) < 0x80) [[likely]] {
    *value = static_cast<uint8_t>(*(*from)++);
    return true;
  }
  ByteReader reader({*from, static_cast<size_t>(end - *from)});
  const std::optional<uint64_t> read = reader.Varint();
  if (!read) return false;
  *value = *read;
  *from += reader.position();
  return true;
}

constexpr uint32_t Bit(OpKind kind) { return uint32_t{1} << static_cast<unsigned>(kind); }

// A bit for each kind of entry that a block may hold.
uint32_t KindsIn(BlockKind block) {
  if (block == BlockKind::kRangeDeletes) return Bit(OpKind::kDeleteRange);
  return Bit(OpKind::kPut) | Bit(OpKind::kDelete) | Bit(OpKind::kPutExpiring) | Bit(OpKind::kMerge);
}

Status BadEntry(size_t i, std::string_view what) {
  return Corruption("entry " + std::to_string(i) + " of the block: " + std::string(what));
}

// Key bytes behind the common ones and the prefix, against the same of another key of equal
// prefix: a key that ends inside its prefix has no rest, and its length settles the tie.
inline int CompareRests(std::string_view a_rest, uint64_t a_suffix_bytes, std::string_view b_rest,
                        uint64_t b_suffix_bytes) {
  if (const int order = a_rest.compare(b_rest); order != 0) return order;
  return a_suffix_bytes < b_suffix_bytes ? -1 : a_suffix_bytes > b_suffix_bytes;
}

inline std::string_view RestOfSuffix(std::string_view suffix) {
  return suffix.size() > kPrefixBytes ? suffix.substr(kPrefixBytes) : std::string_view();
}

}  // namespace

void BlockBuffer::Free::operator()(char* bytes) const { std::free(bytes); }

BlockBuffer::BlockBuffer(size_t size)
    : size_(size), allocated_((size + kPaddingBytes + kAlignment - 1) / kAlignment * kAlignment) {
  bytes_.reset(static_cast<char*>(std::aligned_alloc(kAlignment, allocated_)));
  AIDB_CHECK(bytes_ != nullptr);
  std::memset(bytes_.get() + size, 0, kPaddingBytes);
}

BlockBuffer BlockBuffer::CopyOf(std::string_view bytes) {
  BlockBuffer buffer(bytes.size());
  if (!bytes.empty()) std::memcpy(buffer.data(), bytes.data(), bytes.size());
  return buffer;
}

void BlockBuffer::Truncate(size_t size) {
  AIDB_CHECK(size <= size_);
  size_ = size;
  if (bytes_ != nullptr) std::memset(bytes_.get() + size, 0, kPaddingBytes);
}

Result<EntryBlock> EntryBlock::Parse(BlockKind kind, const BlockBuffer& bytes) {
  const std::string_view all = bytes.view();
  if (all.size() < kBlockHeaderBytes) {
    return Corruption("block of " + std::to_string(all.size()) + " bytes has no header");
  }
  EntryBlock block;
  block.n_ = LoadLe<uint16_t>(all.data());
  block.flags_ = static_cast<uint8_t>(all[2]);
  block.interval_ = static_cast<uint8_t>(all[3]);
  block.common_bytes_ = LoadLe<uint16_t>(all.data() + 4);
  block.base_ = LoadLe<uint64_t>(all.data() + 6);
  if (block.n_ == 0) return Corruption("block without entries");
  if ((block.flags_ & ~kKnownBlockFlags) != 0) {
    return Corruption("block flags " + std::to_string(block.flags_) +
                      " hold one that this version does not know: written by a newer version");
  }
  const bool with_tags = (block.flags_ & kTags) != 0;
  if (with_tags != (kind == BlockKind::kData)) {
    return Corruption("block flags " + std::to_string(block.flags_) + " do not fit its kind");
  }
  if (block.interval_ == 0 || block.interval_ > kRestartIntervalMax) {
    return Corruption("restart interval " + std::to_string(block.interval_) +
                      " is outside 1 to 16");
  }
  if (block.base_ > kv::ToNumber(kv::kSequenceMax)) {
    return Corruption("base sequence " + std::to_string(block.base_) + " is above 2^56 - 1");
  }
  const size_t offset_bytes = (block.flags_ & kWideOffsets) != 0 ? 4 : 2;
  const size_t arrays = block.n_ * (with_tags + kPrefixBytes + offset_bytes);
  const size_t left = all.size() - kBlockHeaderBytes;
  if (block.common_bytes_ > left || arrays > left - block.common_bytes_) {
    return Corruption("block of " + std::to_string(all.size()) + " bytes is too short for " +
                      std::to_string(block.n_) + " entries");
  }
  block.common_ = all.data() + kBlockHeaderBytes;
  const char* at = block.common_ + block.common_bytes_;
  if (with_tags) {
    block.tags_ = reinterpret_cast<const uint8_t*>(at);
    at += block.n_;
  }
  block.prefixes_ = at;
  block.offsets_ = block.prefixes_ + block.n_ * kPrefixBytes;
  block.entries_ = block.offsets_ + block.n_ * offset_bytes;

  const size_t entries_bytes = static_cast<size_t>(all.data() + all.size() - block.entries_);
  Seen seen{.kinds = KindsIn(kind)};
  if (block.Offset(0) != 0) return BadEntry(0, "does not begin behind the offsets");
  for (size_t i = 0, begin = 0; i < block.n_; ++i) {
    const size_t end = i + 1 < block.n_ ? block.Offset(i + 1) : entries_bytes;
    if (begin > end || end > entries_bytes) return BadEntry(i, "ends before it begins, or outside");
    const char* const wrong =
        block.CheckEntry(i, block.entries_ + begin, block.entries_ + end, &seen);
    if (wrong != nullptr) return BadEntry(i, wrong);
    begin = end;
  }
  if (seen.hiding != ((block.flags_ & kHasDeletes) != 0)) {
    return Corruption("block flags " + std::to_string(block.flags_) + " are wrong about deletes");
  }
  return block;
}

// Null when entry i, in the bytes [from, end), is whole and says nothing impossible; else what is
// wrong with it. `seen` carries what the next entry and the block need to know.
inline const char* EntryBlock::CheckEntry(size_t i, const char* from, const char* end,
                                          Seen* seen) const {
  uint64_t suffix = 0;
  if (!ReadVarint(&from, end, &suffix) || suffix > kv::kKeyBytesMax) return "bad key length";
  const uint64_t rest = suffix > kPrefixBytes ? suffix - kPrefixBytes : 0;
  uint64_t shared = 0;
  if (interval_ != 1 && i % interval_ != 0) {
    if (!ReadVarint(&from, end, &shared) || shared > rest || shared > seen->rest_bytes) {
      return "bad shared length";
    }
  }
  if (rest - shared > static_cast<size_t>(end - from)) return "key ends behind the entry";
  from += rest - shared;
  seen->rest_bytes = rest;

  uint64_t word = 0;
  if (!ReadVarint(&from, end, &word)) return "no sequence";
  const uint64_t sequence = word >> kKindBits;
  if (sequence > ((flags_ & kOneSequence) != 0 ? 0 : kv::ToNumber(kv::kSequenceMax) - base_)) {
    return "sequence is above what it can be";
  }
  const uint64_t kind = word & ((1 << kKindBits) - 1);
  if ((seen->kinds >> kind & 1) == 0) {
    return kind == 0 ? "kind 0 is never written"
                     : "kind is not known here: written by a newer version";
  }
  seen->hiding |= MayHide(static_cast<OpKind>(kind));
  if (kv::Expires(static_cast<OpKind>(kind))) {
    if (static_cast<size_t>(end - from) < sizeof(uint64_t)) return "no expiry";
    from += sizeof(uint64_t);
  }
  uint64_t value_bytes = 0;
  if (!ReadVarint(&from, end, &value_bytes) || value_bytes != static_cast<size_t>(end - from)) {
    return "bad value length";
  }
  if (value_bytes != 0 && kind == static_cast<uint64_t>(OpKind::kDelete)) {
    return "delete with a value";
  }
  if (kind == static_cast<uint64_t>(OpKind::kMerge)) {
    if (value_bytes == 0) return "operand without an operator";
    if (base_ + sequence == 0) return "operand with sequence 0";
  }
  // The bytes of a short key that are not there count as zero; anything else would be a key with
  // two encodings.
  if (suffix < kPrefixBytes && prefix(i) << (8 * suffix) != 0) {
    return "prefix holds bytes behind the key's end";
  }
  return nullptr;
}

inline size_t EntryBlock::PrefixLowerBound(uint64_t wanted) const {
  // Branchless: the compiler turns each step into a conditional move. `low` counts the entries
  // known to lie before the answer.
  size_t low = 0;
  for (size_t width = n_; width > 1;) {
    const size_t half = width / 2;
    low += prefix(low + half - 1) < wanted ? half : 0;
    width -= half;
  }
  return low + (prefix(low) < wanted);
}

size_t EntryBlock::LowerBound(std::string_view key, Sequence sequence) const {
  const size_t head = std::min<size_t>(key.size(), common_bytes_);
  if (head != 0) {
    const int order = std::memcmp(key.data(), common_, head);
    if (order != 0) return order < 0 ? 0 : n_;
  }
  if (head < common_bytes_) return 0;  // A prefix of all keys here.
  const std::string_view suffix = key.substr(head);
  const uint64_t wanted = KeyPrefix(key, head);
  const size_t low = PrefixLowerBound(wanted);
  if (low == n_ || prefix(low) != wanted) return low;
  const size_t high =
      wanted == std::numeric_limits<uint64_t>::max() ? n_ : PrefixLowerBound(wanted + 1);
  return LowerBoundInTies(suffix, sequence, low, high);
}

// Entries in [low, high) have the prefix of `suffix`: first among those that stand alone, then
// along the few behind the one found.
size_t EntryBlock::LowerBoundInTies(std::string_view suffix, Sequence sequence, size_t low,
                                    size_t high) const {
  const std::string_view rest = RestOfSuffix(suffix);
  const auto before = [&](std::string_view entry_rest, const StoredEntry& entry) {
    const int order = CompareRests(entry_rest, entry.suffix_bytes, rest, suffix.size());
    return order != 0 ? order < 0 : entry.sequence > sequence;
  };
  size_t first = (low + interval_ - 1) / interval_;
  size_t last = (high + interval_ - 1) / interval_;
  const size_t first_restart = first;
  while (first < last) {
    const size_t middle = (first + last) / 2;
    const StoredEntry entry = At(middle * interval_);
    if (before(entry.rest, entry)) {
      first = middle + 1;
    } else {
      last = middle;
    }
  }
  size_t i = low;
  if (first > first_restart) {
    i = (first - 1) * interval_ + 1;  // That restart lies before the answer.
  }
  std::string scratch;
  for (; i < high; ++i) {
    const StoredEntry entry = At(i);
    if (!before(entry.shared == 0 ? entry.rest : RestOf(i, scratch), entry)) break;
  }
  return i;
}

std::string_view EntryBlock::RestOf(size_t i, std::string& scratch) const {
  StoredEntry entry = At(i);
  if (entry.shared == 0) return entry.rest;
  scratch.clear();
  for (size_t from = i - i % interval_; from <= i; ++from) {
    entry = At(from);
    scratch.resize(entry.shared);
    scratch.append(entry.rest);
  }
  return scratch;
}

bool EntryBlock::KeyEquals(size_t i, std::string_view key) const {
  StoredEntry entry{};
  return KeyEquals(i, key, entry);
}

// Decodes entry i into `entry` where the key's first bytes do not rule it out.
inline bool EntryBlock::KeyEquals(size_t i, std::string_view key, StoredEntry& entry) const {
  if (!key.starts_with(common())) return false;
  const std::string_view suffix = key.substr(common_bytes_);
  if (prefix(i) != KeyPrefix(key, common_bytes_)) return false;
  entry = At(i);
  if (entry.suffix_bytes != suffix.size()) return false;
  if (suffix.size() <= kPrefixBytes) return true;
  if (entry.shared == 0) return entry.rest == RestOfSuffix(suffix);
  std::string scratch;
  return RestOf(i, scratch) == RestOfSuffix(suffix);
}

std::string EntryBlock::KeyAt(size_t i) const {
  const StoredEntry entry = At(i);
  char bytes[kPrefixBytes];
  StoreLe(bytes, __builtin_bswap64(prefix(i)));
  std::string key(common());
  key.append(bytes, std::min<size_t>(kPrefixBytes, entry.suffix_bytes));
  std::string scratch;
  return key.append(RestOf(i, scratch));
}

EntryBlock::Lookup EntryBlock::Find(std::string_view key, uint64_t hash, Sequence at) const {
  const uint8_t tag = TagOf(hash);
  for (size_t from = 0; from < n_; from += kTagsPerStep) {
    uint64_t matches = MatchTags(tags_ + from, tag);
    if (n_ - from < kTagsPerStep) matches &= (uint64_t{1} << (n_ - from)) - 1;
    for (; matches != 0; matches &= matches - 1) {
      const size_t i = from + static_cast<size_t>(std::countr_zero(matches));
      StoredEntry entry{};
      if (!KeyEquals(i, key, entry)) continue;
      if (entry.sequence <= at) {
        return {.found = Found{entry.sequence, entry.kind, entry.value, entry.expires_at_ms}};
      }
      if (i + 1 == n_) return {.goes_on = true};
    }
  }
  return {};
}

void BlockCursor::Attach(const EntryBlock& block) {
  block_ = block;
  n_ = index_ = block.entries();
  const size_t head = block.common_bytes_ + kPrefixBytes;
  if (key_.size() < head) key_.Grow(head);
  std::memcpy(key_.data(), block.common_, block.common_bytes_);
}

inline void BlockCursor::Load(const char* from, size_t i) {
  const StoredEntry stored = block_.Decode(from, i);
  const size_t common = block_.common_bytes_;
  const size_t kept = common + kPrefixBytes + stored.shared;
  if (key_.size() - kept < stored.rest.size()) [[unlikely]]
    key_.Grow(2 * (kept + stored.rest.size()));
  char* const key = key_.data();
  StoreLe(key + common, __builtin_bswap64(block_.prefix(i)));
  std::memcpy(key + kept, stored.rest.data(), stored.rest.size());
  entry_.key = {key, common + stored.suffix_bytes};
  entry_.value = stored.value;
  entry_.sequence = stored.sequence;
  entry_.kind = stored.kind;
  entry_.expires_at_ms = stored.expires_at_ms;
  index_ = i;
  next_ = stored.value.data() + stored.value.size();
}

bool BlockCursor::MoveTo(size_t i) {
  if (i >= n_) {
    index_ = n_;
    return false;
  }
  for (size_t from = i - i % block_.interval_; from <= i; ++from) {
    Load(block_.entries_ + block_.Offset(from), from);
  }
  return true;
}

bool BlockCursor::Next() {
  if (++index_ == n_) return false;
  Load(next_, index_);
  return true;
}

bool BlockCursor::Prev() { return MoveTo(index_ == 0 ? n_ : index_ - 1); }

}  // namespace aidb::lsm

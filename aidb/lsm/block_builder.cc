#include "aidb/lsm/block_builder.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "aidb/base/bytes.h"
#include "aidb/base/check.h"
#include "aidb/lsm/block_format.h"
#include "aidb/lsm/key_prefix.h"

namespace aidb::lsm {

namespace {

// Bytes an entry takes beside its key and value: tag 1, prefix slot 8, offset 2, and about 4 for
// suffix length, sequence and value length.
constexpr size_t kEntryOverhead = 15;
// Offsets are u32 at most, so a block ends well before that.
constexpr size_t kStageBytesMax = size_t{1} << 31;

}  // namespace

bool BlockBuilder::full() const {
  return items_.size() == kBlockEntriesMax || stage_.size() >= kStageBytesMax;
}

void BlockBuilder::Add(const Entry& entry, uint64_t hash) {
  AIDB_CHECK(!full());
  AIDB_CHECK(entry.key.size() <= kv::kKeyBytesMax && entry.value.size() < kStageBytesMax);
  AIDB_CHECK(entry.kind != kv::OpKind::kDelete || entry.value.empty());
  const uint64_t sequence = kv::ToNumber(entry.sequence);
  if (items_.empty()) {
    common_ = std::min(entry.key.size(), kBlockCommonMax);
    lowest_ = highest_ = sequence;
  } else {
    const std::string_view first = KeyOf(items_.front());
    common_ = SharedBytes(first.substr(0, common_), entry.key);
    lowest_ = std::min(lowest_, sequence);
    highest_ = std::max(highest_, sequence);
    several_versions_ = several_versions_ || KeyOf(items_.back()) == entry.key;
  }
  items_.push_back({.at = stage_.size(),
                    .key_bytes = static_cast<uint32_t>(entry.key.size()),
                    .value_bytes = static_cast<uint32_t>(entry.value.size()),
                    .sequence = sequence,
                    .expires_at_ms = entry.expires_at_ms,
                    .kind = entry.kind,
                    .tag = TagOf(hash)});
  stage_.append(entry.key).append(entry.value);
  key_bytes_ += std::max(entry.key.size(), common_ + kPrefixBytes) - kPrefixBytes;
  value_bytes_ += entry.value.size() + (kv::Expires(entry.kind) ? sizeof(uint64_t) : 0);
  if (MayHide(entry.kind)) ++hiding_;
}

void BlockBuilder::Add(std::string_view name, std::string_view value) {
  Add({.key = name, .value = value, .sequence = kv::kSequenceNone, .kind = kv::OpKind::kPut}, 0);
}

size_t BlockBuilder::EstimatedBytes() const {
  const size_t shared = std::min(key_bytes_, items_.size() * common_);
  return kBlockHeaderBytes + common_ + items_.size() * kEntryOverhead + (key_bytes_ - shared) +
         value_bytes_;
}

size_t BlockBuilder::memory_bytes() const {
  return stage_.capacity() + items_.capacity() * sizeof(Item) + out_.capacity() +
         entries_out_.capacity() + offsets_.capacity() * sizeof(uint32_t);
}

std::string_view BlockBuilder::RestOf(const Item& item) const {
  const std::string_view key = KeyOf(item);
  return key.substr(std::min(key.size(), common_ + kPrefixBytes));
}

bool BlockBuilder::DeltaPays() const {
  const size_t goal = EstimatedBytes() / 8;
  size_t rests = 0;
  for (const Item& item : items_) rests += RestOf(item).size();
  if (rests < goal) return false;
  size_t saved = 0;
  size_t cost = 0;
  for (size_t i = 1; i < items_.size(); ++i) {
    if (i % kRestartInterval == 0) continue;
    const size_t shared = SharedBytes(RestOf(items_[i - 1]), RestOf(items_[i]));
    saved += shared;
    cost += VarintSize(shared);
  }
  return saved >= cost + goal;
}

char* BlockBuilder::EncodeEntries(char* const begin, size_t interval) {
  const bool one_sequence = lowest_ == highest_;
  char* to = begin;
  for (size_t i = 0; i < items_.size(); ++i) {
    const Item& item = items_[i];
    offsets_[i] = static_cast<uint32_t>(to - begin);
    to = EncodeVarint(to, item.key_bytes - common_);
    std::string_view rest = RestOf(item);
    if (i % interval != 0) {
      const size_t shared = SharedBytes(RestOf(items_[i - 1]), rest);
      to = EncodeVarint(to, shared);
      rest.remove_prefix(shared);
    }
    to = std::copy(rest.begin(), rest.end(), to);
    if (one_sequence) {
      *to++ = static_cast<char>(item.kind);
    } else {
      to = EncodeVarint(
          to, (item.sequence - lowest_) << kKindBits | static_cast<unsigned char>(item.kind));
    }
    if (kv::Expires(item.kind)) {
      StoreLe<uint64_t>(to, item.expires_at_ms);
      to += sizeof(uint64_t);
    }
    to = EncodeVarint(to, item.value_bytes);
    std::memcpy(to, stage_.data() + item.at + item.key_bytes, item.value_bytes);
    to += item.value_bytes;
  }
  return to;
}

std::string_view BlockBuilder::Finish() {
  AIDB_CHECK(!empty());
  const size_t n = items_.size();
  const size_t interval = DeltaPays() ? kRestartInterval : 1;
  // Four varints, kind and expiry at most, beside the bytes themselves.
  const size_t entries_bytes_max = stage_.size() + n * (4 * kVarintBytesMax + sizeof(uint64_t));
  if (entries_out_.size() < entries_bytes_max) entries_out_.resize(entries_bytes_max);
  offsets_.resize(n);
  const char* const end = EncodeEntries(entries_out_.data(), interval);
  const size_t entries_bytes = static_cast<size_t>(end - entries_out_.data());
  AIDB_CHECK(entries_bytes <= std::numeric_limits<uint32_t>::max());

  const bool wide = offsets_.back() > 0xFFFF;
  const bool with_tags = tags_ == BlockTags::kPresent;
  out_.resize(kBlockHeaderBytes + common_ + n * (with_tags + kPrefixBytes + (wide ? 4 : 2)) +
              entries_bytes);
  char* to = out_.data();
  StoreLe<uint16_t>(to, static_cast<uint16_t>(n));
  to[2] =
      static_cast<char>((wide ? kWideOffsets : 0) | (with_tags ? kTags : 0) |
                        (lowest_ == highest_ ? kOneSequence : 0) | (hiding_ > 0 ? kHasDeletes : 0) |
                        (several_versions_ ? kSeveralVersions : 0));
  to[3] = static_cast<char>(interval);
  StoreLe<uint16_t>(to + 4, static_cast<uint16_t>(common_));
  StoreLe<uint64_t>(to + 6, lowest_);
  to += kBlockHeaderBytes;
  std::memcpy(to, stage_.data(), common_);  // The first key is the first thing staged.
  to += common_;
  if (with_tags) {
    for (const Item& item : items_) *to++ = static_cast<char>(item.tag);
  }
  for (const Item& item : items_) {
    StoreLe<uint64_t>(to, KeyPrefix(KeyOf(item), common_));
    to += kPrefixBytes;
  }
  for (const uint32_t offset : offsets_) {
    if (wide) {
      StoreLe<uint32_t>(to, offset);
      to += 4;
    } else {
      StoreLe<uint16_t>(to, static_cast<uint16_t>(offset));
      to += 2;
    }
  }
  std::memcpy(to, entries_out_.data(), entries_bytes);

  stage_.clear();
  items_.clear();
  key_bytes_ = value_bytes_ = common_ = hiding_ = 0;
  several_versions_ = false;
  return out_;
}

}  // namespace aidb::lsm

// Data blocks. First byte even: the rest is a block, which is refused or reads as the slow
// reference reads it. Odd: the rest is a list of entries, which must come back.

#include <cstddef>
#include <cstdint>

#include "aidb/base/hash.h"
#include "aidb/lsm/block_builder.h"
#include "aidb/lsm/block_cache.h"
#include "aidb/lsm/block_reference_for_test.h"

namespace aidb::lsm {
namespace {

std::vector<OwnedEntry> Walk(const EntryBlock& block) {
  Entry entry;
  BlockCursor cursor(entry);
  cursor.Attach(block);
  std::vector<OwnedEntry> backward;
  for (bool more = cursor.SeekToLast(); more; more = cursor.Prev()) backward.push_back(Own(entry));
  std::ranges::reverse(backward);
  std::vector<OwnedEntry> forward;
  for (bool more = cursor.SeekToFirst(); more; more = cursor.Next()) forward.push_back(Own(entry));
  AIDB_CHECK(forward == backward);
  return forward;
}

bool StrictlyInOrder(const std::vector<OwnedEntry>& entries) {
  for (size_t i = 1; i < entries.size(); ++i) {
    if (!InOrder(entries[i - 1], entries[i])) return false;
  }
  return true;
}

void CheckSearches(const EntryBlock& block, const std::vector<OwnedEntry>& entries) {
  bool tags_right = true;
  for (size_t i = 0; i < entries.size(); ++i) {
    tags_right = tags_right && block.tag(i) == TagOf(Hash64(entries[i].key));
  }
  for (const OwnedEntry& entry : entries) {
    for (const std::string& key : {entry.key, entry.key + '\0', entry.key.substr(0, 9)}) {
      const Sequence at{kv::ToNumber(entry.sequence) / 2 + 1};
      for (const Sequence sequence : {entry.sequence, kv::kSequenceMax, at}) {
        const size_t bound = block.LowerBound(key, sequence);
        AIDB_CHECK(bound <= entries.size());
        if (StrictlyInOrder(entries)) {
          AIDB_CHECK(bound == SlowLowerBound(entries, key, sequence));
        }
        const auto lookup = block.Find(key, Hash64(key), sequence);
        if (!tags_right) continue;
        const auto slow = SlowGet(entries, key, sequence);
        AIDB_CHECK(lookup.found.has_value() == slow.has_value());
        AIDB_CHECK(!slow || lookup.found->value == slow->value);
        AIDB_CHECK(!slow || lookup.found->expires_at_ms == slow->expires_at_ms);
      }
    }
  }
}

void ReadBlock(std::string_view bytes) {
  const auto block = Block::Parse(BlockKind::kData, BlockBuffer::CopyOf(bytes));
  if (!block.ok()) {
    AIDB_CHECK(block.status().code() == StatusCode::kCorruption);
    return;
  }
  const auto entries = Walk(block->entries());
  AIDB_CHECK(entries == SlowDecode(bytes));
  if (entries.size() <= 64) CheckSearches(block->entries(), entries);
}

void RoundTrip(std::string_view bytes) {
  ByteReader reader(bytes);
  std::vector<OwnedEntry> entries;
  while (entries.size() < 64) {
    const auto key = reader.LengthPrefixed();
    const auto value = reader.LengthPrefixed();
    const auto sequence = reader.Varint();
    if (!key || !value || !sequence) break;
    const bool is_delete = (*sequence & 1) != 0;
    entries.push_back({std::string(*key),
                       Sequence{(*sequence >> 1) & kv::ToNumber(kv::kSequenceMax)},
                       is_delete ? OpKind::kDelete : OpKind::kPut,
                       is_delete ? std::string() : std::string(*value)});
    if (!is_delete && *sequence % 4 == 2) {
      entries.back().kind = OpKind::kPutExpiring;
      entries.back().expires_at_ms = *sequence * 0x9E3779B97F4A7C15;
    } else if (*sequence % 16 == 4 && !value->empty()) {
      entries.back().kind = OpKind::kMerge;
    }
  }
  std::ranges::sort(entries, InOrder);
  const auto same = [](const OwnedEntry& a, const OwnedEntry& b) {
    return a.key == b.key && a.sequence == b.sequence;
  };
  entries.erase(std::unique(entries.begin(), entries.end(), same), entries.end());
  if (entries.empty()) return;
  BlockBuilder builder(BlockTags::kPresent);
  for (const OwnedEntry& entry : entries) builder.Add(entry.view(), Hash64(entry.key));
  const std::string encoded(builder.Finish());
  const auto block = Block::Parse(BlockKind::kData, BlockBuffer::CopyOf(encoded));
  AIDB_CHECK(block.ok());
  AIDB_CHECK(Walk(block->entries()) == entries);
  AIDB_CHECK(SlowDecode(encoded) == entries);
  CheckSearches(block->entries(), entries);
}

}  // namespace
}  // namespace aidb::lsm

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  if (size == 0) return 0;
  const std::string_view rest(reinterpret_cast<const char*>(bytes) + 1, size - 1);
  bytes[0] % 2 == 0 ? aidb::lsm::ReadBlock(rest) : aidb::lsm::RoundTrip(rest);
  return 0;
}

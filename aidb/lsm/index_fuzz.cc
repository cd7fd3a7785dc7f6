// Index blocks. First byte: kind (odd = root). The rest is a block, which is refused, or whose
// entries are refused or encode again to the same bytes; searches agree with a walk.

#include <cstddef>
#include <cstdint>

#include "aidb/lsm/block_cache.h"
#include "aidb/lsm/block_reference_for_test.h"
#include "aidb/lsm/table_format.h"

namespace aidb::lsm {
namespace {

constexpr uint64_t kFileBytes = 1 << 20;

// The last child whose key is not above `key`, before any that go on with the same key.
std::optional<size_t> SlowChildOf(const std::vector<OwnedEntry>& entries,
                                  const std::vector<IndexEntry>& children, std::string_view key) {
  size_t i = 0;
  while (i < entries.size() && entries[i].key < key) ++i;
  if (i < entries.size() && entries[i].key == key && !children[i].continued) return i;
  if (i == 0) return std::nullopt;
  return i - 1;
}

void ReadIndex(BlockKind kind, std::string_view bytes) {
  const auto block = Block::Parse(kind, BlockBuffer::CopyOf(bytes));
  if (!block.ok()) return;
  const auto entries = SlowDecode(bytes);
  std::vector<IndexEntry> children;
  for (size_t i = 0; i < entries.size(); ++i) {
    AIDB_CHECK(block->entries().KeyAt(i) == entries[i].key);
    const auto child = DecodeIndexEntry(block->entries().At(i).value, kind, kFileBytes);
    if (!child) continue;
    AIDB_CHECK(EncodeIndexEntry(*child, kind) == entries[i].value);
    AIDB_CHECK(HandleFits(child->child, kFileBytes));
    children.push_back(*child);
  }
  bool sorted = true;
  for (size_t i = 1; i < entries.size(); ++i) {
    sorted = sorted && (entries[i - 1].key < entries[i].key || InOrder(entries[i - 1], entries[i]));
  }
  for (const OwnedEntry& entry : entries) {
    for (const std::string& key : {entry.key, entry.key + 'a', entry.key.substr(0, 5)}) {
      const auto child = ChildOf(block->entries(), key);
      AIDB_CHECK(!child || *child < entries.size());
      if (sorted && children.size() == entries.size()) {
        AIDB_CHECK(child == SlowChildOf(entries, children, key));
      }
    }
  }
}

}  // namespace
}  // namespace aidb::lsm

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  if (size == 0) return 0;
  using aidb::lsm::BlockKind;
  aidb::lsm::ReadIndex(bytes[0] % 2 == 0 ? BlockKind::kIndex : BlockKind::kIndexRoot,
                       {reinterpret_cast<const char*>(bytes) + 1, size - 1});
  return 0;
}

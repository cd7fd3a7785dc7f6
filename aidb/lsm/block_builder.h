#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "aidb/lsm/entry.h"

namespace aidb::lsm {

enum class BlockTags : bool { kAbsent, kPresent };

// Collects entries and encodes them as one block (block_format.h). Reusable after Finish.
//
// Entries are copied into a staging buffer, because what all keys share and the lowest sequence
// are known only at the end.
//
// Thread safety: none.
class BlockBuilder {
 public:
  explicit BlockBuilder(BlockTags tags) : tags_(tags) {}

  // Entries come in internal order: the caller's promise. Needs !full(). `hash` is Hash64 of the
  // key where tags are present, else unused.
  void Add(const Entry& entry, uint64_t hash);
  // An entry of a block that is not data: kind put, sequence 0.
  void Add(std::string_view name, std::string_view value);

  size_t entries() const { return items_.size(); }
  bool empty() const { return items_.empty(); }
  // No room for a further entry, whatever its size.
  bool full() const;
  // Deletes and entries that expire.
  size_t hiding() const { return hiding_; }
  // About what Finish would return now, within a few bytes an entry.
  size_t EstimatedBytes() const;
  size_t memory_bytes() const;

  // Needs !empty(). The view lives until the next call of Add or Finish.
  std::string_view Finish();

 private:
  struct Item {
    size_t at;  // In stage_: the key, the value behind it.
    uint32_t key_bytes;
    uint32_t value_bytes;
    uint64_t sequence;
    uint64_t expires_at_ms;
    kv::OpKind kind;
    uint8_t tag;
  };

  std::string_view KeyOf(const Item& item) const {
    return {stage_.data() + item.at, item.key_bytes};
  }
  // The key bytes that neither the common part nor the prefix holds.
  std::string_view RestOf(const Item& item) const;
  // Whether delta-coded rests save at least an eighth of the block.
  bool DeltaPays() const;
  char* EncodeEntries(char* to, size_t interval);

  const BlockTags tags_;
  std::string stage_;
  std::vector<Item> items_;
  size_t key_bytes_ = 0;  // Without the 8 of each key that its prefix slot holds.
  size_t value_bytes_ = 0;
  size_t common_ = 0;
  size_t hiding_ = 0;
  uint64_t lowest_ = 0;
  uint64_t highest_ = 0;
  bool several_versions_ = false;
  std::vector<uint32_t> offsets_;
  std::string entries_out_;
  std::string out_;
};

}  // namespace aidb::lsm

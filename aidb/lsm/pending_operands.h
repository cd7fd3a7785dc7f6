#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "aidb/kv/merge.h"
#include "aidb/lsm/entry.h"

namespace aidb::lsm {

// Operands of one key that no snapshot separates, on their way through a flush or a merge of
// tables: either they are folded onto what lies below them, or as few are written as do the same.
//
// Thread safety: none.
// Lifetime: copies what it is given; the entries it gives live until the next Add or Clear.
class PendingOperands {
 public:
  // Of so many bytes a chain is written in parts. Those that are joined count once.
  static constexpr size_t kBytesMax = size_t{4} << 20;

  // One that is older than those before, of the same key.
  void Add(const Entry& operand);
  bool empty() const { return left_.empty(); }
  bool full() const { return bytes_ >= kBytesMax; }
  // How many were added.
  uint64_t entries() const { return entries_; }

  // What all of them make of `base`, null for nothing, with the newest's sequence and the instant
  // of `base`; nullopt when the function of an operator is not here.
  std::optional<Entry> FoldedOnto(const kv::Merger& merger, const Entry* base);
  // What is to be written where they cannot be folded, newest first.
  std::vector<Entry> Left() const;
  void Clear();

 private:
  struct Operand {
    Sequence sequence{};
    std::string value;  // As entries hold it.
  };

  std::string key_;
  std::vector<Operand> left_;
  uint64_t entries_ = 0;
  size_t bytes_ = 0;
  std::string folded_;
};

}  // namespace aidb::lsm

#pragma once

// Random entries in internal order, tables made of them in memory, and the slow model.

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "aidb/base/check.h"
#include "aidb/base/random.h"
#include "aidb/lsm/memory_files_for_test.h"
#include "aidb/lsm/owned_entry_for_test.h"
#include "aidb/lsm/table_builder.h"
#include "aidb/lsm/table_reader.h"

namespace aidb::lsm {

inline OwnedEntry Own(const Entry& entry) {
  return {std::string(entry.key), entry.sequence, entry.kind, std::string(entry.value),
          kv::Expires(entry.kind) ? entry.expires_at_ms : 0};
}

inline bool InOrder(const OwnedEntry& a, const OwnedEntry& b) {
  return a.key != b.key ? a.key < b.key : a.sequence > b.sequence;
}

inline std::string RandomBytes(Rng& rng, size_t size, int alphabet) {
  std::string bytes(size, '\0');
  for (char& c : bytes) {
    c = static_cast<char>(alphabet == 256 ? rng.Below(256)
                                          : 'a' + rng.Below(static_cast<uint64_t>(alphabet)));
  }
  return bytes;
}

// What kind of keys and values a table gets.
struct Mix {
  size_t entries = 1000;
  std::string stem = {};      // All keys begin so.
  size_t key_bytes_max = 20;  // Behind the stem.
  int alphabet = 256;         // Few letters: many short keys, ties and shared prefixes.
  size_t value_bytes_max = 100;
  size_t versions_max = 1;
  int deletes_in_ten = 1;
  int expiring_in_ten = 0;  // Of the others.
  int operands_in_ten = 0;  // Of what is then left.
};

inline std::vector<OwnedEntry> RandomEntries(Rng& rng, const Mix& mix) {
  std::vector<OwnedEntry> entries;
  uint64_t sequence = 1000;
  while (entries.size() < mix.entries) {
    const std::string key =
        mix.stem + RandomBytes(rng, rng.Between(0, mix.key_bytes_max), mix.alphabet);
    for (uint64_t versions = rng.Between(1, mix.versions_max); versions > 0; --versions) {
      sequence += rng.Between(1, 300);
      const bool is_delete = rng.Below(10) < static_cast<uint64_t>(mix.deletes_in_ten);
      entries.push_back(
          {key, Sequence{sequence}, is_delete ? OpKind::kDelete : OpKind::kPut,
           is_delete ? std::string() : RandomBytes(rng, rng.Between(0, mix.value_bytes_max), 4)});
      if (is_delete) continue;
      if (mix.expiring_in_ten > 0 && rng.Below(10) < static_cast<uint64_t>(mix.expiring_in_ten)) {
        entries.back().kind = OpKind::kPutExpiring;
        entries.back().expires_at_ms = rng.Next() >> rng.Below(60);
      } else if (mix.operands_in_ten > 0 &&
                 rng.Below(10) < static_cast<uint64_t>(mix.operands_in_ten)) {
        entries.back().kind = OpKind::kMerge;
        entries.back().value.insert(0, 1, static_cast<char>(rng.Between(1, 4)));
      }
    }
  }
  std::ranges::sort(entries, InOrder);
  return entries;
}

struct BuiltTable {
  std::string bytes;
  TableFacts facts;
};

inline constexpr uint64_t kTestNumber = 7;
inline constexpr uint64_t kTestSalt = 0x0123456789ABCDEF;

inline BuiltTable BuildTable(const std::vector<OwnedEntry>& entries,
                             const TableOptions& options = {}) {
  MemoryFile file{std::string()};
  TableBuilder builder(file, kTestNumber, kTestSalt, options);
  for (const OwnedEntry& entry : entries) AIDB_CHECK(builder.Add(entry.view()).ok());
  auto facts = builder.Finish();
  AIDB_CHECK(facts.ok());
  return {file.bytes(), *facts};
}

inline Result<std::shared_ptr<TableReader>> OpenTable(const BuiltTable& table, BlockCache& cache) {
  return TableReader::Open(std::make_unique<MemoryFile>(table.bytes), table.facts, cache);
}

// The newest version of `key` not newer than `at`, by walking over all.
inline std::optional<OwnedEntry> SlowGet(const std::vector<OwnedEntry>& entries,
                                         std::string_view key, Sequence at) {
  for (const OwnedEntry& entry : entries) {
    if (entry.key == key && entry.sequence <= at) return entry;
  }
  return std::nullopt;
}

inline size_t SlowLowerBound(const std::vector<OwnedEntry>& entries, std::string_view key,
                             Sequence sequence) {
  size_t i = 0;
  while (i < entries.size() &&
         (entries[i].key < key || (entries[i].key == key && entries[i].sequence > sequence))) {
    ++i;
  }
  return i;
}

// A key that is there, one a byte away from one, or any.
inline std::string ProbeKey(Rng& rng, const std::vector<OwnedEntry>& entries) {
  std::string key = entries[rng.Below(entries.size())].key;
  switch (rng.Below(6)) {
    case 0:
      key += static_cast<char>(rng.Below(256));
      break;
    case 1:
      if (!key.empty()) key.pop_back();
      break;
    case 2:
      if (!key.empty()) key.back() = static_cast<char>(key.back() + 1);
      break;
    case 3:
      if (!key.empty()) key[rng.Below(key.size())] ^= 1;
      break;
    default:
      break;
  }
  return key;
}

}  // namespace aidb::lsm

#pragma once

// One change of what a store consists of; one record of the manifest (docs/formats/manifest.md),
// so it happens as a whole or not at all. A manifest's first edits, added up, are the whole
// state; each later one is a change.
//
//   edit  = field …
//   field = varint (id << 1 | required) | varint length | bytes
//
// A reader that meets a required field it does not know refuses the manifest; an optional one
// it passes over.

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "aidb/base/result.h"
#include "aidb/base/uuid.h"
#include "aidb/lsm/table_facts.h"

namespace aidb::lsm {

inline constexpr int kLevels = 7;
inline constexpr uint64_t kStoreFormat = 1;
// The only order of keys there is; an id is stored for the future.
inline constexpr std::string_view kBytewiseComparator = "aidb.bytewise.1";

// Said once, by the first edit of a manifest.
struct StoreHeader {
  uint64_t format = kStoreFormat;
  Uuid uuid{};
  std::string comparator{kBytewiseComparator};
  uint64_t snapshot_edits = 1;  // How many edits, this one included, make the whole state.

  bool operator==(const StoreHeader&) const = default;
};

// A table and its place.
struct AddedTable {
  int level = 0;
  uint64_t run = 0;  // Tables of one level and run do not overlap; a higher run is newer.
  TableFacts facts;

  bool operator==(const AddedTable&) const = default;
};

struct RemovedTable {
  int level = 0;
  uint64_t number = 0;

  bool operator==(const RemovedTable&) const = default;
};

// A log that was ended and is durable up to `size_bytes`.
struct ClosedLog {
  uint64_t number = 0;
  uint64_t size_bytes = 0;
  Sequence last{};

  bool operator==(const ClosedLog&) const = default;
};

// Where the next round-robin pick of a level begins: behind this key.
struct CompactionPointer {
  int level = 0;
  std::string key;

  bool operator==(const CompactionPointer&) const = default;
};

struct VersionEdit {
  std::optional<StoreHeader> header;
  std::optional<uint64_t> next_file_number;
  // Every sequence up to here is in tables.
  std::optional<Sequence> last_sequence;
  // Logs with smaller numbers are no longer needed.
  std::optional<uint64_t> log_floor;
  // Highest wall clock seen, ms since 1970: expiry never runs backwards.
  std::optional<int64_t> clock_ms_max;
  // The last log of a store that was closed in order. Holds only if no edit follows.
  std::optional<ClosedLog> clean_shutdown;
  std::vector<ClosedLog> closed_logs;
  std::vector<CompactionPointer> pointers;
  // Removed before added, so that one edit can move a table.
  std::vector<RemovedTable> removed;
  std::vector<AddedTable> added;
  // Tables with a bad block: no compaction picks them.
  std::vector<uint64_t> damaged;
  // What the newest ingest took. The log may not have it yet: then the next open notes it there,
  // before it gives the sequence to a write.
  std::optional<Sequence> ingest_sequence;

  std::string Encode() const;
  // kCorruption with the byte at which decoding failed, kInvalidArgument when a newer version
  // wrote it.
  static Result<VersionEdit> Decode(std::string_view bytes);

  bool operator==(const VersionEdit&) const = default;
};

}  // namespace aidb::lsm

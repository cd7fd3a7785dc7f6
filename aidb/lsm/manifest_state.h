#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "aidb/lsm/version_edit.h"

namespace aidb::lsm {

// Everything a manifest says: its edits, added up.
//
// Thread safety: a value.
struct ManifestState {
  struct Table {
    int level = 0;
    uint64_t run = 0;
    bool damaged = false;
    TableFacts facts;

    bool operator==(const Table&) const = default;
  };

  Uuid uuid;
  std::string comparator{kBytewiseComparator};
  uint64_t next_file_number = 1;
  Sequence last_sequence{};
  uint64_t log_floor = 0;
  int64_t clock_ms_max = 0;
  std::optional<ClosedLog> clean_shutdown;
  std::vector<ClosedLog> closed_logs;         // Those not below the floor, oldest first.
  std::array<std::string, kLevels> pointers;  // Empty = from the beginning.
  std::map<uint64_t, Table> tables;           // By number.
  // What the newest ingest took; the log may lack it.
  Sequence ingest_sequence{};

  // Why `edit` cannot follow, or nullopt when it can.
  std::optional<std::string> Refusal(const VersionEdit& edit) const;
  // Needs no Refusal.
  void Apply(const VersionEdit& edit);
  // Edits that make this state out of an empty one. More than one when there are many tables,
  // so that none exceeds what a record may hold.
  std::vector<VersionEdit> Snapshot() const;

  bool operator==(const ManifestState&) const = default;
};

// What a snapshot puts into one edit: of tables whose two keys are of the largest size a few,
// of ordinary ones some ten thousand.
inline constexpr uint64_t kSnapshotEditBytes = uint64_t{1} << 20;

}  // namespace aidb::lsm

#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "aidb/kv/types.h"

namespace aidb::kv {

struct LevelStats {
  int level = 0;
  uint64_t tables = 0;
  uint64_t size_bytes = 0;
  uint64_t target_bytes = 0;
  double score = 0;            // Size over target; level 0: runs over trigger.
  uint64_t bytes_read = 0;     // By compactions into this level, since open.
  uint64_t bytes_written = 0;  // Likewise.
};

// A file of the store that was found damaged. Whole blocks of it are still read.
struct DamagedFile {
  std::string file;  // Its name in the directory.
  // Place, keys that cannot be read, and what to do about it, as far as known.
  std::string what;
  int64_t found_ms = 0;  // Wall clock, ms since 1970; 0: before the store was opened.

  bool operator==(const DamagedFile&) const = default;
};

// A picture of a store at one moment. A backend leaves at zero what it does not have.
struct StoreStats {
  std::string backend;
  std::string durability;       // The row of promises in force, in words.
  Sequence sequence{};          // Newest visible.
  Sequence durable_sequence{};  // Newest known to be on the disk.
  uint64_t snapshots = 0;       // Live ones.

  uint64_t writes = 0;  // Batches, since open.
  uint64_t gets = 0;
  uint64_t scans = 0;
  uint64_t bytes_written_by_user = 0;
  uint64_t flushes = 0;
  uint64_t compactions = 0;
  uint64_t write_delays = 0;  // Writes that were slowed.
  uint64_t write_delay_us = 0;
  double write_pressure = 0;          // Above 0.5 writes are slowed; 1 is the most they should see.
  std::string write_pressure_reason;  // What it comes from; empty without any.

  uint64_t memtable_bytes = 0;
  uint64_t memtable_count = 0;  // Active and sealed.
  uint64_t cache_bytes = 0;     // Cached blocks, and range deletes of open tables.
  uint64_t cache_hits = 0;
  uint64_t cache_misses = 0;
  uint64_t filter_useful = 0;  // Lookups a filter spared.
  uint64_t filter_false = 0;   // Filters that said maybe for an absent key.
  uint64_t log_bytes = 0;      // In log files that are still there.
  uint64_t table_bytes = 0;
  std::vector<LevelStats> levels;

  Sequence updates_from{};        // The smallest that a feed can begin behind now.
  uint64_t update_feeds = 0;      // Begun and not ended.
  uint64_t update_lag_bytes = 0;  // Log that the slowest of them has not read.

  uint64_t scrub_rounds = 0;         // Times that every table was read again, since open.
  uint64_t scrub_bytes = 0;          // Of the tables that were read and found whole, since open.
  std::vector<DamagedFile> damaged;  // By scrub or compaction, or before the store was opened.

  std::string background_error;  // Why writes stopped; empty while healthy.
};

}  // namespace aidb::kv

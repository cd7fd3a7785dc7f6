#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "aidb/base/status.h"
#include "aidb/kv/iterator.h"
#include "aidb/kv/snapshot.h"

namespace aidb::kv {

class Keyspace;

enum class Backend : unsigned char { kNative, kRocksDb, kMemory };
enum class StoreMode : unsigned char {
  kCreateIfMissing,
  kMustExist,
  kMustBeNew,
  kReadOnly,  // Must exist; writes give kUnavailable.
};
enum class Compression : unsigned char { kNone = 0, kSnappy = 1, kLz4 = 2, kZstd = 3 };

// Plain data; copied at Open. Every default is meant to be right: few stores need any other.
// An option that a backend cannot honour and that differs from its default is kInvalidArgument
// naming both.
struct Options {
  // Read by the front door alone, which chooses the class to open.
  Backend backend = Backend::kNative;
  StoreMode mode = StoreMode::kCreateIfMissing;

  // Everything the store may hold in memory: memtables, cache, index, filters, iterators,
  // compaction buffers, log ring. Bytes; at least 1 MiB. Open refuses with kInvalidArgument
  // parts that are more than this together.
  uint64_t memory_bytes = uint64_t{256} << 20;
  // One memtable, in bytes; at most one active and two sealed. 0 = memory_bytes / 8.
  uint64_t write_buffer_bytes = 0;
  // The block cache, in bytes. 0 = what memtables and ring leave of memory_bytes.
  uint64_t cache_bytes = 0;
  // Uncompressed target size of a table block, in bytes.
  uint64_t block_bytes = 4096;
  // Bloom filter size; 10 bits give about 1 % false positives. 0 = no filter.
  int filter_bits_per_key = 10;
  Compression compression = Compression::kLz4;
  // Sorted runs in level 0 that start a compaction.
  int level0_trigger = 4;
  // Target of the first non-empty level below level 0, in bytes. 0 = derived from the last one.
  uint64_t level_base_bytes = 0;
  // Ratio of the targets of neighbouring levels.
  int level_multiplier = 10;
  // Threads for flush and compaction together: one flushes, the others, at least one, compact.
  // 0 = cores - 1, within 1…4.
  int background_threads = 0;
  // Un-synced writes reach the disk at the latest after twice this; 0 = when the kernel decides.
  int sync_interval_ms = 1000;
  // A log file ends with its memtable, or at this size in bytes if that comes first.
  uint64_t log_bytes = uint64_t{64} << 20;
  // Largest batch, and so the largest value, in encoded bytes; at most memory_bytes / 4 and
  // 512 MiB. In memory an operation takes some 40 bytes more than its key and value: a batch that
  // the memtables cannot hold at once is refused below this size, too. While a batch larger than
  // a quarter of the log ring is written, it is in memory once more.
  uint64_t batch_bytes_max = uint64_t{64} << 20;
  // Longest a write waits for memory before kResourceExhausted. There is none while memtables
  // cannot be flushed, because the disk fails or level 0 has 16 runs above its trigger.
  int write_wait_ms = 10'000;
  // Every table is read again from the disk and verified once in so many seconds, in the
  // background, at 16 MiB/s at most; damage shows in Stats. More slowly while writes are slowed.
  // 0 = never.
  int scrub_period_s = 7 * 24 * 3600;

  // kInvalidArgument naming the option, its value and the allowed range.
  Status Validate() const;

  // For backends: kInvalidArgument naming the first option that differs from its default and is
  // not in `honoured`, its value, and `backend`. `backend` and `mode` are not looked at. An
  // option added later is thus refused by every backend that does not know it.
  Status RefuseAllBut(std::span<const std::string_view> honoured, std::string_view backend) const;

  // Small buffers and frequent flushes, so that tests reach every path: 8 MiB in all, memtables
  // of 64 KiB, blocks of 256 bytes, batches to 2 MiB.
  static Options ForTests();
  // Half of the memory for memtables, larger blocks, a larger level 0: for write-heavy stores.
  static Options ForWrites();
  // Small memtables and batches, so that the cache has nearly all of the memory, and a longer
  // filter: for read-heavy stores.
  static Options ForReads();
};

// `keyspace` of these is read by the front door alone: null is the default one.

struct WriteOptions {
  // Return only when the batch is on the disk. Otherwise it survives the process at once, and
  // the machine after at most 2 * sync_interval_ms.
  bool sync = false;
  const Keyspace* keyspace = nullptr;  // Of single writes; a batch has it by operation.
};

struct ReadOptions {
  const Snapshot* snapshot = nullptr;  // Null = the newest state.
  const Keyspace* keyspace = nullptr;
};

struct ScanOptions {
  std::optional<std::string_view> lower = std::nullopt;  // Included. Views are copied.
  std::optional<std::string_view> upper = std::nullopt;  // Excluded.
  // Shorthand for the bounds of all keys that start so; combines with lower and upper.
  std::string_view prefix = {};
  ScanOrder order = ScanOrder::kForward;
  const Snapshot* snapshot = nullptr;
  // Whether blocks read by this scan may enter the cache.
  bool fill_cache = true;
  const Keyspace* keyspace = nullptr;
};

// The keys in [lower, upper).
struct ScanRange {
  std::string lower = {};                           // Empty = from the first key.
  std::optional<std::string> upper = std::nullopt;  // Absent = to the last key.

  bool empty() const { return upper && *upper <= lower; }
  bool Contains(std::string_view key) const { return key >= lower && (!upper || key < *upper); }
};
// The range that `options` describe, prefix folded in: its keys are those from the prefix to its
// successor, which is the prefix with trailing 0xFF bytes cut off and the last byte raised by
// one. A prefix of 0xFF bytes alone has no successor.
ScanRange RangeOf(const ScanOptions& options);

}  // namespace aidb::kv

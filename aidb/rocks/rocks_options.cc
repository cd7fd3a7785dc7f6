#include "aidb/rocks/rocks_options.h"

#include <algorithm>
#include <string>
#include <string_view>

#include <rocksdb/cache.h>
#include <rocksdb/convenience.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/statistics.h>
#include <rocksdb/table.h>
#include <rocksdb/write_buffer_manager.h>

namespace aidb::rocks {
namespace {

// All but log_bytes (RocksDB's log rolls with the memtable), write_wait_ms (its stalls have no
// deadline) and scrub_period_s (it reads nothing again by itself).
constexpr std::string_view kHonoured[] = {
    "memory_bytes",     "write_buffer_bytes", "cache_bytes",      "block_bytes",
    "compression",      "level0_trigger",     "level_base_bytes", "filter_bits_per_key",
    "level_multiplier", "background_threads", "sync_interval_ms", "batch_bytes_max"};

// RocksDB silently raises a smaller buffer to this, and lowers one above the other.
constexpr uint64_t kWriteBufferBytesMin = uint64_t{64} << 10;
constexpr uint64_t kWriteBufferBytesMax = uint64_t{64} << 30;
// One active, two sealed, as the contract has it.
constexpr int kMemtables = 3;

rocksdb::CompressionType CodecOf(kv::Compression compression) {
  switch (compression) {
    case kv::Compression::kNone:
      return rocksdb::kNoCompression;
    case kv::Compression::kSnappy:
      return rocksdb::kSnappyCompression;
    case kv::Compression::kLz4:
      return rocksdb::kLZ4Compression;
    case kv::Compression::kZstd:
      return rocksdb::kZSTD;
  }
  return rocksdb::kNoCompression;
}

Status MapMode(kv::StoreMode mode, rocksdb::Options& mapped) {
  mapped.create_if_missing =
      mode == kv::StoreMode::kCreateIfMissing || mode == kv::StoreMode::kMustBeNew;
  mapped.error_if_exists = mode == kv::StoreMode::kMustBeNew;
  return {};
}

// One cache holds blocks, indexes and filters, and is charged for memtables: memory_bytes is
// then one number for RocksDB too.
Status MapMemory(const kv::Options& options, rocksdb::Options& mapped,
                 rocksdb::BlockBasedTableOptions& table) {
  const uint64_t buffer =
      options.write_buffer_bytes != 0 ? options.write_buffer_bytes : options.memory_bytes / 8;
  if (buffer < kWriteBufferBytesMin || buffer > kWriteBufferBytesMax) {
    return InvalidArgument("option write_buffer_bytes is " + std::to_string(buffer) +
                           "; the rocksdb backend honours " + std::to_string(kWriteBufferBytesMin) +
                           " to " + std::to_string(kWriteBufferBytesMax));
  }
  const uint64_t memtables = kMemtables * buffer;
  const uint64_t capacity = options.cache_bytes == 0
                                ? options.memory_bytes
                                : std::min(options.cache_bytes + memtables, options.memory_bytes);
  table.block_cache = rocksdb::NewLRUCache(capacity);
  table.cache_index_and_filter_blocks = true;
  table.pin_l0_filter_and_index_blocks_in_cache = true;
  mapped.write_buffer_size = buffer;
  mapped.max_write_buffer_number = kMemtables;
  mapped.write_buffer_manager =
      std::make_shared<rocksdb::WriteBufferManager>(memtables, table.block_cache);
  return {};
}

Status MapCompression(const kv::Options& options, rocksdb::Options& mapped) {
  mapped.compression = CodecOf(options.compression);
  if (std::ranges::count(rocksdb::GetSupportedCompressions(), mapped.compression) == 0) {
    return InvalidArgument(
        "option compression is " + std::to_string(static_cast<int>(options.compression)) +
        "; the rocksdb backend cannot honour it, its library was built without that codec");
  }
  return {};
}

void MapLevels(const kv::Options& options, rocksdb::Options& mapped) {
  mapped.level0_file_num_compaction_trigger = options.level0_trigger;
  mapped.level_compaction_dynamic_level_bytes = options.level_base_bytes == 0;
  if (options.level_base_bytes != 0) mapped.max_bytes_for_level_base = options.level_base_bytes;
  mapped.max_bytes_for_level_multiplier = options.level_multiplier;
}

}  // namespace

Result<rocksdb::Options> MapOptions(const kv::Options& options, int parallelism) {
  AIDB_RETURN_IF_ERROR(options.RefuseAllBut(kHonoured, "rocksdb"));
  rocksdb::Options mapped;
  rocksdb::BlockBasedTableOptions table;
  AIDB_RETURN_IF_ERROR(MapMode(options.mode, mapped));
  AIDB_RETURN_IF_ERROR(MapMemory(options, mapped, table));
  AIDB_RETURN_IF_ERROR(MapCompression(options, mapped));
  MapLevels(options, mapped);
  table.block_size = options.block_bytes;
  if (options.filter_bits_per_key > 0) {
    table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(options.filter_bits_per_key));
  }
  mapped.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  mapped.max_background_jobs = options.background_threads != 0 ? options.background_threads
                                                               : std::clamp(parallelism - 1, 1, 4);
  mapped.statistics = rocksdb::CreateDBStatistics();
  mapped.statistics->set_stats_level(rocksdb::StatsLevel::kExceptHistogramOrTimers);
  // RocksDB keeps its own diary, file LOG; we ask for it through Stats instead.
  mapped.info_log_level = rocksdb::InfoLogLevel::WARN_LEVEL;
  mapped.keep_log_file_num = 2;
  mapped.stats_dump_period_sec = 0;
  mapped.stats_persist_period_sec = 0;
  return mapped;
}

}  // namespace aidb::rocks

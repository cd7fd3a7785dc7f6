// RocksDB, used directly.

#include <algorithm>
#include <cstdlib>
#include <map>
#include <string>
#include <vector>

#include <rocksdb/cache.h>
#include <rocksdb/db.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/merge_operator.h>
#include <rocksdb/table.h>
#include <rocksdb/version.h>

#include "bench/peers/peer.h"

namespace aidb::bench {
namespace {

Status Translate(const rocksdb::Status& status) {
  return status.ok() ? Status() : IoError("rocksdb: " + status.ToString());
}
rocksdb::Slice ToSlice(std::string_view bytes) { return {bytes.data(), bytes.size()}; }
std::string_view ToView(const rocksdb::Slice& slice) { return {slice.data(), slice.size()}; }

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

class RocksDbCursor final : public PeerCursor {
 public:
  RocksDbCursor(std::unique_ptr<rocksdb::Iterator> iterator, kv::ScanOrder order)
      : iterator_(std::move(iterator)), order_(order) {}
  bool Valid() override { return iterator_->Valid(); }
  void Next() override {
    order_ == kv::ScanOrder::kForward ? iterator_->Next() : iterator_->Prev();
  }
  KeyValue Entry() override { return {ToView(iterator_->key()), ToView(iterator_->value())}; }
  Status status() override { return Translate(iterator_->status()); }

 private:
  const std::unique_ptr<rocksdb::Iterator> iterator_;
  const kv::ScanOrder order_;
};

class RocksDbSession final : public PeerSession {
 public:
  RocksDbSession(rocksdb::DB& db, bool synced) : db_(db) { write_.sync = synced; }

  Status Put(std::string_view key, std::string_view value) override {
    return Translate(db_.Put(write_, ToSlice(key), ToSlice(value)));
  }
  Status Delete(std::string_view key) override {
    return Translate(db_.Delete(write_, ToSlice(key)));
  }
  Status MergeMax(std::string_view key, std::string_view operand) override {
    return Translate(db_.Merge(write_, ToSlice(key), ToSlice(operand)));
  }
  Status WriteBatch(std::span<const KeyValue> puts) override {
    rocksdb::WriteBatch batch;
    for (const auto& [key, value] : puts) {
      AIDB_RETURN_IF_ERROR(Translate(batch.Put(ToSlice(key), ToSlice(value))));
    }
    return Translate(db_.Write(write_, &batch));
  }
  Result<std::optional<size_t>> Get(std::string_view key) override {
    rocksdb::PinnableSlice value;
    const rocksdb::Status status =
        db_.Get(rocksdb::ReadOptions(), db_.DefaultColumnFamily(), ToSlice(key), &value);
    if (status.IsNotFound()) return std::nullopt;
    AIDB_RETURN_IF_ERROR(Translate(status));
    return value.size();
  }
  Result<size_t> MultiGet(std::span<const std::string_view> keys) override {
    std::vector<rocksdb::Slice> slices;
    slices.reserve(keys.size());
    for (const std::string_view key : keys) slices.push_back(ToSlice(key));
    std::vector<rocksdb::PinnableSlice> values(keys.size());
    std::vector<rocksdb::Status> statuses(keys.size());
    db_.MultiGet(rocksdb::ReadOptions(), db_.DefaultColumnFamily(), keys.size(), slices.data(),
                 values.data(), statuses.data());
    size_t found = 0;
    for (const rocksdb::Status& status : statuses) {
      if (status.IsNotFound()) continue;
      AIDB_RETURN_IF_ERROR(Translate(status));
      ++found;
    }
    return found;
  }
  std::unique_ptr<PeerCursor> Scan(std::optional<std::string_view> from,
                                   kv::ScanOrder order) override {
    std::unique_ptr<rocksdb::Iterator> iterator(db_.NewIterator(rocksdb::ReadOptions()));
    if (from) {
      iterator->Seek(ToSlice(*from));
    } else if (order == kv::ScanOrder::kForward) {
      iterator->SeekToFirst();
    } else {
      iterator->SeekToLast();
    }
    return std::make_unique<RocksDbCursor>(std::move(iterator), order);
  }

 private:
  rocksdb::DB& db_;
  rocksdb::WriteOptions write_;
};

class RocksDbPeer final : public Peer {
 public:
  RocksDbPeer(std::unique_ptr<rocksdb::DB> db, bool synced) : db_(std::move(db)), synced_(synced) {}

  Result<std::unique_ptr<PeerSession>> NewSession() override {
    return std::make_unique<RocksDbSession>(*db_, synced_);
  }
  Status Flush() override { return Translate(db_->Flush(rocksdb::FlushOptions())); }
  Status Compact() override {
    return Translate(db_->CompactRange(rocksdb::CompactRangeOptions(), nullptr, nullptr));
  }
  // Its statistics since open; they need no Statistics object, which its advice leaves off.
  std::optional<uint64_t> StallMicros() override {
    std::map<std::string, std::string> figures;
    if (!db_->GetMapProperty(rocksdb::DB::Properties::kDBStats, &figures)) return std::nullopt;
    const auto stall = figures.find("db.user_write_stall_micros");
    if (stall == figures.end()) return std::nullopt;
    return std::strtoull(stall->second.c_str(), nullptr, 10);
  }
  Status Close() override { return Translate(db_->Close()); }

 private:
  const std::unique_ptr<rocksdb::DB> db_;
  const bool synced_;
};

// The greater in byte order; rocksdb's own one is in no public header.
class MaxOperator final : public rocksdb::AssociativeMergeOperator {
 public:
  bool Merge(const rocksdb::Slice& /*key*/, const rocksdb::Slice* value,
             const rocksdb::Slice& operand, std::string* merged,
             rocksdb::Logger* /*log*/) const override {
    const rocksdb::Slice& greater =
        value != nullptr && value->compare(operand) > 0 ? *value : operand;
    merged->assign(greater.data(), greater.size());
    return true;
  }
  const char* Name() const override { return "aidb.bench.Max"; }
};

// rocksdb/options.h: a fresh Options object, "default values are tuned for" a level-style store
// of 64 MiB memtables, two of them. The cache gets what these leave of the memory; where the
// memory is too small for them, memtables get half of it. No filter: that is the default.
rocksdb::Options Stock(const PeerSetup& setup, rocksdb::BlockBasedTableOptions& table) {
  rocksdb::Options options;
  options.create_if_missing = true;
  options.compression = CodecOf(setup.compression);
  options.merge_operator = std::make_shared<MaxOperator>();
  const auto buffers = static_cast<uint64_t>(options.max_write_buffer_number);
  options.write_buffer_size =
      std::min<uint64_t>(options.write_buffer_size, setup.memory_bytes / 2 / buffers);
  table.block_cache =
      rocksdb::NewLRUCache(setup.memory_bytes - buffers * options.write_buffer_size);
  return options;
}

// github.com/facebook/rocksdb/wiki/Setup-Options-and-Basic-Tuning, section "Other general
// options": dynamic level bytes, bytes_per_sync 1 MiB, kMinOverlappingRatio, index and filters
// in the cache with those of level 0 pinned, format version 5; and a Bloom filter of 10 bits.
// Its blocks of 16 KiB save memory at the cost of point reads: all peers keep 4 KiB here.
// wiki/Write-Ahead-Log and wiki/Pipelined-Write: pipelined writes for several writers.
// wiki/Data-Block-Hash-Index: binary search with a hash index, for point reads.
rocksdb::Options Tuned(const PeerSetup& setup, rocksdb::BlockBasedTableOptions& table) {
  rocksdb::Options options = Stock(setup, table);
  options.level_compaction_dynamic_level_bytes = true;
  options.bytes_per_sync = 1 << 20;
  options.compaction_pri = rocksdb::kMinOverlappingRatio;
  options.enable_pipelined_write = true;
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
  table.cache_index_and_filter_blocks = true;
  table.pin_l0_filter_and_index_blocks_in_cache = true;
  table.format_version = 5;
  table.data_block_index_type = rocksdb::BlockBasedTableOptions::kDataBlockBinaryAndHash;
  return options;
}

Result<std::unique_ptr<Peer>> OpenWith(rocksdb::Options options,
                                       const rocksdb::BlockBasedTableOptions& table,
                                       const PeerSetup& setup) {
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  rocksdb::DB* db = nullptr;
  AIDB_RETURN_IF_ERROR(Translate(rocksdb::DB::Open(options, setup.directory, &db)));
  return std::make_unique<RocksDbPeer>(std::unique_ptr<rocksdb::DB>(db), setup.synced);
}

Result<std::unique_ptr<Peer>> OpenStock(const PeerSetup& setup) {
  rocksdb::BlockBasedTableOptions table;
  const rocksdb::Options options = Stock(setup, table);
  return OpenWith(options, table, setup);
}

Result<std::unique_ptr<Peer>> OpenTuned(const PeerSetup& setup) {
  rocksdb::BlockBasedTableOptions table;
  const rocksdb::Options options = Tuned(setup, table);
  return OpenWith(options, table, setup);
}

std::string Version() {
  return std::to_string(ROCKSDB_MAJOR) + "." + std::to_string(ROCKSDB_MINOR) + "." +
         std::to_string(ROCKSDB_PATCH) + " (Debian's build; its tools report assertions enabled)";
}

}  // namespace

std::span<const PeerKind> RocksDbPeers() {
  static const PeerKind kinds[] = {
      {.name = "rocksdb", .version = Version(), .terms = "stock; no filter", .open = OpenStock},
      {.name = "rocksdb_tuned",
       .version = Version(),
       .terms = "its wiki's general advice; Bloom filter of 10 bits",
       .open = OpenTuned}};
  return kinds;
}

}  // namespace aidb::bench

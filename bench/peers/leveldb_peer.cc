// LevelDB: fewer threads, fewer features, and the harder bar for one thread.

#include <algorithm>
#include <string>
#include <vector>

#include <leveldb/cache.h>
#include <leveldb/db.h>
#include <leveldb/filter_policy.h>
#include <leveldb/write_batch.h>

#include "bench/peers/peer.h"

namespace aidb::bench {
namespace {

Status Translate(const leveldb::Status& status) {
  return status.ok() ? Status() : IoError("leveldb: " + status.ToString());
}
leveldb::Slice ToSlice(std::string_view bytes) { return {bytes.data(), bytes.size()}; }
std::string_view ToView(const leveldb::Slice& slice) { return {slice.data(), slice.size()}; }

class LevelDbCursor final : public PeerCursor {
 public:
  LevelDbCursor(std::unique_ptr<leveldb::Iterator> iterator, kv::ScanOrder order)
      : iterator_(std::move(iterator)), order_(order) {}
  bool Valid() override { return iterator_->Valid(); }
  void Next() override {
    order_ == kv::ScanOrder::kForward ? iterator_->Next() : iterator_->Prev();
  }
  KeyValue Entry() override { return {ToView(iterator_->key()), ToView(iterator_->value())}; }
  Status status() override { return Translate(iterator_->status()); }

 private:
  const std::unique_ptr<leveldb::Iterator> iterator_;
  const kv::ScanOrder order_;
};

// What an open database borrows; destroyed after it.
struct Borrowed {
  std::unique_ptr<leveldb::Cache> cache;
  std::unique_ptr<const leveldb::FilterPolicy> filter;
};

class LevelDbSession final : public PeerSession {
 public:
  LevelDbSession(leveldb::DB& db, bool synced) : db_(db) { write_.sync = synced; }

  Status Put(std::string_view key, std::string_view value) override {
    return Translate(db_.Put(write_, ToSlice(key), ToSlice(value)));
  }
  Status Delete(std::string_view key) override {
    return Translate(db_.Delete(write_, ToSlice(key)));
  }
  Status WriteBatch(std::span<const KeyValue> puts) override {
    leveldb::WriteBatch batch;
    for (const auto& [key, value] : puts) batch.Put(ToSlice(key), ToSlice(value));
    return Translate(db_.Write(write_, &batch));
  }
  Result<std::optional<size_t>> Get(std::string_view key) override {
    std::string value;  // Its interface knows no value without a copy.
    const leveldb::Status status = db_.Get(leveldb::ReadOptions(), ToSlice(key), &value);
    if (status.IsNotFound()) return std::nullopt;
    AIDB_RETURN_IF_ERROR(Translate(status));
    return value.size();
  }
  Result<size_t> MultiGet(std::span<const std::string_view> keys) override {
    size_t found = 0;  // It has no such call.
    for (const std::string_view key : keys) {
      AIDB_ASSIGN_OR_RETURN(const auto value, Get(key));
      if (value) ++found;
    }
    return found;
  }
  std::unique_ptr<PeerCursor> Scan(std::optional<std::string_view> from,
                                   kv::ScanOrder order) override {
    std::unique_ptr<leveldb::Iterator> iterator(db_.NewIterator(leveldb::ReadOptions()));
    if (from) {
      iterator->Seek(ToSlice(*from));
    } else if (order == kv::ScanOrder::kForward) {
      iterator->SeekToFirst();
    } else {
      iterator->SeekToLast();
    }
    return std::make_unique<LevelDbCursor>(std::move(iterator), order);
  }

 private:
  leveldb::DB& db_;
  leveldb::WriteOptions write_;
};

class LevelDbPeer final : public Peer {
 public:
  LevelDbPeer(Borrowed borrowed, std::unique_ptr<leveldb::DB> db, bool synced)
      : borrowed_(std::move(borrowed)), db_(std::move(db)), synced_(synced) {}

  Result<std::unique_ptr<PeerSession>> NewSession() override {
    return std::make_unique<LevelDbSession>(*db_, synced_);
  }
  // Compacts the range that holds no key but all memtables: LevelDB's only way to flush.
  Status Flush() override {
    const leveldb::Slice first("");
    db_->CompactRange(&first, &first);
    return {};
  }
  Status Compact() override {
    db_->CompactRange(nullptr, nullptr);
    return {};
  }
  std::optional<uint64_t> StallMicros() override { return std::nullopt; }
  // Closing is destroying.
  Status Close() override {
    db_.reset();
    return {};
  }

 private:
  const Borrowed borrowed_;
  std::unique_ptr<leveldb::DB> db_;
  const bool synced_;
};

// doc/index.md of LevelDB, sections "Cache" and "Filters": a cache made for the memory there is,
// a Bloom filter of 10 bits. Two memtables (one active, one being flushed) get an eighth of the
// memory each, as AiDb's do. Of the codecs 1.23 knows Snappy alone.
Result<std::unique_ptr<Peer>> Open(const PeerSetup& setup) {
  leveldb::Options options;
  options.create_if_missing = true;
  options.write_buffer_size = setup.memory_bytes / 8;
  options.compression = setup.compression == kv::Compression::kNone ? leveldb::kNoCompression
                                                                    : leveldb::kSnappyCompression;
  Borrowed borrowed;
  borrowed.cache.reset(leveldb::NewLRUCache(setup.memory_bytes - 2 * options.write_buffer_size));
  borrowed.filter.reset(leveldb::NewBloomFilterPolicy(10));
  options.block_cache = borrowed.cache.get();
  options.filter_policy = borrowed.filter.get();
  leveldb::DB* db = nullptr;
  AIDB_RETURN_IF_ERROR(Translate(leveldb::DB::Open(options, setup.directory, &db)));
  return std::make_unique<LevelDbPeer>(std::move(borrowed), std::unique_ptr<leveldb::DB>(db),
                                       setup.synced);
}

}  // namespace

std::span<const PeerKind> LevelDbPeers() {
  static const PeerKind kinds[] = {
      {.name = "leveldb",
       .version = std::to_string(leveldb::kMajorVersion) + "." +
                  std::to_string(leveldb::kMinorVersion) + " (Debian's build)",
       .terms = "its documentation's advice; Snappy whatever codec is asked for",
       .open = Open}};
  return kinds;
}

}  // namespace aidb::bench

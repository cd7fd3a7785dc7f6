// AiDb's own backends, through the contract that every user has: kv::Store.

#include <algorithm>

#include "aidb/io/posix/posix_env.h"
#include "aidb/kv/range_compactor.h"
#include "aidb/kv/store.h"
#include "aidb/lsm/open.h"
#include "aidb/rocks/rocks_store.h"

#include "bench/peers/peer.h"

namespace aidb::bench {
namespace {

class AidbCursor final : public PeerCursor {
 public:
  explicit AidbCursor(kv::Iterator iterator) : iterator_(std::move(iterator)) {}
  bool Valid() override { return iterator_.Valid(); }
  void Next() override { iterator_.Next(); }
  KeyValue Entry() override { return {iterator_.key(), iterator_.value()}; }
  Status status() override { return iterator_.status(); }

 private:
  kv::Iterator iterator_;
};

class AidbSession final : public PeerSession {
 public:
  AidbSession(kv::Store& store, bool synced) : store_(store), write_{.sync = synced} {}

  Status Put(std::string_view key, std::string_view value) override {
    kv::WriteBatch batch;
    batch.Put(key, value);
    return store_.Write(std::move(batch), write_).status();
  }
  Status Delete(std::string_view key) override {
    kv::WriteBatch batch;
    batch.Delete(key);
    return store_.Write(std::move(batch), write_).status();
  }
  Status MergeMax(std::string_view key, std::string_view operand) override {
    kv::WriteBatch batch;
    batch.Merge(key, kv::MergeOperator::kMax, operand);
    return store_.Write(std::move(batch), write_).status();
  }
  Status WriteBatch(std::span<const KeyValue> puts) override {
    kv::WriteBatch batch;
    for (const auto& [key, value] : puts) batch.Put(key, value);
    return store_.Write(std::move(batch), write_).status();
  }
  Result<std::optional<size_t>> Get(std::string_view key) override {
    AIDB_ASSIGN_OR_RETURN(const auto value, store_.Get(key, {}));
    return value ? std::optional(value->size()) : std::nullopt;
  }
  Result<size_t> MultiGet(std::span<const std::string_view> keys) override {
    size_t found = 0;
    for (const auto& value : store_.MultiGet(keys, {})) {
      AIDB_RETURN_IF_ERROR(value.status());
      if (value->has_value()) ++found;
    }
    return found;
  }
  std::unique_ptr<PeerCursor> Scan(std::optional<std::string_view> from,
                                   kv::ScanOrder order) override {
    return std::make_unique<AidbCursor>(store_.Scan({.lower = from, .order = order}));
  }

 private:
  kv::Store& store_;
  const kv::WriteOptions write_;
};

class AidbPeer final : public Peer {
 public:
  AidbPeer(std::unique_ptr<io::PosixEnv> env, std::unique_ptr<kv::Store> store,
           kv::RangeCompactor& compactor, bool synced)
      : env_(std::move(env)), store_(std::move(store)), compactor_(compactor), synced_(synced) {}

  Result<std::unique_ptr<PeerSession>> NewSession() override {
    return std::make_unique<AidbSession>(*store_, synced_);
  }
  Status Flush() override { return store_->Flush(); }
  Status Compact() override { return compactor_.Compact({}); }
  std::optional<uint64_t> StallMicros() override { return store_->Stats().write_delay_us; }
  Status Close() override { return store_->Close(); }

 private:
  const std::unique_ptr<io::PosixEnv> env_;
  const std::unique_ptr<kv::Store> store_;
  kv::RangeCompactor& compactor_;  // The same object.
  const bool synced_;
};

// docs/tour.md: the defaults are meant to be right, so only the equal terms are set. Without
// sync every peer leaves it to the kernel when un-synced writes reach the disk; sync_interval_ms
// 0 does the same here, and is a weaker promise than the default of one second.
kv::Options EqualTerms(const PeerSetup& setup) {
  kv::Options options;
  options.memory_bytes = setup.memory_bytes;
  options.compression = setup.compression;
  options.sync_interval_ms = 0;
  // A small memory allows only smaller batches than the default.
  options.batch_bytes_max = std::min(options.batch_bytes_max, setup.memory_bytes / 4);
  return options;
}

Result<std::unique_ptr<Peer>> OpenNative(const PeerSetup& setup) {
  auto env = std::make_unique<io::PosixEnv>();
  AIDB_ASSIGN_OR_RETURN(lsm::OpenedStore opened,
                        lsm::OpenStore(env->env(), setup.directory, EqualTerms(setup)));
  return std::make_unique<AidbPeer>(std::move(env), std::move(opened.store), *opened.compactor,
                                    setup.synced);
}

Result<std::unique_ptr<Peer>> OpenOverRocksDb(const PeerSetup& setup) {
  auto env = std::make_unique<io::PosixEnv>();
  AIDB_ASSIGN_OR_RETURN(auto store,
                        rocks::RocksStore::Open(env->env(), setup.directory, EqualTerms(setup)));
  kv::RangeCompactor& compactor = *store;
  return std::make_unique<AidbPeer>(std::move(env), std::move(store), compactor, setup.synced);
}

}  // namespace

std::span<const PeerKind> AidbPeers() {
  static const PeerKind kinds[] = {{.name = "aidb",
                                    .version = AIDB_VERSION,
                                    .terms = "native backend, its defaults; sync_interval_ms 0",
                                    .open = OpenNative},
                                   {.name = "aidb_rocks",
                                    .version = AIDB_VERSION,
                                    .terms = "rocksdb backend, its defaults; sync_interval_ms 0",
                                    .open = OpenOverRocksDb}};
  return kinds;
}

}  // namespace aidb::bench

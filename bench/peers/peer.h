#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "aidb/base/result.h"
#include "aidb/kv/iterator.h"
#include "aidb/kv/options.h"

namespace aidb::bench {

// What every peer is given: equal terms. Each class says how its engine spends them.
struct PeerSetup {
  std::string directory;      // Its parent exists; the store is created if missing.
  uint64_t memory_bytes = 0;  // Write buffers and caches together.
  kv::Compression compression = kv::Compression::kLz4;
  bool synced = false;     // Each write returns when it is on the disk.
  int sessions = 1;        // How many will be open at a time.
  size_t value_bytes = 0;  // Of the values to come.
  bool cold = false;       // The data is larger than the memory.
};

using KeyValue = std::pair<std::string_view, std::string_view>;

// A walk from where Scan put it, in its order.
class PeerCursor {
 public:
  virtual ~PeerCursor() = default;
  virtual bool Valid() = 0;
  virtual void Next() = 0;
  // Bytes of key and value; reads at least their length and first byte.
  virtual KeyValue Entry() = 0;
  virtual Status status() = 0;
};

// One thread's way into an engine: what many of them want to be made once per thread (a
// connection, a reader's slot, a prepared statement) lives here. An error ends the measurement: a
// run with errors has no figures.
//
// Thread safety: none. Sessions of one peer may be used at the same time.
class PeerSession {
 public:
  virtual ~PeerSession() = default;
  virtual Status Put(std::string_view key, std::string_view value) = 0;
  virtual Status Delete(std::string_view key) = 0;
  // The value becomes the greater of itself and `operand` in byte order, if the engine has merges;
  // of the others, which cost the same whatever the values are, `operand`.
  virtual Status MergeMax(std::string_view key, std::string_view operand) {
    AIDB_RETURN_IF_ERROR(Get(key).status());
    return Put(key, operand);
  }
  // All or none.
  virtual Status WriteBatch(std::span<const KeyValue> puts) = 0;
  // The length of the value, nullopt when there is none. The bytes are not copied where the
  // engine knows how to avoid it.
  virtual Result<std::optional<size_t>> Get(std::string_view key) = 0;
  // How many of `keys` have a value.
  virtual Result<size_t> MultiGet(std::span<const std::string_view> keys) = 0;
  // From the first key at or behind `from` in `order` (the first or last of all when absent).
  // While the cursor lives the session makes no other.
  virtual std::unique_ptr<PeerCursor> Scan(std::optional<std::string_view> from,
                                           kv::ScanOrder order) = 0;
};

// An engine under measurement.
//
// Thread safety: one thread.
// Lifetime: outlives its sessions; Close comes when they are gone.
class Peer {
 public:
  virtual ~Peer() = default;
  virtual Result<std::unique_ptr<PeerSession>> NewSession() = 0;
  // Moves all in memory to tables.
  virtual Status Flush() = 0;
  // Brings the store to the state its own documentation calls compacted. May return before
  // background work has come to rest.
  virtual Status Compact() = 0;
  // Microseconds that writes were held back since open; nullopt when the engine does not tell.
  virtual std::optional<uint64_t> StallMicros() = 0;
  virtual Status Close() = 0;
};

// One configuration of one engine.
struct PeerKind {
  std::string_view name;   // On the command line, in tables and in results.
  std::string version;     // Of the library, with what makes it special.
  std::string_view terms;  // What differs from the others, in words.
  // Opening takes a second whatever is in it: --smoke runs it only when asked for by name.
  bool slow_to_open = false;
  Result<std::unique_ptr<Peer>> (*open)(const PeerSetup& setup) = nullptr;
};

// Each engine's kinds, in the file of its class. To add an engine: a file with such a function,
// and a line in AllPeers (all_peers.cc). Those that the build found no package of are not there.
std::span<const PeerKind> AidbPeers();
std::span<const PeerKind> RocksDbPeers();
std::span<const PeerKind> LevelDbPeers();
std::span<const PeerKind> LmdbPeers();
std::span<const PeerKind> SqlitePeers();
std::span<const PeerKind> WiredTigerPeers();

std::vector<const PeerKind*> AllPeers();

}  // namespace aidb::bench

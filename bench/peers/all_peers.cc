#include "bench/peers/peer.h"

namespace aidb::bench {

std::vector<const PeerKind*> AllPeers() {
  std::vector<std::span<const PeerKind>> engines = {AidbPeers(), RocksDbPeers(), LevelDbPeers()};
#ifdef AIDB_BENCH_LMDB
  engines.push_back(LmdbPeers());
#endif
#ifdef AIDB_BENCH_SQLITE
  engines.push_back(SqlitePeers());
#endif
#ifdef AIDB_BENCH_WIREDTIGER
  engines.push_back(WiredTigerPeers());
#endif
  std::vector<const PeerKind*> all;
  for (const auto kinds : engines) {
    for (const PeerKind& kind : kinds) all.push_back(&kind);
  }
  return all;
}

}  // namespace aidb::bench

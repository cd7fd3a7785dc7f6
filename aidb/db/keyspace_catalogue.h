#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "aidb/base/call_gate.h"
#include "aidb/base/result.h"
#include "aidb/base/sync.h"
#include "aidb/kv/keyspace.h"
#include "aidb/kv/options.h"
#include "aidb/kv/store.h"
#include "aidb/kv/write_batch.h"

namespace aidb {

// Which keyspaces a store has: their names and numbers, in the store itself.
//
// A keyspace comes and goes by one batch, which is in the one log of the store: so it is there
// before the first key that is written to it, and goes with the last, whatever a crash takes.
// Numbers are given in order and never twice; a batch that fails uses its number up.
//
// A drop closes the keyspace, waits for the writes inside, and deletes its name and its range. So
// no write comes behind it, and each that was acknowledged lies before it.
//
// Memory: a handle's, as long as there is one; nothing for a keyspace that nobody has opened.
//
// Thread safety: any thread may call any method.
// Lifetime: borrows the store.
class KeyspaceCatalogue {
 public:
  // Reads the head of the catalogue. kInvalidArgument for a store with keys from FF on that no DB
  // wrote there; kCorruption for a catalogue that says what none ever says.
  static Result<std::unique_ptr<KeyspaceCatalogue>> Load(kv::Store& store,
                                                         uint64_t batch_bytes_max);

  // See DB.
  Result<kv::Keyspace> Open(std::string_view name, kv::StoreMode mode) AIDB_EXCLUDES(mu_);
  Status Drop(std::string_view name) AIDB_EXCLUDES(mu_);
  Result<std::vector<kv::Keyspace>> All() AIDB_EXCLUDES(mu_);

  // Whether the store may hold keys of keyspaces: a walk over the default keyspace must then end
  // before them. Never false again; true before anybody sees the first of them.
  bool in_use() const { return in_use_.load(std::memory_order_acquire); }
  // Identifies this catalogue to the keyspaces that it gave out.
  const void* identity() const { return identity_.get(); }
  // Inside it no keyspace that Check found live is dropped. Never shut.
  CallGate& gate() { return gate_; }
  // Writes a batch, whatever it names.
  Result<kv::Sequence> Write(kv::WriteBatch batch, const kv::WriteOptions& options)
      AIDB_EXCLUDES(mu_);

 private:
  // What the catalogue says of all of them.
  struct Head {
    uint32_t next_id = 1;
    uint32_t count = 0;
  };

  KeyspaceCatalogue(kv::Store& store, uint64_t batch_bytes_max)
      : store_(store), batch_bytes_max_(batch_bytes_max) {}

  static std::string Encode(const Head& head);
  static Result<Head> DecodeHead(std::string_view value);
  // What is left of a catalogue without its head, as a repair may leave it.
  Result<std::optional<Head>> CountEntries() const;
  // Above that of the last key there is, whether or not its keyspace still has a name: no number is
  // given again.
  Result<uint32_t> NumberBehindKeys() const;
  Result<std::optional<kv::KeyspaceId>> Find(std::string_view name) const;
  Result<kv::Keyspace> Create(std::string_view name) AIDB_REQUIRES(mu_);
  // Takes back a creation that failed, and may have happened.
  Status ForgetDoubtful(std::string_view name) AIDB_REQUIRES(mu_);
  Status DropState(kv::KeyspaceState& state) AIDB_REQUIRES(mu_);
  // The handle of one that is there.
  kv::Keyspace HandleOf(std::string_view name, kv::KeyspaceId id) AIDB_REQUIRES(mu_);
  // ok: every keyspace that `batch` names is there.
  Status CheckNamed(const kv::WriteBatch& batch) const;
  // Writes what changes the catalogue from elsewhere: as a store does that follows another.
  Result<kv::Sequence> WriteChanges(kv::WriteBatch batch, const kv::WriteOptions& options)
      AIDB_EXCLUDES(mu_);
  Status ReadAgain() AIDB_REQUIRES(mu_);

  kv::Store& store_;
  const uint64_t batch_bytes_max_;
  const std::shared_ptr<const int> identity_ = std::make_shared<const int>();
  CallGate gate_;
  std::atomic<bool> in_use_{false};

  // Held while the catalogue is written: one change at a time. Reads and writes of keys never take
  // it.
  Mutex mu_;
  Head head_ AIDB_GUARDED_BY(mu_);
  // Those that somebody has a handle of, and those whose drop failed.
  std::map<std::string, std::weak_ptr<kv::KeyspaceState>, std::less<>> states_ AIDB_GUARDED_BY(mu_);
  std::map<std::string, std::shared_ptr<kv::KeyspaceState>, std::less<>> undecided_
      AIDB_GUARDED_BY(mu_);
  // Whose creation failed, and may be there at the next open or not.
  std::set<std::string, std::less<>> doubtful_ AIDB_GUARDED_BY(mu_);
  size_t states_swept_at_ AIDB_GUARDED_BY(mu_) = 64;
};

}  // namespace aidb

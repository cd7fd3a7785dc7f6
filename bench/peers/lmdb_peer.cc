// LMDB: a memory-mapped copy-on-write B+ tree. No log, no cache of its own, one writer at a time.

#include <lmdb.h>
#include <sys/stat.h>

#include <algorithm>
#include <string>

#include "bench/peers/peer.h"

namespace aidb::bench {
namespace {

constexpr mode_t kDirectoryMode = 0700;
// lmdb.h at mdb_env_set_mapsize: "as large as possible, to accommodate future growth". Address
// space, not memory; the file grows as it is used.
constexpr size_t kMapBytes = size_t{256} << 30;
constexpr mode_t kFileMode = 0600;

Status Translate(int code, std::string_view what) {
  if (code == MDB_SUCCESS) return {};
  return IoError("lmdb: " + std::string(what) + ": " + ::mdb_strerror(code));
}
MDB_val ToVal(std::string_view bytes) {
  return {.mv_size = bytes.size(), .mv_data = const_cast<char*>(bytes.data())};  // Only read.
}
std::string_view ToView(const MDB_val& value) {
  return {static_cast<const char*>(value.mv_data), value.mv_size};
}

struct CloseEnvironment {
  void operator()(MDB_env* environment) const { ::mdb_env_close(environment); }
};
using Environment = std::unique_ptr<MDB_env, CloseEnvironment>;

// A transaction that is undone unless committed.
class Transaction {
 public:
  static Result<Transaction> Begin(MDB_env* environment, unsigned flags) {
    Transaction transaction;
    AIDB_RETURN_IF_ERROR(
        Translate(::mdb_txn_begin(environment, nullptr, flags, &transaction.txn_), "begin"));
    return transaction;
  }
  Transaction(Transaction&& other) noexcept : txn_(std::exchange(other.txn_, nullptr)) {}
  Transaction& operator=(Transaction&&) = delete;
  ~Transaction() {
    if (txn_ != nullptr) ::mdb_txn_abort(txn_);
  }
  MDB_txn* get() const { return txn_; }
  Status Commit() { return Translate(::mdb_txn_commit(std::exchange(txn_, nullptr)), "commit"); }

 private:
  Transaction() = default;
  MDB_txn* txn_ = nullptr;
};

// One of a session's read transactions: renewed for each use and reset behind it, which
// lmdb.h (mdb_txn_reset) calls the way to save the cost of making one.
class Renewed {
 public:
  Renewed(MDB_txn* txn, Status& status) : txn_(txn) {
    status = Translate(::mdb_txn_renew(txn_), "renew");
    if (!status.ok()) txn_ = nullptr;
  }
  ~Renewed() {
    if (txn_ != nullptr) ::mdb_txn_reset(txn_);
  }
  Renewed(const Renewed&) = delete;
  Renewed& operator=(const Renewed&) = delete;

 private:
  MDB_txn* txn_;
};

// Walks with the session's cursor; the end of the walk resets its transaction.
class LmdbCursor final : public PeerCursor {
 public:
  LmdbCursor(MDB_txn* txn, MDB_cursor* cursor, std::optional<std::string_view> from,
             kv::ScanOrder order)
      : renewed_(txn, status_), cursor_(cursor), order_(order) {
    if (!status_.ok()) return;
    status_ = Translate(::mdb_cursor_renew(txn, cursor_), "renew cursor");
    if (!status_.ok()) return;
    if (!from) {
      Move(forward() ? MDB_FIRST : MDB_LAST);
      return;
    }
    key_ = ToVal(*from);
    Move(MDB_SET_RANGE);  // The first key at or behind it.
    if (forward() || !status_.ok()) return;
    if (!valid_) {
      Move(MDB_LAST);
    } else if (ToView(key_) != *from) {
      Move(MDB_PREV);
    }
  }
  bool Valid() override { return valid_; }
  void Next() override { Move(forward() ? MDB_NEXT : MDB_PREV); }
  KeyValue Entry() override { return {ToView(key_), ToView(value_)}; }
  Status status() override { return status_; }

 private:
  bool forward() const { return order_ == kv::ScanOrder::kForward; }
  void Move(MDB_cursor_op operation) {
    const int code = ::mdb_cursor_get(cursor_, &key_, &value_, operation);
    valid_ = code == MDB_SUCCESS;
    if (code != MDB_NOTFOUND) status_ = Translate(code, "move");
  }

  Status status_;
  const Renewed renewed_;
  MDB_cursor* const cursor_;
  const kv::ScanOrder order_;
  bool valid_ = false;
  MDB_val key_{};
  MDB_val value_{};
};

class LmdbSession final : public PeerSession {
 public:
  static Result<std::unique_ptr<PeerSession>> Open(MDB_env* environment, MDB_dbi table) {
    AIDB_ASSIGN_OR_RETURN(Transaction gets, Transaction::Begin(environment, MDB_RDONLY));
    AIDB_ASSIGN_OR_RETURN(Transaction scans, Transaction::Begin(environment, MDB_RDONLY));
    MDB_cursor* cursor = nullptr;
    AIDB_RETURN_IF_ERROR(Translate(::mdb_cursor_open(scans.get(), table, &cursor), "cursor"));
    ::mdb_txn_reset(gets.get());
    ::mdb_txn_reset(scans.get());
    return std::make_unique<LmdbSession>(environment, table, std::move(gets), std::move(scans),
                                         cursor);
  }
  LmdbSession(MDB_env* environment, MDB_dbi table, Transaction gets, Transaction scans,
              MDB_cursor* cursor)
      : environment_(environment),
        table_(table),
        gets_(std::move(gets)),
        scans_(std::move(scans)),
        cursor_(cursor) {}
  ~LmdbSession() override { ::mdb_cursor_close(cursor_); }

  Status Put(std::string_view key, std::string_view value) override {
    const KeyValue put(key, value);
    return WriteBatch({&put, 1});
  }
  Status Delete(std::string_view key) override {
    AIDB_ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(environment_, 0));
    MDB_val name = ToVal(key);
    const int code = ::mdb_del(transaction.get(), table_, &name, nullptr);
    if (code != MDB_NOTFOUND) AIDB_RETURN_IF_ERROR(Translate(code, "delete"));
    return transaction.Commit();
  }
  Status WriteBatch(std::span<const KeyValue> puts) override {
    AIDB_ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(environment_, 0));
    for (const auto& [key, value] : puts) {
      MDB_val name = ToVal(key);
      MDB_val bytes = ToVal(value);
      AIDB_RETURN_IF_ERROR(
          Translate(::mdb_put(transaction.get(), table_, &name, &bytes, 0), "put"));
    }
    return transaction.Commit();
  }
  Result<std::optional<size_t>> Get(std::string_view key) override {
    Status status;
    const Renewed renewed(gets_.get(), status);
    AIDB_RETURN_IF_ERROR(status);
    return Find(key);
  }
  Result<size_t> MultiGet(std::span<const std::string_view> keys) override {
    Status status;  // It has no such call, but one transaction may read them all.
    const Renewed renewed(gets_.get(), status);
    AIDB_RETURN_IF_ERROR(status);
    size_t found = 0;
    for (const std::string_view key : keys) {
      AIDB_ASSIGN_OR_RETURN(const auto value, Find(key));
      if (value) ++found;
    }
    return found;
  }
  std::unique_ptr<PeerCursor> Scan(std::optional<std::string_view> from,
                                   kv::ScanOrder order) override {
    return std::make_unique<LmdbCursor>(scans_.get(), cursor_, from, order);
  }

 private:
  Result<std::optional<size_t>> Find(std::string_view key) {
    MDB_val name = ToVal(key);
    MDB_val value{};
    const int code = ::mdb_get(gets_.get(), table_, &name, &value);
    if (code == MDB_NOTFOUND) return std::nullopt;
    AIDB_RETURN_IF_ERROR(Translate(code, "get"));
    return value.mv_size;
  }

  MDB_env* const environment_;
  const MDB_dbi table_;
  const Transaction gets_;
  const Transaction scans_;
  MDB_cursor* const cursor_;  // Of scans_.
};

class LmdbPeer final : public Peer {
 public:
  LmdbPeer(Environment environment, MDB_dbi table)
      : environment_(std::move(environment)), table_(table) {}

  Result<std::unique_ptr<PeerSession>> NewSession() override {
    return LmdbSession::Open(environment_.get(), table_);
  }
  // Nothing is in memory that is not in the file's pages.
  Status Flush() override { return {}; }
  // Its tree is the compacted state; a compacting copy exists, for backups.
  Status Compact() override { return {}; }
  // Writers wait for the writer's lock only, which it does not time.
  std::optional<uint64_t> StallMicros() override { return std::nullopt; }
  Status Close() override {
    environment_.reset();
    return {};
  }

 private:
  Environment environment_;
  const MDB_dbi table_;
};

// lmdb.h, mdb_env_open. Without sync: MDB_NOSYNC, the only flag with which a commit does not wait
// for the disk; after a power cut the whole database may be gone unless the file system keeps the
// order of writes, a weaker promise than any log gives. Data larger than the memory: MDB_NORDAHEAD.
// MDB_NOTLS: a session is no thread. No MDB_WRITEMAP: faster, but a stray pointer of the
// application damages the database.
Result<std::unique_ptr<Peer>> Open(const PeerSetup& setup) {
  // One that exists is welcome; any other trouble shows below.
  ::mkdir(setup.directory.c_str(), kDirectoryMode);
  MDB_env* raw = nullptr;
  AIDB_RETURN_IF_ERROR(Translate(::mdb_env_create(&raw), "create"));
  Environment environment(raw);
  AIDB_RETURN_IF_ERROR(Translate(::mdb_env_set_mapsize(raw, kMapBytes), "map size"));
  AIDB_RETURN_IF_ERROR(Translate(
      ::mdb_env_set_maxreaders(raw, 2 * static_cast<unsigned>(setup.sessions)), "readers"));
  const unsigned flags =
      MDB_NOTLS | (setup.synced ? 0U : MDB_NOSYNC) | (setup.cold ? MDB_NORDAHEAD : 0U);
  AIDB_RETURN_IF_ERROR(
      Translate(::mdb_env_open(raw, setup.directory.c_str(), flags, kFileMode), "open"));
  AIDB_ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(raw, 0));
  MDB_dbi table = 0;
  AIDB_RETURN_IF_ERROR(Translate(::mdb_dbi_open(transaction.get(), nullptr, 0, &table), "table"));
  AIDB_RETURN_IF_ERROR(transaction.Commit());
  return std::make_unique<LmdbPeer>(std::move(environment), table);
}

}  // namespace

std::span<const PeerKind> LmdbPeers() {
  static const PeerKind kinds[] = {
      {.name = "lmdb",
       .version = std::to_string(MDB_VERSION_MAJOR) + "." + std::to_string(MDB_VERSION_MINOR) +
                  "." + std::to_string(MDB_VERSION_PATCH) + " (Debian's build)",
       .terms = "no codec; its cache is the system's, bounded by nothing but @cold; without sync "
                "a power cut may destroy the whole database",
       .open = Open}};
  return kinds;
}

}  // namespace aidb::bench

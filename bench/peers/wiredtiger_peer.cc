// WiredTiger: MongoDB's engine, here as a B-tree with a log.

#include <sys/stat.h>
#include <wiredtiger.h>

#include <algorithm>
#include <string>
#include <string_view>

#include "bench/peers/peer.h"

namespace aidb::bench {
namespace {

constexpr mode_t kDirectoryMode = 0700;
constexpr const char* kTable = "table:kv";
constexpr uint64_t kLogFileBytesMax = 100'000'000;  // Its default, made at once.
constexpr int kOwnSessions = 100;                   // The default of session_max, for its threads.
constexpr int kRetriesMax = 1000;                   // Of a batch that met another writer's.

Status Translate(int code, std::string_view what) {
  if (code == 0) return {};
  return IoError("wiredtiger: " + std::string(what) + ": " + ::wiredtiger_strerror(code));
}
WT_ITEM ToItem(std::string_view bytes) {
  WT_ITEM item{};
  item.data = bytes.data();
  item.size = bytes.size();
  return item;
}
std::string_view ToView(const WT_ITEM& item) {
  return {static_cast<const char*>(item.data), item.size};
}

// Walks with the session's second cursor; the end of the walk resets it.
class WiredTigerCursor final : public PeerCursor {
 public:
  WiredTigerCursor(WT_CURSOR* cursor, std::optional<std::string_view> from, kv::ScanOrder order)
      : cursor_(cursor), order_(order) {
    if (!from) {
      Next();  // A cursor that was reset goes to the first entry, or to the last.
      return;
    }
    const WT_ITEM key = ToItem(*from);
    cursor_->set_key(cursor_, &key);
    int nearest = 0;
    Take(cursor_->search_near(cursor_, &nearest));
    const bool forward = order_ == kv::ScanOrder::kForward;
    if (valid_ && (forward ? nearest < 0 : nearest > 0)) Next();
  }
  ~WiredTigerCursor() override { cursor_->reset(cursor_); }
  WiredTigerCursor(const WiredTigerCursor&) = delete;
  WiredTigerCursor& operator=(const WiredTigerCursor&) = delete;
  bool Valid() override { return valid_; }
  void Next() override {
    Take(order_ == kv::ScanOrder::kForward ? cursor_->next(cursor_) : cursor_->prev(cursor_));
  }
  KeyValue Entry() override {
    WT_ITEM key{};
    WT_ITEM value{};
    status_ = Translate(cursor_->get_key(cursor_, &key), "key");
    if (status_.ok()) status_ = Translate(cursor_->get_value(cursor_, &value), "value");
    return {ToView(key), ToView(value)};
  }
  Status status() override { return status_; }

 private:
  void Take(int code) {
    valid_ = code == 0;
    if (code != WT_NOTFOUND) status_ = Translate(code, "move");
  }

  WT_CURSOR* const cursor_;
  const kv::ScanOrder order_;
  bool valid_ = false;
  Status status_;
};

class WiredTigerSession final : public PeerSession {
 public:
  static Result<std::unique_ptr<PeerSession>> Open(WT_CONNECTION* connection) {
    WT_SESSION* session = nullptr;
    AIDB_RETURN_IF_ERROR(
        Translate(connection->open_session(connection, nullptr, nullptr, &session), "session"));
    auto made = std::make_unique<WiredTigerSession>(session);
    for (WT_CURSOR** cursor : {&made->points_, &made->scans_}) {
      AIDB_RETURN_IF_ERROR(
          Translate(session->open_cursor(session, kTable, nullptr, nullptr, cursor), "cursor"));
    }
    return made;
  }
  explicit WiredTigerSession(WT_SESSION* session) : session_(session) {}
  ~WiredTigerSession() override { session_->close(session_, nullptr); }  // And its cursors.

  Status Put(std::string_view key, std::string_view value) override {
    return Translate(Insert(key, value), "put");
  }
  Status Delete(std::string_view key) override {
    SetKey(key);
    const int code = points_->remove(points_);
    return code == WT_NOTFOUND ? Status() : Translate(code, "delete");
  }
  Status WriteBatch(std::span<const KeyValue> puts) override {
    for (int i = 0; i < kRetriesMax; ++i) {
      AIDB_RETURN_IF_ERROR(Translate(session_->begin_transaction(session_, nullptr), "begin"));
      int code = 0;
      for (const auto& [key, value] : puts) {
        code = Insert(key, value);
        if (code != 0) break;
      }
      if (code == 0) {
        code = session_->commit_transaction(session_, nullptr);
      } else {
        AIDB_RETURN_IF_ERROR(
            Translate(session_->rollback_transaction(session_, nullptr), "roll back"));
      }
      if (code != WT_ROLLBACK) return Translate(code, "batch");
    }
    return IoError("wiredtiger: batch: " + std::to_string(kRetriesMax) + " conflicts in a row");
  }
  Result<std::optional<size_t>> Get(std::string_view key) override {
    SetKey(key);
    const int code = points_->search(points_);
    if (code == WT_NOTFOUND) return std::nullopt;
    AIDB_RETURN_IF_ERROR(Translate(code, "get"));
    WT_ITEM value{};
    AIDB_RETURN_IF_ERROR(Translate(points_->get_value(points_, &value), "value"));
    const size_t length = ToView(value).size();
    AIDB_RETURN_IF_ERROR(Translate(points_->reset(points_), "reset"));
    return length;
  }
  // It has no such call, but one transaction may read them all.
  Result<size_t> MultiGet(std::span<const std::string_view> keys) override {
    AIDB_RETURN_IF_ERROR(Translate(session_->begin_transaction(session_, nullptr), "begin"));
    size_t found = 0;
    for (const std::string_view key : keys) {
      AIDB_ASSIGN_OR_RETURN(const auto value, Get(key));
      if (value) ++found;
    }
    AIDB_RETURN_IF_ERROR(Translate(session_->commit_transaction(session_, nullptr), "commit"));
    return found;
  }
  std::unique_ptr<PeerCursor> Scan(std::optional<std::string_view> from,
                                   kv::ScanOrder order) override {
    return std::make_unique<WiredTigerCursor>(scans_, from, order);
  }

 private:
  void SetKey(std::string_view key) {
    const WT_ITEM item = ToItem(key);
    points_->set_key(points_, &item);
  }
  int Insert(std::string_view key, std::string_view value) {
    const WT_ITEM item = ToItem(value);
    SetKey(key);
    points_->set_value(points_, &item);
    return points_->insert(points_);  // Over what is there: a cursor's default.
  }

  WT_SESSION* const session_;
  WT_CURSOR* points_ = nullptr;
  WT_CURSOR* scans_ = nullptr;
};

class WiredTigerPeer final : public Peer {
 public:
  explicit WiredTigerPeer(WT_CONNECTION* connection) : connection_(connection) {}
  ~WiredTigerPeer() override {
    if (connection_ != nullptr) connection_->close(connection_, nullptr);
  }
  WiredTigerPeer(const WiredTigerPeer&) = delete;
  WiredTigerPeer& operator=(const WiredTigerPeer&) = delete;

  Result<std::unique_ptr<PeerSession>> NewSession() override {
    return WiredTigerSession::Open(connection_);
  }
  // A checkpoint writes every page that was changed.
  Status Flush() override {
    return InSession([](WT_SESSION* session) { return session->checkpoint(session, nullptr); },
                     "checkpoint");
  }
  // WT_SESSION::compact moves pages to the front of the file; checkpoint first, as its page says.
  Status Compact() override {
    AIDB_RETURN_IF_ERROR(Flush());
    return InSession(
        [](WT_SESSION* session) { return session->compact(session, kTable, "timeout=0"); },
        "compact");
  }
  // Known only to statistics that cost, and are off by default.
  std::optional<uint64_t> StallMicros() override { return std::nullopt; }
  Status Close() override {
    WT_CONNECTION* const connection = std::exchange(connection_, nullptr);
    return Translate(connection->close(connection, nullptr), "close");
  }

 private:
  template <typename Call>
  Status InSession(Call call, std::string_view what) {
    WT_SESSION* session = nullptr;
    AIDB_RETURN_IF_ERROR(
        Translate(connection_->open_session(connection_, nullptr, nullptr, &session), "session"));
    const Status status = Translate(call(session), what);
    AIDB_RETURN_IF_ERROR(Translate(session->close(session, nullptr), "close session"));
    return status;
  }

  WT_CONNECTION* connection_;
};

// source.wiredtiger.com/3.2.1, "Commit-level durability": the log on; without sync
// transaction_sync method "none", which hands each commit to the system and so survives the
// process; with sync "fsync". "Checkpoint durability" and MongoDB's own use: a checkpoint each
// minute or 2 GB of log. "Compressing": Debian's build has Snappy and zlib as extensions; Snappy
// stands for whatever codec is asked for. Log files are no larger than the memory: a small run
// would measure how they are made. session_max: ours and its own threads'.
Result<std::unique_ptr<Peer>> Open(const PeerSetup& setup) {
  // One that exists is welcome; any other trouble shows below.
  ::mkdir(setup.directory.c_str(), kDirectoryMode);
  const bool compressed = setup.compression != kv::Compression::kNone;
  const uint64_t log_file_bytes = std::min(kLogFileBytesMax, setup.memory_bytes);
  const std::string config =
      "create,cache_size=" + std::to_string(setup.memory_bytes) +
      ",log=(enabled=true,file_max=" + std::to_string(log_file_bytes) +
      "),transaction_sync=(enabled=true,method=" + (setup.synced ? "fsync" : "none") +
      "),checkpoint=(wait=60,log_size=2GB),session_max=" +
      std::to_string(setup.sessions + kOwnSessions) +
      (compressed ? ",extensions=[" AIDB_BENCH_WIREDTIGER_SNAPPY "]" : "");
  WT_CONNECTION* connection = nullptr;
  AIDB_RETURN_IF_ERROR(Translate(
      ::wiredtiger_open(setup.directory.c_str(), nullptr, config.c_str(), &connection), "open"));
  auto peer = std::make_unique<WiredTigerPeer>(connection);
  WT_SESSION* session = nullptr;
  AIDB_RETURN_IF_ERROR(
      Translate(connection->open_session(connection, nullptr, nullptr, &session), "session"));
  const std::string table = std::string("type=file,key_format=u,value_format=u") +
                            (compressed ? ",block_compressor=snappy" : "");
  AIDB_RETURN_IF_ERROR(Translate(session->create(session, kTable, table.c_str()), "create table"));
  AIDB_RETURN_IF_ERROR(Translate(session->close(session, nullptr), "close session"));
  return peer;
}

std::string Version() {
  int major = 0;
  int minor = 0;
  int patch = 0;
  ::wiredtiger_version(&major, &minor, &patch);
  return std::to_string(major) + "." + std::to_string(minor) + "." + std::to_string(patch) +
         " (Debian's build, of 2019)";
}

}  // namespace

std::span<const PeerKind> WiredTigerPeers() {
  static const PeerKind kinds[] = {
      {.name = "wiredtiger",
       .version = Version(),
       .terms = "B-tree; Snappy whatever codec is asked for; page checksums and log as by default",
       .slow_to_open = true,  // It calibrates the processor's clock first, 0.7 s of CPU.
       .open = Open}};
  return kinds;
}

}  // namespace aidb::bench

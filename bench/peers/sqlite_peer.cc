// SQLite: the key-value store that most programs already have. One table, one writer at a time.

#include <sqlite3.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <string>

#include "bench/peers/peer.h"

namespace aidb::bench {
namespace {

constexpr mode_t kDirectoryMode = 0700;
constexpr int kBusyTimeoutMs = 60'000;  // sqlite.org/c3ref/busy_timeout.html: writers wait in turn.
constexpr uint64_t kPageBytes = 4096;   // Its default.

struct CloseDatabase {
  void operator()(sqlite3* database) const { ::sqlite3_close_v2(database); }
};
using Database = std::unique_ptr<sqlite3, CloseDatabase>;
struct Finalize {
  void operator()(sqlite3_stmt* statement) const { ::sqlite3_finalize(statement); }
};
using Statement = std::unique_ptr<sqlite3_stmt, Finalize>;

Status Translate(int code, sqlite3* database) {
  if (code == SQLITE_OK || code == SQLITE_DONE || code == SQLITE_ROW) return {};
  return IoError(std::string("sqlite: ") + ::sqlite3_errmsg(database));
}
Status Execute(sqlite3* database, const std::string& text) {
  return Translate(::sqlite3_exec(database, text.c_str(), nullptr, nullptr, nullptr), database);
}
Result<Statement> Prepare(sqlite3* database, std::string_view text) {
  sqlite3_stmt* statement = nullptr;
  AIDB_RETURN_IF_ERROR(
      Translate(::sqlite3_prepare_v3(database, text.data(), static_cast<int>(text.size()),
                                     SQLITE_PREPARE_PERSISTENT, &statement, nullptr),
                database));
  return Statement(statement);
}
// The bytes must live until the statement is reset.
void Bind(sqlite3_stmt* statement, int place, std::string_view bytes) {
  ::sqlite3_bind_blob(statement, place, bytes.data(), static_cast<int>(bytes.size()),
                      SQLITE_STATIC);
}
std::string_view Column(sqlite3_stmt* statement, int place) {
  const void* const bytes = ::sqlite3_column_blob(statement, place);
  return {static_cast<const char*>(bytes),
          static_cast<size_t>(::sqlite3_column_bytes(statement, place))};
}

// Steps through a session's prepared statement; the end of the walk resets it.
class SqliteCursor final : public PeerCursor {
 public:
  SqliteCursor(sqlite3_stmt* statement, std::optional<std::string_view> from)
      : statement_(statement), from_(from.value_or("")) {
    if (from) Bind(statement_, 1, from_);
    Next();
  }
  ~SqliteCursor() override { ::sqlite3_reset(statement_); }
  SqliteCursor(const SqliteCursor&) = delete;
  SqliteCursor& operator=(const SqliteCursor&) = delete;
  bool Valid() override { return valid_; }
  void Next() override {
    const int code = ::sqlite3_step(statement_);
    valid_ = code == SQLITE_ROW;
    status_ = Translate(code, ::sqlite3_db_handle(statement_));
  }
  KeyValue Entry() override { return {Column(statement_, 0), Column(statement_, 1)}; }
  Status status() override { return status_; }

 private:
  sqlite3_stmt* const statement_;
  const std::string from_;
  bool valid_ = false;
  Status status_;
};

class SqliteSession final : public PeerSession {
 public:
  static Result<std::unique_ptr<PeerSession>> Open(Database database) {
    constexpr std::string_view kTexts[] = {
        "INSERT INTO kv VALUES(?1, ?2) ON CONFLICT(k) DO UPDATE SET v = excluded.v",
        "DELETE FROM kv WHERE k = ?1",
        "SELECT v FROM kv WHERE k = ?1",
        "SELECT k, v FROM kv ORDER BY k",
        "SELECT k, v FROM kv ORDER BY k DESC",
        "SELECT k, v FROM kv WHERE k >= ?1 ORDER BY k",
        "SELECT k, v FROM kv WHERE k <= ?1 ORDER BY k DESC",
        "BEGIN",
        "BEGIN IMMEDIATE",
        "COMMIT",
        "ROLLBACK",
    };
    Statements statements;
    static_assert(std::size(kTexts) == std::tuple_size_v<Statements>);
    for (size_t i = 0; i < statements.size(); ++i) {
      AIDB_ASSIGN_OR_RETURN(statements[i], Prepare(database.get(), kTexts[i]));
    }
    return std::make_unique<SqliteSession>(std::move(database), std::move(statements));
  }
  // In the order of the texts above.
  enum Verb : unsigned char {
    kPut,
    kDelete,
    kGet,
    kAll,
    kAllReverse,
    kFrom,
    kFromReverse,
    kBegin,
    kBeginWrite,
    kCommit,
    kRollback,
    kVerbs,
  };
  using Statements = std::array<Statement, kVerbs>;
  SqliteSession(Database database, Statements statements)
      : database_(std::move(database)), statements_(std::move(statements)) {}

  Status Put(std::string_view key, std::string_view value) override {
    Bind(statement(kPut), 1, key);
    Bind(statement(kPut), 2, value);
    return Run(kPut);
  }
  Status Delete(std::string_view key) override {
    Bind(statement(kDelete), 1, key);
    return Run(kDelete);
  }
  Status WriteBatch(std::span<const KeyValue> puts) override {
    AIDB_RETURN_IF_ERROR(Run(kBeginWrite));
    for (const auto& [key, value] : puts) {
      Status status = Put(key, value);
      if (status.ok()) continue;
      AIDB_RETURN_IF_ERROR(Run(kRollback));
      return status;
    }
    return Run(kCommit);
  }
  Result<std::optional<size_t>> Get(std::string_view key) override {
    sqlite3_stmt* const get = statement(kGet);
    Bind(get, 1, key);
    const int code = ::sqlite3_step(get);
    std::optional<size_t> length;
    if (code == SQLITE_ROW) length = Column(get, 0).size();
    ::sqlite3_reset(get);
    AIDB_RETURN_IF_ERROR(Translate(code, database_.get()));
    return length;
  }
  // It has no such call, but one transaction may read them all.
  Result<size_t> MultiGet(std::span<const std::string_view> keys) override {
    AIDB_RETURN_IF_ERROR(Run(kBegin));
    size_t found = 0;
    for (const std::string_view key : keys) {
      AIDB_ASSIGN_OR_RETURN(const auto value, Get(key));
      if (value) ++found;
    }
    AIDB_RETURN_IF_ERROR(Run(kCommit));
    return found;
  }
  std::unique_ptr<PeerCursor> Scan(std::optional<std::string_view> from,
                                   kv::ScanOrder order) override {
    const bool forward = order == kv::ScanOrder::kForward;
    const Verb verb = from ? (forward ? kFrom : kFromReverse) : (forward ? kAll : kAllReverse);
    return std::make_unique<SqliteCursor>(statement(verb), from);
  }

 private:
  sqlite3_stmt* statement(Verb verb) { return statements_[verb].get(); }
  Status Run(Verb verb) {
    const int code = ::sqlite3_step(statement(verb));
    const Status status = Translate(code, database_.get());
    ::sqlite3_reset(statement(verb));
    return status;
  }

  const Database database_;  // First in, last out: the statements are its.
  const Statements statements_;
};

std::string PathOf(const PeerSetup& setup) { return setup.directory + "/kv.sqlite"; }

// sqlite.org/wal.html: "significantly faster in most scenarios". sqlite.org/pragma.html at
// synchronous: NORMAL is "a good choice for most applications running in WAL mode" and waits for
// the disk at checkpoints only; FULL at each commit. The page cache is each connection's own, so
// they share the memory out. SQLITE_OPEN_NOMUTEX: sqlite.org/threadsafe.html, one thread per
// connection.
Result<Database> Connect(const PeerSetup& setup) {
  sqlite3* raw = nullptr;
  const int code =
      ::sqlite3_open_v2(PathOf(setup).c_str(), &raw,
                        SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, nullptr);
  Database database(raw);
  AIDB_RETURN_IF_ERROR(Translate(code, raw));
  ::sqlite3_busy_timeout(raw, kBusyTimeoutMs);
  const uint64_t pages = setup.memory_bytes / static_cast<uint64_t>(setup.sessions) / kPageBytes;
  AIDB_RETURN_IF_ERROR(
      Execute(raw, "PRAGMA journal_mode = WAL; PRAGMA synchronous = " +
                       std::string(setup.synced ? "FULL" : "NORMAL") +
                       "; PRAGMA cache_size = " + std::to_string(std::max<uint64_t>(pages, 1))));
  return database;
}

class SqlitePeer final : public Peer {
 public:
  SqlitePeer(PeerSetup setup, Database database)
      : setup_(std::move(setup)), database_(std::move(database)) {}

  Result<std::unique_ptr<PeerSession>> NewSession() override {
    AIDB_ASSIGN_OR_RETURN(Database database, Connect(setup_));
    return SqliteSession::Open(std::move(database));
  }
  // Moves the log into the database file.
  Status Flush() override { return Execute(database_.get(), "PRAGMA wal_checkpoint(TRUNCATE)"); }
  // sqlite.org/lang_vacuum.html: rebuilds the file, each page as full as it gets.
  Status Compact() override {
    AIDB_RETURN_IF_ERROR(Execute(database_.get(), "VACUUM"));
    return Flush();
  }
  // Writers wait for the lock only, which it does not time.
  std::optional<uint64_t> StallMicros() override { return std::nullopt; }
  Status Close() override {
    database_.reset();
    return {};
  }

 private:
  const PeerSetup setup_;
  Database database_;  // Its cache stays empty; sessions have connections of their own.
};

// sqlite.org/withoutrowid.html: the key is the table's own order and not stored twice; advised
// while rows are smaller than a twentieth of a page or so.
Result<std::unique_ptr<Peer>> Open(const PeerSetup& setup) {
  // One that exists is welcome; any other trouble shows below.
  ::mkdir(setup.directory.c_str(), kDirectoryMode);
  // sqlite.org/compile.html, recommended: no count of its own memory. Refused once it runs.
  ::sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
  AIDB_ASSIGN_OR_RETURN(Database database, Connect(setup));
  const bool small = setup.value_bytes <= kPageBytes / 20;
  AIDB_RETURN_IF_ERROR(
      Execute(database.get(), "CREATE TABLE IF NOT EXISTS kv(k BLOB PRIMARY KEY, v BLOB)" +
                                  std::string(small ? " WITHOUT ROWID" : "")));
  return std::make_unique<SqlitePeer>(setup, std::move(database));
}

}  // namespace

std::span<const PeerKind> SqlitePeers() {
  static const PeerKind kinds[] = {
      {.name = "sqlite",
       .version = std::string(::sqlite3_libversion()) + " (Debian's build)",
       .terms = "WAL mode; no codec; without sync its checkpoints still wait for the disk",
       .open = Open}};
  return kinds;
}

}  // namespace aidb::bench

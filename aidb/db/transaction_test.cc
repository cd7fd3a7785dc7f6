// Transactions: the anomaly table as scripts on every backend, limits, and random interleavings
// against a model.

#include "aidb/db/transaction.h"

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "aidb/base/random.h"
#include "aidb/db/all_backends_for_test.h"
#include "aidb/db/db.h"
#include "aidb/testing/datadriven.h"
#include "aidb/testing/seed.h"
#include "aidb/testing/status_matchers.h"

namespace aidb {
namespace {

using Pairs = std::vector<std::pair<std::string, std::string>>;

class Transactions : public BackendTest {};
AIDB_INSTANTIATE_FOR_ALL_BACKENDS(Transactions);

std::string Show(const Result<std::optional<std::string>>& value) {
  if (!value.ok()) return value.status().ToString();
  return *value ? **value : "absent";
}

std::string Show(Iterator iterator) {
  std::string shown;
  for (; iterator.Valid(); iterator.Next()) {
    if (!shown.empty()) shown += ' ';
    shown += std::string(iterator.key()) + "=" + std::string(iterator.value());
  }
  if (!iterator.status().ok()) return iterator.status().ToString();
  return shown.empty() ? "(nothing)" : shown;
}

// Plays a script of calls on named transactions and, as "db", outside of them.
class Player {
 public:
  explicit Player(std::unique_ptr<DB> db) : db_(std::move(db)) {}

  std::string operator()(const testing::Step& step) {
    if (step.command == "begin") {
      for (const auto& [name, ignored] : step.arguments) {
        transactions_.insert_or_assign(name, db_->Begin());
      }
      return "ok";
    }
    return step.Has("db") ? OutsideOfAny(step) : InTransaction(step);
  }

 private:
  // The one argument that is no option: a key, or "key=value".
  static std::pair<std::string, std::string> Operand(const testing::Step& step) {
    static const std::set<std::string> kOptions = {"db",     "t1",   "t2", "t3",
                                                   "prefix", "from", "to", "order"};
    for (const auto& [key, value] : step.arguments) {
      if (!kOptions.contains(key)) return {key, value};
    }
    return {};
  }

  static ScanOptions RangeOf(const testing::Step& step, std::map<std::string, std::string>& keep) {
    ScanOptions options;
    for (const char* name : {"from", "to", "prefix"}) keep[name] = step.Argument(name);
    if (step.Has("from")) options.lower = keep["from"];
    if (step.Has("to")) options.upper = keep["to"];
    options.prefix = keep["prefix"];
    if (step.Argument("order") == "reverse") options.order = ScanOrder::kReverse;
    return options;
  }

  std::string OutsideOfAny(const testing::Step& step) {
    const auto [key, value] = Operand(step);
    std::map<std::string, std::string> keep;
    if (step.command == "put") return db_->Put(key, value).ToString();
    if (step.command == "delete") return db_->Delete(key).ToString();
    if (step.command == "get") return Show(db_->Get(key));
    if (step.command == "scan") return Show(db_->Scan(RangeOf(step, keep)));
    return "no such step";
  }

  std::string InTransaction(const testing::Step& step) {
    const auto found = std::ranges::find_if(
        transactions_, [&](const auto& named) { return step.Has(named.first); });
    if (found == transactions_.end()) return "no such transaction";
    Transaction& transaction = found->second;
    const auto [key, value] = Operand(step);
    std::map<std::string, std::string> keep;
    if (step.command == "put") return transaction.Put(key, value).ToString();
    if (step.command == "delete") return transaction.Delete(key).ToString();
    if (step.command == "get") return Show(transaction.Get(key));
    if (step.command == "get-for-update") return Show(transaction.GetForUpdate(key));
    if (step.command == "scan") return Show(transaction.Scan(RangeOf(step, keep)));
    if (step.command == "scan-for-update") {
      return Show(transaction.ScanForUpdate(RangeOf(step, keep)));
    }
    if (step.command == "commit") return ShowCommit(transaction);
    if (step.command == "rollback") {
      transaction.Rollback();
      return "ok";
    }
    return "no such step";
  }

  // Backends word their conflicts differently; each names the key.
  static std::string ShowCommit(Transaction& transaction) {
    const Status status = transaction.Commit().status();
    if (status.code() != StatusCode::kConflict) return status.ToString();
    for (const std::string key : {"job:3", "x", "y", "z"}) {
      for (const char quote : {'\'', '"'}) {
        std::string quoted(1, quote);
        quoted.append(key).append(1, quote);
        if (status.message().find(quoted) != std::string_view::npos) {
          return "conflict on " + key;
        }
      }
    }
    return status.ToString();
  }

  const std::unique_ptr<DB> db_;
  std::map<std::string, Transaction> transactions_;
};

void Play(const std::string& script, Result<std::unique_ptr<DB>> db) {
  ASSERT_OK(db);
  testing::RunScript(std::string(AIDB_TESTDATA) + "/" + script,
                     [player = std::make_shared<Player>(*std::move(db))](
                         const testing::Step& step) { return (*player)(step); });
}

TEST_P(Transactions, PreventTheAnomaliesThatTheTableNames) { Play("anomalies", Open()); }

TEST_P(Transactions, SeeTheirOwnWrites) { Play("own_writes", Open()); }

TEST_P(Transactions, AnIteratorSeesTheWritesMadeBeforeItAndMayOutliveTheTransaction) {
  ASSERT_OK_AND_ASSIGN(const auto db, Open());
  ASSERT_OK(db->Put("b", "stored"));
  std::optional<Transaction> transaction = db->Begin();
  ASSERT_OK(transaction->Put("a", "before"));
  Iterator iterator = transaction->Scan();
  ASSERT_OK(transaction->Put("a", "after"));
  ASSERT_OK(transaction->Put("c", "after"));
  EXPECT_EQ(iterator.value(), "before");
  ASSERT_OK(transaction->Commit());
  transaction.reset();
  iterator.SeekToStart();
  EXPECT_EQ(Show(std::move(iterator)), "a=before b=stored");
}

TEST_P(Transactions, MergeOntoTheirOwnWritesAndTheStateAtBegin) {
  ASSERT_OK_AND_ASSIGN(const auto db, Open());
  const uint64_t later = db->Snapshot().now_ms() + 1'000'000'000;
  ASSERT_OK(db->Put("n", "40"));
  ASSERT_OK(db->PutUntil("expires", "1", later));
  Transaction transaction = db->Begin();
  ASSERT_OK(transaction.Merge("n", MergeOperator::kAddI64, "1"));
  ASSERT_OK(transaction.Merge("n", MergeOperator::kAddI64, "1"));
  ASSERT_OK(transaction.Merge("absent", MergeOperator::kAppend, "a"));
  ASSERT_OK(transaction.Merge("expires", MergeOperator::kAddI64, "1"));
  ASSERT_OK(transaction.Put("own", "x"));
  ASSERT_OK(transaction.Merge("own", MergeOperator::kAppend, "y"));
  ASSERT_OK(transaction.Delete("deleted"));
  ASSERT_OK(transaction.Merge("deleted", MergeOperator::kMax, "z"));
  EXPECT_EQ(*transaction.Get("n"), "42");
  EXPECT_EQ(Show(transaction.Scan()), "absent=a deleted=z expires=2 n=42 own=xy");
  EXPECT_FAILS(transaction.Merge("n", MergeOperator{200}, "1"), StatusCode::kInvalidArgument,
               "merge operator 200");
  ASSERT_OK(transaction.Commit());
  EXPECT_EQ(Show(db->Scan()), "absent=a deleted=z expires=2 n=42 own=xy");
  EXPECT_EQ((*db->GetPinned("expires"))->expires_at_ms(), later);
}

TEST_P(Transactions, ConflictWithAMergeOfAnother) {
  ASSERT_OK_AND_ASSIGN(const auto db, Open());
  Transaction transaction = db->Begin();
  ASSERT_OK(transaction.Merge("n", MergeOperator::kAddI64, "1"));
  ASSERT_OK(db->Merge("n", MergeOperator::kAddI64, "5"));
  EXPECT_EQ(transaction.Commit().status().code(), StatusCode::kConflict);
  EXPECT_EQ(*db->Get("n"), "5");
  EXPECT_FAILS(db->Merge("n", MergeOperator{5}, "1"), StatusCode::kInvalidArgument,
               "merge operator 5");
}

TEST_P(Transactions, KeepTheExpiryOfWhatTheyPut) {
  ASSERT_OK_AND_ASSIGN(const auto db, Open());
  const uint64_t later = db->Snapshot().now_ms() + 1'000'000'000;
  ASSERT_OK(db->PutUntil("stored", "v", later));
  ASSERT_OK(db->Put("gone", "old"));
  Transaction transaction = db->Begin();
  EXPECT_EQ(*transaction.Get("stored"), "v");
  ASSERT_OK(transaction.PutUntil("own", "w", later + 1));
  ASSERT_OK(transaction.PutUntil("gone", "new", 1));
  ASSERT_OK(transaction.PutUntil("cleared", "x", later));
  ASSERT_OK(transaction.Put("cleared", "y"));
  EXPECT_EQ(*transaction.Get("gone"), std::nullopt);
  EXPECT_EQ(Show(transaction.Scan()), "cleared=y own=w stored=v");
  ASSERT_OK(transaction.Commit());
  EXPECT_EQ(Show(db->Scan()), "cleared=y own=w stored=v");
  EXPECT_EQ((*db->GetPinned("own"))->expires_at_ms(), later + 1);
  EXPECT_EQ((*db->GetPinned("cleared"))->expires_at_ms(), std::nullopt);
  EXPECT_EQ((*db->GetPinned("stored"))->expires_at_ms(), later);
}

TEST_P(Transactions, DoNotScanThroughAnotherSnapshot) {
  ASSERT_OK_AND_ASSIGN(const auto db, Open());
  const auto snapshot = db->Snapshot();
  Transaction transaction = db->Begin();
  EXPECT_FAILS(transaction.Scan({.snapshot = &snapshot}).status(), StatusCode::kInvalidArgument,
               "at its own snapshot");
}

TEST_P(Transactions, GiveUnavailableWhenTheDbIsClosed) {
  ASSERT_OK_AND_ASSIGN(const auto db, Open());
  Transaction transaction = db->Begin();
  ASSERT_OK(transaction.Put("a", "1"));
  ASSERT_OK(db->Close());
  EXPECT_FAILS(transaction.Get("b"), StatusCode::kUnavailable, "");
  EXPECT_FAILS(transaction.Scan().status(), StatusCode::kUnavailable, "");
  EXPECT_FAILS(transaction.Commit(), StatusCode::kUnavailable, "");
}

TEST_P(Transactions, RefuseWhatIsBeyondTheirLimitAndGoOn) {
  Options small = options();
  small.batch_bytes_max = 2000;
  ASSERT_OK_AND_ASSIGN(const auto db, DB::Open(path(), small));
  constexpr size_t kRoom = 2000 - Transaction::kOperationOverheadBytes - 1;
  Transaction transaction = db->Begin();
  EXPECT_FAILS(transaction.Put("a", std::string(kRoom + 1, 'v')), StatusCode::kInvalidArgument,
               "would hold 2001 bytes; batch_bytes_max allows 2000");
  EXPECT_OK(transaction.Put("a", std::string(kRoom, 'v')));
  EXPECT_FAILS(transaction.Put("b", ""), StatusCode::kInvalidArgument, "2000");
  EXPECT_FAILS(transaction.GetForUpdate("b"), StatusCode::kInvalidArgument, "2000");
  EXPECT_FAILS(transaction.ScanForUpdate().status(), StatusCode::kInvalidArgument, "2000");
  EXPECT_OK(transaction.Put("a", std::string(kRoom, 'w')));  // In place of the first.
  EXPECT_OK(transaction.Delete("a"));
  EXPECT_OK(transaction.Put("a", "short"));
  EXPECT_OK(transaction.GetForUpdate("b"));
  EXPECT_FAILS(transaction.Put(std::string(kv::kKeyBytesMax + 1, 'k'), ""),
               StatusCode::kInvalidArgument, std::to_string(kv::kKeyBytesMax));
  EXPECT_OK(transaction.Commit());
  EXPECT_EQ(*db->Get("a"), "short");
}

TEST_P(Transactions, ACommitOfTheLargestSizeIsWritten) {
  Options small = options();
  small.batch_bytes_max = 2000;
  ASSERT_OK_AND_ASSIGN(const auto db, DB::Open(path(), small));
  Transaction transaction = db->Begin();
  int keys = 0;
  while (transaction.Put("key" + std::to_string(keys), "v").ok()) ++keys;
  ASSERT_GT(keys, 50);
  ASSERT_OK(transaction.Commit({.sync = true}));
  EXPECT_EQ(*db->Get("key" + std::to_string(keys - 1)), "v");
}

// What the transactions of one run should see and get, kept as plain history.
class Model {
 public:
  struct Open {
    uint64_t began = 0;
    std::map<std::string, std::optional<std::string>> writes;
    std::set<std::string> keys;
    std::vector<kv::ScanRange> ranges;
  };

  void Write(const std::map<std::string, std::optional<std::string>>& writes) {
    ++now_;
    for (const auto& [key, value] : writes) history_[key].push_back({now_, value});
  }
  Open Begin() const { return {.began = now_, .writes = {}, .keys = {}, .ranges = {}}; }

  std::map<std::string, std::string> Visible(const Open& open) const {
    std::map<std::string, std::string> visible;
    for (const auto& [key, versions] : history_) {
      if (auto value = At(versions, open.began)) visible[key] = *value;
    }
    for (const auto& [key, value] : open.writes) {
      value ? void(visible[key] = *value) : void(visible.erase(key));
    }
    return visible;
  }

  enum class Verdict { kCommits, kConflicts, kEither };
  // kEither: all that changed is a key absent at either end, which a store may have forgotten.
  Verdict Judge(const Open& open) const {
    Verdict verdict = Verdict::kCommits;
    for (const auto& [key, versions] : history_) {
      const bool guarded =
          open.writes.contains(key) || open.keys.contains(key) ||
          std::ranges::any_of(open.ranges, [&](const auto& range) { return range.Contains(key); });
      if (!guarded || versions.back().first <= open.began) continue;
      if (At(versions, open.began) || versions.back().second) return Verdict::kConflicts;
      verdict = Verdict::kEither;
    }
    return verdict;
  }

 private:
  using Versions = std::vector<std::pair<uint64_t, std::optional<std::string>>>;

  static std::optional<std::string> At(const Versions& versions, uint64_t when) {
    std::optional<std::string> value;
    for (const auto& [written, written_value] : versions) {
      if (written <= when) value = written_value;
    }
    return value;
  }

  uint64_t now_ = 0;
  std::map<std::string, Versions> history_;
};

// Four transactions and plain writes take turns over nine keys; each answer is compared.
class RandomRun {
 public:
  RandomRun(DB& db, uint64_t seed) : db_(db), rng_(seed) {}

  void Run(int steps) {
    for (int step = 0; step < steps && !::testing::Test::HasFailure(); ++step) {
      SCOPED_TRACE("step " + std::to_string(step));
      Session& session = sessions_[rng_.Below(4)];
      if (rng_.OneIn(8)) {
        WriteOutside();
      } else if (rng_.OneIn(40)) {
        EXPECT_OK(db_.Flush());
      } else if (!session.transaction) {
        session = {.transaction = db_.Begin(), .open = model_.Begin()};
      } else {
        Step(session);
      }
    }
    EXPECT_GT(commits_, steps / 50);
    EXPECT_GT(conflicts_, steps / 200);
  }

 private:
  struct Session {
    std::optional<Transaction> transaction;
    Model::Open open;
  };

  std::string Key() { return std::string(1, static_cast<char>('a' + rng_.Below(9))); }
  std::string Value() { return std::to_string(rng_.Below(1000)); }

  void WriteOutside() {
    const std::string key = Key();
    std::optional<std::string> value;
    if (!rng_.OneIn(3)) value = Value();
    EXPECT_OK(value ? db_.Put(key, *value) : db_.Delete(key));
    model_.Write({{key, value}});
  }

  void Step(Session& session) {
    Transaction& transaction = *session.transaction;
    const std::string key = Key();
    switch (rng_.Below(8)) {
      case 0:
      case 1: {
        const std::string value = Value();
        EXPECT_OK(transaction.Put(key, value));
        session.open.writes[key] = value;
        return;
      }
      case 2:
        EXPECT_OK(transaction.Delete(key));
        session.open.writes[key] = std::nullopt;
        return;
      case 3:
        return CompareGet(transaction.Get(key), session.open, key);
      case 4:
        session.open.keys.insert(key);
        return CompareGet(transaction.GetForUpdate(key), session.open, key);
      case 5:
        return CompareScan(session, rng_.OneIn(3));
      case 6:
        return CompareWalk(session);
      default:
        return Finish(session);
    }
  }

  void CompareGet(const Result<std::optional<std::string>>& got, const Model::Open& open,
                  const std::string& key) {
    ASSERT_OK(got);
    const auto visible = model_.Visible(open);
    const auto expected = visible.find(key);
    EXPECT_EQ(*got, expected == visible.end() ? std::nullopt : std::optional(expected->second));
  }

  void CompareScan(Session& session, bool for_update) {
    const std::string lower = Key(), upper = Key();
    ScanOptions options{.lower = lower, .upper = upper};
    if (rng_.OneIn(2)) options.order = ScanOrder::kReverse;
    if (for_update) session.open.ranges.push_back(kv::RangeOf(options));
    Iterator iterator = for_update ? session.transaction->ScanForUpdate(options)
                                   : session.transaction->Scan(options);
    Pairs got, expected;
    for (; iterator.Valid(); iterator.Next()) got.emplace_back(iterator.key(), iterator.value());
    EXPECT_OK(iterator.status());
    for (const auto& pair : model_.Visible(session.open)) {
      if (pair.first >= lower && pair.first < upper) expected.push_back(pair);
    }
    if (options.order == ScanOrder::kReverse) std::ranges::reverse(expected);
    EXPECT_EQ(got, expected);
  }

  // Seeks and turns round at random, beside a walk over the model's map.
  void CompareWalk(Session& session) {
    const auto visible = model_.Visible(session.open);
    Iterator iterator = session.transaction->Scan();
    auto at = visible.begin();
    for (int move = 0; move < 12; ++move) {
      const std::string key = Key();
      const uint64_t choice = rng_.Below(4);
      if (choice == 0 || at == visible.end()) {
        iterator.Seek(key);
        at = visible.lower_bound(key);
      } else if (choice == 1) {
        iterator.SeekForPrev(key);
        at = visible.upper_bound(key);
        at = at == visible.begin() ? visible.end() : std::prev(at);
      } else if (choice == 2) {
        iterator.Next();
        ++at;
      } else {
        iterator.Prev();
        at = at == visible.begin() ? visible.end() : std::prev(at);
      }
      ASSERT_EQ(iterator.Valid(), at != visible.end());
      if (at == visible.end()) continue;
      EXPECT_EQ(iterator.key(), at->first);
      EXPECT_EQ(iterator.value(), at->second);
    }
  }

  void Finish(Session& session) {
    if (rng_.OneIn(4)) {
      session.transaction->Rollback();
      session.transaction.reset();
      return;
    }
    const Model::Verdict verdict = model_.Judge(session.open);
    const Status status = session.transaction->Commit().status();
    session.transaction.reset();
    if (status.ok()) {
      EXPECT_NE(verdict, Model::Verdict::kConflicts);
      if (!session.open.writes.empty()) model_.Write(session.open.writes);
      ++commits_;
      return;
    }
    EXPECT_EQ(status.code(), StatusCode::kConflict) << status.ToString();
    EXPECT_NE(verdict, Model::Verdict::kCommits);
    ++conflicts_;
  }

  DB& db_;
  Rng rng_;
  Model model_;
  Session sessions_[4];
  int commits_ = 0;
  int conflicts_ = 0;
};

TEST_P(Transactions, DoWhatAModelWithHistoryDoesInRandomInterleavings) {
  const uint64_t seed = testing::SeedFromEnvironmentOr(1);
  SCOPED_TRACE("AIDB_SEED=" + std::to_string(seed));
  ASSERT_OK_AND_ASSIGN(const auto db, Open());
  RandomRun(*db, seed).Run(10'000);
}

}  // namespace
}  // namespace aidb

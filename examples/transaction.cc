// Transactions: read, decide, write, and do it again if another was faster.

#include <cstdio>
#include <string>

#include "aidb/db/db.h"

#include "examples/report.h"

namespace {

// [transfer]
// Moves `amount` from one account to the other; both balances are kept as decimal text.
aidb::Status Transfer(aidb::DB& db, const std::string& from, const std::string& to, int amount) {
  constexpr int kAttemptsMax = 10;
  aidb::Status last;
  for (int attempt = 0; attempt < kAttemptsMax; ++attempt) {
    aidb::Transaction txn = db.Begin();  // Sees the state of this moment.
    AIDB_ASSIGN_OR_RETURN(const auto source, txn.Get(from));
    AIDB_ASSIGN_OR_RETURN(const auto target, txn.Get(to));
    const int left = std::stoi(source.value_or("0")) - amount;
    if (left < 0) return aidb::InvalidArgument(from + " holds less than that");
    AIDB_RETURN_IF_ERROR(txn.Put(from, std::to_string(left)));
    AIDB_RETURN_IF_ERROR(txn.Put(to, std::to_string(std::stoi(target.value_or("0")) + amount)));
    last = txn.Commit().status();
    if (last.code() != aidb::StatusCode::kConflict) return last;  // Done, or beyond repair.
  }
  return last;
}
// [/transfer]

// [skew]
// At least one doctor stays on call. Each transaction writes only its own key, so without
// GetForUpdate two of them could leave at once, each seeing the other still there.
aidb::Status LeaveCall(aidb::Transaction& txn, const std::string& me, const std::string& other) {
  AIDB_ASSIGN_OR_RETURN(const auto colleague, txn.GetForUpdate(other));
  if (colleague != "on call") return aidb::InvalidArgument(other + " is not on call");
  return txn.Put(me, "off");
}
// [/skew]

int ShowSkew(aidb::DB& db) {
  for (const char* doctor : {"ada", "bob"}) {
    if (aidb::Status put = db.Put(doctor, "on call"); !put.ok()) return Report(put);
  }
  aidb::Transaction ada = db.Begin();
  aidb::Transaction bob = db.Begin();
  if (aidb::Status left = LeaveCall(ada, "ada", "bob"); !left.ok()) return Report(left);
  if (aidb::Status left = LeaveCall(bob, "bob", "ada"); !left.ok()) return Report(left);
  const aidb::Status first = ada.Commit().status();
  const aidb::Status second = bob.Commit().status();
  std::printf("ada leaves: %s\n", first.ok() ? "yes" : "no");
  std::printf("bob leaves: %s\n", second.code() == aidb::StatusCode::kConflict ? "no" : "yes");
  return 0;
}

}  // namespace

int main() {
  auto db = aidb::DB::Open("data");
  if (!db.ok()) return Report(db.status());
  if (aidb::Status put = (*db)->Put("account:a", "100"); !put.ok()) return Report(put);

  aidb::Status moved = Transfer(**db, "account:a", "account:b", 30);
  if (!moved.ok()) return Report(moved);
  moved = Transfer(**db, "account:a", "account:b", 300);
  std::printf("%s\n", moved.ToString().c_str());
  for (auto it = (*db)->Scan({.prefix = "account:"}); it.Valid(); it.Next()) {
    std::printf("%s = %s\n", std::string(it.key()).c_str(), std::string(it.value()).c_str());
  }
  return ShowSkew(**db);
}

#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "aidb/base/sync.h"
#include "aidb/kv/stats.h"
#include "aidb/lsm/version.h"

namespace aidb::lsm {

// What is known of damaged tables: what was found, and when. In memory only; the manifest keeps
// that a table is damaged, and the next scrub finds again where.
//
// Thread safety: any thread may call any method.
class DamageNotes {
 public:
  // `directory` is the store's, for what the operator is told to do.
  explicit DamageNotes(std::string_view directory) : directory_(directory) {}

  // `why` is what its reader said. False when as much was known before.
  bool Note(uint64_t number, const Status& why, int64_t now_ms) AIDB_EXCLUDES(mu_);
  // It was read and found whole.
  void Forget(uint64_t number) AIDB_EXCLUDES(mu_);
  // Drops what is said of tables that `version` does not have.
  void KeepThoseOf(const Version& version) AIDB_EXCLUDES(mu_);
  // The tables of `version` that are marked as damaged or of which there is a note.
  std::vector<kv::DamagedFile> In(const Version& version) const AIDB_EXCLUDES(mu_);

 private:
  struct Found {
    std::string what{};
    int64_t at_ms = 0;
  };

  const std::string directory_;
  mutable Mutex mu_;
  std::map<uint64_t, Found> found_ AIDB_GUARDED_BY(mu_);  // By number of table.
};

}  // namespace aidb::lsm

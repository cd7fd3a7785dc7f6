#include "tests/sim/copies.h"

#include <utility>

#include "aidb/lsm/open.h"

namespace aidb::sim {
namespace {

Verdict Wrong(const Copy& copy, const std::string& what) {
  Verdict verdict;
  verdict.complaint = "the checkpoint " + copy.path + " " + what;
  return verdict;
}

Verdict Failed(const Copy& copy, const std::string& what, const Status& status) {
  Verdict verdict = Wrong(copy, what + ": " + status.ToString());
  verdict.refused = true;
  return verdict;
}

}  // namespace

Verdict CheckCopy(const io::Env& env, const kv::Options& options, const Copy& copy,
                  const History& history, const WallWatch& wall, Rng& rng) {
  const auto exists = env.files.Exists(copy.path);
  if (!exists.ok()) return Failed(copy, "cannot be looked for", exists.status());
  if (!*exists) return copy.finished ? Wrong(copy, "is gone") : Verdict();
  kv::Options as_it_is = options;
  as_it_is.mode = kv::StoreMode::kMustExist;
  auto opened = lsm::OpenStore(env, copy.path, as_it_is);
  if (!opened.ok()) return Failed(copy, "does not open", opened.status());
  StoreClock clock(wall);
  Verdict now;
  if (!copy.shown && !copy.unknown) {
    now = CheckStore(*opened->store, history, copy.least, clock, rng);
  } else {
    now = LookAt(*opened->store, clock);
  }
  if (!now.complaint && copy.shown) {
    if (now.last != copy.shown->last) now.complaint = "has moved in history";
    if (!now.complaint) now.complaint = DiffersBesidesExpiry(*copy.shown, now);
  }
  if (now.complaint) {
    now.complaint = "the checkpoint " + copy.path + ": " + *now.complaint;
    return now;
  }
  if (const Status status = opened->store->Close(); !status.ok()) {
    return Failed(copy, "does not close", status);
  }
  return now;
}

}  // namespace aidb::sim

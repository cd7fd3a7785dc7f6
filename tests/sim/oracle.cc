#include "tests/sim/oracle.h"

#include <algorithm>

namespace aidb::sim {
namespace {

constexpr std::string_view kProbeKey = "probe";

std::optional<std::string> FindIn(const Pairs& contents, std::string_view key) {
  const auto at = std::lower_bound(
      contents.begin(), contents.end(), key,
      [](const auto& pair, std::string_view wanted) { return pair.first < wanted; });
  if (at == contents.end() || at->first != key) return std::nullopt;
  return at->second;
}

std::optional<std::string> Differs(std::string_view call, int key,
                                   const Result<std::optional<kv::PinnedValue>>& got,
                                   const std::optional<std::string>& want) {
  const std::string where = std::string(call) + " of key " + std::to_string(key);
  if (!got.ok()) return where + " failed: " + got.status().ToString();
  const bool same = got->has_value() == want.has_value() && (!want || (*got)->view() == *want);
  if (same) return std::nullopt;
  return where + " differs from the scan";
}

// A part of the keys, from one end or the other.
std::optional<std::string> CheckPart(const kv::Store& store, const kv::Snapshot& snapshot,
                                     const History& history, const Pairs& contents, Rng& rng) {
  auto low = static_cast<int>(rng.Below(static_cast<uint64_t>(history.keys())));
  auto high = static_cast<int>(rng.Below(static_cast<uint64_t>(history.keys())));
  if (low > high) std::swap(low, high);
  const std::string_view lower = history.name(low);
  const std::string_view upper = history.name(high);
  Pairs want;
  for (const auto& pair : contents) {
    if (pair.first >= lower && pair.first < upper) want.push_back(pair);
  }
  const auto order = rng.OneIn(2) ? kv::ScanOrder::kForward : kv::ScanOrder::kReverse;
  if (order == kv::ScanOrder::kReverse) std::reverse(want.begin(), want.end());
  kv::Iterator it =
      store.Scan({.lower = lower, .upper = upper, .order = order, .snapshot = &snapshot});
  for (const auto& [key, value] : want) {
    if (!it.Valid() || it.key() != key || it.value() != value) {
      return "a scan of a part differs from the scan of all at '" + key + "'";
    }
    it.Next();
  }
  if (it.Valid()) return "a scan of a part finds more than the scan of all";
  if (!it.status().ok()) return "a scan of a part failed: " + it.status().ToString();
  return std::nullopt;
}

}  // namespace

Result<Pairs> ReadAll(const kv::Store& store, kv::ScanOrder order, const kv::Snapshot* snapshot) {
  Pairs pairs;
  kv::Iterator it = store.Scan({.order = order, .snapshot = snapshot});
  for (; it.Valid(); it.Next()) pairs.emplace_back(it.key(), it.value());
  AIDB_RETURN_IF_ERROR(it.status());
  if (order == kv::ScanOrder::kReverse) std::reverse(pairs.begin(), pairs.end());
  return pairs;
}

std::optional<std::string> CheckAllReads(const kv::Store& store, const kv::Snapshot& snapshot,
                                         const History& history, const Pairs& contents, Rng& rng) {
  const auto reverse = ReadAll(store, kv::ScanOrder::kReverse, &snapshot);
  if (!reverse.ok()) return "the reverse scan failed: " + reverse.status().ToString();
  if (*reverse != contents) return "the reverse scan differs from the scan";
  std::vector<std::string_view> keys;
  for (int key = 0; key < history.keys(); ++key) {
    keys.push_back(history.name(key));
    const auto want = FindIn(contents, history.name(key));
    if (auto complaint =
            Differs("Get", key, store.Get(history.name(key), {.snapshot = &snapshot}), want)) {
      return complaint;
    }
  }
  const auto got = store.MultiGet(keys, {.snapshot = &snapshot});
  for (int key = 0; key < history.keys(); ++key) {
    const auto want = FindIn(contents, history.name(key));
    if (auto complaint = Differs("MultiGet", key, got[static_cast<size_t>(key)], want)) {
      return complaint;
    }
  }
  return CheckPart(store, snapshot, history, contents, rng);
}

Result<uint64_t> ClockOf(const kv::Snapshot& snapshot, const StoreClock& clock,
                         const StoreClock::Mark& mark) {
  const ClockSpan span = clock.Since(mark);
  const uint64_t now_ms = snapshot.now_ms();
  // Nobody asks for the time where nothing ever expired; if something has, this shows it.
  if (now_ms == 0) return span.begin_ms;
  if (now_ms >= span.begin_ms && now_ms <= span.end_ms) return now_ms;
  return Internal("the store's clock says " + std::to_string(now_ms) + ", the world " +
                  std::to_string(span.begin_ms) + " to " + std::to_string(span.end_ms));
}

Verdict LookAt(const kv::Store& store, StoreClock& clock) {
  Verdict verdict;
  verdict.last = ToNumber(store.Stats().sequence);
  const StoreClock::Mark mark = clock.Begin();
  const kv::Snapshot snapshot = store.TakeSnapshot();
  const auto now_ms = ClockOf(snapshot, clock, mark);
  if (!now_ms.ok()) {
    verdict.complaint = now_ms.status().ToString();
    return verdict;
  }
  verdict.now_ms = *now_ms;
  auto contents = ReadAll(store, kv::ScanOrder::kForward, &snapshot);
  if (!contents.ok()) {
    verdict.complaint = "the scan failed: " + contents.status().ToString();
    verdict.refused = true;
    return verdict;
  }
  clock.NoteShown(snapshot.now_ms());
  verdict.contents = *std::move(contents);
  for (const auto& [key, value] : verdict.contents) {
    const auto read = store.Get(key, {.snapshot = &snapshot});
    if (!read.ok() || !*read) continue;
    if (const auto until = (*read)->expires_at_ms()) verdict.expiring[key] = *until;
  }
  return verdict;
}

std::optional<std::string> DiffersBesidesExpiry(const Verdict& before, const Verdict& now) {
  const auto gone = [](const Verdict& verdict, const std::string& key, uint64_t by_ms) {
    const auto expires = verdict.expiring.find(key);
    return expires != verdict.expiring.end() && expires->second <= by_ms;
  };
  Pairs expected = before.contents;
  std::erase_if(expected, [&](const auto& pair) { return gone(before, pair.first, now.now_ms); });
  Pairs found = now.contents;
  std::erase_if(found, [&](const auto& pair) { return gone(now, pair.first, before.now_ms); });
  if (found == expected) return std::nullopt;
  return "the contents have changed";
}

Verdict CheckStore(const kv::Store& store, const History& history, uint64_t least,
                   StoreClock& clock, Rng& rng) {
  Verdict verdict;
  verdict.last = ToNumber(store.Stats().sequence);
  if (verdict.last < least) {
    verdict.complaint = "acknowledged writes are lost: history must reach sequence " +
                        std::to_string(least) + ", the store ends at " +
                        std::to_string(verdict.last);
    return verdict;
  }
  verdict = LookAt(store, clock);
  if (verdict.complaint) return verdict;
  History::Matched matched = history.Match(verdict.last, verdict.contents, verdict.now_ms);
  verdict.tiling = std::move(matched.tiling);
  verdict.complaint = std::move(matched.complaint);
  if (verdict.complaint) return verdict;
  const kv::Snapshot snapshot = store.TakeSnapshot();
  // What has expired since the look is gone from this one.
  Pairs contents = verdict.contents;
  std::erase_if(contents, [&](const auto& pair) {
    const auto expires = verdict.expiring.find(pair.first);
    return expires != verdict.expiring.end() && expires->second <= snapshot.now_ms();
  });
  verdict.complaint = CheckAllReads(store, snapshot, history, contents, rng);
  verdict.refused = verdict.complaint && verdict.complaint->find(" failed: ") != std::string::npos;
  return verdict;
}

std::optional<std::string> CheckAcceptsWrites(kv::Store& store, uint64_t last) {
  kv::WriteBatch batch;
  batch.Put(kProbeKey, "written after the recovery");
  const auto written = store.Write(std::move(batch), {.sync = true});
  if (!written.ok()) return "a write after the recovery failed: " + written.status().ToString();
  if (ToNumber(*written) != last + 1) {
    return "the first write after the recovery got sequence " + std::to_string(ToNumber(*written)) +
           ", history ended at " + std::to_string(last);
  }
  const auto read = store.Get(kProbeKey, {});
  if (!read.ok()) return "a read after the recovery failed: " + read.status().ToString();
  if (!read->has_value() || (*read)->view() != "written after the recovery") {
    return "a write after the recovery is not there";
  }
  return std::nullopt;
}

bool NamesAFile(const Status& status) {
  static constexpr std::string_view kNames[] = {".log",    ".sst", "MANIFEST-", "CURRENT",
                                                "JOURNAL", "ring", "LOCK",      "db"};
  return std::any_of(std::begin(kNames), std::end(kNames), [&](std::string_view name) {
    return status.message().find(name) != std::string_view::npos;
  });
}

}  // namespace aidb::sim

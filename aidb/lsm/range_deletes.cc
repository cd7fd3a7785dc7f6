#include "aidb/lsm/range_deletes.h"

#include <algorithm>
#include <functional>
#include <set>
#include <tuple>
#include <utility>

#include "aidb/base/check.h"
#include "aidb/kv/range_delete.h"
#include "aidb/kv/write_batch.h"
#include "aidb/lsm/table_format.h"

namespace aidb::lsm {

// ── RangeDeletes ────────────────────────────────────────────────────────────────────────────

size_t RangeDeletes::IndexFor(std::string_view key) const {
  const auto at = std::ranges::partition_point(
      fragments_, [&](const RangeDeleteFragment& fragment) { return fragment.end <= key; });
  return static_cast<size_t>(at - fragments_.begin());
}

const RangeDeleteFragment* RangeDeletes::FragmentFor(std::string_view key) const {
  const size_t index = IndexFor(key);
  if (index == fragments_.size() || fragments_[index].begin > key) return nullptr;
  return &fragments_[index];
}

Sequence RangeDeletes::Covering(std::string_view key, Sequence at) const {
  const RangeDeleteFragment* const fragment = FragmentFor(key);
  const RangeDeleteVersion* const version = fragment == nullptr ? nullptr : fragment->VersionAt(at);
  return version == nullptr ? kv::kSequenceNone : version->sequence;
}

std::optional<std::string_view> RangeDeletes::FirstAbove(
    Sequence since, std::string_view lower, const std::optional<std::string>& upper) const {
  for (size_t i = IndexFor(lower); i < fragments_.size(); ++i) {
    const RangeDeleteFragment& fragment = fragments_[i];
    const std::string_view first = std::max(fragment.begin, lower);
    if (upper && first >= *upper) break;
    if (fragment.newest->sequence > since) return first;
  }
  return std::nullopt;
}

void RangeDeletes::AppendTo(std::vector<RangeDelete>& deletes, Sequence at) const {
  for (const RangeDeleteFragment& fragment : fragments_) {
    for (const RangeDeleteVersion* version = fragment.VersionAt(at); version != nullptr;
         version = version->older) {
      deletes.push_back({fragment.begin, fragment.end, version->sequence});
    }
  }
}

std::vector<RangeDelete> RangeDeletesIn(std::string_view operations, Sequence first) {
  std::vector<RangeDelete> deletes;
  kv::WriteBatch::Reader reader(operations);
  for (uint64_t i = 0;; ++i) {
    const auto operation = reader.Next();
    if (!operation.ok() || !*operation) return deletes;
    if ((*operation)->kind != OpKind::kDeleteRange || (*operation)->value.empty()) continue;
    deletes.push_back({(*operation)->key, (*operation)->value, first + i});
  }
}

// ── Fragmented ──────────────────────────────────────────────────────────────────────────────

size_t IntervalOf(std::span<const Sequence> snapshots, Sequence sequence) {
  return static_cast<size_t>(std::ranges::lower_bound(snapshots, sequence) - snapshots.begin());
}

namespace {

using Active = std::multiset<Sequence, std::greater<>>;

// Of `active` the newest in each interval.
std::vector<Sequence> Newest(const Active& active, std::span<const Sequence> snapshots) {
  std::vector<Sequence> newest;
  for (auto at = active.begin(); at != active.end();) {
    newest.push_back(*at);
    const size_t interval = IntervalOf(snapshots, *at);
    if (interval == 0) break;
    at = active.lower_bound(snapshots[interval - 1]);  // The first that is not above it.
  }
  return newest;
}

}  // namespace

std::vector<OwnedFragment> Fragmented(std::span<const RangeDelete> deletes,
                                      std::span<const Sequence> snapshots) {
  struct Edge {
    std::string_view key;
    bool begins;
    Sequence sequence;
  };
  std::vector<Edge> edges;
  edges.reserve(2 * deletes.size());
  for (const RangeDelete& range : deletes) {
    AIDB_CHECK(range.begin < range.end);
    edges.push_back({range.begin, true, range.sequence});
    edges.push_back({range.end, false, range.sequence});
  }
  std::ranges::sort(edges, {}, &Edge::key);
  std::vector<OwnedFragment> fragments;
  Active active;
  for (size_t i = 0; i < edges.size();) {
    const std::string_view key = edges[i].key;
    for (; i < edges.size() && edges[i].key == key; ++i) {
      if (edges[i].begins) {
        active.insert(edges[i].sequence);
      } else {
        // A range that begins where this one ends may come first: equal sequences are alike.
        active.erase(active.find(edges[i].sequence));
      }
    }
    if (active.empty()) continue;
    std::vector<Sequence> sequences = Newest(active, snapshots);
    const std::string_view end = edges[i].key;
    if (!fragments.empty() && fragments.back().end == key &&
        fragments.back().sequences == sequences) {
      fragments.back().end = end;
    } else {
      fragments.push_back({std::string(key), std::string(end), std::move(sequences)});
    }
  }
  return fragments;
}

// ── RangeDeleteList ─────────────────────────────────────────────────────────────────────────

RangeDeleteList::RangeDeleteList(std::vector<OwnedFragment> fragments, Sequence newest)
    : owned_(std::move(fragments)) {
  for (const OwnedFragment& fragment : owned_) version_count_ += fragment.sequences.size();
  versions_ = std::make_unique<RangeDeleteVersion[]>(version_count_);
  fragments_.reserve(owned_.size());
  size_t next = 0;
  for (const OwnedFragment& fragment : owned_) {
    fragments_.push_back({fragment.begin, fragment.end, &versions_[next]});
    for (size_t i = 0; i < fragment.sequences.size(); ++i, ++next) {
      const Sequence sequence = fragment.sequences[i];
      versions_[next].sequence = sequence;
      versions_[next].hides_not_all.store(sequence < newest, std::memory_order_relaxed);
      if (i + 1 < fragment.sequences.size()) versions_[next].older = &versions_[next + 1];
      lowest_ = std::min(lowest_, sequence);
      highest_ = std::max(highest_, sequence);
    }
  }
}

Result<std::shared_ptr<const RangeDeleteList>> RangeDeleteList::Decode(const EntryBlock& block,
                                                                       Sequence newest) {
  std::vector<OwnedFragment> fragments;
  for (size_t i = 0; i < block.entries(); ++i) {
    const StoredEntry entry = block.At(i);
    std::string begin = block.KeyAt(i);
    const auto bad = [&](std::string_view what) {
      return Corruption("entry " + std::to_string(i) + " of the range deletes, which begins at " +
                        KeyText(begin) + ": " + std::string(what));
    };
    if (entry.value <= begin) return bad("ends where it begins, or before");
    if (entry.value.size() > kv::kKeyBytesMax) return bad("its end is too long for a key");
    if (!fragments.empty() && fragments.back().begin == begin) {
      OwnedFragment& same = fragments.back();
      if (same.end != entry.value) return bad("ends elsewhere than the one before");
      if (same.sequences.back() <= entry.sequence) return bad("is not older than the one before");
      same.sequences.push_back(entry.sequence);
      continue;
    }
    if (!fragments.empty() && fragments.back().end > begin) {
      return bad("the one before has not ended");
    }
    fragments.push_back({std::move(begin), std::string(entry.value), {entry.sequence}});
  }
  return std::shared_ptr<const RangeDeleteList>(
      std::make_shared<const RangeDeleteList>(std::move(fragments), newest));
}

size_t RangeDeleteList::memory_bytes() const {
  size_t bytes = sizeof(*this) + version_count_ * sizeof(RangeDeleteVersion) +
                 fragments_.capacity() * sizeof(RangeDeleteFragment);
  for (const OwnedFragment& fragment : owned_) {
    bytes += sizeof(fragment) + fragment.begin.capacity() + fragment.end.capacity() +
             fragment.sequences.capacity() * sizeof(Sequence);
  }
  return bytes;
}

std::string LastKeyOf(std::string_view end) {
  if (end.ends_with('\0')) end.remove_suffix(1);
  return std::string(end);
}

bool LiesBehind(std::string_view end, std::string_view key) {
  const std::string next = kv::NextKey(key);
  return !next.empty() && end > next;
}

}  // namespace aidb::lsm

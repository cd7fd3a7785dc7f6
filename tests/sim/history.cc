#include "tests/sim/history.h"

#include <algorithm>

#include "aidb/base/check.h"
#include "aidb/base/escape.h"

namespace aidb::sim {
namespace {

// More ways than this to place the unknown batches are not tried: the state passes.
constexpr int kTilingsMax = 5'000;
constexpr size_t kShown = 40;

std::string Show(const std::optional<std::string>& value) {
  if (!value) return "nothing";
  return "'" + EscapeForMessage(*value, kShown) + "'";
}

}  // namespace

struct History::Search {
  uint64_t last = 0;
  uint64_t now_ms = 0;
  const Pairs& contents;
  std::vector<std::pair<uint64_t, int>> tiling{};
  int tried = 0;
  bool found = false;
  std::string why{};  // Of the first complete tiling that did not match, or of a dead end.
};

History::History(int keys) : versions_(static_cast<size_t>(keys)) {
  for (int key = 0; key < keys; ++key) {
    // Some are prefixes of others, one is empty.
    std::string name = key == 0 ? "" : "k" + std::to_string(100 + key / 2);
    if (key > 0 && key % 2 == 1) name += '\0';
    names_.push_back(std::move(name));
  }
}

std::optional<int> History::KeyNamed(std::string_view name) const {
  const auto at = std::ranges::lower_bound(names_, name);
  if (at == names_.end() || *at != name) return std::nullopt;
  return static_cast<int>(at - names_.begin());
}

int History::Begin(int writer, std::vector<Operation> operations, Instant now) {
  const int id = static_cast<int>(batches_.size());
  batches_.push_back({.writer = writer, .operations = std::move(operations), .begin = now});
  open_.push_back(id);
  if (by_writer_.size() <= static_cast<size_t>(writer))
    by_writer_.resize(static_cast<size_t>(writer) + 1);
  by_writer_[static_cast<size_t>(writer)].push_back(id);
  return id;
}

int History::BeginIngest(int writer, std::vector<Operation> operations, Instant now) {
  const int id = Begin(writer, std::move(operations), now);
  batches_.back().one_sequence = true;
  return id;
}

kv::WriteBatch History::Encode(int batch) const {
  kv::WriteBatch encoded;
  for (const Operation& operation : At(batch).operations) {
    if (operation.merge) {
      encoded.Merge(name(operation.key), *operation.merge, *operation.value);
    } else if (operation.value && operation.expires_at_ms) {
      encoded.Put(name(operation.key), *operation.value, *operation.expires_at_ms);
    } else if (operation.value) {
      encoded.Put(name(operation.key), *operation.value);
    } else if (operation.end == keys()) {
      encoded.DeleteRange(name(operation.key), std::nullopt);
    } else if (operation.end > operation.key) {
      encoded.DeleteRange(name(operation.key), name(operation.end));
    } else {
      encoded.Delete(name(operation.key));
    }
  }
  return encoded;
}

void History::Place(int batch, uint64_t first) {
  Batch& b = batches_[static_cast<size_t>(batch)];
  b.first = first;
  b.outcome = Outcome::kPresent;
  placed_[first] = batch;
  std::erase(open_, batch);
  for (size_t i = 0; i < b.operations.size(); ++i) {
    const Version version{b.SequenceOf(i, first), &b.operations[i], batch};
    for (int key = version.operation->key; key < version.operation->behind(); ++key) {
      auto& versions = versions_[static_cast<size_t>(key)];
      versions.insert(std::ranges::upper_bound(versions, version.sequence, {}, &Version::sequence),
                      version);
    }
  }
  for (auto next = placed_.find(solid_ + 1); next != placed_.end();
       next = placed_.find(solid_ + 1)) {
    solid_ = At(next->second).last();
  }
}

void History::End(int batch, const Result<kv::Sequence>& result, bool synced, Instant now,
                  ClockSpan clock) {
  Batch& b = batches_[static_cast<size_t>(batch)];
  b.end = now;
  b.clock = clock;
  if (result.ok()) {
    Place(batch, ToNumber(*result) + 1 - b.count());
    acknowledged_ = std::max(acknowledged_, ToNumber(*result));
    if (synced) NoteDurable(ToNumber(*result));
    return;
  }
  switch (result.status().code()) {
    case StatusCode::kInvalidArgument:
    case StatusCode::kConflict:
    case StatusCode::kResourceExhausted:
      b.outcome = Outcome::kAbsent;  // Nothing has happened.
      std::erase(open_, batch);
      return;
    default:
      return;  // Nobody knows until the store is opened again.
  }
}

void History::NoteDurable(uint64_t sequence) { durable_ = std::max(durable_, sequence); }

void History::Settle(uint64_t last, const std::vector<std::pair<uint64_t, int>>& tiling) {
  for (const auto& [first, batch] : tiling) Place(batch, first);
  for (const int batch : open_) batches_[static_cast<size_t>(batch)].outcome = Outcome::kAbsent;
  open_.clear();
  Forget(last);
  acknowledged_ = last;
  NoteDurable(last);
}

void History::Forget(uint64_t last) {
  for (auto it = placed_.upper_bound(last); it != placed_.end(); it = placed_.erase(it)) {
    batches_[static_cast<size_t>(it->second)].outcome = Outcome::kAbsent;
  }
  for (auto& versions : versions_) {
    std::erase_if(versions, [&](const Version& version) { return version.sequence > last; });
  }
  solid_ = std::min(solid_, last);
}

uint64_t History::DurableWithin(Duration bound, Instant now) const {
  uint64_t least = durable_;
  for (auto it = placed_.rbegin(); it != placed_.rend(); ++it) {
    const Batch& batch = At(it->second);
    if (batch.last() <= durable_ || it->second < timed_from_) break;
    if (batch.end + bound < now) least = std::max(least, batch.last());
  }
  return least;
}

uint64_t History::DurableWithinSpan(Duration bound) const {
  Instant newest{};
  for (auto it = placed_.rbegin(); it != placed_.rend(); ++it) {
    const Batch& batch = At(it->second);
    if (batch.last() <= durable_ || it->second < timed_from_) break;
    newest = std::max(newest, batch.begin);
  }
  return DurableWithin(bound, newest);
}

// A writer's batches follow each other.
bool History::MayStandAt(int batch, uint64_t first) const {
  const Batch& b = At(batch);
  const auto& own = by_writer_[static_cast<size_t>(b.writer)];
  const auto here = std::lower_bound(own.begin(), own.end(), batch);
  for (auto before = here; before != own.begin();) {
    const Batch& other = At(*--before);
    if (other.outcome != Outcome::kPresent) continue;
    if (other.last() >= first) return false;
    break;
  }
  for (auto after = here + 1; after != own.end(); ++after) {
    const Batch& other = At(*after);
    if (other.outcome != Outcome::kPresent) continue;
    return other.first > first;
  }
  return true;
}

KeyStates History::StatesOf(int key, uint64_t last, std::span<const Version> tiles) const {
  const auto& versions = versions_[static_cast<size_t>(key)];
  auto own = versions.rbegin();
  while (own != versions.rend() && own->sequence > last) ++own;
  auto tile = tiles.rbegin();
  // Backwards to an operation that does not build on those before it.
  std::vector<const Version*> chain;
  while (own != versions.rend() || tile != tiles.rend()) {
    const bool take_own =
        tile == tiles.rend() || (own != versions.rend() && own->sequence > tile->sequence);
    chain.push_back(take_own ? &*own++ : &*tile++);
    if (!chain.back()->operation->merge) break;
  }
  KeyStates states;
  for (auto version = chain.rbegin(); version != chain.rend(); ++version) {
    states.Take(*(*version)->operation, At((*version)->batch).clock);
  }
  return states;
}

std::optional<std::string> History::Compare(const Search& search) const {
  std::vector<std::vector<Version>> tiles(search.tiling.empty() ? 0 : names_.size());
  for (const auto& [first, batch] : search.tiling) {
    const Batch& b = At(batch);
    const auto& operations = b.operations;
    for (size_t i = 0; i < operations.size(); ++i) {
      for (int key = operations[i].key; key < operations[i].behind(); ++key) {
        tiles[static_cast<size_t>(key)].push_back({b.SequenceOf(i, first), &operations[i], batch});
      }
    }
  }
  size_t at = 0;
  for (int key = 0; key < keys(); ++key) {
    const bool there = at < search.contents.size() && search.contents[at].first == name(key);
    const auto shown = there ? std::optional(search.contents[at].second) : std::nullopt;
    const KeyStates states =
        StatesOf(key, search.last,
                 tiles.empty() ? std::span<const Version>() : tiles[static_cast<size_t>(key)]);
    if (!states.MayShow(shown, {search.now_ms, search.now_ms})) {
      return "key " + std::to_string(key) + ": the store holds " + Show(shown) +
             ", history up to " + std::to_string(search.last) + " says " + states.Show();
    }
    if (there) ++at;
  }
  if (at < search.contents.size()) return "phantom key '" + search.contents[at].first + "'";
  return std::nullopt;
}

void History::Tile(Search& search, uint64_t at) const {
  if (search.found || search.tried > kTilingsMax) return;
  if (at > search.last) {
    ++search.tried;
    const auto complaint = Compare(search);
    search.found = !complaint;
    if (complaint && search.why.empty()) search.why = *complaint;
    return;
  }
  const auto next = placed_.lower_bound(at);
  if (next != placed_.end() && next->first == at) {
    const uint64_t last = At(next->second).last();
    if (last > search.last) {
      search.why = "the batch of sequences " + std::to_string(at) + " to " + std::to_string(last) +
                   " is there in half: the store ends at " + std::to_string(search.last);
      return;
    }
    return Tile(search, last + 1);
  }
  const uint64_t gap_end =
      next == placed_.end() ? search.last : std::min(search.last, next->first - 1);
  for (const int batch : open_) {
    const bool used = std::any_of(search.tiling.begin(), search.tiling.end(),
                                  [&](const auto& tile) { return tile.second == batch; });
    if (used || at + At(batch).count() - 1 > gap_end || !MayStandAt(batch, at)) continue;
    search.tiling.emplace_back(at, batch);
    Tile(search, at + At(batch).count());
    if (search.found) return;
    search.tiling.pop_back();
  }
  if (search.why.empty()) {
    search.why = "nobody wrote what stands at sequence " + std::to_string(at) +
                 "; the store says it ends at " + std::to_string(search.last);
  }
}

History::Matched History::Match(uint64_t last, const Pairs& contents, uint64_t now_ms) const {
  Search search{.last = last, .now_ms = now_ms, .contents = contents};
  uint64_t from = solid_ + 1;
  if (last < solid_) {
    // The batch that holds `last` must end there.
    const auto behind = placed_.upper_bound(last);
    from = behind == placed_.begin() ? 1 : std::prev(behind)->first;
  }
  Tile(search, from);
  if (search.found || search.tried > kTilingsMax) return {std::nullopt, std::move(search.tiling)};
  return {search.why, {}};
}

}  // namespace aidb::sim

// MultiGet: all keys go through one source after the other, newest first, in key order.
//
// A single lookup in a table waits for the memory again and again, each time for what the step
// before led to: frame and line of the filter, frame of the index partition, frame and bytes of the
// block. Here a group of keys takes each step together, and what the next step reads is asked
// for ahead, so that the waits of the group overlap. In key order neighbours share tables,
// partitions and blocks, and a block that has to be read is read once.

#include <algorithm>
#include <utility>

#include "aidb/lsm/engine.h"
#include "aidb/lsm/key_prefix.h"
#include "aidb/lsm/table_lookup.h"

namespace aidb::lsm {

// The keys of one call, and what was found of them so far.
//
// Lifetime: of the call; borrows all it is given.
class Engine::KeysTogether {
 public:
  using Answer = Result<std::optional<kv::PinnedValue>>;

  KeysTogether(const Engine& engine, SharedView& view, std::span<const std::string_view> keys);

  std::vector<Answer> LookUp() &&;

 private:
  // So many blocks are pinned at a time, and so many waits overlap; a core has about a dozen loads
  // in flight.
  static constexpr size_t kGroup = 16;

  struct Asked {
    HashedKey key;
    uint64_t prefix = 0;
    uint32_t place = 0;  // Among the answers.
    bool open = true;    // Nothing has decided it.
  };
  // A key on its way through a table of the run at hand.
  struct Way {
    Asked* asked;
    TableLookup lookup;
  };

  void LookIn(const LoggedMemtable& memtable);
  void LookIn(const Run& run);
  void EnterTables(const Run& run, std::span<const uint32_t> keys);
  void WalkThrough();
  // Takes a step of all ways and keeps those that go on: `step(lookup)` is a Result<bool>.
  template <typename Step>
  void Advance(Step step);
  void Decide(Asked& asked, Result<std::optional<Found>> found);
  void DropDecided() {
    std::erase_if(open_, [&](uint32_t i) { return !asked_[i].open; });
  }

  const Engine& engine_;
  SharedView& view_;
  std::vector<Asked> asked_;    // In key order.
  std::vector<uint32_t> open_;  // Of asked_, in its order.
  std::vector<Answer> answers_;
  std::vector<Way> ways_;          // At most kGroup.
  std::vector<OpenTable> tables_;  // Those of ways_.
  ReadCounters counters_;
};

Engine::KeysTogether::KeysTogether(const Engine& engine, SharedView& view,
                                   std::span<const std::string_view> keys)
    : engine_(engine), view_(view) {
  asked_.reserve(keys.size());
  answers_.reserve(keys.size());
  open_.reserve(keys.size());
  ways_.reserve(kGroup);
  tables_.reserve(kGroup);
  for (uint32_t i = 0; i < keys.size(); ++i) {
    asked_.push_back({.key = keys[i], .prefix = KeyPrefix(keys[i]), .place = i});
    answers_.emplace_back(std::optional<kv::PinnedValue>());
    open_.push_back(i);
  }
  std::ranges::sort(asked_, [](const Asked& a, const Asked& b) {
    return a.prefix != b.prefix ? a.prefix < b.prefix : a.key.bytes < b.key.bytes;
  });
}

std::vector<Engine::KeysTogether::Answer> Engine::KeysTogether::LookUp() && {
  const ReadState& state = *view_.state;
  LookIn(state.active);
  for (const LoggedMemtable& memtable : state.sealed) LookIn(memtable);
  for (int level = 0; level < kLevels; ++level) {
    for (const Run& run : state.version->runs(level)) {
      if (open_.empty()) break;
      LookIn(run);
    }
  }
  engine_.Count(counters_);
  return std::move(answers_);
}

void Engine::KeysTogether::LookIn(const LoggedMemtable& memtable) {
  const Memtable& table = *memtable.table;
  // What comes into an empty memtable from now on is newer than the read.
  if (table.empty()) return;
  constexpr size_t kAhead = 8;
  for (size_t i = 0; i < std::min(kAhead, open_.size()); ++i) {
    table.PrefetchGet(asked_[open_[i]].key);
  }
  for (size_t i = 0; i < open_.size(); ++i) {
    if (i + kAhead < open_.size()) table.PrefetchGet(asked_[open_[i + kAhead]].key);
    Asked& asked = asked_[open_[i]];
    if (auto found = FindIn(memtable, asked.key, view_.sequence)) Decide(asked, std::move(found));
  }
  DropDecided();
}

void Engine::KeysTogether::LookIn(const Run& run) {
  for (size_t at = 0; at < open_.size(); at += kGroup) {
    const size_t count = std::min(kGroup, open_.size() - at);
    EnterTables(run, std::span(open_).subspan(at, count));
    WalkThrough();
    ways_.clear();
    tables_.clear();
  }
  DropDecided();
}

void Engine::KeysTogether::EnterTables(const Run& run, std::span<const uint32_t> keys) {
  const TableFile* opened = nullptr;  // The last of tables_.
  for (const uint32_t i : keys) {
    Asked& asked = asked_[i];
    const TableFile* const file = run.TableFor(asked.key.bytes);
    if (file == nullptr) continue;
    if (file != opened) {
      auto table = engine_.core_->tables.Open(*file);
      if (!table.ok()) {
        Decide(asked, std::move(table).status());
        continue;
      }
      tables_.push_back(*std::move(table));
      opened = file;
    }
    const TableReader& table = *tables_.back();
    if (table.range_deletes() != nullptr) {
      auto found = table.Get(asked.key, view_.sequence, &counters_);
      if (!found.ok()) {
        Decide(asked, std::move(found).status());
      } else if (*found) {
        Decide(asked, FoundIn(**std::move(found)));
      }
      continue;
    }
    TableLookup lookup(table, asked.key, view_.sequence, &counters_);
    if (!lookup.Enter()) continue;
    lookup.PrefetchFilter();
    ways_.push_back({&asked, std::move(lookup)});
  }
}

void Engine::KeysTogether::WalkThrough() {
  Advance([](TableLookup& lookup) -> Result<bool> {
    AIDB_RETURN_IF_ERROR(lookup.PinFilter());
    return true;
  });
  Advance([](TableLookup& lookup) -> Result<bool> {
    AIDB_ASSIGN_OR_RETURN(const bool maybe, lookup.AskFilter());
    if (maybe) lookup.PrefetchIndex();
    return maybe;
  });
  Advance([](TableLookup& lookup) -> Result<bool> {
    AIDB_RETURN_IF_ERROR(lookup.FindChild());
    lookup.PrefetchBlock();
    return true;
  });
  Advance([](TableLookup& lookup) -> Result<bool> {
    AIDB_RETURN_IF_ERROR(lookup.FetchBlock());
    return true;
  });
  for (Way& way : ways_) {
    auto found = way.lookup.Search();
    if (!found.ok()) {
      Decide(*way.asked, std::move(found).status());
    } else if (*found) {
      Decide(*way.asked, FoundIn(**std::move(found)));
    }
  }
}

template <typename Step>
void Engine::KeysTogether::Advance(Step step) {
  size_t kept = 0;
  for (Way& way : ways_) {
    Result<bool> goes_on = step(way.lookup);
    if (!goes_on.ok()) {
      Decide(*way.asked, std::move(goes_on).status());
      continue;
    }
    if (!*goes_on) continue;
    if (&ways_[kept] != &way) ways_[kept] = std::move(way);
    ++kept;
  }
  ways_.erase(ways_.begin() + static_cast<ptrdiff_t>(kept), ways_.end());
}

void Engine::KeysTogether::Decide(Asked& asked, Result<std::optional<Found>> found) {
  asked.open = false;
  Answer& answer = answers_[asked.place];
  if (!found.ok()) {
    answer = std::move(found).status();
  } else if (*found && (**found).kind == OpKind::kMerge) {
    // Operands go on in the sources below: rare enough to be read alone, from the top.
    answer = engine_.Read(*view_.state, asked.key, view_.sequence, view_.now_ms);
  } else {
    answer = engine_.ValueOf(*std::move(found), view_.now_ms);
  }
}

std::vector<Result<std::optional<kv::PinnedValue>>> Engine::MultiGet(
    std::span<const std::string_view> keys, const kv::ReadOptions& options) const {
  using Answer = Result<std::optional<kv::PinnedValue>>;
  const auto refuse_all = [&](const Status& why) {
    std::vector<Answer> answers;
    answers.reserve(keys.size());
    for (size_t i = 0; i < keys.size(); ++i) answers.emplace_back(why);
    return answers;
  };
  if (keys.size() > kv::kMultiGetKeysMax) return refuse_all(kv::MultiGetTooLarge(keys.size()));
  // It may take long, and flushes wait for reads_.
  const CallPass pass(calls_);
  if (!pass) return refuse_all(Closed());
  auto view = TakeSharedView(options.snapshot);
  if (!view.ok()) return refuse_all(view.status());
  counters_.gets.Increment(keys.size());
  return KeysTogether(*this, *view, keys).LookUp();
}

}  // namespace aidb::lsm

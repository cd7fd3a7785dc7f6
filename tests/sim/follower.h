#pragma once

// Who knows of a store what its feed has told, and nothing else.

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "aidb/kv/store.h"
#include "aidb/kv/update_feed.h"

#include "tests/sim/history.h"

namespace aidb::sim {

// Thread safety: none.
class Follower {
 public:
  // What is in a sorted file, for a follower that is told of its ingest; nullopt for one that
  // nobody made.
  using ReadSorted = std::function<std::optional<kv::WriteBatch>(std::string_view path)>;
  // Begins with what a store holds on which nobody writes yet. Nullopt: it refused a read.
  static std::optional<Follower> Begin(const kv::Store& store, kv::UpdateFeed& feed,
                                       kv::UpdateLevel level, ReadSorted read_sorted);

  struct Taken {
    Status status{};
    bool any = false;
    std::optional<std::string> complaint{};
  };
  // The next update, if it comes within `wait`.
  Taken Take(Duration wait);
  // Whether history up to last() is what it has been told, by a clock that says `now_ms`.
  std::optional<std::string> Check(const History& history, uint64_t now_ms) const;
  uint64_t last() const { return last_; }
  kv::UpdateLevel level() const { return level_; }

 private:
  struct Value {
    std::string bytes;
    std::optional<uint64_t> expires_at_ms = std::nullopt;
  };

  Follower(kv::Updates updates, kv::UpdateLevel level, uint64_t last, ReadSorted read_sorted)
      : updates_(std::move(updates)),
        read_sorted_(std::move(read_sorted)),
        level_(level),
        last_(last) {}
  void Apply(const kv::WriteBatch::Operation& operation);
  // Takes the files that a note names; what is wrong with it.
  std::optional<std::string> Ingest(std::string_view note);

  kv::Updates updates_;
  ReadSorted read_sorted_;
  kv::UpdateLevel level_;
  uint64_t last_;
  std::map<std::string, Value, std::less<>> values_;
};

}  // namespace aidb::sim

#pragma once

// Who knows of a store what its feed has told, and nothing else.

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>

#include "aidb/kv/store.h"
#include "aidb/kv/update_feed.h"

#include "tests/sim/history.h"

namespace aidb::sim {

// Thread safety: none.
class Follower {
 public:
  // Begins with what a store holds on which nobody writes yet. Nullopt: it refused a read.
  static std::optional<Follower> Begin(const kv::Store& store, kv::UpdateFeed& feed,
                                       kv::UpdateLevel level);

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

  Follower(kv::Updates updates, kv::UpdateLevel level, uint64_t last)
      : updates_(std::move(updates)), level_(level), last_(last) {}
  void Apply(const kv::WriteBatch::Operation& operation);

  kv::Updates updates_;
  kv::UpdateLevel level_;
  uint64_t last_;
  std::map<std::string, Value, std::less<>> values_;
};

}  // namespace aidb::sim

#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "aidb/kv/options.h"
#include "aidb/kv/types.h"
#include "aidb/kv/write_batch.h"

namespace aidb::kv {

// What a store should hold, at every sequence that is still asked for. Deliberately shares no
// code with any store: ranges are found by testing each key.
class ModelHistory {
 public:
  using Pairs = std::vector<std::pair<std::string, std::string>>;
  // What a read works at.
  struct Moment {
    Sequence sequence;
    uint64_t now_ms;
  };
  struct Value {
    std::string bytes;
    std::optional<uint64_t> expires_at_ms = std::nullopt;
  };

  Sequence newest() const { return newest_; }
  // Takes the next sequence; nullopt deletes.
  void Apply(const std::string& key, std::optional<Value> value);
  // Takes the next sequence and deletes every key from `begin` on, before `end` unless that is
  // empty; keeps what reads at or above `oldest` need.
  void DeleteRange(std::string_view begin, std::string_view end, Sequence oldest);
  // A merge, judged by `now_ms`.
  void Merge(const std::string& key, MergeOperator op, std::string_view operand, uint64_t now_ms);
  // What a batch does that has no merge, all of it as of `last`; keeps what reads at or above
  // `oldest` need.
  void Ingest(const WriteBatch& batch, Sequence last, Sequence oldest);
  std::optional<Value> Find(std::string_view key, Moment at) const;
  std::optional<std::string> Get(std::string_view key, Moment at) const;
  // All keys that `scan` covers, ascending whatever its order.
  Pairs Range(const ScanOptions& scan, Moment at) const;
  // Whether an operation behind `since` named the key: kMaybe when the key was absent then and
  // is absent again at `now_ms`, which a store may forget.
  enum class Changed : unsigned char { kNo, kMaybe, kYes };
  Changed ChangedSince(std::string_view key, Moment since, uint64_t now_ms) const;
  // The most that is true of any key in [lower, upper), and kMaybe where a range delete met that.
  Changed RangeChangedSince(std::string_view lower, std::string_view upper, Moment since,
                            uint64_t now_ms) const;
  // Forgets what no read at or above `oldest` needs of this key.
  void Trim(const std::string& key, Sequence oldest);

 private:
  struct Version {
    Sequence sequence;
    std::optional<Value> value;
  };
  std::map<std::string, std::vector<Version>, std::less<>> versions_;  // Oldest first.
  struct DeletedRange {
    Sequence sequence;
    std::string begin;
    std::string end;  // Empty for none.

    bool Meets(std::string_view lower, std::string_view upper) const {
      return lower < upper && (end.empty() || lower < end) && begin < upper;
    }
  };
  bool DeletedInSince(std::string_view lower, std::string_view upper, Moment since) const;

  std::vector<DeletedRange> deleted_ranges_;
  Sequence newest_ = kSequenceNone;
};

}  // namespace aidb::kv

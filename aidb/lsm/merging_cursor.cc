#include "aidb/lsm/merging_cursor.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>

#include "aidb/base/check.h"
#include "aidb/lsm/key_prefix.h"

namespace aidb::lsm {
namespace {

// Negative, zero, positive as `a` lies before, at, behind `b` in internal order, when their
// keys have the same KeyPrefix.
int CompareBehindPrefix(const Entry& a, const Entry& b) {
  const size_t n = std::min(a.key.size(), b.key.size());
  if (n > 8) {
    const int order = std::memcmp(a.key.data() + 8, b.key.data() + 8, n - 8);
    if (order != 0) return order;
  }
  // A key of up to 8 bytes equals the beginning of the other but for zeros.
  if (a.key.size() != b.key.size()) return a.key.size() < b.key.size() ? -1 : 1;
  if (a.sequence == b.sequence) return 0;
  return a.sequence > b.sequence ? -1 : 1;
}

int Compare(const Entry& a, const Entry& b) {
  const uint64_t prefix_a = KeyPrefix(a.key);
  const uint64_t prefix_b = KeyPrefix(b.key);
  if (prefix_a != prefix_b) return prefix_a < prefix_b ? -1 : 1;
  return CompareBehindPrefix(a, b);
}

// A tree of losers (Knuth, volume 3, 5.4.1): children are leaves n … 2n-1, each inner node
// 1 … n-1 remembers who lost there, node 0 who won it all. When the winner has moved, only the
// nodes on its way up play again.
//
// Going up, all children but the winner stand on their first entry behind the current one;
// going down, on their last one before it.
class MergingCursor final : public EntryCursor {
 public:
  explicit MergingCursor(std::vector<std::unique_ptr<EntryCursor>> children)
      : children_(std::move(children)), nodes_(2 * children_.size()) {}

  void SeekToFirst() override {
    Restart(Direction::kUp, [](EntryCursor& child) { child.SeekToFirst(); });
  }
  void SeekToLast() override {
    Restart(Direction::kDown, [](EntryCursor& child) { child.SeekToLast(); });
  }
  void Seek(std::string_view key, Sequence sequence) override {
    Restart(Direction::kUp, [&](EntryCursor& child) { child.Seek(key, sequence); });
  }

  void Next() override {
    AIDB_CHECK(valid_);
    if (direction_ != Direction::kUp) [[unlikely]]
      Turn(Direction::kUp);
    const size_t winner = nodes_[0].loser;
    children_[winner]->Next();
    LoadHead(winner);
    Replay(winner);
    Show();
  }
  void Prev() override {
    AIDB_CHECK(valid_);
    if (direction_ != Direction::kDown) [[unlikely]]
      Turn(Direction::kDown);
    const size_t winner = nodes_[0].loser;
    children_[winner]->Prev();
    LoadHead(winner);
    Replay(winner);
    Show();
  }

  Status status() const override { return status_; }

 private:
  enum class Direction : uint8_t { kUp, kDown };
  static constexpr uint64_t kPrefixOfNone = UINT64_MAX;

  // What decides most comparisons, side by side in memory.
  struct Head {
    uint64_t prefix = 0;  // Complemented when going down; kPrefixOfNone if there is no entry.
    const Entry* entry = nullptr;  // Null if the child is at its end.
  };
  // Node i of the tree, and the head of child i: one allocation for all of them.
  struct Node {
    Head head;            // Of the first n nodes only.
    uint32_t loser = 0;   // Likewise.
    uint32_t winner = 0;  // Used by PlayAll only.
  };

  template <typename Move>
  void Restart(Direction direction, const Move& move) {
    direction_ = direction;
    status_ = Status();
    for (size_t i = 0; i < children_.size(); ++i) {
      move(*children_[i]);
      LoadHead(i);
    }
    PlayAll();
    Show();
  }

  void LoadHead(size_t i) {
    const EntryCursor& child = *children_[i];
    if (!child.valid()) [[unlikely]] {
      nodes_[i].head = {kPrefixOfNone, nullptr};
      if (Status status = child.status(); !status.ok() && status_.ok()) {
        status_ = std::move(status);
      }
      return;
    }
    const uint64_t prefix = KeyPrefix(child.entry().key);
    nodes_[i].head = {direction_ == Direction::kUp ? prefix : ~prefix, &child.entry()};
  }

  // Whether child `a` comes before child `b` in the direction of the walk.
  bool Beats(size_t a, size_t b) const {
    const Head& head_a = nodes_[a].head;
    const Head& head_b = nodes_[b].head;
    if (head_a.prefix != head_b.prefix) return head_a.prefix < head_b.prefix;
    return BeatsBehindPrefix(a, b);
  }
  bool BeatsBehindPrefix(size_t a, size_t b) const {
    if (nodes_[a].head.entry == nullptr) return false;
    if (nodes_[b].head.entry == nullptr) return true;
    const int order = CompareBehindPrefix(*nodes_[a].head.entry, *nodes_[b].head.entry);
    if (order == 0) return (a < b) == (direction_ == Direction::kUp);
    return (order < 0) == (direction_ == Direction::kUp);
  }

  void PlayAll() {
    const size_t n = children_.size();
    for (size_t i = 0; i < n; ++i) nodes_[n + i].winner = static_cast<uint32_t>(i);
    for (size_t node = n - 1; node > 0; --node) {
      uint32_t winner = nodes_[2 * node].winner;
      uint32_t loser = nodes_[2 * node + 1].winner;
      if (Beats(loser, winner)) std::swap(winner, loser);
      nodes_[node].winner = winner;
      nodes_[node].loser = loser;
    }
    nodes_[0].loser = nodes_[1].winner;
  }

  void Replay(size_t child) {
    auto player = static_cast<uint32_t>(child);
    for (size_t node = (child + children_.size()) / 2; node > 0; node /= 2) {
      if (Beats(nodes_[node].loser, player)) std::swap(nodes_[node].loser, player);
    }
    nodes_[0].loser = player;
  }

  void Show() {
    const Entry* entry = nodes_[nodes_[0].loser].head.entry;
    valid_ = entry != nullptr && status_.ok();
    if (valid_) entry_ = *entry;
  }

  // Moves every child but the winner to the other side of the current entry. One step does it,
  // unless a memtable has taken new entries in between.
  void Turn(Direction direction) {
    direction_ = direction;
    const size_t winner = nodes_[0].loser;
    for (size_t i = 0; i < children_.size(); ++i) {
      if (i == winner) continue;
      EntryCursor& child = *children_[i];
      Step(child);
      while (child.valid() && !IsAhead(child.entry(), i, winner)) {
        child.Seek(entry_.key, entry_.sequence);
        if (child.valid() && IsAhead(child.entry(), i, winner)) break;
        Step(child);
      }
      LoadHead(i);
    }
    LoadHead(winner);
    PlayAll();
    // An error keeps the winner from moving on: Show() will end the walk.
    AIDB_CHECK(nodes_[0].loser == winner);
  }
  void Step(EntryCursor& child) {
    if (direction_ == Direction::kUp) {
      child.valid() ? child.Next() : child.SeekToFirst();
    } else {
      child.valid() ? child.Prev() : child.SeekToLast();
    }
  }
  bool IsAhead(const Entry& entry, size_t child, size_t winner) const {
    const int order = Compare(entry, entry_);
    const bool behind = order != 0 ? order > 0 : child > winner;
    return behind == (direction_ == Direction::kUp);
  }

  const std::vector<std::unique_ptr<EntryCursor>> children_;
  std::vector<Node> nodes_;
  Direction direction_ = Direction::kUp;
  Status status_;
};

class EmptyCursor final : public EntryCursor {
 public:
  void SeekToFirst() override {}
  void SeekToLast() override {}
  void Seek(std::string_view, Sequence) override {}
  void Next() override { AIDB_CHECK(valid_); }
  void Prev() override { AIDB_CHECK(valid_); }
  Status status() const override { return {}; }
};

}  // namespace

std::unique_ptr<EntryCursor> NewMergingCursor(std::vector<std::unique_ptr<EntryCursor>> children) {
  if (children.empty()) return std::make_unique<EmptyCursor>();
  if (children.size() == 1) return std::move(children.front());
  return std::make_unique<MergingCursor>(std::move(children));
}

}  // namespace aidb::lsm

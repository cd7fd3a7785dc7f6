#pragma once

// A B+tree of arena records that one writer changes while readers walk it without a lock.
//
//   inner  up to 63 separators {u64 prefix, u32 record} and 64 children
//   leaf   up to 32 slots      {u64 prefix, u32 record}
//
// A separator is the first record of the node to its right when that node was split off; that
// record stays the first of its node for ever, since nothing is removed. The two separators
// around a node are its fences. What both fences share, every key between them shares (prefix
// truncation: Graefe and Larson, "B-tree indexes and CPU caches", 2001), so `prefix` is the 8
// key bytes behind the node's `shared` first ones, as a big-endian number, short keys padded
// with zeros. Two different prefixes order two keys; equal ones ask the records.
//
// Nodes on the edges have the lowest or the highest key of the tree in place of a fence. A key
// beyond it first shortens `shared` along that edge; whoever searches first compares with both
// ends, so that no search enters a node with a key that does not share its bytes.
//
// Readers: optimistic lock coupling (Leis et al., "The ART of practical synchronization",
// DaMoN 2016). The writer makes a node's version odd, changes it and makes it even again; a
// reader takes the version before and compares it after. All words are atomics, read with
// acquire and written with release: a reader that sees a changed word also sees the version
// that announced it, so no fences are needed. What a torn read can meet is always a record or
// a node of this tree, hence harmless. A reader that must restart too often takes the mutex.

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "aidb/base/sync.h"
#include "aidb/lsm/arena.h"
#include "aidb/lsm/record.h"

namespace aidb::lsm {

// Entries in internal order.
//
// Thread safety: whoever calls Insert or NodeBytesMax holds the writer mutex; everything else
// may be called by any thread. A reader sees at least the records whose Insert returned before
// its call began.
// Lifetime: borrows arena and mutex; the nodes live in the arena.
class PrefixTree {
 public:
  static constexpr uint32_t kLeafSlots = 32;
  static constexpr uint32_t kInnerSlots = 63;
  // 2^30 records in leaves of 16 under nodes of 32 children make a height of 6.
  static constexpr uint32_t kHeightMax = 10;
  static constexpr int kRestartsMax = 64;

  PrefixTree(Arena& arena, Mutex& writer);

  // `record` is in the arena; no other record has its key and sequence.
  void Insert(RecordRef record);

  // No more than this is taken from the arena by `inserts` insertions from now on.
  size_t NodeBytesMax(size_t inserts) const;
  // No more than this is taken for a tree that grows from nothing by `inserts` insertions.
  static size_t BytesFor(size_t inserts);

  // The first record at or behind (key, sequence), 0 if there is none.
  RecordRef Find(std::string_view key, Sequence sequence) const;

  // A copy of one leaf, for a walk that need not be validated again.
  struct Run {
    std::array<RecordRef, kLeafSlots> records;
    uint32_t count = 0;
    uint32_t position = 0;
    RecordRef next = 0;  // The first record of the next leaf, 0 = no more.
  };

  // Each copies the leaf around the record sought and stands on it; false if there is none.
  bool ReadFirst(Run& run) const;
  bool ReadLast(Run& run) const;
  bool ReadAt(std::string_view key, Sequence sequence, Run& run) const;
  bool ReadBefore(std::string_view key, Sequence sequence, Run& run) const;

 private:
  struct Probe {
    std::string_view key;
    Sequence sequence;
  };
  // How many slots a search counts: those before the probe, or also one equal to it.
  enum class Bound : uint8_t { kBefore, kUpTo };

  struct Node {
    explicit Node(uint32_t node_level) : level(node_level) {}
    std::atomic<uint64_t> version{0};  // Odd while the writer is inside.
    std::atomic<uint32_t> count{0};    // Slots of a leaf, separators of an inner node.
    std::atomic<uint32_t> shared{0};   // At most what the fences share.
    std::atomic<RecordRef> lower{0};   // Fences: lower <= keys < upper; 0 on an edge.
    std::atomic<RecordRef> upper{0};
    const uint32_t level;  // 0 = leaf.
  };
  template <uint32_t kSlotCount>
  struct SlotNode : Node {
    static constexpr uint32_t kSlots = kSlotCount;
    explicit SlotNode(uint32_t node_level) : Node(node_level) {}
    std::array<std::atomic<uint64_t>, kSlots> prefix{};
    std::array<std::atomic<RecordRef>, kSlots> record{};
  };
  struct alignas(64) Leaf : SlotNode<kLeafSlots> {
    Leaf() : SlotNode(0) {}
  };
  struct alignas(64) Inner : SlotNode<kInnerSlots> {
    explicit Inner(uint32_t node_level) : SlotNode(node_level) {}
    std::array<std::atomic<Node*>, kSlots + 1> child{};
  };
  // The nodes from the root to a leaf, by level, and the child taken in each.
  struct Path {
    std::array<Node*, kHeightMax> node;
    std::array<uint32_t, kHeightMax> child;
  };

  const Record& At(RecordRef ref) const { return Record::At(arena_, ref); }
  Probe ProbeOf(RecordRef ref) const { return {At(ref).key(), At(ref).sequence()}; }
  uint64_t PrefixOf(RecordRef ref, uint32_t shared) const;
  // Negative, zero, positive: record before, at, behind the probe. Skips `shared` bytes.
  int Compare(RecordRef ref, const Probe& probe, size_t shared) const;
  template <typename N>
  uint32_t Rank(const N& node, const Probe& probe, Bound bound) const;
  template <typename N>
  uint32_t RankAmongEqual(const N& node, const Probe& probe, Bound bound, uint32_t first,
                          uint32_t count, uint32_t shared) const;

  // Readers.
  template <typename Visit>
  void Optimistically(const Visit& visit) const;
  const Leaf* Descend(const Probe& probe, Bound bound, uint64_t& version) const;
  void ReadRun(const Probe& probe, Bound route, Bound rank, Run& run) const;
  static bool Unchanged(const Node& node, uint64_t version) {
    return node.version.load(std::memory_order_relaxed) == version;
  }

  // The writer.
  static void Open(Node& node);
  static void Close(Node& node);
  Path PathTo(const Probe& probe) const;
  Path EdgePath(Bound edge) const;
  template <typename N>
  void PutSlot(N& node, uint32_t position, RecordRef record);
  void InsertInLeaf(const Path& path, RecordRef record, uint32_t position);
  void SplitLeaf(const Path& path, RecordRef record, uint32_t position);
  void InsertSeparator(const Path& path, uint32_t level, RecordRef separator, Node* right);
  Inner* SplitInner(Inner& node, RecordRef& separator);
  void PutChild(Inner& node, uint32_t position, RecordRef separator, Node* right);
  void GrowRoot(Node* left, RecordRef separator, Node* right);
  template <typename N>
  void MoveSlots(N& from, uint32_t first, N& to);
  void ShortenEdge(Bound edge, size_t shared);
  template <typename N>
  void SetShared(N& node, uint32_t shared);
  template <typename N>
  void Tighten(N& node);
  template <typename N, typename... Args>
  N* NewNode(Args... args);

  Arena& arena_;
  Mutex& writer_;

  std::atomic<Node*> root_;
  // The ends of the tree as readers may use them: set behind the insertion of the record.
  std::atomic<RecordRef> min_{0};
  std::atomic<RecordRef> max_{0};

  // The writer's own.
  RecordRef first_ = 0;
  RecordRef last_ = 0;
  Leaf* rightmost_;
  uint64_t records_ = 0;
  uint64_t inner_nodes_ = 0;
  uint32_t height_ = 1;  // Levels, that of the leaves included.
  // No node on the left, or right, edge shares more than this.
  size_t left_shared_ = 0;
  size_t right_shared_ = 0;
};

}  // namespace aidb::lsm

#include "aidb/lsm/prefix_tree.h"

#include <algorithm>
#include <cstring>
#include <new>

#include "aidb/base/check.h"
#include "aidb/lsm/key_prefix.h"

namespace aidb::lsm {
namespace {

using std::memory_order_acquire;
using std::memory_order_relaxed;
using std::memory_order_release;

// Leaves that insertions add to a tree of one leaf: all but those on the two edges then have 16
// records or more.
size_t LeavesAddedMax(size_t inserts) { return std::min(inserts, inserts / 16 + 4); }

}  // namespace

PrefixTree::PrefixTree(Arena& arena, Mutex& writer)
    : arena_(arena), writer_(writer), rightmost_(NewNode<Leaf>()) {
  root_.store(rightmost_, memory_order_release);
}

size_t PrefixTree::NodeBytesMax(size_t inserts) const {
  if (height_ == 1 && inserts <= kLeafSlots - rightmost_->count.load(memory_order_relaxed)) {
    return 0;
  }
  // At worst every insertion meets a full leaf below full inner nodes that were not split yet.
  // A node once split takes another 31 children before it splits again.
  const size_t leaves = height_ == 1 ? LeavesAddedMax(inserts) : inserts;
  const size_t inner = std::min<size_t>(leaves * (height_ - 1), inner_nodes_) + leaves / 16 + 1;
  return leaves * (sizeof(Leaf) + alignof(Leaf)) + inner * (sizeof(Inner) + alignof(Inner));
}

size_t PrefixTree::BytesFor(size_t inserts) {
  const size_t leaves = 1 + LeavesAddedMax(inserts);
  return leaves * (sizeof(Leaf) + alignof(Leaf)) +
         (leaves / 16 + 1) * (sizeof(Inner) + alignof(Inner));
}

uint64_t PrefixTree::PrefixOf(RecordRef ref, uint32_t shared) const {
  return KeyPrefix(At(ref).key(), shared);
}

int PrefixTree::Compare(RecordRef ref, const Probe& probe, size_t shared) const {
  const Record& record = At(ref);
  const std::string_view key = record.key();
  const size_t n = std::min(key.size(), probe.key.size());
  const size_t skip = std::min(shared, n);
  const int order = std::memcmp(key.data() + skip, probe.key.data() + skip, n - skip);
  if (order != 0) return order;
  if (key.size() != probe.key.size()) return key.size() < probe.key.size() ? -1 : 1;
  if (record.sequence() == probe.sequence) return 0;
  return record.sequence() > probe.sequence ? -1 : 1;
}

// How many slots of `node` lie before the probe.
template <typename N>
uint32_t PrefixTree::Rank(const N& node, const Probe& probe, Bound bound) const {
  const uint32_t count = node.count.load(memory_order_acquire);
  const uint32_t shared = node.shared.load(memory_order_acquire);
  const uint64_t prefix = KeyPrefix(probe.key, shared);
  uint32_t first = 0;
  for (uint32_t left = count; left > 0;) {
    const uint32_t half = (left + 1) / 2;
    first += node.prefix[first + half - 1].load(memory_order_acquire) < prefix ? half : 0;
    left -= half;
  }
  if (first == count || node.prefix[first].load(memory_order_acquire) != prefix) return first;
  return RankAmongEqual(node, probe, bound, first, count, shared);
}

// Rank when the slots from `first` on begin with the prefix of the probe.
template <typename N>
uint32_t PrefixTree::RankAmongEqual(const N& node, const Probe& probe, Bound bound, uint32_t first,
                                    uint32_t count, uint32_t shared) const {
  const uint64_t prefix = node.prefix[first].load(memory_order_acquire);
  uint32_t end = first + 1;
  while (end < count && node.prefix[end].load(memory_order_acquire) == prefix) ++end;
  while (first < end) {
    const uint32_t middle = (first + end) / 2;
    const int order = Compare(node.record[middle].load(memory_order_acquire), probe, shared);
    if (order < 0 || (order == 0 && bound == Bound::kUpTo)) {
      first = middle + 1;
    } else {
      end = middle;
    }
  }
  return first;
}

// ---- Readers

// Calls `visit` until it says that what it read was of one piece.
template <typename Visit>
void PrefixTree::Optimistically(const Visit& visit) const {
  for (int restarts = 0; restarts < kRestartsMax; ++restarts) {
    if (visit()) return;
    SpinPause();
  }
  MutexLock lock(writer_);
  AIDB_CHECK(visit());
}

// The leaf that holds what lies before, or up to, the probe; null if the writer came between.
const PrefixTree::Leaf* PrefixTree::Descend(const Probe& probe, Bound bound,
                                            uint64_t& version) const {
  const Node* node = root_.load(memory_order_acquire);
  version = node->version.load(memory_order_acquire);
  // A root that was split stays in the tree as a child, so ask again.
  if (version % 2 != 0 || root_.load(memory_order_acquire) != node) return nullptr;
  while (node->level > 0) {
    const auto& inner = static_cast<const Inner&>(*node);
    const Node* child = inner.child[Rank(inner, probe, bound)].load(memory_order_acquire);
    if (child == nullptr) return nullptr;
    const uint64_t child_version = child->version.load(memory_order_acquire);
    if (child_version % 2 != 0 || !Unchanged(inner, version)) return nullptr;
    node = child;
    version = child_version;
  }
  return static_cast<const Leaf*>(node);
}

RecordRef PrefixTree::Find(std::string_view key, Sequence sequence) const {
  const Probe probe{key, sequence};
  const RecordRef max = max_.load(memory_order_acquire);
  if (max == 0 || Compare(max, probe, 0) < 0) return 0;
  const RecordRef min = min_.load(memory_order_acquire);
  if (Compare(min, probe, 0) >= 0) return min;
  RecordRef found = 0;
  Optimistically([&] {
    uint64_t version;
    const Leaf* leaf = Descend(probe, Bound::kUpTo, version);
    if (leaf == nullptr) return false;
    const uint32_t position = Rank(*leaf, probe, Bound::kBefore);
    found = position < leaf->count.load(memory_order_acquire)
                ? leaf->record[position].load(memory_order_acquire)
                : leaf->upper.load(memory_order_acquire);
    return Unchanged(*leaf, version);
  });
  return found;
}

// Copies the leaf that `route` leads to; the position is the `rank` of the probe in it.
void PrefixTree::ReadRun(const Probe& probe, Bound route, Bound rank, Run& run) const {
  Optimistically([&] {
    uint64_t version;
    const Leaf* leaf = Descend(probe, route, version);
    if (leaf == nullptr) return false;
    run.position = Rank(*leaf, probe, rank);
    run.count = leaf->count.load(memory_order_acquire);
    for (uint32_t i = 0; i < run.count; ++i) {
      run.records[i] = leaf->record[i].load(memory_order_acquire);
    }
    run.next = leaf->upper.load(memory_order_acquire);
    return Unchanged(*leaf, version);
  });
}

bool PrefixTree::ReadFirst(Run& run) const {
  const RecordRef min = min_.load(memory_order_acquire);
  if (min == 0) return false;
  ReadRun(ProbeOf(min), Bound::kUpTo, Bound::kBefore, run);
  return true;
}

bool PrefixTree::ReadLast(Run& run) const {
  const RecordRef max = max_.load(memory_order_acquire);
  if (max == 0) return false;
  ReadRun(ProbeOf(max), Bound::kUpTo, Bound::kUpTo, run);
  --run.position;
  return true;
}

bool PrefixTree::ReadAt(std::string_view key, Sequence sequence, Run& run) const {
  Probe probe{key, sequence};
  const RecordRef max = max_.load(memory_order_acquire);
  if (max == 0 || Compare(max, probe, 0) < 0) return false;
  const RecordRef min = min_.load(memory_order_acquire);
  if (Compare(min, probe, 0) > 0) probe = ProbeOf(min);
  ReadRun(probe, Bound::kUpTo, Bound::kBefore, run);
  if (run.position == run.count) {
    // There is a next leaf, for the probe is not beyond the highest record.
    ReadRun(ProbeOf(run.next), Bound::kUpTo, Bound::kBefore, run);
  }
  return true;
}

bool PrefixTree::ReadBefore(std::string_view key, Sequence sequence, Run& run) const {
  const Probe probe{key, sequence};
  const RecordRef max = max_.load(memory_order_acquire);
  if (max == 0) return false;
  if (Compare(max, probe, 0) < 0) {
    // Stand on this very record: a higher one may come, even beyond the probe.
    ReadRun(ProbeOf(max), Bound::kUpTo, Bound::kUpTo, run);
  } else {
    if (Compare(min_.load(memory_order_acquire), probe, 0) >= 0) return false;
    ReadRun(probe, Bound::kBefore, Bound::kBefore, run);
  }
  --run.position;
  return true;
}

// ---- The writer

template <typename N, typename... Args>
N* PrefixTree::NewNode(Args... args) {
  return new (arena_.At(arena_.Allocate(sizeof(N), alignof(N)))) N(args...);
}

// Nothing that the writer changes in between is taken for whole by a reader. The stores in
// between are releases, so they cannot pass the odd version.
void PrefixTree::Open(Node& node) {
  node.version.store(node.version.load(memory_order_relaxed) + 1, memory_order_relaxed);
}
void PrefixTree::Close(Node& node) {
  node.version.store(node.version.load(memory_order_relaxed) + 1, memory_order_release);
}

void PrefixTree::Insert(RecordRef record) {
  const Probe probe = ProbeOf(record);
  if (records_++ == 0) {
    first_ = last_ = record;
    left_shared_ = right_shared_ = probe.key.size();
    rightmost_->shared.store(static_cast<uint32_t>(probe.key.size()), memory_order_release);
    InsertInLeaf(EdgePath(Bound::kUpTo), record, 0);
    min_.store(record, memory_order_release);
    max_.store(record, memory_order_release);
    return;
  }
  if (Compare(last_, probe, 0) < 0) {
    const size_t shared = SharedBytes(At(last_).key(), probe.key);
    if (shared < right_shared_) ShortenEdge(Bound::kUpTo, shared);
    last_ = record;
    const uint32_t count = rightmost_->count.load(memory_order_relaxed);
    if (count < kLeafSlots) {
      // A slot behind all others disturbs no reader: it appears with the count.
      PutSlot(*rightmost_, count, record);
    } else {
      SplitLeaf(EdgePath(Bound::kUpTo), record, count);
    }
    max_.store(record, memory_order_release);
    return;
  }
  const bool is_first = Compare(first_, probe, 0) > 0;
  if (is_first) {
    const size_t shared = SharedBytes(At(first_).key(), probe.key);
    if (shared < left_shared_) ShortenEdge(Bound::kBefore, shared);
    first_ = record;
  }
  const Path path = is_first ? EdgePath(Bound::kBefore) : PathTo(probe);
  const uint32_t position =
      is_first ? 0 : Rank(*static_cast<Leaf*>(path.node[0]), probe, Bound::kUpTo);
  InsertInLeaf(path, record, position);
  if (is_first) min_.store(record, memory_order_release);
}

PrefixTree::Path PrefixTree::PathTo(const Probe& probe) const {
  Path path;
  Node* node = root_.load(memory_order_relaxed);
  while (node->level > 0) {
    auto* inner = static_cast<Inner*>(node);
    const uint32_t child = Rank(*inner, probe, Bound::kUpTo);
    path.node[node->level] = node;
    path.child[node->level] = child;
    node = inner->child[child].load(memory_order_relaxed);
  }
  path.node[0] = node;
  return path;
}

// The path along the left edge (kBefore: before all keys) or the right one (kUpTo).
PrefixTree::Path PrefixTree::EdgePath(Bound edge) const {
  Path path;
  Node* node = root_.load(memory_order_relaxed);
  while (node->level > 0) {
    auto* inner = static_cast<Inner*>(node);
    const uint32_t child = edge == Bound::kBefore ? 0 : inner->count.load(memory_order_relaxed);
    path.node[node->level] = node;
    path.child[node->level] = child;
    node = inner->child[child].load(memory_order_relaxed);
  }
  path.node[0] = node;
  return path;
}

// Makes room at `position` of a node that is not full and puts `record` there.
template <typename N>
void PrefixTree::PutSlot(N& node, uint32_t position, RecordRef record) {
  const uint32_t count = node.count.load(memory_order_relaxed);
  for (uint32_t i = count; i > position; --i) {
    node.prefix[i].store(node.prefix[i - 1].load(memory_order_relaxed), memory_order_release);
  }
  for (uint32_t i = count; i > position; --i) {
    node.record[i].store(node.record[i - 1].load(memory_order_relaxed), memory_order_release);
  }
  const uint32_t shared = node.shared.load(memory_order_relaxed);
  node.prefix[position].store(PrefixOf(record, shared), memory_order_release);
  node.record[position].store(record, memory_order_release);
  node.count.store(count + 1, memory_order_release);
}

void PrefixTree::InsertInLeaf(const Path& path, RecordRef record, uint32_t position) {
  auto& leaf = static_cast<Leaf&>(*path.node[0]);
  if (leaf.count.load(memory_order_relaxed) == kLeafSlots) {
    SplitLeaf(path, record, position);
    return;
  }
  Open(leaf);
  PutSlot(leaf, position, record);
  Close(leaf);
}

// Splits the full leaf at the end of `path` around `position`, where `record` belongs.
void PrefixTree::SplitLeaf(const Path& path, RecordRef record, uint32_t position) {
  auto& left = static_cast<Leaf&>(*path.node[0]);
  auto* right = NewNode<Leaf>();
  // Keys that arrive in order leave full leaves behind.
  const bool at_end = position == kLeafSlots && left.upper.load(memory_order_relaxed) == 0;
  const bool at_start = position == 0 && left.lower.load(memory_order_relaxed) == 0;
  const uint32_t middle = at_end ? kLeafSlots : at_start ? 0 : kLeafSlots / 2;
  const RecordRef separator = at_end ? record : left.record[middle].load(memory_order_relaxed);

  right->shared.store(std::min(left.shared.load(memory_order_relaxed),
                               static_cast<uint32_t>(At(separator).key().size())),
                      memory_order_relaxed);
  right->lower.store(separator, memory_order_relaxed);
  right->upper.store(left.upper.load(memory_order_relaxed), memory_order_relaxed);
  Open(left);
  MoveSlots(left, middle, *right);
  left.upper.store(separator, memory_order_release);
  if (position > middle || at_end) {
    PutSlot(*right, position - middle, record);
  } else {
    PutSlot(left, position, record);
  }
  Tighten(left);
  Tighten(*right);
  InsertSeparator(path, 1, separator, right);
  Close(left);
  if (&left == rightmost_) rightmost_ = right;
}

// Hangs `right` behind the child that `path` takes at `level`. That child is still open.
void PrefixTree::InsertSeparator(const Path& path, uint32_t level, RecordRef separator,
                                 Node* right) {
  if (level == height_) {
    GrowRoot(path.node[level - 1], separator, right);
    return;
  }
  auto& node = static_cast<Inner&>(*path.node[level]);
  Open(node);
  uint32_t position = path.child[level];
  if (node.count.load(memory_order_relaxed) < kInnerSlots) {
    PutChild(node, position, separator, right);
  } else if (position == kInnerSlots && node.upper.load(memory_order_relaxed) == 0) {
    // At the right edge: leave a full node behind; the new one begins with one child.
    auto* next = NewNode<Inner>(level);
    ++inner_nodes_;
    next->lower.store(separator, memory_order_relaxed);
    next->child[0].store(right, memory_order_relaxed);
    next->shared.store(std::min(node.shared.load(memory_order_relaxed),
                                static_cast<uint32_t>(At(separator).key().size())),
                       memory_order_relaxed);
    node.upper.store(separator, memory_order_release);
    Tighten(node);
    InsertSeparator(path, level + 1, separator, next);
  } else {
    RecordRef middle;
    Inner* next = SplitInner(node, middle);
    const uint32_t kept = node.count.load(memory_order_relaxed);
    if (position > kept) {
      PutChild(*next, position - kept - 1, separator, right);
    } else {
      PutChild(node, position, separator, right);
    }
    Tighten(node);
    Tighten(*next);
    InsertSeparator(path, level + 1, middle, next);
  }
  Close(node);
}

// Moves the upper half of a full inner node to a new one; `separator` goes between them.
PrefixTree::Inner* PrefixTree::SplitInner(Inner& node, RecordRef& separator) {
  constexpr uint32_t kMiddle = kInnerSlots / 2;
  auto* next = NewNode<Inner>(node.level);
  ++inner_nodes_;
  separator = node.record[kMiddle].load(memory_order_relaxed);
  next->shared.store(node.shared.load(memory_order_relaxed), memory_order_relaxed);
  next->lower.store(separator, memory_order_relaxed);
  next->upper.store(node.upper.load(memory_order_relaxed), memory_order_relaxed);
  for (uint32_t i = kMiddle + 1; i <= kInnerSlots; ++i) {
    next->child[i - kMiddle - 1].store(node.child[i].load(memory_order_relaxed),
                                       memory_order_relaxed);
  }
  MoveSlots(node, kMiddle + 1, *next);
  node.count.store(kMiddle, memory_order_release);
  node.upper.store(separator, memory_order_release);
  return next;
}

void PrefixTree::PutChild(Inner& node, uint32_t position, RecordRef separator, Node* right) {
  for (uint32_t i = node.count.load(memory_order_relaxed) + 1; i > position + 1; --i) {
    node.child[i].store(node.child[i - 1].load(memory_order_relaxed), memory_order_release);
  }
  node.child[position + 1].store(right, memory_order_release);
  PutSlot(node, position, separator);
}

void PrefixTree::GrowRoot(Node* left, RecordRef separator, Node* right) {
  AIDB_CHECK(height_ < kHeightMax);
  auto* root = NewNode<Inner>(height_);
  ++inner_nodes_;
  const size_t shared = SharedBytes(At(first_).key(), At(last_).key());
  root->shared.store(static_cast<uint32_t>(shared), memory_order_relaxed);
  left_shared_ = std::max(left_shared_, shared);
  right_shared_ = std::max(right_shared_, shared);
  root->child[0].store(left, memory_order_relaxed);
  PutChild(*root, 0, separator, right);
  ++height_;
  root_.store(root, memory_order_release);
}

// Moves the slots from `first` on to the empty node `to`, which shares at most as much.
template <typename N>
void PrefixTree::MoveSlots(N& from, uint32_t first, N& to) {
  const uint32_t count = from.count.load(memory_order_relaxed);
  for (uint32_t i = first; i < count; ++i) {
    to.prefix[i - first].store(from.prefix[i].load(memory_order_relaxed), memory_order_relaxed);
    to.record[i - first].store(from.record[i].load(memory_order_relaxed), memory_order_relaxed);
  }
  to.count.store(count - first, memory_order_relaxed);
  from.count.store(first, memory_order_release);
}

// No node on the edge may claim that a new end key shares more with it than `shared`.
void PrefixTree::ShortenEdge(Bound edge, size_t shared) {
  const Path path = EdgePath(edge);
  for (uint32_t level = 0; level < height_; ++level) {
    Node& node = *path.node[level];
    if (node.shared.load(memory_order_relaxed) <= shared) continue;
    Open(node);
    if (level == 0) {
      SetShared(static_cast<Leaf&>(node), static_cast<uint32_t>(shared));
    } else {
      SetShared(static_cast<Inner&>(node), static_cast<uint32_t>(shared));
    }
    Close(node);
  }
  (edge == Bound::kBefore ? left_shared_ : right_shared_) = shared;
}

template <typename N>
void PrefixTree::SetShared(N& node, uint32_t shared) {
  node.shared.store(shared, memory_order_release);
  const uint32_t count = node.count.load(memory_order_relaxed);
  for (uint32_t i = 0; i < count; ++i) {
    const RecordRef record = node.record[i].load(memory_order_relaxed);
    node.prefix[i].store(PrefixOf(record, shared), memory_order_release);
  }
}

// Lets `shared` grow to what the fences share now, if prefixes in the node collide: reading
// every record again is worth it only then.
template <typename N>
void PrefixTree::Tighten(N& node) {
  const uint32_t count = node.count.load(memory_order_relaxed);
  bool collides = false;
  for (uint32_t i = 1; i < count; ++i) {
    collides |=
        node.prefix[i].load(memory_order_relaxed) == node.prefix[i - 1].load(memory_order_relaxed);
  }
  if (!collides) return;
  const RecordRef lower = node.lower.load(memory_order_relaxed);
  const RecordRef upper = node.upper.load(memory_order_relaxed);
  const size_t shared =
      SharedBytes(At(lower == 0 ? first_ : lower).key(), At(upper == 0 ? last_ : upper).key());
  if (shared <= node.shared.load(memory_order_relaxed)) return;
  SetShared(node, static_cast<uint32_t>(shared));
  if (lower == 0) left_shared_ = std::max(left_shared_, shared);
  if (upper == 0) right_shared_ = std::max(right_shared_, shared);
}

}  // namespace aidb::lsm

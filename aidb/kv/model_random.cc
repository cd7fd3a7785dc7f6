#include "aidb/kv/model_random.h"

#include <algorithm>
#include <set>
#include <utility>

namespace aidb::kv {
namespace {

constexpr uint64_t kKeyCount = 240;

// One of kKeyCount keys, of four families.
std::string KeyAt(uint64_t index) {
  const uint64_t number = index / 4;
  switch (index % 4) {
    case 0:
      return "k" + std::to_string(number);
    case 1:
      return std::string(100, 'p') + std::to_string(number);
    case 2:  // Long enough to need several bytes of length, equal but for the end.
      return "k" + std::string(1'000, 'x') + std::to_string(number % 10);
    default: {  // Bytes from the ends of the order; number 0 is the empty key.
      std::string key;
      for (uint64_t rest = number; rest > 0; rest /= 4)
        key.push_back(
            "\0\xFF\x7F"
            "a"[rest % 4]);
      return key;
    }
  }
}

}  // namespace

std::string RandomKey(Rng& rng) { return KeyAt(rng.Below(kKeyCount)); }

std::string RandomBound(Rng& rng) {
  std::string bound = RandomKey(rng);
  switch (rng.Below(4)) {
    case 0:
      bound.push_back('\0');
      break;
    case 1:
      if (!bound.empty()) bound.pop_back();
      break;
    default:
      break;
  }
  return bound;
}

std::string RandomValue(Rng& rng) {
  size_t size = rng.Below(60);
  if (rng.OneIn(20)) size = rng.Below(2'000);
  if (rng.OneIn(2'000)) size = rng.Between(50'000, 100'000);
  std::string value(size, static_cast<char>('a' + rng.Below(26)));
  for (size_t i = 0; i < std::min<size_t>(size, 8); ++i) {
    value[i] = static_cast<char>(rng.Next());
  }
  return value;
}

std::string Show(std::string_view bytes) {
  std::string text = "\"";
  for (const char c : bytes.substr(0, 24)) text.push_back(c >= ' ' && c < 0x7F ? c : '.');
  return text + "\"/" + std::to_string(bytes.size());
}

uint64_t RandomExpiry(Rng& rng, uint64_t now_ms) {
  return rng.OneIn(8) ? now_ms - rng.Below(100) : now_ms + rng.Below(500);
}

void RandomMerge(Rng& rng, const std::string& key, WriteBatch& batch, std::string& text) {
  const auto op = static_cast<MergeOperator>(rng.Between(1, 4));
  std::string operand = op == MergeOperator::kAddI64
                            ? std::to_string(static_cast<int64_t>(rng.Below(2'000)) - 1'000)
                            : RandomValue(rng).substr(0, 10);
  text += " merge " + Show(key) + " operator " + std::to_string(static_cast<unsigned>(op)) +
          " with " + Show(operand);
  batch.Merge(key, op, operand);
}

void RandomDeleteRange(Rng& rng, WriteBatch& batch, std::string& text) {
  std::string begin = RandomBound(rng);
  std::optional<std::string> end = RandomBound(rng);
  // Mostly few of the keys that there are.
  if (!rng.OneIn(5)) end = begin + RandomKey(rng).substr(0, 2);
  if (*end < begin) std::swap(begin, *end);
  if (rng.OneIn(20)) end.reset();
  text += " delete [" + Show(begin) + ", " + (end ? Show(*end) : "end") + ")";
  batch.DeleteRange(begin, end);
}

WriteBatch RandomBatch(Rng& rng, std::optional<uint64_t> now_ms, std::string& text) {
  WriteBatch batch;
  for (uint64_t count = rng.Below(10); count > 0; --count) {
    const std::string key = RandomKey(rng);
    if (rng.OneIn(20)) {
      RandomDeleteRange(rng, batch, text);
    } else if (rng.OneIn(3)) {
      text += " delete " + Show(key);
      batch.Delete(key);
    } else if (rng.OneIn(5)) {
      RandomMerge(rng, key, batch, text);
    } else {
      const std::string value = RandomValue(rng);
      text += " put " + Show(key) + " = " + Show(value);
      if (rng.OneIn(4) && now_ms) {
        const uint64_t expires_at_ms = RandomExpiry(rng, *now_ms);
        text += " until " + std::to_string(expires_at_ms);
        batch.Put(key, value, expires_at_ms);
      } else {
        batch.Put(key, value);
      }
    }
  }
  return batch;
}

WriteBatch RandomSorted(Rng& rng, uint64_t now_ms, std::string& text) {
  WriteBatch sorted;
  std::set<std::string> edges;
  if (rng.OneIn(4)) {
    for (uint64_t count = rng.Between(1, 2); count > 0; --count) {
      edges.insert(RandomBound(rng));
      edges.insert(RandomBound(rng));
    }
  }
  // A DB takes no others from a sorted file (keyspace.h).
  const auto prefixed = [](const std::string& key) { return TakesPrefix(key); };
  std::erase_if(edges, prefixed);
  for (auto edge = edges.begin(); edge != edges.end(); ++edge) {
    const std::string& begin = *edge;
    if (++edge == edges.end()) break;
    text += " delete [" + Show(begin) + ", " + Show(*edge) + ")";
    sorted.DeleteRange(begin, *edge);
  }
  std::set<std::string> keys;
  for (uint64_t count = rng.Between(1, 8); count > 0; --count) keys.insert(RandomKey(rng));
  std::erase_if(keys, prefixed);
  if (keys.empty()) keys.insert("k");
  for (const std::string& key : keys) {
    if (rng.OneIn(5)) {
      text += " delete " + Show(key);
      sorted.Delete(key);
      continue;
    }
    const std::string value = RandomValue(rng);
    text += " put " + Show(key) + " = " + Show(value);
    if (rng.OneIn(4)) {
      sorted.Put(key, value, RandomExpiry(rng, now_ms));
    } else {
      sorted.Put(key, value);
    }
  }
  return sorted;
}

RandomScan::RandomScan(Rng& rng) {
  if (rng.OneIn(3)) lower = RandomBound(rng);
  if (rng.OneIn(3)) upper = RandomBound(rng);
  if (rng.OneIn(4)) {
    const std::string key = RandomKey(rng);
    prefix = key.substr(0, rng.Below(key.size() + 1));
  }
  if (rng.OneIn(2)) order = ScanOrder::kReverse;
}

ScanOptions RandomScan::Options(const Snapshot* snapshot) const {
  return {.lower = lower, .upper = upper, .prefix = prefix, .order = order, .snapshot = snapshot};
}

std::string RandomScan::Text() const {
  return "[" + (lower ? Show(*lower) : "-") + ", " + (upper ? Show(*upper) : "-") + ") prefix " +
         Show(prefix) + (order == ScanOrder::kForward ? " up" : " down");
}

}  // namespace aidb::kv

#include "tests/campaign/workload.h"

#include <set>
#include <utility>

#include "aidb/base/check.h"
#include "aidb/base/escape.h"
#include "aidb/base/random.h"
#include "aidb/kv/merge.h"

namespace aidb::campaign {
namespace {

constexpr uint64_t kOneDeleteIn = 5;

std::string Value(Rng& rng, uint64_t writer, uint64_t n, uint64_t bytes_max) {
  std::string value = std::to_string(writer) + "." + std::to_string(n) + ".";
  const uint64_t size = rng.Below(bytes_max + 1);
  while (value.size() < size) {
    // Half noise, half runs: neither all compressible nor all not.
    const uint64_t word = rng.Next();
    value.append(reinterpret_cast<const char*>(&word), sizeof word);
    value.append(word % 16, static_cast<char>(word));
  }
  return value;
}

// Brings `contents` forward by one write; says which keys it touched.
std::set<std::string> Apply(const kv::WriteBatch& batch, Contents& contents) {
  std::set<std::string> touched;
  kv::WriteBatch::Reader reader = batch.operations_reader();
  for (;;) {
    const auto operation = reader.Next();
    AIDB_CHECK(operation.ok());
    if (!*operation) return touched;
    std::string key((*operation)->key);
    if ((*operation)->kind == kv::OpKind::kDelete) {
      contents.erase(key);
    } else if ((*operation)->kind == kv::OpKind::kMerge) {
      const auto held = contents.find(key);
      auto made = kv::Merger().Apply(
          (*operation)->merge_operator, key,
          held == contents.end() ? std::nullopt : std::optional<std::string_view>(held->second),
          (*operation)->value);
      AIDB_CHECK(made.ok());
      contents.insert_or_assign(key, *std::move(made));
    } else {
      contents.insert_or_assign(key, std::string((*operation)->value));
    }
    touched.insert(std::move(key));
  }
}

const std::string* Find(const Contents& contents, std::string_view key) {
  const auto it = contents.find(key);
  return it == contents.end() ? nullptr : &it->second;
}

bool Same(const Contents& a, const Contents& b, std::string_view key) {
  const std::string* in_a = Find(a, key);
  const std::string* in_b = Find(b, key);
  return in_a == nullptr || in_b == nullptr ? in_a == in_b : *in_a == *in_b;
}

// The keys that differ.
std::set<std::string> Differing(const Contents& a, const Contents& b) {
  std::set<std::string> keys;
  for (const auto& [key, value] : a) {
    if (!Same(a, b, key)) keys.insert(key);
  }
  for (const auto& [key, value] : b) {
    if (!a.contains(key)) keys.insert(key);
  }
  return keys;
}

}  // namespace

kv::WriteBatch Workload::Operation(uint64_t writer, uint64_t n) const {
  Rng rng(options_.seed ^ (writer << 56) ^ (n * 0x9E3779B97F4A7C15));
  const uint64_t count = rng.OneIn(3) ? rng.Between(2, options_.batch_operations_max) : uint64_t{1};
  kv::WriteBatch batch;
  for (uint64_t i = 0; i < count; ++i) {
    std::string key = Prefix(writer);
    key += std::to_string(rng.Below(options_.keys_per_writer));
    if (options_.merge_one_in > 0 && rng.OneIn(options_.merge_one_in)) {
      if (rng.OneIn(2)) {
        batch.Merge(key, kv::MergeOperator::kAddI64, std::to_string(n));
      } else {
        batch.Merge(key, kv::MergeOperator::kMax, Value(rng, writer, n, options_.value_bytes_max));
      }
    } else if (rng.OneIn(kOneDeleteIn)) {
      batch.Delete(key);
    } else {
      batch.Put(key, Value(rng, writer, n, options_.value_bytes_max));
    }
  }
  return batch;
}

void WriterModel::AdvanceTo(const Workload& workload, uint64_t writer, uint64_t n) {
  while (operations < n) Apply(workload.Operation(writer, ++operations), contents);
}

std::optional<uint64_t> SurvivingPrefix(const Workload& workload, uint64_t writer,
                                        WriterModel model, uint64_t high, const Contents& found) {
  std::optional<uint64_t> best;
  std::set<std::string> differing = Differing(model.contents, found);
  for (;;) {
    if (differing.empty()) best = model.operations;
    if (model.operations == high) return best;
    const auto touched = Apply(workload.Operation(writer, ++model.operations), model.contents);
    for (const std::string& key : touched) {
      if (Same(model.contents, found, key)) {
        differing.erase(key);
      } else {
        differing.insert(key);
      }
    }
  }
}

std::string Difference(const Contents& expected, const Contents& found) {
  const std::set<std::string> keys = Differing(expected, found);
  if (keys.empty()) return "";
  constexpr size_t kShown = 24;
  const auto shown = [](const std::string* value) {
    return value == nullptr ? std::string("nothing") : '"' + EscapeForMessage(*value, kShown) + '"';
  };
  const std::string& key = *keys.begin();
  return std::to_string(keys.size()) + " keys differ, the first \"" +
         EscapeForMessage(key, kShown) + "\": " + shown(Find(expected, key)) + " expected, " +
         shown(Find(found, key)) + " found";
}

Result<Contents> ReadAll(const kv::Store& store, std::string_view prefix, kv::ScanOrder order) {
  Contents contents;
  kv::Iterator it = store.Scan({.prefix = prefix, .order = order});
  for (; it.Valid(); it.Next()) {
    const auto [place, fresh] = contents.emplace(it.key(), it.value());
    if (!fresh) return Internal("a scan shows a key twice: " + place->first);
  }
  AIDB_RETURN_IF_ERROR(it.status());
  return contents;
}

}  // namespace aidb::campaign

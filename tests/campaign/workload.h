#pragma once

// What the campaigns write, and what must be there afterwards.
//
// Operation n of a writer is a function of (seed, writer, n) alone and touches only the writer's
// own keys. So a number tells everything: who knows that operation n was acknowledged can say
// what every key of the writer must hold, and which states are a prefix of its history.

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "aidb/kv/store.h"
#include "aidb/kv/write_batch.h"

namespace aidb::campaign {

struct WorkloadOptions {
  uint64_t seed = 1;
  uint64_t keys_per_writer = 300;
  uint64_t value_bytes_max = 600;
  // One operation in three is a batch of 2 to this many, the others are single puts and deletes.
  uint64_t batch_operations_max = 8;
  uint64_t merge_one_in = 0;  // Of the operations; 0: none.
};

using Contents = std::map<std::string, std::string, std::less<>>;

// Thread safety: a value; const methods may run concurrently.
class Workload {
 public:
  explicit Workload(const WorkloadOptions& options) : options_(options) {}

  // The n-th write of `writer`; the first is 1. Never empty.
  kv::WriteBatch Operation(uint64_t writer, uint64_t n) const;
  // "w3/": what the keys of a writer begin with.
  static std::string Prefix(uint64_t writer) { return "w" + std::to_string(writer) + "/"; }

 private:
  WorkloadOptions options_;
};

// What the first `operations` operations of one writer leave.
//
// Thread safety: a value.
struct WriterModel {
  uint64_t operations = 0;
  Contents contents;

  void AdvanceTo(const Workload& workload, uint64_t writer, uint64_t n);
  bool operator==(const WriterModel&) const = default;
};

// The largest m in [model.operations, high] for which `found` is exactly what the writer's first
// m operations leave; nullopt when there is none: something is lost, wrong or a phantom.
std::optional<uint64_t> SurvivingPrefix(const Workload& workload, uint64_t writer,
                                        WriterModel model, uint64_t high, const Contents& found);

// In a few words, where two contents differ; empty when they do not.
std::string Difference(const Contents& expected, const Contents& found);

// Everything the store shows of keys that begin with `prefix`.
Result<Contents> ReadAll(const kv::Store& store, std::string_view prefix, kv::ScanOrder order);

}  // namespace aidb::campaign

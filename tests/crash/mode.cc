#include "tests/crash/mode.h"

namespace aidb::campaign {
namespace {

constexpr Mode kModes[] = {
    {.name = "sync", .sync = true},
    {.name = "default"},
    {.name = "interval-20", .sync_interval_ms = 20},
    {.name = "interval-0", .sync_interval_ms = 0},
    {.name = "large-batches", .sync_interval_ms = 0, .large = true},
};

}  // namespace

std::span<const Mode> Modes() { return kModes; }

const Mode* FindMode(std::string_view name) {
  for (const Mode& mode : kModes) {
    if (mode.name == name) return &mode;
  }
  return nullptr;
}

kv::Options OptionsFor(const Mode& mode, uint64_t round) {
  kv::Options options = kv::Options::ForTests();
  options.sync_interval_ms = mode.sync_interval_ms;
  options.memory_bytes <<= round % 3;  // The ring has a sixteenth of it.
  options.write_buffer_bytes <<= 2 * (round % 2);
  return options;
}

WorkloadOptions WorkloadFor(const Mode& mode, uint64_t seed) {
  WorkloadOptions options{.seed = seed, .merge_one_in = 6};
  if (mode.large) {
    options.batch_operations_max = 300;
    options.value_bytes_max = 6000;
  }
  return options;
}

}  // namespace aidb::campaign

#include "aidb/kv/options.h"

#include <algorithm>
#include <array>
#include <limits>

namespace aidb::kv {
namespace {

constexpr uint64_t kKiB = uint64_t{1} << 10;
constexpr uint64_t kMiB = uint64_t{1} << 20;
constexpr uint64_t kGiB = uint64_t{1} << 30;
constexpr uint64_t kTiB = uint64_t{1} << 40;
constexpr int64_t kHourMs = 3'600'000;
constexpr int64_t kYearSeconds = 365 * 24 * 3600;

// One option as a number, with what is allowed for it.
struct OptionRow {
  std::string_view name;
  int64_t value;
  int64_t low;
  int64_t high;
  bool zero_allowed = false;  // Besides low…high: zero means "derived".
};

// Sizes above this are refused anyway; it keeps them within int64_t.
int64_t Number(uint64_t bytes) {
  return static_cast<int64_t>(std::min<uint64_t>(bytes, std::numeric_limits<int64_t>::max()));
}

// All tuning options. Upper bounds are not tuning advice: they keep sums from overflowing and
// typing errors from being obeyed.
std::array<OptionRow, 15> Rows(const Options& options) {
  const int64_t memory = Number(options.memory_bytes);
  return {{
      {"memory_bytes", memory, kMiB, 64 * kTiB},
      // One active memtable, two sealed, and as much again for all else.
      {"write_buffer_bytes", Number(options.write_buffer_bytes), kKiB, memory / 4, true},
      {"cache_bytes", Number(options.cache_bytes), 1, memory, true},
      {"block_bytes", Number(options.block_bytes), 1, kMiB},
      {"filter_bits_per_key", options.filter_bits_per_key, 1, 20, true},
      {"compression", static_cast<int64_t>(options.compression), 0,
       static_cast<int64_t>(Compression::kZstd)},
      {"level0_trigger", options.level0_trigger, 1, 100},
      {"level_base_bytes", Number(options.level_base_bytes), kKiB, kTiB, true},
      {"level_multiplier", options.level_multiplier, 2, 100},
      {"background_threads", options.background_threads, 1, 64, true},
      {"sync_interval_ms", options.sync_interval_ms, 1, kHourMs, true},
      {"log_bytes", Number(options.log_bytes), 64 * kKiB, 4 * kGiB},
      {"batch_bytes_max", Number(options.batch_bytes_max), kKiB,
       std::min(memory / 4, static_cast<int64_t>(kGiB / 2))},
      {"write_wait_ms", options.write_wait_ms, 0, kHourMs},
      {"scrub_period_s", options.scrub_period_s, 1, kYearSeconds, true},
  }};
}

Status CheckRange(const OptionRow& row) {
  if (row.value >= row.low && row.value <= row.high) return {};
  if (row.value == 0 && row.zero_allowed) return {};
  return InvalidArgument("option " + std::string(row.name) + " is " + std::to_string(row.value) +
                         "; allowed is " + (row.zero_allowed ? "0 or " : "") +
                         std::to_string(row.low) + " to " + std::to_string(row.high));
}

// The first byte string behind all that start with `prefix`; nullopt when there is none.
std::optional<std::string> Successor(std::string_view prefix) {
  const size_t last = prefix.find_last_not_of('\xFF');
  if (last == std::string_view::npos) return std::nullopt;
  std::string successor(prefix.substr(0, last + 1));
  successor.back() = static_cast<char>(static_cast<unsigned char>(successor.back()) + 1);
  return successor;
}

}  // namespace

Status Options::Validate() const {
  for (const OptionRow& row : Rows(*this)) AIDB_RETURN_IF_ERROR(CheckRange(row));
  const auto mode_number = static_cast<unsigned>(mode);
  if (mode_number > static_cast<unsigned>(StoreMode::kReadOnly)) {
    return InvalidArgument("option mode is " + std::to_string(mode_number) + "; allowed is 0 to 3");
  }
  return {};
}

Status Options::RefuseAllBut(std::span<const std::string_view> honoured,
                             std::string_view backend) const {
  const auto rows = Rows(*this);
  const auto defaults = Rows(Options());
  for (size_t i = 0; i < rows.size(); ++i) {
    if (rows[i].value == defaults[i].value) continue;
    if (std::ranges::find(honoured, rows[i].name) != honoured.end()) continue;
    return InvalidArgument("option " + std::string(rows[i].name) + " is " +
                           std::to_string(rows[i].value) + "; the " + std::string(backend) +
                           " backend cannot honour it, leave it at " +
                           std::to_string(defaults[i].value));
  }
  return {};
}

Options Options::ForTests() {
  Options options;
  options.memory_bytes = 8 * kMiB;
  options.write_buffer_bytes = 64 * kKiB;
  options.cache_bytes = 256 * kKiB;
  options.block_bytes = 256;
  options.level0_trigger = 2;
  options.level_base_bytes = 128 * kKiB;
  options.level_multiplier = 4;
  options.background_threads = 1;
  options.log_bytes = 256 * kKiB;
  options.batch_bytes_max = 2 * kMiB;
  return options;
}

Options Options::ForWrites() {
  Options options;
  // Three memtables, one active and two sealed: half of the memory.
  options.write_buffer_bytes = options.memory_bytes / 6;
  options.block_bytes = 16 * kKiB;
  options.level0_trigger = 8;
  return options;
}

Options Options::ForReads() {
  Options options;
  options.write_buffer_bytes = options.memory_bytes / 32;
  options.batch_bytes_max = options.memory_bytes / 16;  // Three memtables hold it.
  options.filter_bits_per_key = 14;
  return options;
}

ScanRange RangeOf(const ScanOptions& options) {
  ScanRange range{.lower = std::string(std::max(options.lower.value_or(""), options.prefix)),
                  .upper = Successor(options.prefix)};
  if (options.upper && (!range.upper || *options.upper < *range.upper)) {
    range.upper = std::string(*options.upper);
  }
  return range;
}

}  // namespace aidb::kv

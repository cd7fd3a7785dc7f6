#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "aidb/base/result.h"
#include "aidb/kv/options.h"

namespace aidb::bench {

// How the eight bytes of a key's number are spelled.
enum class KeyStyle : unsigned char {
  kBinary,   // Big-endian, then eight '0': as RocksDB's db_bench does.
  kDecimal,  // Sixteen digits: as LevelDB's does. Keys share a long prefix.
};

// What the command line chooses.
struct Settings {
  std::vector<std::string> peers;  // Empty = all there are.
  std::vector<std::string> workloads = {"fillseq",    "fillrandom", "overwrite",
                                        "readrandom", "seekrandom", "readseq"};
  std::string directory = "/tmp/aidb_bench";
  std::string output;  // JSON result file; empty = none.
  uint64_t keys = 1'000'000;
  uint64_t operations = 0;             // Per run; 0 = as many as keys.
  uint64_t synced_operations = 5'000;  // Per run of a synced workload.
  uint64_t value_bytes = 100;
  uint64_t beside_rate = 0;  // Of a run whose workload says so; 0 = no bound.
  uint64_t memory_bytes = uint64_t{256} << 20;
  uint64_t seconds = 60;  // Of a run that ends by the clock.
  int threads = 1;
  int pairs = 5;
  uint64_t seed = 1;
  KeyStyle key_style = KeyStyle::kBinary;
  kv::Compression compression = kv::Compression::kLz4;
  // No warm-up and no wait for background work to come to rest: shows that all works, no figures.
  bool brief = false;
};

inline constexpr uint64_t kKeyBytes = 16;
inline constexpr uint64_t kSecondsMax = 600;  // Of Settings::seconds.
inline constexpr uint64_t kThreadsMax = 256;
inline constexpr uint64_t kBesideRateMax = 100'000'000;
inline constexpr uint64_t kValueBytesMax = uint64_t{1} << 20;

// kInvalidArgument names the flag and what it takes. `--smoke` stands for a set of small values.
Result<Settings> ParseSettings(std::span<char* const> arguments);
std::string_view NameOf(kv::Compression compression);
std::string_view NameOf(KeyStyle style);
// The text of --help.
std::string Usage();

}  // namespace aidb::bench

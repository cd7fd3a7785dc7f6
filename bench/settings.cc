#include "bench/settings.h"

#include <charconv>
#include <optional>

namespace aidb::bench {
namespace {

constexpr uint64_t kKeysMax = uint64_t{1} << 31;
constexpr uint64_t kMemoryBytesMin = uint64_t{4} << 20;

Status Refuse(std::string_view flag, std::string_view value, const std::string& takes) {
  return InvalidArgument("--" + std::string(flag) + "=" + std::string(value) + ": takes " + takes);
}

Result<uint64_t> Number(std::string_view flag, std::string_view text, uint64_t low, uint64_t high) {
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number < low || number > high) {
    return Refuse(flag, text, std::to_string(low) + " to " + std::to_string(high));
  }
  return number;
}

std::vector<std::string> Split(std::string_view text) {
  std::vector<std::string> parts;
  while (!text.empty()) {
    const size_t comma = std::min(text.find(','), text.size());
    if (comma > 0) parts.emplace_back(text.substr(0, comma));
    text.remove_prefix(std::min(comma + 1, text.size()));
  }
  return parts;
}

Result<kv::Compression> CompressionNamed(std::string_view text) {
  for (const auto codec : {kv::Compression::kNone, kv::Compression::kSnappy, kv::Compression::kLz4,
                           kv::Compression::kZstd}) {
    if (NameOf(codec) == text) return codec;
  }
  return Refuse("compression", text, "none, snappy, lz4 or zstd");
}

Result<KeyStyle> KeyStyleNamed(std::string_view text) {
  for (const auto style : {KeyStyle::kBinary, KeyStyle::kDecimal}) {
    if (NameOf(style) == text) return style;
  }
  return Refuse("keys", text, "binary or decimal");
}

// Small enough for a minute on a slow machine, with every workload and every change in it.
void MakeSmoke(Settings& settings) {
  settings.brief = true;
  settings.keys = 5'000;
  settings.synced_operations = 20;
  settings.memory_bytes = uint64_t{16} << 20;
  settings.pairs = 1;
  settings.seconds = 1;
  settings.workloads = {"fillseq",
                        "fillrandom",
                        "overwrite",
                        "fillsync@t2",
                        "fill100K",
                        "deleterandom",
                        "updaterandom",
                        "mergerandom",
                        "readrandom",
                        "readmissing",
                        "readhot",
                        "multireadrandom",
                        "seekrandom@t2",
                        "readseq",
                        "readreverse",
                        "readrandom@compacted",
                        "readrandom@cold",
                        "readwhilewriting",
                        "readwhilewriting@w50000",
                        "ycsb_a@t8",
                        "ycsb_b",
                        "ycsb_c",
                        "ycsb_d@v1000",
                        "ycsb_e",
                        "ycsb_f",
                        "reopen",
                        "sustained"};
}

struct NumberFlag {
  std::string_view name;
  uint64_t Settings::* field;
  uint64_t low;
  uint64_t high;
};
constexpr NumberFlag kNumberFlags[] = {
    {"num", &Settings::keys, 1, kKeysMax},
    {"ops", &Settings::operations, 1, UINT64_MAX},
    {"sync_ops", &Settings::synced_operations, 1, UINT64_MAX},
    {"value_size", &Settings::value_bytes, 1, kValueBytesMax},
    {"memory", &Settings::memory_bytes, kMemoryBytesMin, UINT64_MAX},
    {"seconds", &Settings::seconds, 1, kSecondsMax},
    {"seed", &Settings::seed, 0, UINT64_MAX},
};

Status Apply(Settings& settings, std::string_view flag, std::string_view value) {
  for (const NumberFlag& known : kNumberFlags) {
    if (known.name != flag) continue;
    AIDB_ASSIGN_OR_RETURN(settings.*known.field, Number(flag, value, known.low, known.high));
    return {};
  }
  if (flag == "threads" || flag == "pairs") {
    AIDB_ASSIGN_OR_RETURN(const uint64_t number, Number(flag, value, 1, kThreadsMax));
    (flag == "threads" ? settings.threads : settings.pairs) = static_cast<int>(number);
  } else if (flag == "peers") {
    settings.peers = Split(value);
  } else if (flag == "workloads") {
    settings.workloads = Split(value);
  } else if (flag == "dir") {
    settings.directory = value;
  } else if (flag == "out") {
    settings.output = value;
  } else if (flag == "compression") {
    AIDB_ASSIGN_OR_RETURN(settings.compression, CompressionNamed(value));
  } else if (flag == "keys") {
    AIDB_ASSIGN_OR_RETURN(settings.key_style, KeyStyleNamed(value));
  } else {
    return InvalidArgument("--" + std::string(flag) + ": no such flag; see --help");
  }
  return {};
}

}  // namespace

std::string_view NameOf(kv::Compression compression) {
  switch (compression) {
    case kv::Compression::kNone:
      return "none";
    case kv::Compression::kSnappy:
      return "snappy";
    case kv::Compression::kLz4:
      return "lz4";
    case kv::Compression::kZstd:
      return "zstd";
  }
  return "unknown";
}

std::string_view NameOf(KeyStyle style) {
  return style == KeyStyle::kBinary ? "binary" : "decimal";
}

Result<Settings> ParseSettings(std::span<char* const> arguments) {
  Settings settings;
  for (const std::string_view argument : arguments) {
    if (argument == "--smoke") {
      MakeSmoke(settings);
      continue;
    }
    const size_t equals = argument.find('=');
    if (!argument.starts_with("--") || equals == std::string_view::npos) {
      return InvalidArgument(std::string(argument) + ": flags are --name=value; see --help");
    }
    AIDB_RETURN_IF_ERROR(
        Apply(settings, argument.substr(2, equals - 2), argument.substr(equals + 1)));
  }
  return settings;
}

std::string Usage() {
  return R"(aidb_bench: AiDb beside its peers, in one run, on equal terms.

  --peers=a,b,...      the first is compared with each other one (all); see below
  --workloads=w,...    see below; each with any of
                         @compacted  a loaded store after its own full compaction
                         @cold       data of 4 times the memory (at least 64 MiB), of which the
                                     engine gets half and the system's cache the rest
                         @tN         N threads    @vN  values of N bytes
                         @wN         the writer beside the reads puts at most N a second
  --dir=PATH           scratch space, emptied; its file system is what is measured
  --out=FILE           also writes the results as JSON
  --num=N              keys in a loaded store (1,000,000)
  --ops=N              operations of a run (as many as keys)
  --sync_ops=N         operations of a synced run (5,000)
  --value_size=BYTES   (100)      --keys=binary|decimal   (binary)
  --memory=BYTES       write buffers and caches together (256 MiB)
  --compression=CODEC  none, snappy, lz4, zstd (lz4)
  --seconds=N          of a run that ends by the clock (60)
  --threads=N          (1)        --pairs=N  measured rounds (5)
  --seed=N             (1)
  --smoke              small values for all of these, no warm-up, no wait for background work:
                       shows that all works; flags behind it override; leaves out what takes a
                       second to open
)";
}

}  // namespace aidb::bench

#include "bench/report.h"

#include <cmath>
#include <cstdarg>
#include <cstdio>

namespace aidb::bench {
namespace {

[[gnu::format(printf, 1, 2)]] std::string Format(const char* format, ...) {
  char text[1024];
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  return text;
}

double Over(uint64_t amount, uint64_t base) {
  return base == 0 ? 0 : static_cast<double>(amount) / static_cast<double>(base);
}
double Micros(uint64_t ns) { return static_cast<double>(ns) / 1e3; }
double Mebi(uint64_t bytes) { return static_cast<double>(bytes) / (1 << 20); }
// A dash where there is nothing to tell.
std::string OrDash(double value, const char* format) {
  if (value == 0) return "-";
  char text[32];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

// Writes JSON in one pass; commas come by themselves.
class JsonWriter {
 public:
  void Open(char bracket) {
    Separate();
    text_ += bracket;
    first_ = true;
  }
  void Close(char bracket) {
    text_ += bracket;
    first_ = false;
  }
  void Key(std::string_view key) {
    Separate();
    Quote(key);
    text_ += ": ";
    first_ = true;
  }
  void Field(std::string_view key, std::string_view value) {
    Key(key);
    Separate();
    Quote(value);
  }
  void Field(std::string_view key, double value) {
    Key(key);
    Separate();
    text_ += std::isfinite(value) ? Format("%.10g", value) : "null";
  }
  void Field(std::string_view key, uint64_t value) {
    Key(key);
    Separate();
    text_ += std::to_string(value);
  }
  void Value(uint64_t value) {
    Separate();
    text_ += std::to_string(value);
  }
  void Break() { text_ += '\n'; }
  std::string Take() { return std::move(text_); }

 private:
  void Separate() {
    if (!first_) text_ += ", ";
    first_ = false;
  }
  void Quote(std::string_view bytes) {
    text_ += '"';
    for (const char c : bytes) {
      if (c == '"' || c == '\\') text_ += '\\';
      text_ += static_cast<unsigned char>(c) < ' ' ? ' ' : c;
    }
    text_ += '"';
  }

  std::string text_;
  bool first_ = true;
};

void WriteSettings(const Settings& settings, JsonWriter& json) {
  json.Key("settings");
  json.Open('{');
  json.Field("keys", settings.keys);
  json.Field("operations", settings.operations != 0 ? settings.operations : settings.keys);
  json.Field("synced_operations", settings.synced_operations);
  json.Field("seconds", settings.seconds);
  json.Field("key_bytes", kKeyBytes);
  json.Field("value_bytes", settings.value_bytes);
  json.Field("key_style", NameOf(settings.key_style));
  json.Field("memory_bytes", settings.memory_bytes);
  json.Field("compression", NameOf(settings.compression));
  json.Field("threads", static_cast<uint64_t>(settings.threads));
  json.Field("pairs", static_cast<uint64_t>(settings.pairs));
  json.Field("seed", settings.seed);
  json.Field("brief", uint64_t{settings.brief});
  json.Close('}');
  json.Break();
}

void WriteMachine(const Machine& machine, JsonWriter& json) {
  json.Key("machine");
  json.Open('{');
  json.Field("started", machine.started);
  json.Field("cpu", machine.cpu);
  json.Field("cores", static_cast<uint64_t>(machine.cores));
  json.Field("kernel", machine.kernel);
  json.Field("file_system", machine.file_system);
  json.Field("fdatasync_p50_ns", machine.fdatasync_p50_ns);
  json.Field("fdatasync_p99_ns", machine.fdatasync_p99_ns);
  json.Field("memcpy_bytes_per_second", machine.memcpy_bytes_per_second);
  json.Field("load", machine.load);
  json.Close('}');
  json.Break();
}

void WriteMeasurement(const Measurement& m, JsonWriter& json) {
  json.Open('{');
  json.Field("operations", m.operations);
  json.Field("found", m.found);
  json.Field("per_second", m.PerSecond());
  json.Field("cpu_us_per_operation", m.CpuMicrosPerOperation());
  json.Field("settle_seconds", m.settle_seconds);
  json.Field("settle_cpu_seconds", m.settle_cpu_seconds);
  json.Field("settled", uint64_t{m.settled});
  json.Field("p50_ns", m.latency_p50_ns);
  json.Field("p99_ns", m.latency_p99_ns);
  json.Field("p999_ns", m.latency_p999_ns);
  json.Field("max_ns", m.latency_max_ns);
  json.Field("peak_rss_bytes", m.peak_rss_bytes);
  json.Field("written_bytes", m.written_bytes);
  json.Field("user_bytes", m.user_bytes);
  json.Field("directory_bytes", m.directory_bytes);
  json.Field("live_bytes", m.live_bytes);
  json.Field("held_us", m.held_us);
  if (m.stall_known) json.Field("stall_us", m.stall_us);
  json.Field("beside_per_second", m.beside_per_second);
  if (m.series_seconds != 0) {
    json.Key("series");
    json.Open('[');
    for (uint32_t i = 0; i < m.series_seconds; ++i) json.Value(uint64_t{m.series[i]});
    json.Close(']');
  }
  json.Close('}');
}

void WriteRatio(std::string_view name, const Ratio& ratio, JsonWriter& json) {
  json.Key(name);
  json.Open('{');
  json.Field("median", ratio.median);
  json.Field("low", ratio.low);
  json.Field("high", ratio.high);
  json.Close('}');
}

// What this workload changed of the settings, so that nobody has to know its rules.
void WriteTerms(const WorkloadRuns& runs, JsonWriter& json) {
  const Settings& settings = runs.settings;
  json.Key("terms");
  json.Open('{');
  json.Field("keys", settings.keys);
  json.Field("operations", settings.operations);
  json.Field("value_bytes", settings.value_bytes);
  json.Field("memory_bytes", settings.memory_bytes);
  json.Field("threads", static_cast<uint64_t>(settings.threads));
  if (runs.run.cold) {
    json.Field("all_memory_bytes", ColdMemoryBytes(settings));
    json.Field("bound", runs.bound);
  }
  json.Close('}');
}

void WriteWorkload(const WorkloadRuns& runs, JsonWriter& json) {
  json.Open('{');
  json.Field("name", runs.run.name);
  WriteTerms(runs, json);
  json.Key("peers");
  json.Open('{');
  for (const PeerRuns& peer : runs.peers) {
    json.Break();
    json.Key(peer.kind->name);
    json.Open('{');
    WriteRatio("speed", SpeedRatio(runs.peers.front(), peer), json);
    WriteRatio("cpu", CpuRatio(runs.peers.front(), peer), json);
    json.Key("rounds");
    json.Open('[');
    for (const Measurement& round : peer.rounds) {
      json.Break();
      WriteMeasurement(round, json);
    }
    json.Close(']');
    json.Close('}');
  }
  json.Close('}');
  json.Close('}');
}

}  // namespace

std::string MachineText(const BenchReport& report) {
  const Machine& m = report.machine;
  const Settings& s = report.settings;
  std::string text = Format(
      "%s, %s, %u cores, Linux %s, load %.1f\n%s on %s: fdatasync of a 4 KiB append p50 %.0f us, "
      "p99 %.0f us; memcpy %.1f GB/s\n"
      "%llu keys of %llu bytes (%s), values of %llu bytes; memory %.0f MiB; %s; %d threads; %d "
      "rounds; seed %llu\n",
      m.started.c_str(), m.cpu.c_str(), m.cores, m.kernel.c_str(), m.load, s.directory.c_str(),
      m.file_system.c_str(), Micros(m.fdatasync_p50_ns), Micros(m.fdatasync_p99_ns),
      m.memcpy_bytes_per_second / 1e9, static_cast<unsigned long long>(s.keys),
      static_cast<unsigned long long>(kKeyBytes), std::string(NameOf(s.key_style)).c_str(),
      static_cast<unsigned long long>(s.value_bytes), Mebi(s.memory_bytes),
      std::string(NameOf(s.compression)).c_str(), s.threads, s.pairs,
      static_cast<unsigned long long>(s.seed));
  for (const PeerKind* peer : report.peers) {
    text += Format("%-14s %s; %s\n", std::string(peer->name).c_str(), peer->version.c_str(),
                   std::string(peer->terms).c_str());
  }
  return text;
}

std::string WorkloadText(const WorkloadRuns& runs) {
  std::string text = Format(
      "\n%-21s %10s %8s %8s %8s %8s %10s %8s %6s %6s %6s %7s  %s\n", runs.run.name.c_str(), "ops/s",
      "cpu us", "p50 us", "p99 us", "p99.9", "max us", "RSS MiB", "write", "space", "settle",
      "held ms", ("speed of " + std::string(runs.peers.front().kind->name) + " over it").c_str());
  if (runs.run.cold) {
    const Settings& s = runs.settings;
    text += Format("  %.0f MiB of keys and values in %.0f MiB of memory: %s\n",
                   Mebi(s.keys * (kKeyBytes + s.value_bytes)), Mebi(ColdMemoryBytes(s)),
                   runs.bound.c_str());
  }
  for (const PeerRuns& peer : runs.peers) {
    const Measurement& m = MedianRun(peer);
    text += Format("  %-19s %10.0f %8.3f %8.2f %8.2f %8.1f %10.0f %8.0f %6s %6s %6s %7.0f",
                   std::string(peer.kind->name).c_str(), m.PerSecond(), m.CpuMicrosPerOperation(),
                   Micros(m.latency_p50_ns), Micros(m.latency_p99_ns), Micros(m.latency_p999_ns),
                   Micros(m.latency_max_ns), Mebi(m.peak_rss_bytes),
                   OrDash(Over(m.written_bytes, m.user_bytes), "%.2f").c_str(),
                   OrDash(Over(m.directory_bytes, m.live_bytes), "%.2f").c_str(),
                   OrDash(m.settle_seconds, m.settled ? "%.1f" : ">%.0f").c_str(),
                   static_cast<double>(m.held_us) / 1e3);
    if (&peer != &runs.peers.front()) {
      const Ratio speed = SpeedRatio(runs.peers.front(), peer);
      const Ratio cpu = CpuRatio(runs.peers.front(), peer);
      text += Format("  %.2fx (%.2f to %.2f), cpu %.2fx (%.2f to %.2f)", speed.median, speed.low,
                     speed.high, cpu.median, cpu.low, cpu.high);
    }
    text += "\n";
  }
  return text;
}

std::string ToJson(const BenchReport& report) {
  JsonWriter json;
  json.Open('{');
  json.Field("format", uint64_t{2});
  WriteSettings(report.settings, json);
  WriteMachine(report.machine, json);
  json.Key("peers");
  json.Open('{');
  for (const PeerKind* peer : report.peers) {
    json.Break();
    json.Key(peer->name);
    json.Open('{');
    json.Field("version", peer->version);
    json.Field("terms", peer->terms);
    json.Close('}');
  }
  json.Close('}');
  json.Key("workloads");
  json.Open('[');
  for (const WorkloadRuns& runs : report.workloads) {
    json.Break();
    WriteWorkload(runs, json);
  }
  json.Close(']');
  json.Close('}');
  json.Break();
  return json.Take();
}

}  // namespace aidb::bench

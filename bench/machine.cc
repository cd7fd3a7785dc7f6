#include "bench/machine.h"

#include <fcntl.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <ctime>
#include <fstream>
#include <thread>
#include <vector>

#include "aidb/base/check.h"

#include "bench/latency.h"
#include "bench/process.h"

namespace aidb::bench {
namespace {

constexpr int kSyncs = 200;
constexpr size_t kAppendBytes = 4096;
constexpr size_t kCopyBytes = size_t{64} << 20;  // Beyond any cache of such a machine.
constexpr int kCopies = 8;

std::string CpuModel() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
  }
  return "unknown";
}

std::string FileSystemType(const std::string& path) {
  struct statfs status{};
  AIDB_CHECK(::statfs(path.c_str(), &status) == 0);
  switch (static_cast<uint64_t>(status.f_type)) {  // linux/magic.h
    case 0xEF53:
      return "ext4";
    case 0x01021994:
      return "tmpfs";
    case 0x58465342:
      return "xfs";
    case 0x9123683E:
      return "btrfs";
    case 0x794C7630:
      return "overlayfs";
    default:
      return "unknown";
  }
}

void MeasureSyncs(const std::string& scratch, Machine& machine) {
  const std::string path = scratch + "/calibration";
  const int file = ::open(path.c_str(), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
  AIDB_CHECK(file >= 0);
  const std::array<char, kAppendBytes> page{};
  LatencyRecorder latency;
  for (int i = 0; i < kSyncs; ++i) {
    const uint64_t start = NanosNow();
    AIDB_CHECK(::write(file, page.data(), page.size()) == static_cast<ssize_t>(page.size()));
    AIDB_CHECK(::fdatasync(file) == 0);
    latency.Record(NanosNow() - start);
  }
  ::close(file);
  ::unlink(path.c_str());
  machine.fdatasync_p50_ns = latency.Percentile(50);
  machine.fdatasync_p99_ns = latency.Percentile(99);
}

double CopyRate() {
  std::vector<char> from(kCopyBytes, 'x');
  std::vector<char> to(kCopyBytes);
  const uint64_t start = NanosNow();
  for (int i = 0; i < kCopies; ++i) {
    from[static_cast<size_t>(i)] = static_cast<char>(i);
    std::memcpy(to.data(), from.data(), kCopyBytes);
    AIDB_CHECK(to[static_cast<size_t>(i)] == static_cast<char>(i));
  }
  return static_cast<double>(kCopyBytes) * kCopies /
         (static_cast<double>(NanosNow() - start) / 1e9);
}

std::string UtcNow() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  ::gmtime_r(&now, &parts);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

}  // namespace

Machine LookAtMachine(const std::string& scratch) {
  Machine machine;
  machine.cpu = CpuModel();
  machine.cores = std::thread::hardware_concurrency();
  utsname kernel{};
  AIDB_CHECK(::uname(&kernel) == 0);
  machine.kernel = kernel.release;
  machine.file_system = FileSystemType(scratch);
  std::ifstream("/proc/loadavg") >> machine.load;
  machine.started = UtcNow();
  MeasureSyncs(scratch, machine);
  machine.memcpy_bytes_per_second = CopyRate();
  return machine;
}

}  // namespace aidb::bench

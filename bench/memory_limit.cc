#include "bench/memory_limit.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>

namespace aidb::bench {
namespace {

struct Kind {
  const char* parent;
  const char* limit_file;
};
// Documentation/admin-guide of Linux: cgroup-v1/memory.rst and cgroup-v2.rst.
constexpr Kind kKinds[] = {{"/sys/fs/cgroup/memory", "memory.limit_in_bytes"},
                           {"/sys/fs/cgroup", "memory.max"}};

// A control file takes a value in one write; it exists already or never will.
bool WriteTo(const std::string& path, const std::string& value) {
  std::ofstream file(path, std::ios::in | std::ios::out);
  file << value;
  file.close();
  return static_cast<bool>(file);
}

}  // namespace

Result<std::unique_ptr<MemoryLimit>> MemoryLimit::Make(uint64_t bytes) {
  std::string trouble;
  for (const Kind& kind : kKinds) {
    const std::string directory =
        std::string(kind.parent) + "/aidb_bench." + std::to_string(::getpid());
    if (::mkdir(directory.c_str(), 0755) != 0) {
      trouble += " " + directory + ": " + std::strerror(errno) + ";";
      continue;
    }
    std::unique_ptr<MemoryLimit> limit(new MemoryLimit(directory));
    if (WriteTo(directory + "/" + kind.limit_file, std::to_string(bytes))) return limit;
    trouble += " " + directory + "/" + kind.limit_file + ": not writable;";
  }
  trouble.pop_back();
  return Unavailable("no memory cgroup:" + trouble);
}

MemoryLimit::~MemoryLimit() { ::rmdir(directory_.c_str()); }

Status MemoryLimit::Enter() const {
  const std::string path = directory_ + "/cgroup.procs";
  if (WriteTo(path, std::to_string(::getpid()))) return {};
  return IoError("write " + path);
}

}  // namespace aidb::bench

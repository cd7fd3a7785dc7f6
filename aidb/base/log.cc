#include "aidb/base/log.h"

#include <cstdio>
#include <string>

namespace aidb {

void StderrLogger::Log(LogLevel level, std::string_view line) {
  if (level < level_min_) return;
  static constexpr std::string_view kNames[] = {"debug", "info", "warning", "error"};
  std::string text(kNames[static_cast<size_t>(level)]);
  text.append(" ").append(line).append("\n");
  std::fwrite(text.data(), 1, text.size(), stderr);  // One write: lines of threads do not mix.
}

}  // namespace aidb

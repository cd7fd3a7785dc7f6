#include "aidb/io/file_system.h"

namespace aidb::io {

std::string JoinPath(std::string_view directory, std::string_view name) {
  std::string path(directory);
  if (!path.empty() && path.back() != '/') path.push_back('/');
  return path.append(name);
}

std::string ParentOf(std::string_view path) {
  const size_t name_end = path.find_last_not_of('/');
  if (name_end == std::string_view::npos) return path.empty() ? "." : "/";
  const size_t slash = path.rfind('/', name_end);
  if (slash == std::string_view::npos) return ".";
  const size_t parent_end = path.find_last_not_of('/', slash);
  if (parent_end == std::string_view::npos) return "/";
  return std::string(path.substr(0, parent_end + 1));
}

}  // namespace aidb::io

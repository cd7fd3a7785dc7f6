#include "aidb/io/overlay/overlay_file_system.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "aidb/io/transfer.h"

namespace aidb::io {
namespace {

constexpr uint64_t kPageBytes = 4096;

Status NoFile(std::string_view path) {
  return InvalidArgument("open " + std::string(path) + ": there is no such file");
}

}  // namespace

struct OverlayFileSystem::Node {
  std::unique_ptr<File> below;  // Null: made here.
  uint64_t below_bytes = 0;     // How much of it still shows.
  uint64_t size = 0;
  bool is_directory = false;
  std::map<uint64_t, std::string> pages;  // By index; they hide what lies below.

  Result<std::string> LoadPage(uint64_t index) const {
    if (const auto kept = pages.find(index); kept != pages.end()) return kept->second;
    std::string page(kPageBytes, '\0');
    const uint64_t at = index * kPageBytes;
    if (at < below_bytes) {
      const auto part = std::as_writable_bytes(std::span(page))
                            .first(std::min<uint64_t>(kPageBytes, below_bytes - at));
      AIDB_RETURN_IF_ERROR(ReadExact(*below, at, part));
    }
    return page;
  }

  Status WriteSpan(uint64_t offset, std::string_view bytes) {
    while (!bytes.empty()) {
      const uint64_t index = offset / kPageBytes;
      const uint64_t within = offset % kPageBytes;
      const std::string_view part = bytes.substr(0, kPageBytes - within);
      AIDB_ASSIGN_OR_RETURN(std::string page, LoadPage(index));
      if (std::string_view(page).substr(within, part.size()) != part) {
        page.replace(within, part.size(), part);
        pages[index] = std::move(page);
      }
      offset += part.size();
      bytes.remove_prefix(part.size());
      size = std::max(size, offset);
    }
    return {};
  }

  // What is cut off reads as zeros if the file grows again.
  Status Truncate(uint64_t new_size) {
    if (new_size < size) {
      if (const uint64_t within = new_size % kPageBytes; within != 0) {
        AIDB_ASSIGN_OR_RETURN(std::string page, LoadPage(new_size / kPageBytes));
        page.replace(within, std::string::npos, kPageBytes - within, '\0');
        pages[new_size / kPageBytes] = std::move(page);
      }
      pages.erase(pages.lower_bound((new_size + kPageBytes - 1) / kPageBytes), pages.end());
      below_bytes = std::min(below_bytes, new_size);
    }
    size = new_size;
    return {};
  }
};

class OverlayFileSystem::OverlayFile final : public File {
 public:
  OverlayFile(std::string path, std::shared_ptr<Node> node, OpenMode mode)
      : path_(std::move(path)), node_(std::move(node)), mode_(mode) {}

  Result<size_t> Read(uint64_t offset, std::span<std::byte> out) const override {
    if (offset >= node_->size || out.empty()) return size_t{0};
    const uint64_t within = offset % kPageBytes;
    const size_t count =
        std::min<uint64_t>({out.size(), node_->size - offset, kPageBytes - within});
    const auto kept = node_->pages.find(offset / kPageBytes);
    if (kept != node_->pages.end()) {
      std::memcpy(out.data(), kept->second.data() + within, count);
      return count;
    }
    AIDB_ASSIGN_OR_RETURN(const std::string page, node_->LoadPage(offset / kPageBytes));
    std::memcpy(out.data(), page.data() + within, count);
    return count;
  }
  Result<size_t> Write(uint64_t offset, std::span<const std::byte> first,
                       std::span<const std::byte> second) override {
    AIDB_RETURN_IF_ERROR(CheckWritable("write"));
    AIDB_RETURN_IF_ERROR(node_->WriteSpan(offset, View(first)));
    AIDB_RETURN_IF_ERROR(node_->WriteSpan(offset + first.size(), View(second)));
    return first.size() + second.size();
  }
  Status SyncData() override { return {}; }
  Status SyncAll() override { return {}; }
  Status Truncate(uint64_t size) override {
    AIDB_RETURN_IF_ERROR(CheckWritable("truncate"));
    return node_->Truncate(size);
  }
  Status Allocate(uint64_t) override { return {}; }
  Result<uint64_t> Size() const override { return node_->size; }
  Status Close() override { return {}; }
  std::string_view path() const override { return path_; }

 private:
  static std::string_view View(std::span<const std::byte> bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }
  Status CheckWritable(const char* what) const {
    if (MayWrite(mode_)) return {};
    return IoError(std::string(what) + " " + path_ + ": opened for reading only");
  }

  const std::string path_;
  const std::shared_ptr<Node> node_;  // Shared: a removed file lives while it is open.
  const OpenMode mode_;
};

Result<std::shared_ptr<OverlayFileSystem::Node>> OverlayFileSystem::NodeOf(std::string_view path) {
  if (const auto known = nodes_.find(path); known != nodes_.end()) {
    if (known->second == nullptr || known->second->is_directory) return NoFile(path);
    return known->second;
  }
  auto node = std::make_shared<Node>();
  AIDB_ASSIGN_OR_RETURN(node->below, base_.Open(path, OpenMode::kRead));
  AIDB_ASSIGN_OR_RETURN(node->size, node->below->Size());
  node->below_bytes = node->size;
  nodes_.emplace(path, node);
  return node;
}

Result<std::unique_ptr<File>> OverlayFileSystem::Open(std::string_view path, OpenMode mode) {
  std::shared_ptr<Node> node;
  if (mode == OpenMode::kCreateNew) {
    AIDB_ASSIGN_OR_RETURN(const bool exists, Exists(path));
    if (exists) return InvalidArgument("create " + std::string(path) + ": it exists");
    node = std::make_shared<Node>();
    nodes_.insert_or_assign(std::string(path), node);
  } else {
    AIDB_ASSIGN_OR_RETURN(node, NodeOf(path));
  }
  return std::unique_ptr<File>(new OverlayFile(std::string(path), std::move(node), mode));
}

Result<bool> OverlayFileSystem::Exists(std::string_view path) const {
  if (const auto known = nodes_.find(path); known != nodes_.end()) return known->second != nullptr;
  return base_.Exists(path);
}

Result<std::vector<std::string>> OverlayFileSystem::List(std::string_view directory) const {
  std::vector<std::string> names;
  const auto made = nodes_.find(directory);
  if (made == nodes_.end()) {
    AIDB_ASSIGN_OR_RETURN(names, base_.List(directory));
  } else if (made->second == nullptr || !made->second->is_directory) {
    return InvalidArgument("list " + std::string(directory) + ": there is no such directory");
  }
  const std::string prefix = JoinPath(directory, "");
  for (const auto& [path, node] : nodes_) {
    if (!path.starts_with(prefix) || path.find('/', prefix.size()) != std::string::npos) continue;
    std::erase(names, path.substr(prefix.size()));
    if (node != nullptr) names.push_back(path.substr(prefix.size()));
  }
  std::ranges::sort(names);
  return names;
}

Status OverlayFileSystem::CreateDirectory(std::string_view path) {
  AIDB_ASSIGN_OR_RETURN(const bool exists, Exists(path));
  if (exists) return {};
  auto node = std::make_shared<Node>();
  node->is_directory = true;
  nodes_.insert_or_assign(std::string(path), std::move(node));
  return {};
}

Status OverlayFileSystem::Rename(std::string_view from, std::string_view to) {
  AIDB_ASSIGN_OR_RETURN(std::shared_ptr<Node> node, NodeOf(from));
  const auto target = nodes_.find(to);
  // Two names of one file: nothing happens, as POSIX has it.
  if (from == to || (target != nodes_.end() && target->second == node)) return {};
  nodes_.insert_or_assign(std::string(to), std::move(node));
  nodes_.insert_or_assign(std::string(from), nullptr);
  return {};
}

Status OverlayFileSystem::Remove(std::string_view path) {
  AIDB_ASSIGN_OR_RETURN(const bool exists, Exists(path));
  if (!exists) return NoFile(path);
  nodes_.insert_or_assign(std::string(path), nullptr);
  return {};
}

Status OverlayFileSystem::Link(std::string_view from, std::string_view to) {
  AIDB_ASSIGN_OR_RETURN(const bool taken, Exists(to));
  if (taken) return InvalidArgument("link " + std::string(to) + ": it exists");
  AIDB_ASSIGN_OR_RETURN(std::shared_ptr<Node> node, NodeOf(from));
  nodes_.insert_or_assign(std::string(to), std::move(node));
  return {};
}

Result<std::unique_ptr<DirectoryLock>> OverlayFileSystem::Lock(std::string_view path, LockMode) {
  return Unavailable("lock " + std::string(path) + ": there are no locks in an overlay");
}

Result<uint64_t> OverlayFileSystem::FreeBytes(std::string_view path) const {
  return base_.FreeBytes(path);
}

Result<std::unique_ptr<SharedRegion>> OverlayFileSystem::OpenRegion(std::string_view path,
                                                                    uint64_t) {
  return Unavailable("map " + std::string(path) + ": there are no regions in an overlay");
}

}  // namespace aidb::io

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace aidb::io {

// The bytes of a simulated file, as 4 KiB pages shared between copies until one is written:
// a clone of a disk costs a pointer per page at most. Pages never written are zeros.
//
// Thread safety: a value, used by one thread.
class SimContent {
 public:
  static constexpr size_t kPageBytes = 4096;

  uint64_t size() const { return size_; }
  // Growth reads as zeros; what is cut off is gone.
  void Resize(uint64_t size);
  // `offset` + out.size() <= size().
  void Read(uint64_t offset, std::span<std::byte> out) const;
  // Grows when needed.
  void Write(uint64_t offset, std::span<const std::byte> bytes);
  void Zero(uint64_t offset, uint64_t length);
  // Takes one page, or what of it lies inside the size, from `other`.
  void CopyPage(const SimContent& other, uint64_t page);
  bool SamePage(const SimContent& other, uint64_t page) const;
  // `bytes` is as long as what of the page lies inside the size.
  bool SamePage(std::span<const std::byte> bytes, uint64_t page) const;
  uint64_t pages() const { return (size_ + kPageBytes - 1) / kPageBytes; }
  std::string ToString() const;

 private:
  using Page = std::array<std::byte, kPageBytes>;
  static constexpr Page kZeros{};

  Page& Mutable(size_t page);

  uint64_t size_ = 0;
  std::vector<std::shared_ptr<Page>> pages_;  // Null: zeros. Bytes behind size_ are zeros.
};

}  // namespace aidb::io

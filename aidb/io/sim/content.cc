#include "aidb/io/sim/content.h"

#include <algorithm>
#include <cstring>

#include "aidb/base/check.h"

namespace aidb::io {

SimContent::Page& SimContent::Mutable(size_t page) {
  std::shared_ptr<Page>& slot = pages_[page];
  if (slot == nullptr) {
    slot = std::make_shared<Page>();
  } else if (slot.use_count() > 1) {
    slot = std::make_shared<Page>(*slot);
  }
  return *slot;
}

void SimContent::Resize(uint64_t size) {
  if (size < size_) Zero(size, std::min(size_, (size / kPageBytes + 1) * kPageBytes) - size);
  size_ = size;
  pages_.resize(pages());
}

void SimContent::Read(uint64_t offset, std::span<std::byte> out) const {
  AIDB_CHECK(offset <= size_ && out.size() <= size_ - offset);
  while (!out.empty()) {
    const size_t in_page = offset % kPageBytes;
    const size_t count = std::min(out.size(), kPageBytes - in_page);
    if (const auto& page = pages_[offset / kPageBytes]) {
      std::memcpy(out.data(), page->data() + in_page, count);
    } else {
      std::memset(out.data(), 0, count);
    }
    out = out.subspan(count);
    offset += count;
  }
}

void SimContent::Write(uint64_t offset, std::span<const std::byte> bytes) {
  if (bytes.empty()) return;
  if (offset + bytes.size() > size_) Resize(offset + bytes.size());
  while (!bytes.empty()) {
    const size_t in_page = offset % kPageBytes;
    const size_t count = std::min(bytes.size(), kPageBytes - in_page);
    std::memcpy(Mutable(offset / kPageBytes).data() + in_page, bytes.data(), count);
    bytes = bytes.subspan(count);
    offset += count;
  }
}

void SimContent::Zero(uint64_t offset, uint64_t length) {
  const uint64_t end = std::min(size_, offset + length);
  while (offset < end) {
    const size_t in_page = offset % kPageBytes;
    const size_t count = std::min<uint64_t>(end - offset, kPageBytes - in_page);
    std::shared_ptr<Page>& page = pages_[offset / kPageBytes];
    if (count == kPageBytes) {
      page = nullptr;
    } else if (page != nullptr) {
      std::memset(Mutable(offset / kPageBytes).data() + in_page, 0, count);
    }
    offset += count;
  }
}

void SimContent::CopyPage(const SimContent& other, uint64_t page) {
  AIDB_CHECK(page < pages());
  pages_[page] = page < other.pages() ? other.pages_[page] : nullptr;
  const uint64_t end = (page + 1) * kPageBytes;
  if (end <= size_ || pages_[page] == nullptr) return;
  const size_t used = size_ % kPageBytes;
  std::memset(Mutable(page).data() + used, 0, kPageBytes - used);
}

bool SimContent::SamePage(const SimContent& other, uint64_t page) const {
  const Page* const mine = page < pages() ? pages_[page].get() : nullptr;
  const Page* const theirs = page < other.pages() ? other.pages_[page].get() : nullptr;
  if (mine == theirs) return true;
  return *(mine != nullptr ? mine : &kZeros) == *(theirs != nullptr ? theirs : &kZeros);
}

bool SimContent::SamePage(std::span<const std::byte> bytes, uint64_t page) const {
  AIDB_CHECK(page < pages() && bytes.size() <= kPageBytes);
  const Page& mine = pages_[page] != nullptr ? *pages_[page] : kZeros;
  return std::memcmp(mine.data(), bytes.data(), bytes.size()) == 0;
}

std::string SimContent::ToString() const {
  std::string text(size_, '\0');
  Read(0, std::as_writable_bytes(std::span(text)));
  return text;
}

}  // namespace aidb::io

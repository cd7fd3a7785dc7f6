#include "aidb/journal/file_scanner.h"

#include <algorithm>
#include <utility>

#include "aidb/io/transfer.h"

namespace aidb::journal {
namespace {

constexpr uint64_t kWindowBytes = uint64_t{1} << 20;
constexpr uint64_t kParseBytesMin = uint64_t{64} << 10;

}  // namespace

FileScanner::FileScanner(std::unique_ptr<io::File> file, uint64_t size_bytes,
                         const Framing& framing, const FileIdentity& identity,
                         uint64_t record_bytes_max)
    : file_(std::move(file)),
      size_(size_bytes),
      framing_(framing),
      identity_(identity),
      // Twice: framing adds less than the payload itself, whatever the format.
      window_bytes_max_(2 * record_bytes_max + kWindowBytes) {}

Status FileScanner::Load(uint64_t offset, uint64_t count, uint64_t limit) {
  const uint64_t end = std::min(limit, size_);
  const uint64_t available = offset < end ? end - offset : 0;
  const uint64_t have_end = window_offset_ + window_.size();
  const uint64_t wanted = std::min(count, available);
  if (offset >= window_offset_ && offset + wanted <= have_end) return {};
  // More than asked for, so that a reader who steps through small records loads seldom.
  window_.resize(std::min(count + kWindowBytes, available));
  window_offset_ = offset;
  AIDB_ASSIGN_OR_RETURN(const size_t got,
                        io::ReadUpTo(*file_, offset, std::as_writable_bytes(std::span(window_))));
  window_.resize(got);
  return {};
}

Result<Parsed> FileScanner::ParseAt(uint64_t offset, uint64_t limit) {
  const uint64_t end = std::min(limit, size_);
  if (offset >= end) return Parsed{.kind = ParseKind::kFill};
  for (uint64_t count = kParseBytesMin;; count *= 2) {
    AIDB_RETURN_IF_ERROR(Load(offset, count, limit));
    std::string_view bytes(window_);
    bytes.remove_prefix(std::min<uint64_t>(offset - window_offset_, bytes.size()));
    bytes = bytes.substr(0, end - offset);
    const bool more = offset + bytes.size() < end && count < window_bytes_max_;
    const Parsed parsed = framing_.Parse(bytes, more, offset, identity_, scratch_);
    if (parsed.kind != ParseKind::kNeedMore) return parsed;
  }
}

Result<FileScanner::Behind> FileScanner::SearchFrom(uint64_t offset) {
  Behind found;
  while (offset < size_) {
    AIDB_RETURN_IF_ERROR(Load(offset, framing_.PieceBytesMax(), size_));
    if (offset >= window_offset_ + window_.size()) break;  // The file shrank under us.
    const std::optional<Evidence> piece =
        framing_.FindEvidence(window_, offset - window_offset_, window_offset_, identity_);
    const uint64_t window_end = window_offset_ + window_.size();
    if (!piece) {
      if (window_end >= size_) break;
      offset = std::max(offset + 1, window_end - framing_.PieceBytesMax());
      continue;
    }
    found.any_valid = true;
    if (piece->behind != kBehindUnknown && piece->behind <= piece->offset) {
      found.durable_end = std::max(found.durable_end, piece->offset - piece->behind);
    }
    offset = piece->offset + std::max<uint64_t>(piece->size, 1);
  }
  return found;
}

Result<bool> FileScanner::OnlyFillFrom(uint64_t offset) {
  while (offset < size_) {
    AIDB_RETURN_IF_ERROR(Load(offset, 1, size_));
    const std::string_view rest = std::string_view(window_).substr(
        std::min<uint64_t>(offset - window_offset_, window_.size()));
    if (rest.empty()) break;
    if (rest.find_first_not_of('\0') != std::string_view::npos) return false;
    offset += rest.size();
  }
  return true;
}

}  // namespace aidb::journal

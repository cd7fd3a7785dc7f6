#include "aidb/journal/file_table.h"

#include <algorithm>
#include <string>
#include <utility>

#include "aidb/base/check.h"

namespace aidb::journal {

void FileTable::AddRecovered(uint64_t number, RecordId first, RecordId next, uint64_t end) {
  MutexLock lock(mu_);
  // In front of a gap nothing leads on to the newest record.
  if (recovered_next_ != ToNumber(first)) files_.clear();
  files_.push_back({.number = number, .first_id = ToNumber(first), .start = {}, .end = end});
  recovered_next_ = ToNumber(next);
  ++version_;
}

void FileTable::Begin(uint64_t number, RecordId first, uint64_t start) {
  MutexLock lock(mu_);
  if (!files_.empty() && files_.back().start) {
    files_.back().end = start - *files_.back().start;
  } else if (recovered_next_ != ToNumber(first)) {
    files_.clear();
  }
  files_.push_back({.number = number, .first_id = ToNumber(first), .start = start});
  ++version_;
}

void FileTable::Replace(uint64_t from, uint64_t to, uint64_t number, RecordId first,
                        uint64_t size) {
  MutexLock lock(mu_);
  // Positions are compared by their distance to `to`, for a file of a re-drive starts "before" its
  // first one. Nothing in front of `from` is younger than what the ring holds of it.
  while (!files_.empty() && files_.back().start && to - *files_.back().start <= to - from) {
    files_.pop_back();
  }
  if (!files_.empty() && files_.back().start) {
    files_.back().end = std::min(files_.back().end, from - *files_.back().start);
  }
  files_.push_back(
      {.number = number, .first_id = ToNumber(first), .start = to - size, .ring_offset = size});
  ++version_;
}

const FileTable::File& FileTable::FileFor(uint64_t id) const {
  AIDB_CHECK(!files_.empty());
  const auto behind =
      std::upper_bound(files_.begin(), files_.end(), id,
                       [](uint64_t wanted, const File& file) { return wanted < file.first_id; });
  return behind == files_.begin() ? files_.front() : *std::prev(behind);
}

Status FileTable::Gone(uint64_t id) const {
  return ResourceExhausted("the log does not hold record " + std::to_string(id) +
                           " any more: its files begin with record " +
                           std::to_string(files_.front().first_id));
}

uint64_t FileTable::LagOf(const Reader& reader, uint64_t position) const {
  const uint64_t needed = FileFor(reader.next_id).number;
  uint64_t bytes = 0;
  for (const File& file : files_) {
    if (file.number < needed) continue;
    bytes += file.end == UINT64_MAX ? position - *file.start : file.end;
  }
  const uint64_t read = reader.number == needed ? reader.offset : 0;
  const uint64_t lag = bytes - std::min(bytes, read);
  if (!reader.begin_position) return lag;
  return std::min(lag, position - std::min(position, *reader.begin_position));
}

uint64_t FileTable::Release(uint64_t floor, uint64_t position) {
  MutexLock lock(mu_);
  uint64_t keep = floor;
  for (Reader& reader : readers_) {
    if (!reader.cut_off.empty()) continue;
    const uint64_t needed = FileFor(reader.next_id).number;
    if (needed >= floor) continue;
    if (LagOf(reader, position) > reader.lag_bytes_max) {
      reader.cut_off = "more than " + std::to_string(reader.lag_bytes_max) + " bytes behind";
    } else {
      keep = std::min(keep, needed);
    }
  }
  ForgetBelow(keep);
  return keep;
}

void FileTable::Lose(uint64_t number) {
  MutexLock lock(mu_);
  for (Reader& reader : readers_) {
    if (!reader.cut_off.empty() || FileFor(reader.next_id).number > number) continue;
    reader.cut_off = "a file that it needs could not be written";
  }
  ForgetBelow(number + 1);
}

void FileTable::ForgetBelow(uint64_t number) {
  while (files_.size() > 1 && files_.front().number < number) {
    files_.pop_front();
    ++version_;
  }
}

Result<std::list<FileTable::Reader>::iterator> FileTable::Attach(RecordId next,
                                                                 uint64_t lag_bytes_max,
                                                                 std::optional<uint64_t> begin) {
  MutexLock lock(mu_);
  if (ToNumber(next) < files_.front().first_id) return Gone(ToNumber(next));
  return readers_.insert(
      readers_.end(),
      {.next_id = ToNumber(next), .lag_bytes_max = lag_bytes_max, .begin_position = begin});
}

void FileTable::Detach(std::list<Reader>::iterator reader) {
  MutexLock lock(mu_);
  readers_.erase(reader);
}

Result<FileTable::Found> FileTable::Find(const Reader& reader, RecordId next) const {
  MutexLock lock(mu_);
  if (!reader.cut_off.empty()) return Gone(ToNumber(next)).Annotate(reader.cut_off);
  if (ToNumber(next) < files_.front().first_id) return Gone(ToNumber(next));
  return Found{FileFor(ToNumber(next)), version_};
}

void FileTable::Advance(Reader& reader, RecordId next, uint64_t number, uint64_t offset) {
  MutexLock lock(mu_);
  reader.next_id = ToNumber(next);
  reader.number = number;
  reader.offset = offset;
}

uint64_t FileTable::version() const {
  MutexLock lock(mu_);
  return version_;
}

RecordId FileTable::oldest() const {
  MutexLock lock(mu_);
  return RecordId{files_.empty() ? 1 : files_.front().first_id};
}

size_t FileTable::readers() const {
  MutexLock lock(mu_);
  return readers_.size();
}

uint64_t FileTable::LagBytes(uint64_t position) const {
  MutexLock lock(mu_);
  uint64_t most = 0;
  for (const Reader& reader : readers_) {
    if (reader.cut_off.empty()) most = std::max(most, LagOf(reader, position));
  }
  return most;
}

}  // namespace aidb::journal

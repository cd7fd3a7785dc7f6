#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "aidb/io/file_system.h"
#include "aidb/journal/framing.h"

namespace aidb::journal {

// Reads one journal file front to back through a window, so that memory stays bounded by the
// largest record. The file may hold anything.
//
// Thread safety: none.
// Lifetime: owns its file; borrows the framing.
class FileScanner {
 public:
  // `record_bytes_max` bounds how far a record that claims to continue is followed.
  FileScanner(std::unique_ptr<io::File> file, uint64_t size_bytes, const Framing& framing,
              const FileIdentity& identity, uint64_t record_bytes_max);

  // What starts at `offset`, seeing nothing at or behind `limit`. Views live until the next
  // call. Errors are the file system's.
  Result<Parsed> ParseAt(uint64_t offset, uint64_t limit);

  struct Behind {
    bool any_valid = false;    // A valid piece of a record was found.
    uint64_t durable_end = 0;  // The largest end that such a piece proves durable.
  };
  // Searches every byte from `offset` to the end.
  Result<Behind> SearchFrom(uint64_t offset);
  // Whether the rest was never written (all zero).
  Result<bool> OnlyFillFrom(uint64_t offset);

  // Gives its memory back; the next call reads again.
  void Forget() { window_ = std::string(); }

  uint64_t size() const { return size_; }
  io::File& file() { return *file_; }

 private:
  // Makes window_ hold at least `count` bytes from `offset`, or all there are before `limit`.
  Status Load(uint64_t offset, uint64_t count, uint64_t limit);

  std::unique_ptr<io::File> file_;
  uint64_t size_;
  const Framing& framing_;
  FileIdentity identity_;
  uint64_t window_bytes_max_;
  uint64_t window_offset_ = 0;
  std::string window_;
  std::string scratch_;
};

}  // namespace aidb::journal

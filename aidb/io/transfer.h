#pragma once

// Loops over short reads and writes, with a limit: after kRoundsWithoutProgressMax rounds that
// moved nothing, the transfer fails with kIoError.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "aidb/io/file_system.h"

namespace aidb::io {

inline constexpr int kRoundsWithoutProgressMax = 64;

// Fills `out`. kCorruption naming file, offset and the missing count when the file ends before.
Status ReadExact(const File& file, uint64_t offset, std::span<std::byte> out);
// Reads until `out` is full or the file ends; returns the count.
Result<size_t> ReadUpTo(const File& file, uint64_t offset, std::span<std::byte> out);
// Writes both spans whole. kResourceExhausted when the disk is full; a prefix may be written.
Status WriteFully(File& file, uint64_t offset, std::span<const std::byte> first,
                  std::span<const std::byte> second = {});

// The whole file; kResourceExhausted when it is larger than `size_bytes_max`.
Result<std::string> ReadWhole(FileSystem& files, std::string_view path, uint64_t size_bytes_max);
// Replaces `path` atomically and durably: writes "<path>.tmp", syncs it, renames it, syncs the
// directory. After an error either the old or the new file is there, whole.
Status ReplaceFile(FileSystem& files, std::string_view directory, std::string_view name,
                   std::string_view content);
// Its two halves. After an error of the first, `path` is what it was, whatever comes; after one of
// the second it may be either, and a crash may change which.
Status WriteReplacement(FileSystem& files, std::string_view directory, std::string_view name,
                        std::string_view content);
Status RenameReplacement(FileSystem& files, std::string_view directory, std::string_view name);

}  // namespace aidb::io

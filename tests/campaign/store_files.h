#pragma once

// The files of a store, told by their names as docs/formats has them.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace aidb::campaign {

enum class StoreFile : uint8_t { kCurrent, kManifest, kJournal, kRing, kLog, kTable };

// Nullopt for any other: LOCK, quarantine, what is not ours.
inline std::optional<StoreFile> StoreFileOf(std::string_view name) {
  if (name == "CURRENT") return StoreFile::kCurrent;
  if (name == "JOURNAL") return StoreFile::kJournal;
  if (name == "ring") return StoreFile::kRing;
  if (name.ends_with(".tmp")) return std::nullopt;
  if (name.starts_with("MANIFEST-")) return StoreFile::kManifest;
  if (name.ends_with(".log")) return StoreFile::kLog;
  if (name.ends_with(".sst")) return StoreFile::kTable;
  return std::nullopt;
}

// The name of number `number` of the kinds that are numbered; "<name>.tmp" of the others.
inline std::string AnotherName(StoreFile kind, uint64_t number, const std::string& name) {
  std::string digits = std::to_string(number);
  digits.insert(0, digits.size() < 6 ? 6 - digits.size() : 0, '0');
  if (kind == StoreFile::kManifest) return "MANIFEST-" + digits;
  if (kind == StoreFile::kLog) return digits + ".log";
  if (kind == StoreFile::kTable) return digits + ".sst";
  return name + ".tmp";
}

}  // namespace aidb::campaign

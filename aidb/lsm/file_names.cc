#include "aidb/lsm/file_names.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <vector>

namespace aidb::lsm {
namespace {

constexpr size_t kDigitsMin = 6;
constexpr std::string_view kManifestPrefix = "MANIFEST-";

std::string Digits(uint64_t number) {
  std::string digits = std::to_string(number);
  if (digits.size() < kDigitsMin) digits.insert(0, kDigitsMin - digits.size(), '0');
  return digits;
}

std::optional<uint64_t> ParseDigits(std::string_view text) {
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  if (Digits(number) != text) return std::nullopt;
  return number;
}

std::optional<FileName> Numbered(FileKind kind, std::string_view digits) {
  const std::optional<uint64_t> number = ParseDigits(digits);
  if (!number) return std::nullopt;
  return FileName{kind, *number};
}

}  // namespace

std::optional<FileName> ParseFileName(std::string_view name) {
  if (name == kCurrentName) return FileName{FileKind::kCurrent};
  if (name == "LOCK") return FileName{FileKind::kLock};
  if (name == "JOURNAL") return FileName{FileKind::kJournal};
  if (name == "ring") return FileName{FileKind::kRing};
  if (name == "quarantine") return FileName{FileKind::kQuarantine};
  if (name.starts_with(kManifestPrefix) && !name.ends_with(kTemporarySuffix))
    return Numbered(FileKind::kManifest, name.substr(kManifestPrefix.size()));
  if (name.size() < 4) return std::nullopt;
  const std::string_view stem = name.substr(0, name.size() - 4);
  if (name.ends_with(".log")) return Numbered(FileKind::kLog, stem);
  if (name.ends_with(".sst")) return Numbered(FileKind::kTable, stem);
  if (!name.ends_with(kTemporarySuffix) || stem.ends_with(kTemporarySuffix)) return std::nullopt;
  const std::optional<FileName> becomes = ParseFileName(stem);
  if (!becomes) return std::nullopt;
  return FileName{FileKind::kTemporary, becomes->number};
}

std::string LogName(uint64_t number) { return Digits(number) + ".log"; }
std::string TableName(uint64_t number) { return Digits(number) + ".sst"; }
std::string ManifestName(uint64_t number) { return std::string(kManifestPrefix) + Digits(number); }

Result<uint64_t> NextNumberFree(const io::FileSystem& files, std::string_view directory) {
  AIDB_ASSIGN_OR_RETURN(const std::vector<std::string> names, files.List(directory));
  uint64_t next = 1;
  for (const std::string& name : names) {
    const std::optional<FileName> parsed = ParseFileName(name);
    if (!parsed) continue;
    if (parsed->number == std::numeric_limits<uint64_t>::max())
      return Corruption(io::JoinPath(directory, name) + " has a number no store ever reaches");
    next = std::max(next, parsed->number + 1);
  }
  return next;
}

}  // namespace aidb::lsm

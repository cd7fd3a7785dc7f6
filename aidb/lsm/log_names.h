#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "aidb/base/check.h"
#include "aidb/journal/options.h"
#include "aidb/lsm/file_names.h"

namespace aidb::lsm {

// Names of logs for a journal that makes no file: of whoever only reads.
class LogNames final : public journal::JournalFiles {
 public:
  uint64_t NextNumber() override { AIDB_CHECK(false); }
  std::string NameOf(uint64_t number) const override { return LogName(number); }
  std::optional<uint64_t> NumberOf(std::string_view name) const override {
    const std::optional<FileName> file = ParseFileName(name);
    if (!file || file->kind != FileKind::kLog) return std::nullopt;
    return file->number;
  }
};

}  // namespace aidb::lsm

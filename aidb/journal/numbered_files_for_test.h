#pragma once

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <string>
#include <string_view>

#include "aidb/journal/options.h"

namespace aidb::journal {

// Log files as the tests of the journal name them: "000007.log".
class NumberedFiles : public JournalFiles {
 public:
  explicit NumberedFiles(uint64_t next) : next_(next) {}

  uint64_t NextNumber() override { return next_++; }
  std::string NameOf(uint64_t number) const override {
    char text[32];
    std::snprintf(text, sizeof text, "%06llu.log", static_cast<unsigned long long>(number));
    return text;
  }
  std::optional<uint64_t> NumberOf(std::string_view name) const override {
    if (name.size() != 10 || name.substr(6) != ".log") return std::nullopt;
    uint64_t number = 0;
    for (const char digit : name.substr(0, 6)) {
      if (digit < '0' || digit > '9') return std::nullopt;
      number = 10 * number + static_cast<uint64_t>(digit - '0');
    }
    return number;
  }

 private:
  std::atomic<uint64_t> next_;
};

}  // namespace aidb::journal

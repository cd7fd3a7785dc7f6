#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "aidb/base/random.h"
#include "aidb/base/result.h"

namespace aidb {

// A 16-byte identity (RFC 9562), of a database, a log, a backup. A value; all zero is the nil
// uuid, "none".
struct Uuid {
  std::array<uint8_t, 16> bytes{};

  // Version 4: 122 bits from `random`.
  static Uuid Generate(Random& random);
  // "f81d4fae-7dec-11d0-a765-00a0c91e6bf6", in either case, any version. kInvalidArgument for
  // anything else.
  static Result<Uuid> Parse(std::string_view text);

  // In lower case.
  std::string ToString() const;
  // As 16 raw bytes; lives as long as this Uuid.
  std::string_view AsView() const {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }

  auto operator<=>(const Uuid&) const = default;
};

}  // namespace aidb

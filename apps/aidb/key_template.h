#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "aidb/base/result.h"

namespace aidb::cli {

// Makes keys of records: "city:{country}:{name}#{n}". {n} is the number of the record in its
// input, from 1; any other {name} a field of the record; {{ and }} are braces.
//
// Thread safety: const methods may run concurrently.
class KeyTemplate {
 public:
  // kInvalidArgument, saying where, for a brace without its partner, an empty name, or a template
  // without any field: every record would have the same key.
  static Result<KeyTemplate> Parse(std::string_view text);

  // `field` gives the text of a field of the record, or why there is none.
  using FieldSource = std::function<Result<std::string>(std::string_view name)>;
  Result<std::string> Fill(uint64_t number, const FieldSource& field) const;

 private:
  struct Piece {
    std::string text;  // A literal, or the name of a field.
    bool is_field = false;
  };

  std::vector<Piece> pieces_;
};

}  // namespace aidb::cli

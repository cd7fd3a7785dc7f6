#include "apps/aidb/key_template.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace aidb::cli {
namespace {

constexpr std::string_view kNumberField = "n";

Status BadTemplate(size_t at, std::string_view what) {
  return InvalidArgument(fmt::format("--key-template, byte {}: {}", at, what));
}

}  // namespace

Result<KeyTemplate> KeyTemplate::Parse(std::string_view text) {
  KeyTemplate parsed;
  std::string literal;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const bool brace = c == '{' || c == '}';
    if (!brace || (i + 1 < text.size() && text[i + 1] == c)) {
      literal += c;
      i += brace ? 1 : 0;
      continue;
    }
    const size_t end = text.find_first_of("{}", i + 1);
    if (c == '}' || end == std::string_view::npos || text[end] == '{') {
      return BadTemplate(i, "a brace without its partner; write {{ or }} for the character");
    }
    if (end == i + 1) return BadTemplate(i, "a field without a name");
    if (!literal.empty()) parsed.pieces_.push_back({.text = std::exchange(literal, {})});
    parsed.pieces_.push_back(
        {.text = std::string(text.substr(i + 1, end - i - 1)), .is_field = true});
    i = end;
  }
  if (std::ranges::none_of(parsed.pieces_, &Piece::is_field)) {
    return BadTemplate(0, "has no field, so every record would have the same key; add {n}");
  }
  if (!literal.empty()) parsed.pieces_.push_back({.text = std::move(literal)});
  return parsed;
}

Result<std::string> KeyTemplate::Fill(uint64_t number, const FieldSource& field) const {
  std::string key;
  for (const Piece& piece : pieces_) {
    if (!piece.is_field) {
      key += piece.text;
    } else if (piece.text == kNumberField) {
      key += std::to_string(number);
    } else {
      AIDB_ASSIGN_OR_RETURN(const std::string value, field(piece.text));
      key += value;
    }
  }
  return key;
}

}  // namespace aidb::cli

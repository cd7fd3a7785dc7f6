#pragma once

// Bytes as text, there and back: what the formats of import, export and scan are made of.

#include <cstdint>
#include <string>
#include <string_view>

#include "aidb/base/result.h"

namespace aidb::cli {

// For a field of a line: backslash, tab, newline and carriage return become \\ \t \n \r, other
// control characters and whatever is no UTF-8 become \xNN. Everything else stays.
std::string Escape(std::string_view bytes);
// The way back; also takes \0 and \" and \'. kInvalidArgument for any other use of a backslash.
Result<std::string> Unescape(std::string_view text);

bool IsUtf8(std::string_view bytes);

// Appends a JSON string literal; `utf8` must be valid.
void AppendJsonString(std::string& out, std::string_view utf8);
// Appends `"name":"…"`, or `"name_base64":"…"` when the bytes are no UTF-8.
void AppendJsonField(std::string& out, std::string_view name, std::string_view bytes);

std::string EncodeBase64(std::string_view bytes);
// RFC 4648, section 4, with padding. kInvalidArgument for anything else.
Result<std::string> DecodeBase64(std::string_view text);

// 1234567 as "1,234,567".
std::string WithCommas(uint64_t number);
// "1.5 MB"; powers of ten.
std::string BytesInWords(uint64_t bytes);

}  // namespace aidb::cli

#include "apps/aidb/json_record.h"

#include <optional>
#include <utility>

#include <fmt/format.h>
#include <simdjson.h>

#include "apps/aidb/text.h"

namespace aidb::cli {
namespace {

using simdjson::dom::element;
using simdjson::dom::element_type;

constexpr std::string_view kBase64Ending = "_base64";

Status Malformed(simdjson::error_code error) {
  return InvalidArgument(fmt::format("no JSON: {}", simdjson::error_message(error)));
}

Result<std::string_view> StringOf(std::string_view name, const element& value) {
  std::string_view text;
  if (value.get_string().get(text) != simdjson::SUCCESS) {
    return InvalidArgument(fmt::format("field '{}' is no string", Escape(name)));
  }
  return text;
}

// The bytes of a "value": of a string what it says, of anything else its JSON text.
std::string ValueBytes(const element& value) {
  std::string_view text;
  if (value.get_string().get(text) == simdjson::SUCCESS) return std::string(text);
  return simdjson::minify(value);
}

// As a part of a key: strings, numbers and truth values.
Result<std::string> KeyPart(const simdjson::dom::object& object, std::string_view name) {
  element value;
  if (object.at_key(name).get(value) != simdjson::SUCCESS) {
    return InvalidArgument(fmt::format("field '{}' is missing", Escape(name)));
  }
  switch (value.type()) {
    case element_type::STRING:
    case element_type::INT64:
    case element_type::UINT64:
    case element_type::DOUBLE:
    case element_type::BOOL:
      return ValueBytes(value);
    default:
      return InvalidArgument(fmt::format("field '{}' cannot be a part of a key: it is {}",
                                         Escape(name),
                                         value.is_null() ? "null" : "an array or an object"));
  }
}

}  // namespace

class JsonRecord::Impl {
 public:
  // The object lives until the next call.
  Result<simdjson::dom::object> Parse(std::string_view text) {
    padded_.assign(text);
    padded_.append(simdjson::SIMDJSON_PADDING, '\0');
    element root;
    const auto error =
        parser_.parse(padded_.data(), text.size(), /*realloc_if_needed=*/false).get(root);
    if (error != simdjson::SUCCESS) return Malformed(error);
    simdjson::dom::object object;
    if (root.get_object().get(object) != simdjson::SUCCESS) {
      return InvalidArgument("no JSON object");
    }
    return object;
  }

 private:
  simdjson::dom::parser parser_{kRecordBytesMax};
  std::string padded_;
};

JsonRecord::JsonRecord() : impl_(std::make_unique<Impl>()) {}
JsonRecord::~JsonRecord() = default;

Result<Record> JsonRecord::ReadPair(std::string_view text) {
  AIDB_ASSIGN_OR_RETURN(const simdjson::dom::object object, impl_->Parse(text));
  std::optional<std::string> key;
  std::optional<std::string> value;
  std::optional<std::string> keyspace;
  std::optional<uint64_t> expires_at_ms;
  for (const auto field : object) {
    if (field.key == kExpiryField) {
      uint64_t instant = 0;
      if (expires_at_ms || field.value.get_uint64().get(instant) != simdjson::SUCCESS) {
        return InvalidArgument(fmt::format(
            "field '{}' is no number of milliseconds since 1970, or is there twice", kExpiryField));
      }
      expires_at_ms = instant;
      continue;
    }
    std::string_view name = field.key;
    const bool encoded = name.ends_with(kBase64Ending);
    if (encoded) name.remove_suffix(kBase64Ending.size());
    std::optional<std::string>* const target = name == "key"            ? &key
                                               : name == "value"        ? &value
                                               : name == kKeyspaceField ? &keyspace
                                                                        : nullptr;
    if (target == nullptr) {
      return InvalidArgument(fmt::format(
          "field '{}' is neither key, value, key_base64, value_base64, keyspace nor expires_at_ms; "
          "to make keys of fields use --key-template",
          Escape(field.key)));
    }
    if (*target) return InvalidArgument(fmt::format("two fields for the {}", name));
    if (encoded) {
      AIDB_ASSIGN_OR_RETURN(const std::string_view base64, StringOf(field.key, field.value));
      AIDB_ASSIGN_OR_RETURN(*target, DecodeBase64(base64));
    } else if (target == &value) {
      value = ValueBytes(field.value);
    } else {
      AIDB_ASSIGN_OR_RETURN(*target, StringOf(field.key, field.value));
    }
  }
  if (!key) return InvalidArgument("field 'key' is missing");
  if (!value) return InvalidArgument("field 'value' is missing");
  return Record{.key = *std::move(key),
                .value = *std::move(value),
                .expires_at_ms = expires_at_ms,
                .keyspace = std::move(keyspace)};
}

Result<Record> JsonRecord::ReadByTemplate(std::string_view text, const KeyTemplate& key_template,
                                          uint64_t number) {
  AIDB_ASSIGN_OR_RETURN(const simdjson::dom::object object, impl_->Parse(text));
  AIDB_ASSIGN_OR_RETURN(std::string key, key_template.Fill(number, [&](std::string_view name) {
    return KeyPart(object, name);
  }));
  return Record{.key = std::move(key), .value = std::string(text)};
}

}  // namespace aidb::cli

#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "aidb/base/result.h"

#include "apps/aidb/key_template.h"
#include "apps/aidb/records.h"

namespace aidb::cli {

// Reads one JSON object into a record. The whole text is checked, because it may be stored as it
// stands.
//
// Thread safety: none.
class JsonRecord {
 public:
  JsonRecord();
  ~JsonRecord();

  // From the fields "key" or "key_base64", "value" or "value_base64", and, where they are,
  // "expires_at_ms" and "keyspace" or "keyspace_base64"; any other is refused.
  Result<Record> ReadPair(std::string_view object);
  // The key from the template, the value as it stands.
  Result<Record> ReadByTemplate(std::string_view object, const KeyTemplate& key_template,
                                uint64_t number);

 private:
  class Impl;
  const std::unique_ptr<Impl> impl_;  // Keeps simdjson out of this header.
};

}  // namespace aidb::cli

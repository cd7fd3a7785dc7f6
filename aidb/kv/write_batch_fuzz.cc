// Operations of a batch: whatever decodes must decode the same through a slow reference, and
// encode again to the same bytes.

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "aidb/base/check.h"
#include "aidb/kv/write_batch.h"

namespace aidb::kv {
namespace {

struct Decoded {
  uint8_t kind;
  std::string key;
  std::string value;
  uint64_t expires_at_ms = 0;
  uint8_t merge_operator = 0;
  bool operator==(const Decoded&) const = default;
};

// One byte at a time, straight from the description in write_batch.h.
class Reference {
 public:
  explicit Reference(std::string_view bytes) : bytes_(bytes) {}

  // All operations, or nullopt when any part is not as described.
  std::optional<std::vector<Decoded>> All() {
    std::vector<Decoded> all;
    while (at_ < bytes_.size()) {
      Decoded one{.kind = static_cast<uint8_t>(bytes_[at_++]), .key = {}, .value = {}};
      if ((one.kind < 1 || one.kind > 5) && one.kind != 15) return std::nullopt;
      if (!ReadString(one.key) || one.key.size() > kKeyBytesMax) return std::nullopt;
      if (one.kind == 5 && !ReadExpiry(one.expires_at_ms)) return std::nullopt;
      if (one.kind == 3) {
        if (at_ == bytes_.size()) return std::nullopt;
        one.merge_operator = static_cast<uint8_t>(bytes_[at_++]);
        const bool known =
            (one.merge_operator >= 1 && one.merge_operator <= 4) || one.merge_operator >= 128;
        if (!known) return std::nullopt;
      }
      if (one.kind != 2 && !ReadString(one.value)) return std::nullopt;
      if (one.kind == 4 && !one.value.empty() && one.key >= one.value) return std::nullopt;
      if (one.kind == 4 && one.value.size() > kKeyBytesMax) return std::nullopt;
      all.push_back(one);
    }
    return all;
  }

 private:
  bool ReadExpiry(uint64_t& out) {
    if (bytes_.size() - at_ < 8) return false;
    for (int i = 0; i < 8; ++i) out |= uint64_t{static_cast<uint8_t>(bytes_[at_++])} << (8 * i);
    return true;
  }
  bool ReadString(std::string& out) {
    uint64_t length = 0;
    for (int i = 0;; ++i) {
      if (at_ == bytes_.size() || i == 10) return false;
      const auto byte = static_cast<uint8_t>(bytes_[at_++]);
      if (i == 9 && byte > 1) return false;  // Bit 64 and above.
      length += static_cast<uint64_t>(byte & 0x7F) << (7 * i);
      if (byte < 0x80) {
        if (byte == 0 && i > 0) return false;
        break;
      }
    }
    if (length > bytes_.size() - at_) return false;
    for (; length > 0; --length) out.push_back(bytes_[at_++]);
    return true;
  }

  std::string_view bytes_;
  size_t at_ = 0;
};

std::optional<std::vector<Decoded>> Decode(std::string_view bytes) {
  std::vector<Decoded> all;
  WriteBatch::Reader reader(bytes);
  while (true) {
    const auto next = reader.Next();
    if (!next.ok()) {
      AIDB_CHECK(next.status().code() == StatusCode::kCorruption ||
                 next.status().code() == StatusCode::kInvalidArgument);
      AIDB_CHECK(reader.Next().status().message() == next.status().message());
      return std::nullopt;
    }
    if (!*next) return all;
    all.push_back({static_cast<uint8_t>((*next)->kind), std::string((*next)->key),
                   std::string((*next)->value), (*next)->expires_at_ms,
                   static_cast<uint8_t>((*next)->merge_operator)});
  }
}

// As a DB shows them: of each operation that is shown the key is the end of the stored one.
void CheckShown(std::string_view bytes, const std::vector<Decoded>& stored) {
  WriteBatch::Reader reader(bytes, WriteBatch::KeyForm::kOfKeyspaces);
  for (const Decoded& one : stored) {
    const auto next = reader.Next();
    if (!next.ok()) return AIDB_CHECK(next.status().code() == StatusCode::kInvalidArgument);
    const WriteBatch::Operation& shown = **next;
    AIDB_CHECK(one.key.ends_with(shown.key));
    if (shown.keyspace == kDefaultKeyspace && !TakesPrefix(one.key)) {
      AIDB_CHECK(shown.key == one.key);
    } else {
      AIDB_CHECK(StoredKey(shown.keyspace, shown.key).view() == one.key);
    }
  }
}

void Check(std::string_view bytes) {
  const auto decoded = Decode(bytes);
  AIDB_CHECK(decoded == Reference(bytes).All());
  if (!decoded) return;
  CheckShown(bytes, *decoded);
  WriteBatch again;
  for (const Decoded& one : *decoded) {
    again.Add({.kind = OpKind{one.kind},
               .key = one.key,
               .value = one.value,
               .expires_at_ms = one.expires_at_ms,
               .merge_operator = MergeOperator{one.merge_operator}});
  }
  AIDB_CHECK(again.operations() == bytes);
  AIDB_CHECK(again.count() == decoded->size());
  const bool notes =
      std::ranges::any_of(*decoded, [](const Decoded& one) { return one.kind == 15; });
  AIDB_CHECK(again.Validate(bytes.size()).ok() == !notes);
}

}  // namespace
}  // namespace aidb::kv

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  aidb::kv::Check({reinterpret_cast<const char*>(bytes), size});
  return 0;
}

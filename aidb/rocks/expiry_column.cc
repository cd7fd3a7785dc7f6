#include "aidb/rocks/expiry_column.h"

#include <charconv>

#include "aidb/base/bytes.h"

namespace aidb::rocks {
namespace {

constexpr std::string_view kNameBegin = "aidb.expiry.from.";

}  // namespace

std::string ExpiryColumn::NameFrom(uint64_t sequence) {
  return std::string(kNameBegin) + std::to_string(sequence);
}

std::optional<uint64_t> ExpiryColumn::SequenceIn(std::string_view name) {
  if (!name.starts_with(kNameBegin)) return std::nullopt;
  name.remove_prefix(kNameBegin.size());
  uint64_t sequence = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), sequence);
  if (error != std::errc{} || end != name.data() + name.size()) return std::nullopt;
  return sequence;
}

void ExpiryColumn::Adopt(rocksdb::ColumnFamilyHandle* handle, uint64_t from) {
  from_ = from;
  handle_.store(handle, std::memory_order_release);
}

kv::Sequence ExpiryColumn::Ours(uint64_t rocks) const {
  if (handle() == nullptr || rocks <= from_) return kv::Sequence{rocks};
  return kv::Sequence{from_ + (rocks - from_ + 1) / 2};
}

Result<uint64_t> ExpiryColumn::Decode(std::string_view value) {
  if (value.size() == sizeof(uint64_t)) return LoadLe<uint64_t>(value.data());
  return Corruption("rocksdb store: an expiry of " + std::to_string(value.size()) +
                    " bytes; expected " + std::to_string(sizeof(uint64_t)));
}

}  // namespace aidb::rocks

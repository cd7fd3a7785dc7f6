#include "aidb/kv/keyspace.h"

#include "aidb/base/check.h"
#include "aidb/base/escape.h"

namespace aidb::kv {
namespace {

constexpr unsigned char kReserved = 0xFF;
// What follows it.
constexpr unsigned char kEscape = 0x00;
constexpr unsigned char kOneByteMax = 0xEF;
constexpr unsigned char kTwoBytes = 0xF0;
constexpr unsigned char kFourBytes = 0xF1;
constexpr unsigned char kCatalogue = 0xFE;

constexpr size_t kNameShown = 48;

// The number of `size` bytes, high byte first, that is not so small that a shorter form has it.
std::optional<LocatedKey> WithNumber(std::string_view stored, size_t size, uint32_t smallest) {
  constexpr size_t kBefore = 2;
  if (stored.size() < kBefore + size) return std::nullopt;
  uint32_t number = 0;
  for (const char byte : stored.substr(kBefore, size)) {
    number = number << 8 | static_cast<unsigned char>(byte);
  }
  const KeyspaceId id{number};
  if (number < smallest || id == kKeyspaceCatalogue) return std::nullopt;
  return LocatedKey{id, stored.substr(kBefore + size)};
}

}  // namespace

KeyspacePrefix::KeyspacePrefix(KeyspaceId id) {
  const auto append = [this](uint32_t byte) {
    bytes_[size_++] = static_cast<char>(static_cast<unsigned char>(byte));
  };
  const uint32_t number = ToNumber(id);
  append(kReserved);
  if (id == kKeyspaceCatalogue) {
    append(kCatalogue);
  } else if (number <= kOneByteMax) {
    append(number);  // The default keyspace's is kEscape.
  } else if (number <= UINT16_MAX) {
    append(kTwoBytes);
    for (int shift = 8; shift >= 0; shift -= 8) append(number >> shift & 0xFF);
  } else {
    append(kFourBytes);
    for (int shift = 24; shift >= 0; shift -= 8) append(number >> shift & 0xFF);
  }
}

std::string KeyspacePrefix::End() const {
  std::string end(view());
  // Not all of it is FF: what follows the first is smaller.
  end.resize(end.find_last_not_of('\xFF') + 1);
  end.back() = static_cast<char>(static_cast<unsigned char>(end.back()) + 1);
  return end;
}

Status KeyspaceState::Refusal(const void* owner) const {
  const std::string name = "the keyspace \"" + EscapeForMessage(name_, kNameShown) + "\" ";
  if (owner != owner_.get()) {
    return InvalidArgument(name +
                           "is of another DB, or of one before it was opened again; open "
                           "it of this one");
  }
  if (life() == Life::kDropping) {
    return Unavailable(name + "is being dropped; if that failed, drop it again");
  }
  return InvalidArgument(name + "was dropped");
}

std::string StoredEnd(const Keyspace* keyspace, std::optional<std::string_view> end) {
  if (end) return std::string(StoredKey(keyspace, *end).view());
  return keyspace != nullptr ? keyspace->state().prefix().End()
                             : KeyspacePrefix(kDefaultKeyspace).End();
}

std::optional<LocatedKey> Locate(std::string_view stored) {
  if (!TakesPrefix(stored)) return LocatedKey{kDefaultKeyspace, stored};
  if (stored.size() < 2) return std::nullopt;
  const auto lead = static_cast<unsigned char>(stored[1]);
  const std::string_view key = stored.substr(2);
  if (lead == kEscape) {
    if (!TakesPrefix(key)) return std::nullopt;
    return LocatedKey{kDefaultKeyspace, key};
  }
  if (lead <= kOneByteMax) return LocatedKey{KeyspaceId{lead}, key};
  if (lead == kTwoBytes) return WithNumber(stored, 2, kOneByteMax + 1);
  if (lead == kFourBytes) return WithNumber(stored, 4, UINT16_MAX + 1);
  if (lead == kCatalogue) return LocatedKey{kKeyspaceCatalogue, key};
  return std::nullopt;
}

std::optional<std::string_view> LocateEnd(KeyspaceId keyspace, std::string_view stored) {
  if (stored == KeyspacePrefix(keyspace).End()) return std::string_view();
  if (const auto located = Locate(stored); located && located->keyspace == keyspace) {
    return located->key;
  }
  // Between the default keyspace's keys without a prefix and those with one.
  constexpr std::string_view kFirstReserved = "\xFF";
  if (keyspace == kDefaultKeyspace && stored < StoredKey(nullptr, kFirstReserved).view()) {
    return kFirstReserved;
  }
  return std::nullopt;
}

Status CheckKeySize(const Keyspace* keyspace, std::string_view key) {
  const bool prefixed = keyspace != nullptr || TakesPrefix(key);
  const uint64_t most = prefixed ? kPrefixedKeyBytesMax : kKeyBytesMax;
  if (key.size() <= most) return {};
  std::string what = "a key of " + std::to_string(key.size()) + " bytes";
  if (keyspace != nullptr) {
    what += " in the keyspace \"" + EscapeForMessage(keyspace->name(), kNameShown) + "\"";
  } else if (prefixed) {
    what += " that begins with 0xFF";
  }
  return InvalidArgument(what + "; at most " + std::to_string(most) + " are allowed");
}

}  // namespace aidb::kv

#pragma once

// Keyspaces: many ordered maps in the one ordered tree of a store, for DB, which shows each alone.
//
// A Store knows nothing of them. Its keys begin so, in their order:
//
//   up to FE                  the default keyspace: keys as they are
//   FF 00 | key               the default keyspace: keys that begin with FF
//   FF 01…EF | key            keyspaces 1 to 239
//   FF F0 | u16 | key         keyspaces 240 to 65,535; the number has its high byte first
//   FF F1 | u32 | key         those above
//   FF FE | name              the catalogue; without a name its head
//
// No prefix begins another, so every keyspace is one range, in the order of its keys, and a key is
// shown by a view that leaves its prefix out. docs/formats/keyspaces.md has the catalogue.

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "aidb/base/status.h"
#include "aidb/kv/types.h"

namespace aidb::kv {

// Given in the order in which keyspaces are made, from 1 on; none is ever given twice in a store.
enum class KeyspaceId : uint32_t {};
inline constexpr KeyspaceId kDefaultKeyspace{0};
// What feeds tell of the catalogue: its keys are the names of keyspaces.
inline constexpr KeyspaceId kKeyspaceCatalogue{UINT32_MAX};

constexpr uint32_t ToNumber(KeyspaceId id) { return static_cast<uint32_t>(id); }

inline constexpr size_t kKeyspaceNameBytesMax = 255;
inline constexpr uint32_t kKeyspacesMax = 65'536;  // Of one store at a time.
// Of a key with a prefix: those of keyspaces, and the default one's that begin with FF.
inline constexpr uint64_t kPrefixedKeyBytesMax = kKeyBytesMax - 8;

// What the stored keys of a keyspace begin with.
class KeyspacePrefix {
 public:
  // Nothing.
  KeyspacePrefix() = default;
  // For the default keyspace, that of its keys which have one.
  explicit KeyspacePrefix(KeyspaceId id);

  std::string_view view() const { return {bytes_.data(), size_}; }
  // The first stored key behind all of the keyspace; of the default one, too.
  std::string End() const;

 private:
  std::array<char, 6> bytes_{};
  uint8_t size_ = 0;
};

// Whether the default keyspace stores `key` with a prefix.
inline bool TakesPrefix(std::string_view key) { return !key.empty() && key.front() == '\xFF'; }

// What all handles of one keyspace share.
//
// Thread safety: any thread may call any method.
class KeyspaceState {
 public:
  enum class Life : unsigned char {
    kLive,
    kDropping,  // Until the drop is decided: perhaps for good, when its write failed.
    kDropped,
  };

  // `owner` is the DB's: its address is its identity as long as a handle lives.
  KeyspaceState(std::string name, KeyspaceId id, std::shared_ptr<const void> owner)
      : name_(std::move(name)), id_(id), prefix_(id), owner_(std::move(owner)) {}

  std::string_view name() const { return name_; }
  KeyspaceId id() const { return id_; }
  const KeyspacePrefix& prefix() const { return prefix_; }
  Life life() const { return life_.load(std::memory_order_acquire); }
  void set_life(Life life) { life_.store(life, std::memory_order_release); }  // Pairs with life().

  // ok for one of `owner` that is there. kInvalidArgument for one that was dropped, or is another
  // DB's; kUnavailable while it is being dropped.
  Status Check(const void* owner) const {
    return life() == Life::kLive && owner == owner_.get() ? Status() : Refusal(owner);
  }

 private:
  Status Refusal(const void* owner) const;

  const std::string name_;
  const KeyspaceId id_;
  const KeyspacePrefix prefix_;
  const std::shared_ptr<const void> owner_;
  std::atomic<Life> life_{Life::kLive};
};

// A keyspace of an open DB (DB::OpenKeyspace): an ordered map of its own, which shares the DB's
// log, sequences, snapshots and limits. Options, batches and transactions take a pointer to it;
// null is the default keyspace.
//
// Once it is dropped, every call that names it gives kInvalidArgument, also at a snapshot from
// before; an iterator that was there goes on.
//
// Thread safety: const methods may run concurrently.
// Lifetime: a value; copies are the same keyspace. May outlive the DB, and serves no other then:
// after opening the DB again, open it again.
class Keyspace {
 public:
  // For DB.
  explicit Keyspace(std::shared_ptr<KeyspaceState> state) : state_(std::move(state)) {}

  std::string_view name() const { return state_->name(); }
  KeyspaceId id() const { return state_->id(); }
  KeyspaceState& state() const { return *state_; }

  bool operator==(const Keyspace&) const = default;

 private:
  std::shared_ptr<KeyspaceState> state_;  // Shared by all copies.
};

// A key as the store has it. Short ones take no memory but this.
//
// Lifetime: borrows `key`.
class StoredKey {
 public:
  StoredKey(const Keyspace* keyspace, std::string_view key) : view_(key) {
    if (keyspace != nullptr) {
      Join(keyspace->state().prefix().view(), key);
    } else if (TakesPrefix(key)) {
      Join(KeyspacePrefix(kDefaultKeyspace).view(), key);
    }
  }
  StoredKey(KeyspaceId keyspace, std::string_view key) {
    Join(KeyspacePrefix(keyspace).view(), key);
  }
  StoredKey(const StoredKey&) = delete;
  StoredKey& operator=(const StoredKey&) = delete;

  std::string_view view() const { return view_; }

 private:
  static constexpr size_t kShortBytes = 120;

  void Join(std::string_view prefix, std::string_view key) {
    const size_t size = prefix.size() + key.size();
    char* to = short_;
    if (size > kShortBytes) {
      long_.resize(size);
      to = long_.data();
    }
    prefix.copy(to, prefix.size());
    key.copy(to + prefix.size(), key.size());
    view_ = {to, size};
  }

  std::string_view view_;
  std::string long_;
  char short_[kShortBytes];
};

// The end of a range of `keyspace` as the store has it; nullopt is behind its last key.
std::string StoredEnd(const Keyspace* keyspace, std::optional<std::string_view> end);

struct LocatedKey {
  KeyspaceId keyspace = kDefaultKeyspace;
  std::string_view key;  // Of its keyspace: a part of the stored one.
};
// Whose key the stored one is; nullopt where this version knows of none.
std::optional<LocatedKey> Locate(std::string_view stored);
// Of a range of `keyspace`, from the end that is stored; empty: it reaches behind the last key.
// nullopt when it ends elsewhere.
std::optional<std::string_view> LocateEnd(KeyspaceId keyspace, std::string_view stored);

// ok for a key that is not above the limit; kInvalidArgument with both numbers.
Status CheckKeySize(const Keyspace* keyspace, std::string_view key);

}  // namespace aidb::kv

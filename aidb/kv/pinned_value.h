#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace aidb::kv {

// Keeps alive what a value lies in, until it is destroyed.
//
// Thread safety: a move-only value.
class ValuePin {
 public:
  ValuePin() = default;
  // Calls `release(object)` once, on whichever thread.
  ValuePin(void* object, void (*release)(void*)) : object_(object), release_(release) {}
  // Keeps a reference.
  static ValuePin Keep(std::shared_ptr<const void> shared) {
    return {new std::shared_ptr<const void>(std::move(shared)),
            [](void* object) { delete static_cast<std::shared_ptr<const void>*>(object); }};
  }
  ValuePin(ValuePin&& other) noexcept
      : object_(std::exchange(other.object_, nullptr)), release_(other.release_) {}
  ValuePin& operator=(ValuePin&& other) noexcept {
    ValuePin taken(std::move(other));
    std::swap(object_, taken.object_);
    std::swap(release_, taken.release_);
    return *this;
  }
  ~ValuePin() {
    if (object_ != nullptr) release_(object_);
  }

 private:
  void* object_ = nullptr;
  void (*release_)(void*) = nullptr;
};

// A value as Get returns it: it keeps alive what holds its bytes (a cache frame, a memtable) or
// owns a copy. May outlive the store.
//
// Thread safety: a move-only value.
class PinnedValue {
 public:
  PinnedValue() = default;
  // Owns a copy.
  explicit PinnedValue(std::string bytes) : copy_(std::move(bytes)), owns_copy_(true) {}
  // `bytes` lives as long as `pin`.
  PinnedValue(std::string_view bytes, ValuePin pin) : bytes_(bytes), pin_(std::move(pin)) {}

  PinnedValue(PinnedValue&&) noexcept = default;
  PinnedValue& operator=(PinnedValue&&) noexcept = default;

  std::string_view view() const { return owns_copy_ ? std::string_view(copy_) : bytes_; }
  operator std::string_view() const { return view(); }  // NOLINT: a value is its bytes.
  size_t size() const { return view().size(); }
  // The instant from which the key is absent, in milliseconds since 1970; none for a value that
  // does not expire.
  std::optional<uint64_t> expires_at_ms() const { return expires_at_ms_; }
  void set_expires_at_ms(uint64_t ms) { expires_at_ms_ = ms; }
  std::string ToString() && { return owns_copy_ ? std::move(copy_) : std::string(bytes_); }

 private:
  std::string_view bytes_;
  ValuePin pin_;
  std::string copy_;
  bool owns_copy_ = false;
  std::optional<uint64_t> expires_at_ms_;
};

}  // namespace aidb::kv

#pragma once

#include <expected>
#include <type_traits>
#include <utility>

#include "aidb/base/check.h"
#include "aidb/base/status.h"

namespace aidb {

// Either a T or the Status that says why there is none. Underneath a std::expected; it offers
// no monadic methods because libstdc++ 12 has none.
template <typename T>
class [[nodiscard]] Result {
 public:
  using value_type = T;

  template <typename U = T>
    requires(std::is_constructible_v<T, U &&> && !std::is_same_v<std::remove_cvref_t<U>, Result> &&
             !std::is_same_v<std::remove_cvref_t<U>, Status>)
  Result(U&& value) : state_(std::in_place, std::forward<U>(value)) {}  // NOLINT: implicit.
  Result(Status error) : state_(std::unexpect, std::move(error)) {      // NOLINT: implicit.
    AIDB_CHECK(!state_.error().ok());
  }

  bool ok() const { return state_.has_value(); }
  Status status() const& { return ok() ? Status() : state_.error(); }
  Status status() && { return ok() ? Status() : std::move(state_.error()); }

  // Needs ok(); anything else is a programmer error and stops the program.
  T& operator*() & { return Checked(); }
  const T& operator*() const& {
    AIDB_CHECK(ok());
    return *state_;
  }
  T&& operator*() && { return std::move(Checked()); }
  T* operator->() { return &Checked(); }
  const T* operator->() const { return &**this; }

 private:
  T& Checked() {
    AIDB_CHECK(ok());
    return *state_;
  }
  std::expected<T, Status> state_;
};

}  // namespace aidb

#define AIDB_CONCAT_INNER(a, b) a##b
#define AIDB_CONCAT(a, b) AIDB_CONCAT_INNER(a, b)

// AIDB_ASSIGN_OR_RETURN(auto file, fs.Open(path));
#define AIDB_ASSIGN_OR_RETURN(decl, expr) \
  AIDB_ASSIGN_OR_RETURN_IMPL(AIDB_CONCAT(aidb_result_, __LINE__), decl, expr)
#define AIDB_ASSIGN_OR_RETURN_IMPL(result, decl, expr) \
  auto result = (expr);                                \
  if (!result.ok()) [[unlikely]]                       \
    return std::move(result).status();                 \
  decl = *std::move(result)

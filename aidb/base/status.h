#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace aidb {

// The one list of outcomes. Each code tells the caller what to do; absence is a value
// (std::optional), so there is no kNotFound.
enum class StatusCode : unsigned char {
  kOk,
  kInvalidArgument,    // Fix the call: it broke the contract, nothing happened.
  kConflict,           // Retry the transaction: another write got there first.
  kResourceExhausted,  // Wait, or free something: a limit or the disk is full.
  kUnavailable,        // Closed, read-only, or busy elsewhere.
  kDeadlineExceeded,   // The deadline passed; the message says what is already done.
  kPermissionDenied,   // Not allowed, here and for this caller.
  kIoError,            // The system said no; the message states the outcome.
  kCorruption,         // Stored bytes fail their check; names file, offset, loss, next command.
  kInternal,           // Our bug; please report it.
};

// "corruption", "invalid argument", …
std::string_view StatusCodeName(StatusCode code);

// The outcome of an operation that returns no value. Ok costs one null pointer.
//
// Thread safety: a value; const methods may run concurrently.
class [[nodiscard]] Status {
 public:
  Status() = default;  // Ok.
  Status(StatusCode code, std::string message);

  Status(const Status& other);
  Status& operator=(const Status& other);
  Status(Status&&) noexcept = default;
  Status& operator=(Status&&) noexcept = default;
  ~Status() = default;

  bool ok() const { return failure_ == nullptr; }
  StatusCode code() const { return ok() ? StatusCode::kOk : failure_->code; }
  // Empty when ok. The view lives as long as this Status is unchanged.
  std::string_view message() const;
  // "corruption: table 000012.sst: …", or "ok".
  std::string ToString() const;

  // Prepends what was being attempted: "open manifest: <message>". Ok stays ok.
  Status Annotate(std::string_view context) &&;

 private:
  struct Failure {
    StatusCode code;
    std::string message;
  };
  std::unique_ptr<Failure> failure_;
};

Status InvalidArgument(std::string message);
Status Conflict(std::string message);
Status ResourceExhausted(std::string message);
Status Unavailable(std::string message);
Status DeadlineExceeded(std::string message);
Status PermissionDenied(std::string message);
Status IoError(std::string message);
Status Corruption(std::string message);
Status Internal(std::string message);

}  // namespace aidb

// Returns the error of `expr` from the enclosing function, if there is one.
#define AIDB_RETURN_IF_ERROR(expr)                                           \
  do {                                                                       \
    if (::aidb::Status aidb_status = (expr); !aidb_status.ok()) [[unlikely]] \
      return aidb_status;                                                    \
  } while (false)

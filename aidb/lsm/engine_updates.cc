// The feed of the native engine: its log, read by whoever follows it.

#include <memory>
#include <string>
#include <utility>

#include "aidb/journal/tail.h"
#include "aidb/lsm/engine.h"

namespace aidb::lsm {
namespace {

Status BeginAnew(Status status, Sequence oldest) {
  if (status.code() != StatusCode::kResourceExhausted) return status;
  return ResourceExhausted(std::string(status.message()) +
                           "; take a checkpoint and begin anew at sequence " +
                           std::to_string(ToNumber(oldest) - 1) + " or later");
}

class LogUpdates final : public kv::UpdateCursor {
 public:
  explicit LogUpdates(std::unique_ptr<journal::Tail> tail) : tail_(std::move(tail)) {}

  Result<std::optional<kv::Update>> Next(Duration wait) override {
    auto record = tail_->Next(wait);
    if (!record.ok()) {
      return BeginAnew(std::move(record).status(), Sequence{ToNumber(tail_->oldest_id())});
    }
    if (!*record) return std::optional<kv::Update>();
    return std::optional<kv::Update>(kv::Update{.first = Sequence{ToNumber((*record)->first_id)},
                                                .count = (*record)->ids,
                                                .operations = (*record)->payload});
  }

 private:
  const std::unique_ptr<journal::Tail> tail_;
};

}  // namespace

Result<kv::Updates> Engine::UpdatesSince(Sequence from, const kv::UpdateOptions& options) {
  const CallPass pass(calls_);
  if (!pass) return Closed();
  if (journal_ == nullptr) return CheckWritable();  // Read-only.
  AIDB_RETURN_IF_ERROR(kv::CheckUpdateRequest(from, VisibleSequence(), options));
  auto tail = journal_->Follow(
      journal::RecordId{ToNumber(from)},
      {.level = options.level == kv::UpdateLevel::kDurable ? journal::TailLevel::kDurable
                                                           : journal::TailLevel::kPublished,
       .lag_bytes_max = options.lag_bytes_max});
  if (!tail.ok()) {
    return BeginAnew(std::move(tail).status(), Sequence{ToNumber(journal_->oldest_id())});
  }
  return kv::Updates(std::make_unique<LogUpdates>(*std::move(tail)));
}

}  // namespace aidb::lsm

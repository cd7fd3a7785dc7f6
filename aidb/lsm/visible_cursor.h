#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "aidb/kv/iterator.h"
#include "aidb/kv/merge.h"
#include "aidb/lsm/entry.h"
#include "aidb/lsm/operands.h"

namespace aidb::lsm {

// The keys in [lower, upper); without `upper` there is no end.
struct KeyRange {
  std::string lower;
  std::optional<std::string> upper;
};

// What a reader sees at one sequence: of each key the newest version that is not newer, unless
// that is a delete or has expired. Where that is an operand, what it and those below it make of
// what they lie on (operands.h); the function of a user's operator that is not here is an error.
//
// Going forward it stands on the entry it shows, so key and value are views without a copy.
// Going backward it learns that an entry is the newest visible one only from the entry before
// it, so key and value are copies in buffers that are used again. No step allocates once the
// buffers have grown; a fold does. More than eight versions in a row to pass over are jumped over.
//
// Thread safety: none; one thread at a time.
// Lifetime: owns `entries`; `pin` keeps alive what they borrow.
class VisibleCursor final : public kv::Cursor {
 public:
  // A move that passed over more deletes than this reports them: the tables around `key`, at the
  // end of the run, deserve a compaction.
  static constexpr uint64_t kDeleteRunMax = 1000;
  using DeleteRunReport = std::function<void(std::string_view key, uint64_t deletes)>;

  // `now_ms` is the clock that expiry is judged by; `report` may be empty.
  VisibleCursor(std::unique_ptr<EntryCursor> entries, Sequence at, uint64_t now_ms, KeyRange range,
                std::shared_ptr<const void> pin, DeleteRunReport report,
                kv::Merger merger = kv::Merger());

  bool Valid() const override { return valid_; }
  void SeekToFirst() override;
  void SeekToLast() override;
  void Seek(std::string_view key) override;
  void SeekForPrev(std::string_view key) override;
  void Next() override;
  void Prev() override;
  std::string_view key() const override { return copied_ ? key_ : entries_->entry().key; }
  std::string_view value() const override { return copied_ ? value_ : entries_->entry().value; }
  Status status() const override { return status_; }

 private:
  // So many versions in a row are passed over one by one; then a seek jumps over the rest.
  static constexpr uint32_t kStepsMax = 8;
  // A buffer that a large value has blown up further is given back with the next small one.
  static constexpr size_t kBufferBytesKept = size_t{1} << 20;

  void FindForward(bool passing);
  void FindBackward();
  void PassNewerForward(uint32_t& passed);
  void PassNewerBackward(uint32_t& passed);
  void PassKeyBackward();
  bool KeepForBackward();
  bool Fold();
  void Arrive(uint64_t deletes);
  void End(uint64_t deletes);
  void EndOutside();
  void Fail(Status status);
  void Report(uint64_t deletes);

  const std::shared_ptr<const void> pin_;  // First, so that it goes last.
  const std::unique_ptr<EntryCursor> entries_;
  const Sequence at_;
  const uint64_t now_ms_;
  const KeyRange range_;
  const DeleteRunReport report_;
  const kv::Merger merger_;

  bool valid_ = false;
  // Forward: entries_ stands on the visible entry; or, folded_, behind the operands of key_.
  // Backward: it stands before the versions of key_ that are visible, perhaps on a newer one of
  // key_.
  bool forward_ = true;
  bool folded_ = false;
  bool copied_ = false;   // key_ and value_ hold what is shown: backward, or folded.
  bool deleted_ = false;  // What was kept or folded last is a delete, or has expired.
  std::string key_;
  std::string value_;
  OperandChain operands_;
  Status status_;
};

}  // namespace aidb::lsm

#include "aidb/lsm/visible_cursor.h"

#include <utility>

#include "aidb/base/check.h"

namespace aidb::lsm {

VisibleCursor::VisibleCursor(std::unique_ptr<EntryCursor> entries, Sequence at, uint64_t now_ms,
                             KeyRange range, std::shared_ptr<const void> pin,
                             DeleteRunReport report, kv::Merger merger)
    : pin_(std::move(pin)),
      entries_(std::move(entries)),
      at_(at),
      now_ms_(now_ms),
      range_(std::move(range)),
      report_(std::move(report)),
      merger_(merger) {}

void VisibleCursor::SeekToFirst() {
  if (range_.lower.empty()) {
    entries_->SeekToFirst();
  } else {
    entries_->Seek(range_.lower, kv::kSequenceMax);
  }
  FindForward(false);
}

void VisibleCursor::SeekToLast() {
  if (!range_.upper) {
    entries_->SeekToLast();
    FindBackward();
    return;
  }
  entries_->Seek(*range_.upper, kv::kSequenceMax);
  if (entries_->valid()) {
    entries_->Prev();
  } else if (entries_->status().ok()) {
    entries_->SeekToLast();
  }
  FindBackward();
}

void VisibleCursor::Seek(std::string_view key) {
  if (key <= range_.lower) {
    SeekToFirst();
  } else if (range_.upper && key >= *range_.upper) {
    EndOutside();
  } else {
    key_.assign(key);  // It may be a view of the entry that is about to go.
    entries_->Seek(key_, at_);
    FindForward(false);
  }
}

void VisibleCursor::SeekForPrev(std::string_view key) {
  if (range_.upper && key >= *range_.upper) {
    SeekToLast();
    return;
  }
  if (key < range_.lower) {
    EndOutside();
    return;
  }
  key_.assign(key);
  entries_->Seek(key_, kv::kSequenceNone);
  while (entries_->valid() && entries_->entry().key == key_) entries_->Next();
  if (entries_->valid()) {
    entries_->Prev();
  } else if (entries_->status().ok()) {
    entries_->SeekToLast();
  }
  FindBackward();
}

void VisibleCursor::Next() {
  AIDB_CHECK(valid_);
  if (!forward_) {
    entries_->Seek(key_, kv::kSequenceNone);
  } else if (!folded_) {
    key_.assign(entries_->entry().key);
    entries_->Next();
  }
  FindForward(true);
}

void VisibleCursor::Prev() {
  AIDB_CHECK(valid_);
  if (forward_) {
    if (folded_) {
      entries_->Seek(key_, kv::kSequenceMax);
    } else {
      key_.assign(entries_->entry().key);
    }
    PassKeyBackward();
  }
  FindBackward();
}

// Goes on to the first visible entry; `passing`: which is not one of key_.
void VisibleCursor::FindForward(bool passing) {
  forward_ = true;
  folded_ = copied_ = false;
  uint64_t deletes = 0;
  uint32_t older = 0;
  uint32_t newer = 0;
  while (entries_->valid()) {
    const Entry& entry = entries_->entry();
    if (passing && entry.key == key_) {
      if (++older == kStepsMax) {
        entries_->Seek(key_, kv::kSequenceNone);
      } else {
        entries_->Next();
      }
      continue;
    }
    if (range_.upper && entry.key >= *range_.upper) {
      End(deletes);
      return;
    }
    passing = false;
    if (entry.sequence > at_) {
      PassNewerForward(newer);
      continue;
    }
    if (HoldsValue(entry.kind, entry.expires_at_ms, now_ms_)) {
      Arrive(deletes);
      return;
    }
    key_.assign(entry.key);
    if (entry.kind == OpKind::kMerge) {
      if (!Fold()) return;
      folded_ = copied_ = !deleted_;
      if (folded_) {
        Arrive(deletes);
        return;
      }
    } else {
      entries_->Next();
    }
    ++deletes;
    passing = true;
    older = 0;
  }
  End(deletes);
}

// One entry on; of a key with many versions that are too new, to the first that is not.
void VisibleCursor::PassNewerForward(uint32_t& passed) {
  if (++passed % kStepsMax != 0) {
    entries_->Next();
  } else if (entries_->entry().key == key_) {
    entries_->Seek(key_, at_);
  } else {
    key_.assign(entries_->entry().key);
    entries_->Next();
  }
}

// Goes down to the next visible entry and keeps it.
void VisibleCursor::FindBackward() {
  forward_ = folded_ = false;
  copied_ = true;
  uint64_t deletes = 0;
  uint32_t newer = 0;
  uint32_t versions = 0;  // Kept of key_ so far, oldest first.
  while (entries_->valid()) {
    const Entry& entry = entries_->entry();
    if (versions > 0 && (entry.sequence > at_ || entry.key != key_)) {
      if (!deleted_) {
        Arrive(deletes);
        return;
      }
      ++deletes;
      versions = 0;
    }
    if (entry.key < range_.lower) break;
    if (entry.sequence > at_) {
      PassNewerBackward(newer);
      continue;
    }
    const bool operand = entry.kind == OpKind::kMerge;
    if (operand) key_.assign(entry.key);
    // To the newest that is visible.
    if (++versions == kStepsMax || operand) entries_->Seek(key_, at_);
    if (!entries_->valid()) break;
    if (!KeepForBackward()) return;
    if (entries_->valid()) entries_->Prev();
  }
  if (versions > 0 && !deleted_ && entries_->status().ok()) {
    Arrive(deletes);
  } else {
    End(deletes + (versions > 0 ? 1 : 0));
  }
}

// One entry down; of a key with many versions that are too new, to before the newest.
void VisibleCursor::PassNewerBackward(uint32_t& passed) {
  if (++passed % kStepsMax == 0) {
    if (entries_->entry().key == key_) {
      entries_->Seek(key_, kv::kSequenceMax);
      if (!entries_->valid()) return;
    } else {
      key_.assign(entries_->entry().key);
    }
  }
  entries_->Prev();
}

// From a version of key_ down to before all of them.
void VisibleCursor::PassKeyBackward() {
  for (uint32_t steps = 0; entries_->valid() && entries_->entry().key == key_; ++steps) {
    if (steps == kStepsMax) {
      entries_->Seek(key_, kv::kSequenceMax);
      if (!entries_->valid()) return;
    }
    entries_->Prev();
  }
}

// Keeps the version at hand, or what its operand makes, of which it is the newest visible one.
// False: status_ says why.
bool VisibleCursor::KeepForBackward() {
  const Entry& entry = entries_->entry();
  key_.assign(entry.key);
  if (entry.kind == OpKind::kMerge) {
    if (!Fold()) return false;
    entries_->Seek(key_, at_);
    return true;
  }
  deleted_ = !HoldsValue(entry.kind, entry.expires_at_ms, now_ms_);
  if (deleted_) return true;
  if (value_.capacity() > kBufferBytesKept && entry.value.size() < kBufferBytesKept) {
    std::string().swap(value_);
  }
  value_.assign(entry.value);
  return true;
}

// From the newest visible operand of key_ to what ends the chain, and what it makes to value_. What
// lies on a value that expires expires with it. False: status_ says why.
bool VisibleCursor::Fold() {
  operands_.Clear();
  deleted_ = false;
  std::optional<std::string_view> base;
  for (; entries_->valid() && entries_->entry().key == key_; entries_->Next()) {
    const Entry& entry = entries_->entry();
    if (entry.kind != OpKind::kMerge) {
      deleted_ = kv::Expires(entry.kind) && entry.expires_at_ms <= now_ms_;
      if (entry.kind != OpKind::kDelete) base = entry.value;
      break;
    }
    operands_.Add(entry.value);
  }
  if (!entries_->valid() && !entries_->status().ok()) {
    Fail(entries_->status());
    return false;
  }
  auto folded = operands_.FoldOnto(merger_, key_, base);
  if (!folded.ok()) {
    Fail(std::move(folded).status());
    return false;
  }
  value_ = *std::move(folded);
  return true;
}

void VisibleCursor::Arrive(uint64_t deletes) {
  valid_ = true;
  status_ = Status();
  Report(deletes);
}

void VisibleCursor::End(uint64_t deletes) {
  valid_ = false;
  status_ = entries_->valid() ? Status() : entries_->status();
  Report(deletes);
}

void VisibleCursor::EndOutside() {
  valid_ = false;
  status_ = Status();
}

void VisibleCursor::Fail(Status status) {
  valid_ = false;
  status_ = std::move(status);
}

void VisibleCursor::Report(uint64_t deletes) {
  if (deletes > kDeleteRunMax && report_) report_(key_, deletes);
}

}  // namespace aidb::lsm

#include "aidb/lsm/visible_cursor.h"

#include <utility>

#include "aidb/base/check.h"

namespace aidb::lsm {

VisibleCursor::VisibleCursor(std::unique_ptr<EntryCursor> entries, Sequence at, uint64_t now_ms,
                             KeyRange range, std::shared_ptr<const void> pin,
                             DeleteRunReport report)
    : pin_(std::move(pin)),
      entries_(std::move(entries)),
      at_(at),
      now_ms_(now_ms),
      range_(std::move(range)),
      report_(std::move(report)) {}

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
  if (forward_) {
    key_.assign(entries_->entry().key);
    entries_->Next();
  } else {
    entries_->Seek(key_, kv::kSequenceNone);
  }
  FindForward(true);
}

void VisibleCursor::Prev() {
  AIDB_CHECK(valid_);
  if (forward_) {
    key_.assign(entries_->entry().key);
    PassKeyBackward();
  }
  FindBackward();
}

// Goes on to the first visible entry; `passing`: which is not one of key_.
void VisibleCursor::FindForward(bool passing) {
  forward_ = true;
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
    ++deletes;
    key_.assign(entry.key);
    passing = true;
    older = 0;
    entries_->Next();
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
  forward_ = false;
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
    if (++versions == kStepsMax) entries_->Seek(key_, at_);  // The newest that is visible.
    if (!entries_->valid()) break;
    KeepForBackward(entries_->entry());
    entries_->Prev();
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

void VisibleCursor::KeepForBackward(const Entry& entry) {
  key_.assign(entry.key);
  deleted_ = !HoldsValue(entry.kind, entry.expires_at_ms, now_ms_);
  if (deleted_) return;
  if (value_.capacity() > kBufferBytesKept && entry.value.size() < kBufferBytesKept) {
    std::string().swap(value_);
  }
  value_.assign(entry.value);
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

void VisibleCursor::Report(uint64_t deletes) {
  if (deletes > kDeleteRunMax && report_) report_(key_, deletes);
}

}  // namespace aidb::lsm

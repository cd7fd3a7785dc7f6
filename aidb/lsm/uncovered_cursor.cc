#include "aidb/lsm/uncovered_cursor.h"

#include <algorithm>
#include <string>
#include <utility>

#include "aidb/base/check.h"

namespace aidb::lsm {

RangeStretch StretchIn(RangeDeletes deletes, Sequence at, std::string_view key) {
  const std::span<const RangeDeleteFragment> fragments = deletes.fragments();
  const size_t index = deletes.IndexFor(key);
  if (index < fragments.size() && fragments[index].begin <= key) {
    const RangeDeleteFragment& fragment = fragments[index];
    return {fragment.begin, fragment.end, fragment.VersionAt(at)};
  }
  RangeStretch gap;
  if (index > 0) gap.begin = fragments[index - 1].end;
  if (index < fragments.size()) gap.end = fragments[index].begin;
  return gap;
}

namespace {

class ListSource final : public RangeDeleteSource {
 public:
  ListSource(RangeDeletes deletes, Sequence at) : deletes_(deletes), at_(at) {}
  Result<RangeStretch> StretchFor(std::string_view key) override {
    return StretchIn(deletes_, at_, key);
  }

 private:
  const RangeDeletes deletes_;
  const Sequence at_;
};

class UncoveredCursor final : public EntryCursor {
 public:
  UncoveredCursor(std::unique_ptr<EntryCursor> entries,
                  std::vector<std::shared_ptr<RangeDeleteSource>> sources, OwnRanges own,
                  const kv::ScanRange& range)
      : entries_(std::move(entries)), sources_(std::move(sources)), own_(own), range_(range) {}

  void SeekToFirst() override {
    if (range_.lower.empty()) {
      entries_->SeekToFirst();
    } else {
      entries_->Seek(range_.lower, kv::kSequenceMax);
    }
    PassForward();
  }
  void SeekToLast() override {
    if (!range_.upper) {
      entries_->SeekToLast();
    } else {
      entries_->Seek(*range_.upper, kv::kSequenceMax);
      if (entries_->valid()) {
        entries_->Prev();
      } else if (entries_->status().ok()) {
        entries_->SeekToLast();
      }
    }
    PassBackward();
  }
  void Seek(std::string_view key, Sequence sequence) override {
    if (key < range_.lower) return SeekToFirst();
    if (range_.upper && key >= *range_.upper) {
      Begin();
      outside_ = true;
      return;
    }
    entries_->Seek(key, sequence);
    PassForward();
  }
  void Next() override {
    AIDB_CHECK(valid_);
    entries_->Next();
    PassForward();
  }
  void Prev() override {
    AIDB_CHECK(valid_);
    entries_->Prev();
    PassBackward();
  }
  Status status() const override {
    return status_.ok() && !outside_ ? entries_->status() : status_;
  }

 private:
  // So many hidden entries in a row are passed over one by one; then a seek jumps over the rest.
  static constexpr int kStepsMax = 8;

  // Whether the stretch at hand hides the entry that entries_ stands on, ...
  enum class Hidden : unsigned char {
    kNo,
    kYes,
    kWithAllOfTheStretch,  // ... and all others in it.
  };

  void PassForward() {
    int steps = 0;
    for (Begin(); entries_->valid() && Locate(entries_->entry().key);) {
      const Hidden hidden = Look();
      if (hidden == Hidden::kNo) return Show();
      if (hidden == Hidden::kYes || ++steps < kStepsMax) {
        entries_->Next();
      } else if (!JumpForward()) {
        return;
      }
    }
  }

  // Behind the stretch at hand, and those that follow it without a gap and hide all that is in
  // them. False when nothing is left there to look at.
  bool JumpForward() {
    std::string_view to;
    do {
      if (!end_) return false;
      to = *end_;
      if (!Locate(to)) return false;
    } while (HidesAll());
    entries_->Seek(to, kv::kSequenceMax);
    return true;
  }

  // Once it has jumped it goes on so: the first entry below a stretch is found by the jump.
  void PassBackward() {
    int steps = 0;
    for (Begin(); entries_->valid() && Locate(entries_->entry().key);) {
      const Hidden hidden = Look();
      if (hidden == Hidden::kNo) return Show();
      if (hidden == Hidden::kYes || ++steps < kStepsMax) {
        entries_->Prev();
      } else if (begin_ > range_.lower) {
        entries_->Seek(begin_, kv::kSequenceMax);
        if (entries_->valid()) entries_->Prev();
      } else {
        return;
      }
    }
  }

  void Begin() {
    valid_ = outside_ = false;
    status_ = Status();
  }
  void Show() {
    valid_ = true;
    entry_ = entries_->entry();
  }

  Hidden Look() const {
    // Of a source above: whatever this one holds here is older.
    if (above_ != nullptr) return Hidden::kWithAllOfTheStretch;
    if (same_ == nullptr || entries_->entry().sequence >= same_->sequence) {
      return Hidden::kNo;
    }
    return HidesAll() ? Hidden::kWithAllOfTheStretch : Hidden::kYes;
  }
  // Whether the stretch at hand hides whatever lies in it.
  bool HidesAll() const {
    return above_ != nullptr ||
           (same_ != nullptr && !same_->hides_not_all.load(std::memory_order_acquire));
  }

  // Finds the stretch that holds `key`, and what of it lies in the scan's range; false when the key
  // does not, or when that fails.
  bool Locate(std::string_view key) {
    if (located_ && key >= begin_ && (!end_ || key < *end_)) return true;
    located_ = false;
    if (key < range_.lower || (range_.upper && key >= *range_.upper)) return false;
    begin_ = range_.lower;
    end_ = range_.upper;
    above_ = same_ = nullptr;
    for (size_t i = 0; i < sources_.size(); ++i) {
      const Result<RangeStretch> stretch = sources_[i]->StretchFor(key);
      if (!stretch.ok()) {
        status_ = stretch.status();
        return false;
      }
      begin_ = std::max(begin_, stretch->begin);
      if (stretch->end && (!end_ || *stretch->end < *end_)) end_ = stretch->end;
      const bool own = own_ == OwnRanges::kLast && i + 1 == sources_.size();
      if (own) {
        same_ = stretch->version;
      } else if (above_ == nullptr) {
        above_ = stretch->version;
      }
    }
    located_ = true;
    return true;
  }

  const std::unique_ptr<EntryCursor> entries_;
  const std::vector<std::shared_ptr<RangeDeleteSource>> sources_;
  const OwnRanges own_;
  const kv::ScanRange range_;

  // The stretch at hand. The views are of the sources and of range_.
  bool located_ = false;
  std::string_view begin_;
  std::optional<std::string_view> end_;
  const RangeDeleteVersion* above_ = nullptr;
  const RangeDeleteVersion* same_ = nullptr;
  bool outside_ = false;  // Sought behind the range: entries_ was not asked.
  Status status_;
};

}  // namespace

std::unique_ptr<RangeDeleteSource> NewRangeDeleteSource(RangeDeletes deletes, Sequence at) {
  return std::make_unique<ListSource>(deletes, at);
}

std::unique_ptr<EntryCursor> NewUncoveredCursor(
    std::unique_ptr<EntryCursor> entries, std::vector<std::shared_ptr<RangeDeleteSource>> sources,
    OwnRanges own, const kv::ScanRange& range) {
  if (sources.empty()) return entries;
  return std::make_unique<UncoveredCursor>(std::move(entries), std::move(sources), own, range);
}

}  // namespace aidb::lsm

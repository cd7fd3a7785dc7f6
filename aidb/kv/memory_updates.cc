#include "aidb/kv/memory_updates.h"

#include <algorithm>
#include <utility>

namespace aidb::kv {
namespace {

Status Gone(std::string_view why, Sequence oldest) {
  return ResourceExhausted("memory store: " + std::string(why) +
                           "; scan a snapshot and begin anew at sequence " +
                           std::to_string(ToNumber(oldest) - 1) + " or later");
}

}  // namespace

class MemoryUpdates::Cursor final : public UpdateCursor {
 public:
  Cursor(std::shared_ptr<MemoryUpdates> updates, std::list<Feed>::iterator feed)
      : updates_(std::move(updates)), feed_(feed) {}
  ~Cursor() override { updates_->End(feed_); }
  Cursor(const Cursor&) = delete;
  Cursor& operator=(const Cursor&) = delete;

  Result<std::optional<Update>> Next(Duration wait) override {
    AIDB_ASSIGN_OR_RETURN(batch_, updates_->Take(*feed_, wait));
    if (batch_ == nullptr) return std::optional<Update>();
    return std::optional<Update>(
        Update{.first = batch_->first, .count = batch_->count, .operations = batch_->operations});
  }

 private:
  const std::shared_ptr<MemoryUpdates> updates_;
  const std::list<Feed>::iterator feed_;
  std::shared_ptr<const Batch> batch_;
};

void MemoryUpdates::Add(Sequence first, uint32_t count, std::string_view operations) {
  MutexLock lock(mu_);
  if (followers_.empty()) return;
  end_byte_ += operations.size();
  batches_.push_back(std::make_shared<const Batch>(Batch{.first = first,
                                                         .count = count,
                                                         .operations = std::string(operations),
                                                         .end_byte = end_byte_}));
  next_ = first + count;
  CutOffTheSlow();
  Drop();
  changed_.NotifyAll();
}

Result<Updates> MemoryUpdates::Follow(Sequence from, Sequence newest,
                                      const UpdateOptions& options) {
  AIDB_RETURN_IF_ERROR(CheckUpdateRequest(from, newest, options));
  if (options.level == UpdateLevel::kDurable) {
    return InvalidArgument(
        "memory store: nothing in it is ever durable, so there are no durable "
        "updates; ask for the visible ones");
  }
  MutexLock lock(mu_);
  if (followers_.empty()) next_ = newest + 1;
  if (from + 1 < Oldest()) {
    return Gone(
        "the updates since sequence " + std::to_string(ToNumber(from)) + " are not kept any more",
        Oldest());
  }
  const auto feed = followers_.insert(
      followers_.end(),
      {.next = from + 1, .lag_bytes_max = std::min(options.lag_bytes_max, bytes_max_)});
  feeds_.store(followers_.size(), std::memory_order_release);
  return Updates(std::make_unique<Cursor>(shared_from_this(), feed));
}

void MemoryUpdates::Close() {
  MutexLock lock(mu_);
  closed_ = true;
  changed_.NotifyAll();
}

Result<std::shared_ptr<const MemoryUpdates::Batch>> MemoryUpdates::Take(Feed& feed, Duration wait) {
  MutexLock lock(mu_);
  const auto waits = [&]() AIDB_REQUIRES(mu_) {
    return !closed_ && !feed.cut_off && feed.next >= next_;
  };
  if (waits() && wait > Duration{0}) {
    const Instant deadline = clock_.Now() + wait;  // The clock may be gone once it is closed.
    while (waits() && changed_.WaitUntil(mu_, deadline)) {
    }
  }
  if (feed.cut_off) return Gone("the feed was cut off, too far behind", Oldest());
  if (feed.next < next_) {
    std::shared_ptr<const Batch> batch = Find(feed.next);
    feed.next = batch->first + batch->count;
    Drop();
    return batch;
  }
  if (closed_) return Unavailable("memory store: closed");
  return std::shared_ptr<const Batch>();
}

void MemoryUpdates::End(std::list<Feed>::iterator feed) {
  MutexLock lock(mu_);
  followers_.erase(feed);
  feeds_.store(followers_.size(), std::memory_order_release);
  Drop();
}

std::shared_ptr<const MemoryUpdates::Batch> MemoryUpdates::Find(Sequence next) const {
  return *std::find_if(batches_.begin(), batches_.end(),
                       [&](const auto& batch) { return batch->first + batch->count > next; });
}

Sequence MemoryUpdates::Oldest() const {
  return batches_.empty() ? next_ : batches_.front()->first;
}

void MemoryUpdates::CutOffTheSlow() {
  for (Feed& feed : followers_) {
    // Who has everything before the newest batch is not behind, however large that is.
    if (feed.cut_off || feed.next >= batches_.back()->first) continue;
    const Batch& behind = *Find(feed.next);
    const uint64_t begin_byte = behind.end_byte - behind.operations.size();
    feed.cut_off = end_byte_ - begin_byte > feed.lag_bytes_max;
  }
}

// What no feed needs any more.
void MemoryUpdates::Drop() {
  Sequence needed = next_;
  for (const Feed& feed : followers_) {
    if (!feed.cut_off) needed = std::min(needed, feed.next);
  }
  while (!batches_.empty() && batches_.front()->first + batches_.front()->count <= needed) {
    batches_.pop_front();
  }
}

}  // namespace aidb::kv

#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string_view>

#include "aidb/base/result.h"
#include "aidb/lsm/entry.h"

namespace aidb::lsm {

// Walks sorted tables that do not overlap as if they were one. A table is opened when the walk
// reaches it, and only one is open at a time.
//
// Lifetime: borrows `tables` and the keys in it.
class LevelCursor final : public EntryCursor {
 public:
  struct TableBounds {
    std::string_view first_key;
    std::string_view last_key;
  };
  // A cursor over table number `table` of the span.
  using Opener = std::function<Result<std::unique_ptr<EntryCursor>>(size_t table)>;

  // `tables` ascend; all versions of a key are in one table.
  LevelCursor(std::span<const TableBounds> tables, Opener open);

  void SeekToFirst() override;
  void SeekToLast() override;
  void Seek(std::string_view key, Sequence sequence) override;
  void Next() override;
  void Prev() override;
  Status status() const override { return status_; }

 private:
  bool Open(size_t table);
  // Take the position of the open table; from its end, go on to the next, or previous, one.
  void ShowForward();
  void ShowBackward();
  bool Show();

  const std::span<const TableBounds> tables_;
  const Opener open_;
  size_t table_ = 0;                     // Which one `cursor_` walks.
  std::unique_ptr<EntryCursor> cursor_;  // Null before the first Seek and after a failed Open.
  Status status_;
};

}  // namespace aidb::lsm

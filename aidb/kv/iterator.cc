#include "aidb/kv/iterator.h"

namespace aidb::kv {
namespace {

class FailedCursor final : public Cursor {
 public:
  explicit FailedCursor(Status error) : error_(std::move(error)) {}

  bool Valid() const override { return false; }
  void SeekToFirst() override {}
  void SeekToLast() override {}
  void Seek(std::string_view /*key*/) override {}
  void SeekForPrev(std::string_view /*key*/) override {}
  void Next() override {}
  void Prev() override {}
  std::string_view key() const override { return {}; }
  std::string_view value() const override { return {}; }
  Status status() const override { return error_; }

 private:
  const Status error_;
};

}  // namespace

Iterator FailedIterator(Status error) {
  return Iterator(std::make_unique<FailedCursor>(std::move(error)), ScanOrder::kForward);
}

}  // namespace aidb::kv

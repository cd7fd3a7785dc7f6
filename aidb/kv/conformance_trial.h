#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "aidb/kv/conformance.h"

// What the parts of the conformance suite share. Private to it.

namespace aidb::kv {

using Pairs = std::vector<std::pair<std::string, std::string>>;

// An open store with the shorthands tests are written in. Each reports failure of a call that
// must succeed as a test failure, then gives an empty answer.
class Trial {
 public:
  explicit Trial(Subject& subject) : Trial(subject, subject.options()) {}
  Trial(Subject& subject, const Options& options, std::string_view name = "store");

  Subject& subject() { return subject_; }
  // A thread beside this one, until it is joined or destroyed.
  std::unique_ptr<io::Task> Start(std::function<void()> body) {
    return subject_.executor().Start("conformance", std::move(body));
  }
  Store& store() { return *opened_.store; }
  // The wall clock of the store, in milliseconds since 1970.
  uint64_t now_ms() { return subject_.trial_clock().wall_ms(); }
  void SetClock(uint64_t ms) { subject_.trial_clock().SetWall(ms); }
  ConditionalWriter& conditional() { return *opened_.conditional; }
  RangeCompactor& compactor() { return *opened_.compactor; }
  Checkpointer& checkpointer() { return *opened_.checkpointer; }
  UpdateFeed& updates() { return *opened_.updates; }
  Ingester& ingester() { return *opened_.ingester; }

  Sequence Put(std::string_view key, std::string_view value);
  Sequence PutUntil(std::string_view key, std::string_view value, uint64_t expires_at_ms);
  Sequence Merge(std::string_view key, MergeOperator op, std::string_view operand);
  Sequence Delete(std::string_view key);
  Sequence DeleteRange(std::string_view begin, std::optional<std::string_view> end);
  Sequence Write(WriteBatch batch);
  std::optional<std::string> Get(std::string_view key, const Snapshot* snapshot = nullptr);
  Pairs Scan(const ScanOptions& options = {});
  // The keys alone.
  std::vector<std::string> Keys(const ScanOptions& options = {});
  Sequence NewestSequence() { return store().Stats().sequence; }
  void Flush();

  // Close, destroy, open again.
  void Reopen();
  // Subject::Kill, open again.
  void KillAndReopen();
  // Destroys the store, without Close.
  void Drop() { opened_ = {}; }

 private:
  void Open();

  Subject& subject_;
  const Options options_;
  const std::string name_;
  OpenedStore opened_;
};

// Walks to the end of `iterator` in its order from where it stands.
Pairs Drain(Iterator& iterator);
WriteBatch PutBatch(std::string_view key, std::string_view value);
// "k0007".
std::string NumberedKey(int number);

struct ConformanceTest {
  std::string_view name;
  void (*body)(Subject& subject);
  enum class Needs : unsigned char {
    kNothing,
    kDurable,
    kConditional,
    kCompactor,
    kDurableCompactor,
    kCheckpointer,
    kUpdates,
    kDurableUpdates,
    kIngester,
    kDurableIngester,
  } needs = Needs::kNothing;
};
using ConformanceTests = std::vector<ConformanceTest>;

ConformanceTests WriteTests();
ConformanceTests ReadTests();
ConformanceTests IteratorTests();
ConformanceTests ExpiryTests();
ConformanceTests MergeTests();
ConformanceTests RangeDeleteTests();
ConformanceTests LifecycleTests();
ConformanceTests ConditionalTests();
ConformanceTests CompactionTests();
ConformanceTests CheckpointTests();
ConformanceTests UpdateTests();
ConformanceTests IngestTests();
ConformanceTests ThreadTests();

}  // namespace aidb::kv

// An entry of a ConformanceTests list: the function and its own name. A test that is left out of
// its list does not compile (unused function).
#define AIDB_CONFORMANCE(function) \
  ::aidb::kv::ConformanceTest { .name = #function, .body = function }
#define AIDB_CONFORMANCE_IF(ability, function)                                                \
  ::aidb::kv::ConformanceTest {                                                               \
    .name = #function, .body = function, .needs = ::aidb::kv::ConformanceTest::Needs::ability \
  }

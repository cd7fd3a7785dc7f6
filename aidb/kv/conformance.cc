#include "aidb/kv/conformance.h"

#include <cstdio>

#include <gtest/gtest.h>

#include "aidb/kv/conformance_trial.h"

namespace aidb::kv {
namespace {

class ConformanceCase final : public testing::Test {
 public:
  ConformanceCase(const SubjectMaker& make, void (*body)(Subject&)) : make_(make), body_(body) {}
  void TestBody() override {
    const std::unique_ptr<Subject> subject = make_();
    body_(*subject);
  }

 private:
  const SubjectMaker make_;
  void (*const body_)(Subject&);
};

bool Applies(const ConformanceTest& test, Abilities abilities) {
  switch (test.needs) {
    case ConformanceTest::Needs::kDurable:
      return abilities.durable;
    case ConformanceTest::Needs::kConditional:
      return abilities.conditional;
    case ConformanceTest::Needs::kCompactor:
      return abilities.compactor;
    case ConformanceTest::Needs::kDurableCompactor:
      return abilities.durable && abilities.compactor;
    case ConformanceTest::Needs::kCheckpointer:
      return abilities.checkpointer;
    case ConformanceTest::Needs::kUpdates:
      return abilities.updates;
    case ConformanceTest::Needs::kDurableUpdates:
      return abilities.durable && abilities.updates;
    case ConformanceTest::Needs::kIngester:
      return abilities.ingester;
    case ConformanceTest::Needs::kDurableIngester:
      return abilities.durable && abilities.ingester;
    case ConformanceTest::Needs::kNothing:
      return true;
  }
  return true;
}

}  // namespace

bool RegisterConformanceSuite(std::string_view name, Abilities abilities, SubjectMaker make) {
  const std::string suite = std::string(name) + "Conformance";
  for (const auto& part :
       {WriteTests(), ReadTests(), IteratorTests(), ExpiryTests(), MergeTests(), RangeDeleteTests(),
        LifecycleTests(), ConditionalTests(), CompactionTests(), CheckpointTests(), UpdateTests(),
        IngestTests(), ThreadTests()}) {
    for (const ConformanceTest& test : part) {
      if (!Applies(test, abilities)) continue;
      testing::RegisterTest(
          suite.c_str(), std::string(test.name).c_str(), nullptr, nullptr, __FILE__, __LINE__,
          [make, body = test.body]() -> testing::Test* { return new ConformanceCase(make, body); });
    }
  }
  return true;
}

Trial::Trial(Subject& subject, const Options& options, std::string_view name)
    : subject_(subject), options_(options), name_(name) {
  Open();
}

void Trial::Open() {
  Result<OpenedStore> opened = subject_.OpenNamed(name_, options_);
  // Nothing can be tested without a store.
  if (!opened.ok()) std::fprintf(stderr, "open: %s\n", opened.status().ToString().c_str());
  opened_ = *std::move(opened);
}

Sequence Trial::Write(WriteBatch batch) {
  const Result<Sequence> sequence = store().Write(std::move(batch), {});
  EXPECT_TRUE(sequence.ok()) << sequence.status().ToString();
  return sequence.ok() ? *sequence : kSequenceNone;
}

Sequence Trial::Put(std::string_view key, std::string_view value) {
  return Write(PutBatch(key, value));
}

Sequence Trial::PutUntil(std::string_view key, std::string_view value, uint64_t expires_at_ms) {
  WriteBatch batch;
  batch.Put(key, value, expires_at_ms);
  return Write(std::move(batch));
}

Sequence Trial::Merge(std::string_view key, MergeOperator op, std::string_view operand) {
  WriteBatch batch;
  batch.Merge(key, op, operand);
  return Write(std::move(batch));
}

Sequence Trial::Delete(std::string_view key) {
  WriteBatch batch;
  batch.Delete(key);
  return Write(std::move(batch));
}

Sequence Trial::DeleteRange(std::string_view begin, std::optional<std::string_view> end) {
  WriteBatch batch;
  batch.DeleteRange(begin, end);
  return Write(std::move(batch));
}

std::optional<std::string> Trial::Get(std::string_view key, const Snapshot* snapshot) {
  Result<std::optional<PinnedValue>> value = store().Get(key, {.snapshot = snapshot});
  EXPECT_TRUE(value.ok()) << value.status().ToString();
  if (!value.ok() || !value->has_value()) return std::nullopt;
  return (**std::move(value)).ToString();
}

Pairs Trial::Scan(const ScanOptions& options) {
  Iterator iterator = store().Scan(options);
  return Drain(iterator);
}

std::vector<std::string> Trial::Keys(const ScanOptions& options) {
  std::vector<std::string> keys;
  for (auto& [key, value] : Scan(options)) keys.push_back(std::move(key));
  return keys;
}

void Trial::Flush() {
  const Status status = store().Flush();
  EXPECT_TRUE(status.ok()) << status.ToString();
}

void Trial::Reopen() {
  const Status status = store().Close();
  EXPECT_TRUE(status.ok()) << status.ToString();
  Drop();
  Open();
}

void Trial::KillAndReopen() {
  subject_.Kill(std::exchange(opened_, {}));
  Open();
}

Pairs Drain(Iterator& iterator) {
  Pairs pairs;
  for (; iterator.Valid(); iterator.Next()) {
    pairs.emplace_back(iterator.key(), iterator.value());
  }
  EXPECT_TRUE(iterator.status().ok()) << iterator.status().ToString();
  return pairs;
}

WriteBatch PutBatch(std::string_view key, std::string_view value) {
  WriteBatch batch;
  batch.Put(key, value);
  return batch;
}

std::string NumberedKey(int number) {
  char key[16];
  std::snprintf(key, sizeof key, "k%04d", number);
  return key;
}

}  // namespace aidb::kv

// aidb_instructions: fixed operations on the native engine, to be counted under callgrind, which
// tools/instructions.py does (`./dev instructions`). Instructions repeat where time does not, so
// that a change's cost shows on any machine.
//
//   aidb_instructions OPERATION DIRECTORY
//
// It prints how many operations AidbCounted holds: what comes before it (opening, loading, one
// round to warm the caches) is not to be counted, nor what the background does beside it.

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "aidb/base/random.h"
#include "aidb/io/posix/posix_env.h"
#include "aidb/kv/range_compactor.h"
#include "aidb/kv/store.h"
#include "aidb/lsm/open.h"

#include "bench/settings.h"
#include "bench/workload.h"

// Found by its name: counting begins where it is entered and ends where it returns.
extern "C" __attribute__((noinline, used)) void AidbCounted(const std::function<void()>& work) {
  work();
  asm volatile("");  // Else the call above could leave this frame before it begins.
}

namespace aidb::bench {
namespace {

constexpr uint64_t kKeys = 20'000;
constexpr size_t kKeysTogether = 64;

// The fixed store, and what operations want of it.
class Subject {
 public:
  static Result<Subject> Open(const std::string& directory) {
    Subject subject;
    kv::Options options;
    options.sync_interval_ms = 0;
    AIDB_ASSIGN_OR_RETURN(subject.opened_, lsm::OpenStore(subject.env_->env(), directory, options));
    return subject;
  }

  kv::Store& store() { return *opened_.store; }
  Material& material() { return material_; }
  uint64_t random_key() { return rng_.Below(kKeys); }

  Status Put(uint64_t key) {
    kv::WriteBatch batch;
    batch.Put(material_.Key(key), material_.Value());
    return store().Write(std::move(batch), {}).status();
  }
  Status Load() {
    for (uint64_t i = 0; i < kKeys; ++i) AIDB_RETURN_IF_ERROR(Put(i));
    return {};
  }
  Status LoadTables() {
    AIDB_RETURN_IF_ERROR(Load());
    return opened_.compactor->Compact({});
  }

 private:
  Subject() = default;

  std::unique_ptr<io::PosixEnv> env_ = std::make_unique<io::PosixEnv>();
  lsm::OpenedStore opened_;
  Settings settings_;
  Material material_{settings_, 1};
  Rng rng_{1};
};

void Expect(const Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "aidb_instructions: %s\n", status.ToString().c_str());
  std::exit(1);
}

void PutAll(Subject& subject) {
  for (uint64_t i = 0; i < kKeys; ++i) Expect(subject.Put(subject.random_key()));
}

void GetAll(Subject& subject) {
  for (uint64_t i = 0; i < kKeys; ++i) {
    Expect(subject.store().Get(subject.material().Key(subject.random_key()), {}).status());
  }
}

void GetAllMissing(Subject& subject) {
  for (uint64_t i = 0; i < kKeys; ++i) {
    Expect(subject.store().Get(subject.material().MissingKey(subject.random_key()), {}).status());
  }
}

void GetAllTogether(Subject& subject) {
  std::vector<std::string> keys(kKeysTogether);
  for (uint64_t i = 0; i < kKeys; i += kKeysTogether) {
    for (std::string& key : keys) key = subject.material().Key(subject.random_key());
    const std::vector<std::string_view> views(keys.begin(), keys.end());
    for (const auto& answer : subject.store().MultiGet(views, {})) Expect(answer.status());
  }
}

void SeekAll(Subject& subject) {
  for (uint64_t i = 0; i < kKeys; ++i) {
    const std::string key(subject.material().Key(subject.random_key()));
    Expect(subject.store().Scan({.lower = key}).status());
  }
}

void WalkAll(Subject& subject) {
  kv::Iterator entries = subject.store().Scan({});
  while (entries.Valid()) entries.Next();
  Expect(entries.status());
}

struct Operation {
  std::string_view name;
  Status (Subject::*prepare)();
  void (*body)(Subject& subject);
};
constexpr Operation kOperations[] = {
    {"put", &Subject::Load, PutAll},
    {"get_memtable", &Subject::Load, GetAll},
    {"get", &Subject::LoadTables, GetAll},
    {"get_missing", &Subject::LoadTables, GetAllMissing},
    {"multi_get", &Subject::LoadTables, GetAllTogether},
    {"seek", &Subject::LoadTables, SeekAll},
    {"next", &Subject::LoadTables, WalkAll},
};

Status Run(std::string_view name, const std::string& directory) {
  for (const Operation& operation : kOperations) {
    if (operation.name != name) continue;
    std::filesystem::remove_all(directory);
    AIDB_ASSIGN_OR_RETURN(Subject subject, Subject::Open(directory));
    AIDB_RETURN_IF_ERROR((subject.*operation.prepare)());
    operation.body(subject);
    AidbCounted([&] { operation.body(subject); });
    std::printf("%llu\n", static_cast<unsigned long long>(kKeys));
    return subject.store().Close();
  }
  return InvalidArgument("no operation " + std::string(name));
}

}  // namespace
}  // namespace aidb::bench

int main(int argc, char** argv) {
  const std::span<char* const> arguments(argv, static_cast<size_t>(argc));
  if (arguments.size() == 1) {
    for (const auto& operation : aidb::bench::kOperations) {
      std::printf("%s\n", std::string(operation.name).c_str());
    }
    return 0;
  }
  if (arguments.size() != 3) {
    std::fprintf(stderr, "usage: aidb_instructions OPERATION DIRECTORY\n");
    return 2;
  }
  const aidb::Status status = aidb::bench::Run(arguments[1], arguments[2]);
  if (status.ok()) return 0;
  std::fprintf(stderr, "aidb_instructions: %s\n", status.ToString().c_str());
  return 1;
}

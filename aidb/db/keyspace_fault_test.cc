// Keyspaces come and go while the n-th call on the file system fails, for every n there is.

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include <gtest/gtest.h>

#include "aidb/base/random.h"
#include "aidb/db/db.h"
#include "aidb/io/faulty/faulty_file_system.h"
#include "aidb/io/sim/world.h"
#include "aidb/lsm/open.h"

namespace aidb {
namespace {

constexpr std::string_view kDirectory = "store";

Options SmallOptions() {
  Options options = Options::ForTests();
  options.memory_bytes = uint64_t{2} << 20;
  options.batch_bytes_max = uint64_t{128} << 10;
  options.log_bytes = uint64_t{64} << 10;
  options.write_wait_ms = 1000;
  return options;
}

enum class There : unsigned char { kNo, kYes, kMaybe };

// What was acknowledged of one name.
struct Known {
  There there = There::kNo;
  uint32_t id = 0;
  std::map<std::string, std::string> keys;
  std::set<std::string> doubtful;  // Keys whose write failed.
};

class Life {
 public:
  explicit Life(const io::Env& env) : env_(env) {}

  void Run() {
    if (!Open()) return;
    OpenKeyspace("users");
    Put("users", "a");
    OpenKeyspace("orders");
    Put("orders", "b");
    PutToBoth("c");
    if (db_ != nullptr) (void)db_->Flush();  // Its failure is the store's business.
    Drop("users");
    Put("users", "refused or not");
    Drop("users");
    OpenKeyspace("users");
    OpenKeyspace("users");
    Put("users", "d");
    if (!Reopen()) return;
    OpenKeyspace("users");
    Put("users", "e");
    Drop("orders");
    OpenKeyspace("third");
    OpenKeyspace("third");
    PutToBoth("f");
    Put("third", "g");
    handles_.clear();
    (void)db_->Close();  // Likewise.
    db_.reset();
  }

  const std::string& wrong() const { return wrong_; }
  const std::map<std::string, Known>& known() const { return known_; }
  const std::set<uint32_t>& given() const { return given_; }

 private:
  void Wrong(std::string what) {
    if (wrong_.empty()) wrong_ = std::move(what);
  }

  bool Open() {
    auto opened = DB::Open(env_, kDirectory, SmallOptions());
    if (opened.ok()) db_ = *std::move(opened);
    return db_ != nullptr;
  }
  bool Reopen() {
    handles_.clear();
    (void)db_->Close();  // Likewise.
    db_.reset();
    return Open();
  }

  void OpenKeyspace(const std::string& name) {
    const auto opened = db_->OpenKeyspace(name);
    Known& known = known_[name];
    if (!opened.ok()) {
      if (known.there == There::kNo) known.there = There::kMaybe;
      return;
    }
    const uint32_t id = ToNumber(opened->id());
    if (known.there == There::kYes && id != known.id) Wrong(name + " has another number");
    if (known.there != There::kYes && id != known.id) {
      if (given_.contains(id)) Wrong("a number is given twice: " + std::to_string(id));
      known.keys.clear();
      known.doubtful.clear();
    }
    known.there = There::kYes;
    known.id = id;
    given_.insert(id);
    handles_.insert_or_assign(name, *opened);
  }

  void Wrote(const std::string& name, const std::string& key, const Status& status) {
    Known& known = known_[name];
    if (!status.ok()) {
      known.keys.erase(key);
      known.doubtful.insert(key);
      return;
    }
    if (known.there == There::kNo) Wrong("a write to " + name + ", which is dropped, is ok");
    known.there = There::kYes;
    known.keys.insert_or_assign(key, "v");
    known.doubtful.erase(key);
  }

  void Put(const std::string& name, const std::string& key) {
    const auto handle = handles_.find(name);
    if (handle == handles_.end()) return;
    Wrote(name, key, db_->Put(key, "v", {.keyspace = &handle->second}));
  }

  void PutToBoth(const std::string& key) {
    const auto users = handles_.find("users");
    const auto orders = handles_.find("orders");
    if (users == handles_.end() || orders == handles_.end()) return;
    WriteBatch batch;
    batch.Put(key, "v", &users->second);
    batch.Put(key, "v", &orders->second);
    const Status written = db_->Write(std::move(batch)).status();
    const bool refused = written.code() == StatusCode::kInvalidArgument;
    if (refused) return;
    Wrote("users", key, written);
    Wrote("orders", key, written);
  }

  void Drop(const std::string& name) {
    const Status dropped = db_->DropKeyspace(name);
    Known& known = known_[name];
    if (dropped.ok()) {
      known.there = There::kNo;
    } else if (known.there == There::kYes && dropped.code() == StatusCode::kIoError) {
      known.there = There::kMaybe;
    }
  }

  const io::Env env_;
  std::unique_ptr<DB> db_;
  std::map<std::string, Keyspace> handles_;
  std::map<std::string, Known> known_;
  std::set<uint32_t> given_;
  std::string wrong_;
};

// Every key from FF on is the default keyspace's, the catalogue's, or of one that it names.
std::string LookForOrphans(const io::Env& env) {
  auto opened = lsm::OpenStore(env, kDirectory, SmallOptions(), nullptr);
  if (!opened.ok()) return "open: " + opened.status().ToString();
  std::set<uint32_t> named;
  std::set<uint32_t> used;
  Iterator iterator = opened->store->Scan({.lower = "\xFF"});
  for (; iterator.Valid(); iterator.Next()) {
    const auto located = kv::Locate(iterator.key());
    if (!located) return "a key of nobody";
    if (located->keyspace != kv::kKeyspaceCatalogue) {
      used.insert(ToNumber(located->keyspace));
    } else if (!located->key.empty()) {
      named.insert(static_cast<uint32_t>(std::stoul(std::string(iterator.value()))));
    }
  }
  for (const uint32_t id : used) {
    if (!named.contains(id)) return "keys of a keyspace without a name: " + std::to_string(id);
  }
  return iterator.status().ok() ? "" : iterator.status().ToString();
}

std::string LookAt(DB& db, const std::string& name, const Known& known) {
  const auto opened = db.OpenKeyspace(name, StoreMode::kMustExist);
  if (!opened.ok()) return known.there == There::kYes ? name + " is lost" : "";
  if (known.there == There::kNo) return name + " is back";
  if (known.there == There::kMaybe) return "";
  if (ToNumber(opened->id()) != known.id) return name + " has another number";
  std::set<std::string> found;
  Iterator iterator = db.Scan({.keyspace = &*opened});
  for (; iterator.Valid(); iterator.Next()) {
    const std::string key(iterator.key());
    found.insert(key);
    if (!known.keys.contains(key) && !known.doubtful.contains(key)) {
      return name + " has " + key + " from before it was dropped";
    }
  }
  for (const auto& [key, value] : known.keys) {
    if (!found.contains(key)) return name + " has lost " + key;
  }
  return "";
}

// What is left on a disk that is well again; `all` of it was acknowledged.
std::string LookAtRemains(const Life& life, io::SimDisk disk, bool all,
                          const io::SimOptions& options) {
  io::SimWorld world(7, std::move(disk), options);
  std::string wrong;
  const auto report = world.Run([&] {
    wrong = LookForOrphans(world.env());
    if (!wrong.empty()) return;
    auto opened = DB::Open(world.env(), kDirectory, SmallOptions());
    if (!opened.ok()) return void(wrong = "open: " + opened.status().ToString());
    DB& db = **opened;
    for (const auto& [name, known] : life.known()) {
      if (all && wrong.empty()) wrong = LookAt(db, name, known);
    }
    const auto fresh = db.OpenKeyspace("fresh");
    if (!fresh.ok()) return void(wrong = "open a fresh one: " + fresh.status().ToString());
    if (all && life.given().contains(ToNumber(fresh->id()))) wrong = "a number is given again";
  });
  return report.finished() ? wrong : "it hangs: " + report.fibers;
}

// True when there is no n-th call.
bool RunOne(uint64_t n, const io::CallFault& fault) {
  static io::FiberStackPool stacks;
  io::SimOptions options;
  options.stacks = &stacks;
  options.files.short_transfer_one_in = 0;
  io::SimWorld world(n, {}, options);
  io::FaultyFileSystem files(world.env().files);
  files.FailAt(n, fault);
  const io::Env& real = world.env();
  Life life(io::Env{files, real.clock, real.executor, real.random, real.log});
  const auto report = world.Run([&] { life.Run(); });
  EXPECT_TRUE(report.finished()) << report.fibers;
  EXPECT_EQ(life.wrong(), "");
  const io::SimDisk disk = world.disk();
  EXPECT_EQ(LookAtRemains(life, disk.Kill(), /*all=*/true, options), "") << "after a restart";
  Rng rng(n);
  EXPECT_EQ(
      LookAtRemains(life, disk.PowerCut(rng, io::PowerCutModel::Draw(rng)), /*all=*/false, options),
      "")
      << "after a power cut";
  return files.fault_count() == 0;
}

void RunAll(const io::CallFault& fault) {
  for (uint64_t n = 1;; ++n) {
    SCOPED_TRACE("call " + std::to_string(n));
    const bool past_the_end = RunOne(n, fault);
    if (past_the_end || ::testing::Test::HasFailure()) {
      EXPECT_GT(n, 40u);
      return;
    }
  }
}

TEST(KeyspaceFaults, NoFailedCallMakesOneTwiceOrLosesOne) { RunAll({}); }

TEST(KeyspaceFaults, NorACallThatFailsAfterItHappened) {
  RunAll({.effect = io::FaultEffect::kErrorAfter});
}

TEST(KeyspaceFaults, NorADiskThatFailsForEver) { RunAll({.repeat = io::FaultRepeat::kForEver}); }

TEST(KeyspaceFaults, NorADiskThatIsFull) {
  RunAll({.code = StatusCode::kResourceExhausted, .repeat = io::FaultRepeat::kForEver});
}

}  // namespace
}  // namespace aidb

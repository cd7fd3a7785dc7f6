#include "bench/workload.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <vector>

#include "aidb/io/posix/posix_clock.h"

#include "bench/process.h"
#include "bench/ycsb.h"
#include "bench/zipfian.h"

namespace aidb::bench {
namespace {

constexpr size_t kPoolBytes = size_t{1} << 20;
constexpr size_t kPieceBytes = 100;   // Half random, half its repetition.
constexpr uint64_t kHotShare = 100;   // readhot reads 1 % of the keys.
constexpr size_t kMultiGetKeys = 64;  // Per call; in the figures each key is an operation.
constexpr uint64_t kStepsTimed = 100;

Status FillSeq(Worker& worker) {
  return worker.Repeat([&](uint64_t i) { return worker.Put(i % worker.keys()); });
}

Status PutRandom(Worker& worker) {
  return worker.Repeat([&](uint64_t) { return worker.Put(worker.rng().Below(worker.keys())); });
}

Status DeleteRandom(Worker& worker) {
  return worker.Repeat([&](uint64_t) {
    worker.Wrote(kKeyBytes);
    return worker.session().Delete(worker.material().Key(worker.rng().Below(worker.keys())));
  });
}

Status UpdateRandom(Worker& worker) {
  return worker.Repeat([&](uint64_t) -> Status {
    const uint64_t number = worker.rng().Below(worker.keys());
    AIDB_ASSIGN_OR_RETURN(const auto value, worker.session().Get(worker.material().Key(number)));
    worker.Found(value ? 1 : 0);
    return worker.Put(number);
  });
}

Status MergeRandom(Worker& worker) {
  return worker.Repeat([&](uint64_t) { return worker.Merge(worker.rng().Below(worker.keys())); });
}

Status Sustained(Worker& worker) {
  return worker.RepeatForSeconds([&] { return worker.Put(worker.rng().Below(worker.keys())); });
}

// Reads what `key_of` names, once per operation.
template <typename KeyOf>
Status ReadEach(Worker& worker, KeyOf key_of) {
  return worker.Repeat([&](uint64_t) -> Status {
    AIDB_ASSIGN_OR_RETURN(const auto value, worker.session().Get(key_of()));
    worker.Found(value ? 1 : 0);
    return {};
  });
}

Status ReadRandom(Worker& worker) {
  return ReadEach(worker, [&] { return worker.material().Key(worker.rng().Below(worker.keys())); });
}

Status ReadMissing(Worker& worker) {
  return ReadEach(worker,
                  [&] { return worker.material().MissingKey(worker.rng().Below(worker.keys())); });
}

Status ReadHot(Worker& worker) {
  const uint64_t hot = std::max<uint64_t>(worker.keys() / kHotShare, 1);
  return ReadEach(worker, [&] { return worker.material().Key(worker.rng().Below(hot)); });
}

Status MultiReadRandom(Worker& worker) {
  std::vector<std::string> keys(kMultiGetKeys);
  std::vector<std::string_view> views(kMultiGetKeys);
  return worker.RepeatInBatches(kMultiGetKeys, [&](uint64_t count) -> Status {
    for (uint64_t i = 0; i < count; ++i) {
      keys[i] = worker.material().Key(worker.rng().Below(worker.keys()));
      views[i] = keys[i];
    }
    AIDB_ASSIGN_OR_RETURN(const size_t found,
                          worker.session().MultiGet(std::span(views).first(count)));
    worker.Found(found);
    return {};
  });
}

Status SeekRandom(Worker& worker) {
  return worker.Repeat([&](uint64_t) -> Status {
    const std::string_view key = worker.material().Key(worker.rng().Below(worker.keys()));
    const auto cursor = worker.session().Scan(key, kv::ScanOrder::kForward);
    if (cursor->Valid() && cursor->Entry().first == key) worker.Found(1);
    return cursor->status();
  });
}

Status ReadSeq(Worker& worker) {
  return worker.Walk(*worker.session().Scan({}, kv::ScanOrder::kForward));
}

Status ReadReverse(Worker& worker) {
  return worker.Walk(*worker.session().Scan({}, kv::ScanOrder::kReverse));
}

constexpr Workload kWorkloads[] = {
    {.name = "fillseq",
     .about = "puts in key order into an empty store",
     .body = FillSeq,
     .writes = true,
     .in_order = true},
    {.name = "fillrandom",
     .about = "puts of random keys into an empty store",
     .body = PutRandom,
     .writes = true},
    {.name = "fillsync",
     .about = "the same, each put synced",
     .body = PutRandom,
     .writes = true,
     .synced = true},
    {.name = "fill100K",
     .about = "the same with values of 100,000 bytes and a thousandth of the keys",
     .body = PutRandom,
     .writes = true,
     .value_bytes = 100'000,
     .share = 1000},
    {.name = "overwrite",
     .about = "puts of random keys into a loaded store",
     .body = PutRandom,
     .loaded = true,
     .writes = true},
    {.name = "deleterandom",
     .about = "deletes of random keys",
     .body = DeleteRandom,
     .loaded = true,
     .writes = true,
     .deletes = true},
    {.name = "updaterandom",
     .about = "gets of random keys, each followed by a put of the same",
     .body = UpdateRandom,
     .loaded = true,
     .writes = true},
    {.name = "mergerandom",
     .about = "the greater of old and new value of random keys, by a merge where there is one",
     .body = MergeRandom,
     .loaded = true,
     .writes = true},
    {.name = "readrandom",
     .about = "gets of random keys, all present",
     .body = ReadRandom,
     .loaded = true},
    {.name = "readmissing",
     .about = "gets of keys between the present ones",
     .body = ReadMissing,
     .loaded = true},
    {.name = "readhot",
     .about = "gets of random keys among the first 1 %",
     .body = ReadHot,
     .loaded = true},
    {.name = "multireadrandom",
     .about = "gets of random keys, 64 per call",
     .body = MultiReadRandom,
     .loaded = true},
    {.name = "seekrandom",
     .about = "a new iterator put on a random key each time",
     .body = SeekRandom,
     .loaded = true},
    {.name = "readseq", .about = "one walk from the first key on", .body = ReadSeq, .loaded = true},
    {.name = "readreverse",
     .about = "one walk from the last key down",
     .body = ReadReverse,
     .loaded = true},
    {.name = "readwhilewriting",
     .about = "readrandom beside one thread that overwrites",
     .body = ReadRandom,
     .loaded = true,
     .writes = true,
     .writer_beside = true},
    {.name = "ycsb_a",
     .about = "half reads, half updates; popular keys",
     .body = YcsbA,
     .loaded = true,
     .writes = true},
    {.name = "ycsb_b",
     .about = "95 % reads, 5 % updates; popular keys",
     .body = YcsbB,
     .loaded = true,
     .writes = true},
    {.name = "ycsb_c", .about = "reads of popular keys", .body = YcsbC, .loaded = true},
    {.name = "ycsb_d",
     .about = "95 % reads of the latest keys, 5 % inserts",
     .body = YcsbD,
     .loaded = true,
     .writes = true},
    {.name = "ycsb_e",
     .about = "95 % scans of 1 to 100 steps from popular keys, 5 % inserts",
     .body = YcsbE,
     .loaded = true,
     .writes = true},
    {.name = "ycsb_f",
     .about = "half reads, half reads with an update; popular keys",
     .body = YcsbF,
     .loaded = true,
     .writes = true},
    {.name = "reopen",
     .about = "opening a store, a quarter overwritten without sync, after SIGKILL; once per run",
     .body = nullptr,
     .loaded = true,
     .start = StartState::kKilled},
    {.name = "sustained",
     .about = "overwrite for --seconds, with the rate of each second",
     .body = Sustained,
     .loaded = true,
     .writes = true,
     .timed = true},
};

// The number behind the first letter of `text`, in [1, most]; 0 when it is none.
uint64_t NumberBehindLetter(std::string_view text, uint64_t most) {
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data() + 1, text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size() && number <= most ? number : 0;
}

// False: `workload` knows no such change.
bool ApplyChange(std::string_view change, WorkloadRun& run) {
  const Workload& workload = *run.workload;
  if (change == "compacted") {
    run.start = StartState::kCompacted;
    return workload.loaded && workload.body != nullptr;
  }
  if (change == "cold") {
    run.cold = true;
    return workload.loaded && workload.body != nullptr;
  }
  if (change.starts_with('t')) {
    run.threads = static_cast<int>(NumberBehindLetter(change, kThreadsMax));
    return run.threads != 0 && workload.body != nullptr;
  }
  if (change.starts_with('v')) {
    run.value_bytes = NumberBehindLetter(change, kValueBytesMax);
    return run.value_bytes != 0 && workload.value_bytes == 0;
  }
  if (change.starts_with('w')) {
    run.beside_rate = NumberBehindLetter(change, kBesideRateMax);
    return run.beside_rate != 0 && workload.writer_beside;
  }
  return false;
}

}  // namespace

std::span<const Workload> AllWorkloads() { return kWorkloads; }

Result<WorkloadRun> FindWorkload(std::string_view name) {
  const size_t at = std::min(name.find('@'), name.size());
  for (const Workload& workload : kWorkloads) {
    if (workload.name != name.substr(0, at)) continue;
    WorkloadRun run{.name = std::string(name), .workload = &workload, .start = workload.start};
    if (workload.loaded && run.start == StartState::kEmpty) run.start = StartState::kFresh;
    std::string_view changes = name.substr(at);
    while (!changes.empty()) {
      changes.remove_prefix(1);
      const std::string_view change = changes.substr(0, changes.find('@'));
      if (!ApplyChange(change, run)) {
        return InvalidArgument("workload " + std::string(workload.name) + " takes no @" +
                               std::string(change) + "; see --help");
      }
      changes.remove_prefix(change.size());
    }
    return run;
  }
  return InvalidArgument("no workload " + std::string(name) + "; see --help");
}

uint64_t ColdMemoryBytes(const Settings& settings) {
  const uint64_t data = settings.keys * (kKeyBytes + settings.value_bytes);
  return std::max(data / kColdDataOverMemory, kColdMemoryMin);
}

Settings SettingsFor(const Settings& settings, const WorkloadRun& run) {
  const Workload& workload = *run.workload;
  Settings changed = settings;
  if (run.threads != 0) changed.threads = run.threads;
  if (workload.value_bytes != 0) changed.value_bytes = workload.value_bytes;
  if (run.value_bytes != 0) changed.value_bytes = run.value_bytes;
  if (changed.operations == 0) changed.operations = changed.keys;
  changed.keys = std::max<uint64_t>(changed.keys / workload.share, 1);
  changed.operations = std::max<uint64_t>(changed.operations / workload.share, 1);
  changed.beside_rate = run.beside_rate;
  if (workload.synced) changed.operations = changed.synced_operations;
  if (run.cold) changed.memory_bytes = ColdMemoryBytes(changed) / 2;
  return changed;
}

Material::Material(const Settings& settings, uint64_t seed)
    : style_(settings.key_style), value_bytes_(settings.value_bytes) {
  Rng rng(seed);
  pool_.reserve(kPoolBytes + value_bytes_ + kPieceBytes);
  while (pool_.size() < kPoolBytes + value_bytes_) {
    const size_t start = pool_.size();
    for (size_t i = 0; i < kPieceBytes / 2; ++i) pool_ += static_cast<char>(rng.Between(' ', '~'));
    pool_.append(pool_.substr(start, kPieceBytes / 2));
  }
}

std::string_view Material::Key(uint64_t number) {
  key_.fill('0');
  if (style_ == KeyStyle::kBinary) {
    for (size_t i = 8; i-- > 0; number >>= 8) key_[i] = static_cast<char>(number & 0xFF);
  } else {
    for (size_t i = kKeyBytes; number > 0; number /= 10) {
      key_[--i] = static_cast<char>('0' + number % 10);
    }
  }
  return {key_.data(), key_.size()};
}

std::string_view Material::MissingKey(uint64_t number) {
  const std::string_view key = Key(number);
  key_.back() = '~';
  return key;
}

std::string_view Material::InsertedKey(uint64_t keys, uint64_t number) {
  if (style_ == KeyStyle::kDecimal) return Key(keys + number);
  Key(Fnv1a(number) % keys);
  for (size_t i = kKeyBytes; i-- > 8; number >>= 8) key_[i] = static_cast<char>(number & 0xFF);
  key_[8] = '1';  // Behind the loaded key, which goes on with '0'.
  return {key_.data(), key_.size()};
}

std::string_view Material::Value() {
  if (next_ + value_bytes_ > pool_.size()) next_ = 0;
  const std::string_view value(pool_.data() + next_, value_bytes_);
  next_ += value_bytes_;
  return value;
}

Worker::Worker(const Settings& settings, PeerSession& session, int index, uint64_t seed,
               uint64_t operations)
    : settings_(settings),
      session_(session),
      index_(static_cast<uint64_t>(index)),
      first_(operations * static_cast<uint64_t>(index) / static_cast<uint64_t>(settings.threads)),
      count_(operations * static_cast<uint64_t>(index + 1) /
                 static_cast<uint64_t>(settings.threads) -
             first_),
      done_(count_),
      material_(settings, seed),
      rng_(seed) {}

uint64_t Worker::Now() { return NanosNow(); }

Status Worker::Walk(PeerCursor& cursor) {
  uint64_t steps = 0;
  uint64_t bytes = 0;
  for (uint64_t before = Now(); cursor.Valid() && steps < count_;) {
    const uint64_t start = steps;
    for (; cursor.Valid() && steps < count_ && steps < start + kStepsTimed; cursor.Next()) {
      const auto [key, value] = cursor.Entry();
      bytes += key.size() + value.size();
      ++steps;
    }
    const uint64_t now = Now();
    latency_.RecordMany(now - before, steps - start);
    before = now;
  }
  AIDB_RETURN_IF_ERROR(cursor.status());
  if ((steps == 0 && count_ > 0) || bytes != steps * (kKeyBytes + settings_.value_bytes)) {
    return Internal("the walk met keys or values of the wrong size");
  }
  Found(steps);
  Done(steps);
  return {};
}

Status Worker::Put(uint64_t key_number) {
  Wrote(kKeyBytes + settings_.value_bytes);
  return session_.Put(material_.Key(key_number), material_.Value());
}

Status Worker::Merge(uint64_t key_number) {
  Wrote(kKeyBytes + settings_.value_bytes);
  return session_.MergeMax(material_.Key(key_number), material_.Value());
}

std::string_view Worker::InsertedKey(uint64_t number) {
  return material_.InsertedKey(keys(), number * static_cast<uint64_t>(settings_.threads) + index_);
}

Status Worker::Insert() {
  Wrote(kKeyBytes + settings_.value_bytes);
  return session_.Put(InsertedKey(inserted_++), material_.Value());
}

Result<uint64_t> Worker::OverwriteUntil(const std::atomic<bool>& stop) {
  io::PosixClock clock;
  const double start = SecondsNow();
  const auto rate = static_cast<double>(settings_.beside_rate);
  uint64_t written = 0;
  while (!stop.load(std::memory_order_relaxed)) {
    if (rate > 0 && static_cast<double>(written) >= (SecondsNow() - start) * rate) {
      clock.SleepFor(std::chrono::milliseconds(1));
      continue;
    }
    AIDB_RETURN_IF_ERROR(Put(rng_.Below(keys())));
    ++written;
  }
  return written;
}

}  // namespace aidb::bench

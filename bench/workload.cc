#include "bench/workload.h"

#include <algorithm>
#include <vector>

#include "bench/process.h"

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
    return worker.peer().Delete(worker.material().Key(worker.rng().Below(worker.keys())));
  });
}

// Reads what `key_of` names, once per operation.
template <typename KeyOf>
Status ReadEach(Worker& worker, KeyOf key_of) {
  return worker.Repeat([&](uint64_t) -> Status {
    AIDB_ASSIGN_OR_RETURN(const auto value, worker.peer().Get(key_of()));
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
                          worker.peer().MultiGet(std::span(views).first(count)));
    worker.Found(found);
    return {};
  });
}

Status SeekRandom(Worker& worker) {
  return worker.Repeat([&](uint64_t) -> Status {
    const std::string_view key = worker.material().Key(worker.rng().Below(worker.keys()));
    const auto cursor = worker.peer().Scan(key, kv::ScanOrder::kForward);
    if (cursor->Valid() && cursor->Entry().first == key) worker.Found(1);
    return cursor->status();
  });
}

Status ReadSeq(Worker& worker) {
  return worker.Walk(*worker.peer().Scan({}, kv::ScanOrder::kForward));
}

Status ReadReverse(Worker& worker) {
  return worker.Walk(*worker.peer().Scan({}, kv::ScanOrder::kReverse));
}

constexpr Workload kWorkloads[] = {
    {.name = "fillseq",
     .about = "puts in key order into an empty store",
     .body = FillSeq,
     .writes = true},
    {.name = "fillrandom",
     .about = "puts of random keys into an empty store",
     .body = PutRandom,
     .writes = true},
    {.name = "fillsync",
     .about = "the same, each put synced",
     .body = PutRandom,
     .writes = true,
     .synced = true},
    {.name = "overwrite",
     .about = "puts of random keys into a loaded store",
     .body = PutRandom,
     .loaded = true,
     .writes = true},
    {.name = "deleterandom",
     .about = "deletes of random keys",
     .body = DeleteRandom,
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
};

}  // namespace

std::span<const Workload> AllWorkloads() { return kWorkloads; }

Result<WorkloadRun> FindWorkload(std::string_view name) {
  const size_t at = name.find('@');
  const std::string_view base = name.substr(0, at);
  const std::string_view state = at == std::string_view::npos ? "" : name.substr(at + 1);
  for (const Workload& workload : kWorkloads) {
    if (workload.name != base) continue;
    if (!state.empty() && (state != "compacted" || !workload.loaded)) break;
    StartState start = workload.loaded ? StartState::kFresh : StartState::kEmpty;
    if (!state.empty()) start = StartState::kCompacted;
    return WorkloadRun{std::string(name), &workload, start};
  }
  return InvalidArgument("no workload " + std::string(name) + "; see --help");
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

std::string_view Material::Value() {
  if (next_ + value_bytes_ > pool_.size()) next_ = 0;
  const std::string_view value(pool_.data() + next_, value_bytes_);
  next_ += value_bytes_;
  return value;
}

Worker::Worker(const Settings& settings, Peer& peer, int index, uint64_t seed, uint64_t operations)
    : settings_(settings),
      peer_(peer),
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
  if (bytes != steps * (kKeyBytes + settings_.value_bytes)) {
    return Internal("the walk met keys or values of the wrong size");
  }
  Found(steps);
  Done(steps);
  return {};
}

Status Worker::Put(uint64_t key_number) {
  Wrote(kKeyBytes + settings_.value_bytes);
  return peer_.Put(material_.Key(key_number), material_.Value());
}

Result<uint64_t> Worker::OverwriteUntil(const std::atomic<bool>& stop) {
  uint64_t written = 0;
  for (; !stop.load(std::memory_order_relaxed); ++written) {
    AIDB_RETURN_IF_ERROR(Put(rng_.Below(keys())));
  }
  return written;
}

}  // namespace aidb::bench

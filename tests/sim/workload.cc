#include "tests/sim/workload.h"

#include <algorithm>
#include <span>

#include "aidb/io/transfer.h"
#include "aidb/lsm/sorted_files.h"

#include "tests/sim/oracle.h"

namespace aidb::sim {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

constexpr Duration kResumeWithin = std::chrono::seconds(20);
constexpr uint64_t kCompactedOneIn = 3;      // Lives.
constexpr uint64_t kCheckpointedOneIn = 4;   // Likewise.
constexpr uint64_t kFollowedOneIn = 3;       // Likewise.
constexpr uint64_t kIngestedOneIn = 3;       // Likewise.
constexpr uint64_t kLargeBytes = 17 * 1024;  // Past a quarter of the ring of 64 KiB.

}  // namespace

void Workload::Complain(std::string what) {
  if (!complaint_) complaint_ = std::move(what);
}

void Workload::Expect(const Status& status, std::string_view call) {
  if (status.ok() || !Healthy()) return;
  if (closing_ && status.code() == StatusCode::kUnavailable) return;
  // A short write_wait_ms is there to be hit.
  if (status.code() == StatusCode::kResourceExhausted && plan_.options.write_wait_ms < 1'000) {
    return;
  }
  Complain(std::string(call) + " failed on a healthy disk: " + status.ToString());
}

void Workload::Main() {
  history_.BeginProcess();
  for (int life = 0; life < plan_.lives && !complaint_; ++life) {
    if (!LiveOnce(process_ * plan_.lives + life)) break;
  }
}

bool Workload::TakeStock(kv::Store& store, Rng& rng) {
  if (plan_.rots || plan_.lies) return true;  // What is read now may be refused or be old.
  // The life before may have ended like a kill: then as after one, see Campaign::FloorNow.
  const bool private_ring = plan_.world.files.region_support == io::RegionSupport::kRefused;
  const uint64_t least =
      private_ring && sync_failed_ ? history_.durable() : history_.acknowledged();
  Verdict verdict = CheckStore(store, history_, least, clock_, rng);
  if (verdict.complaint) {
    // A failing disk may refuse a read; it may not change the answer.
    if (Healthy() || !verdict.refused) {
      Complain("opened again in the same world: " + *verdict.complaint);
      return false;
    }
    return true;
  }
  history_.Settle(verdict.last, verdict.tiling);
  return true;
}

bool Workload::LiveOnce(int life) {
  Rng rng(io::SimRandom::SeedFor(plan_.seed, "life " + std::to_string(life)));
  kv::Options options = plan_.options;
  if (life > 0 && rng.OneIn(3)) options = DrawOptions(rng);
  options.sync_interval_ms = plan_.options.sync_interval_ms;
  options.write_wait_ms = plan_.options.write_wait_ms;
  closing_ = false;
  auto opened = lsm::OpenStore(world_.env(), kDirectory, options);
  if (!opened.ok()) {
    Expect(opened.status(), "Open");
    if (!NamesAFile(opened.status())) {
      Complain("a refused open names no file: " + opened.status().ToString());
    }
    return false;
  }
  clock_.NoteOpen(std::exchange(closed_, false));
  if (life > 0 && !TakeStock(*opened->store, rng)) return false;
  for (Copy& copy : copies_) copy.unknown = copy.unknown || !copy.shown;
  unwatched_since_ = Instant::Never();
  if (life == 0 && plan_.capacity_bytes) world_.files().set_capacity(*plan_.capacity_bytes);

  kv::Store& store = *opened->store;
  bool stop = false;
  std::vector<std::unique_ptr<io::Task>> readers;
  for (int r = 0; r < plan_.readers; ++r) {
    readers.push_back(world_.env().executor.Start(
        "reader", [&, r] { ReaderMain(store, stop, Stream("reader", life, r)); }));
  }
  if (Rng hand = Stream("follower", life, 0); hand.OneIn(kFollowedOneIn)) {
    const auto level = hand.OneIn(2) ? kv::UpdateLevel::kDurable : kv::UpdateLevel::kVisible;
    const auto read_sorted = [this](std::string_view path) {
      const auto at = sorted_.find(path);
      return at != sorted_.end() ? std::optional(at->second) : std::nullopt;
    };
    if (auto follower = Follower::Begin(store, *opened->updates, level, read_sorted)) {
      const auto shared = std::make_shared<Follower>(*std::move(follower));
      readers.push_back(world_.env().executor.Start(
          "follower", [&, shared, hand] { FollowMain(store, std::move(*shared), stop, hand); }));
    }
  }
  std::vector<std::unique_ptr<io::Task>> others = StartOthers(*opened, life);
  for (uint64_t i = rng.Below(4); i > 0; --i) Disturb(store, rng);
  const bool close_early = rng.OneIn(6);
  if (close_early) {
    closing_ = true;
    unwatched_since_ = Now();
    const uint64_t acknowledged = history_.acknowledged();
    const Status status = store.Close();
    Expect(status, "Close");
    if (status.ok()) history_.NoteDurable(acknowledged);
    closed_ = status.ok() && Healthy();
  }
  for (auto& other : others) other->Join();
  stop = true;
  for (auto& reader : readers) reader->Join();
  CheckConditions();
  counts_.flushes += store.Stats().flushes;
  counts_.compactions += store.Stats().compactions;
  End(std::move(opened->store), close_early, rng);
  return !complaint_;
}

Rng Workload::Stream(std::string_view who, int life, int i) const {
  return Rng(io::SimRandom::SeedFor(plan_.seed, std::string(who) + std::to_string(life * 100 + i)));
}

std::vector<std::unique_ptr<io::Task>> Workload::StartOthers(lsm::OpenedStore& opened, int life) {
  std::vector<std::unique_ptr<io::Task>> others;
  const auto start = [&](std::string_view name, std::function<void()> body) {
    others.push_back(world_.env().executor.Start(name, std::move(body)));
  };
  if (Rng hand = Stream("compactor", life, 0); hand.OneIn(kCompactedOneIn)) {
    start("compactor", [this, &opened, hand] { CompactMain(*opened.compactor, hand); });
  }
  if (Rng copies = Stream("checkpointer", life, 0); copies.OneIn(kCheckpointedOneIn)) {
    start("checkpointer",
          [this, &opened, life, copies] { CheckpointMain(*opened.checkpointer, life, copies); });
  }
  if (Rng hand = Stream("ingester", life, 0); hand.OneIn(kIngestedOneIn)) {
    start("ingester", [this, &opened, life, hand] { IngestMain(*opened.ingester, life, hand); });
  }
  if (plan_.wall_jumps) {
    start("clock", [this, life] { ClockMain(Stream("clock", life, 0)); });
  }
  const int share = std::max(1, plan_.batches / (plan_.lives * plan_.processes) / plan_.writers);
  for (int w = 0; w < plan_.writers; ++w) {
    start("writer", [this, &opened, w, share, life] {
      WriterMain(opened, w, share, Stream("writer", life, w));
    });
  }
  return others;
}

void Workload::End(std::unique_ptr<kv::Store> store, bool closed, Rng& rng) {
  sync_failed_ = sync_failed_ || world_.files().sync_has_failed();
  if (closed || rng.OneIn(4)) {  // Destroyed as it is: what SIGKILL leaves.
    unwatched_since_ = Now();
    return;
  }
  if (rng.OneIn(3)) Disturb(*store, rng);
  unwatched_since_ = Now();
  const uint64_t acknowledged = history_.acknowledged();
  const Status status = store->Close();
  Expect(status, "Close");
  if (status.ok()) history_.NoteDurable(acknowledged);
  closed_ = status.ok() && Healthy();
  if (store->Get(history_.name(0), {}).ok()) Complain("a closed store answers a Get");
}

void Workload::Disturb(kv::Store& store, Rng& rng) {
  world_.env().clock.SleepFor(milliseconds(rng.Below(40)));
  const uint64_t acknowledged = history_.acknowledged();
  const bool flush = rng.OneIn(2);
  const Status status = flush ? store.Flush() : store.Sync();
  Expect(status, flush ? "Flush" : "Sync");
  if (status.ok()) history_.NoteDurable(acknowledged);
}

// Somewhere in a life, a range or all; often again, while snapshots of the first time live.
void Workload::CompactMain(kv::RangeCompactor& compactor, Rng rng) {
  const auto key = [&] {
    return history_.name(static_cast<int>(rng.Below(static_cast<uint64_t>(history_.keys()))));
  };
  uint64_t times = 1;
  do {
    world_.env().clock.SleepFor(milliseconds(rng.Below(60)));
    kv::ScanRange range;
    if (rng.OneIn(2)) range.lower = key();
    if (rng.OneIn(3)) range.upper = key();
    Expect(compactor.Compact(range), "Compact");
    if (times == 1 && rng.OneIn(2)) times = rng.Between(2, 6);
  } while (--times > 0 && !complaint_ && !closing_);
}

// Somewhere in a life; and what it made is opened as a store of its own.
void Workload::CheckpointMain(kv::Checkpointer& checkpointer, int life, Rng rng) {
  world_.env().clock.SleepFor(milliseconds(rng.Below(60)));
  const size_t at = copies_.size();
  copies_.push_back({.path = "copy" + std::to_string(life), .least = history_.acknowledged()});
  const Status status = checkpointer.Checkpoint(copies_[at].path);
  if (!status.ok()) return Expect(status, "Checkpoint");
  copies_[at].finished = true;
  Verdict shown = CheckCopy(world_.env(), plan_.options, copies_[at], history_, wall_, rng);
  if (!shown.complaint) {
    copies_[at].shown = std::move(shown);
  } else if (Healthy() || !shown.refused) {
    Complain(*shown.complaint);
  }
}

// A few times in a life, beside the writers, as one more of them.
void Workload::IngestMain(kv::Ingester& ingester, int life, Rng rng) {
  const int writer = plan_.writers;
  for (uint64_t i = rng.Between(1, 4); i > 0 && !complaint_ && !closing_; --i) {
    world_.env().clock.SleepFor(milliseconds(rng.Below(60)));
    const std::string path =
        "sorted" + std::to_string(process_) + "." + std::to_string(life) + "." + std::to_string(i);
    const int batch = history_.BeginIngest(writer, DrawSorted(rng, writer), Now());
    const auto mark = clock_.Begin();
    const Status made = MakeSorted(path, batch);
    Expect(made, "making a sorted file");
    const auto result = made.ok() ? ingester.Ingest(std::vector{path})
                                  : Result<kv::Sequence>(InvalidArgument("there is no file"));
    history_.End(batch, result, /*synced=*/true, Now(), clock_.Since(mark));
    Expect(result.status(), "Ingest");
  }
}

std::vector<Operation> Workload::DrawSorted(Rng& rng, int writer) {
  std::vector<Operation> operations;
  const auto keys = static_cast<uint64_t>(plan_.keys);
  if (rng.OneIn(3)) {
    const auto first = static_cast<int>(rng.Below(keys - 1));
    operations.push_back(
        {.key = first,
         .end = std::min(plan_.keys - 1, first + 1 + static_cast<int>(rng.Below(8)))});
  }
  auto key = static_cast<int>(rng.Below(keys));
  for (uint64_t count = rng.Between(1, 8); count > 0 && key < plan_.keys; --count) {
    Operation operation{.key = key};
    if (!rng.OneIn(5)) {
      operation.value = DrawValue(rng, writer);
      operation.expires_at_ms = DrawExpiry();
    }
    operations.push_back(std::move(operation));
    key += 1 + static_cast<int>(rng.Below(3));
  }
  return operations;
}

// As somebody copies it who never syncs.
Status Workload::MakeSorted(const std::string& path, int batch) {
  const kv::WriteBatch content = history_.Encode(batch);
  const std::string made = path + ".made";
  AIDB_ASSIGN_OR_RETURN(const auto writer, lsm::SortedFileWriter::Create(world_.env(), made));
  kv::WriteBatch::Reader operations = content.operations_reader();
  for (auto next = operations.Next(); next.ok() && *next; next = operations.Next()) {
    AIDB_RETURN_IF_ERROR(writer->Add(**next));
  }
  sorted_[path] = content;
  AIDB_RETURN_IF_ERROR(writer->Finish().status());
  constexpr uint64_t kFileBytesMax = uint64_t{1} << 30;
  AIDB_ASSIGN_OR_RETURN(const std::string bytes,
                        io::ReadWhole(world_.env().files, made, kFileBytesMax));
  AIDB_ASSIGN_OR_RETURN(const auto file, world_.env().files.Open(path, io::OpenMode::kCreateNew));
  return io::WriteFully(*file, 0, std::as_bytes(std::span(bytes)));
}

// Now and then the wall clock is set: a little, or wildly, and mostly back again.
void Workload::ClockMain(Rng rng) {
  for (uint64_t i = rng.Between(1, 4); i > 0; --i) {
    world_.env().clock.SleepFor(milliseconds(rng.Below(rng.OneIn(3) ? 3'000 : 100)));
    constexpr uint64_t kYearMs = uint64_t{365} * 24 * 60 * 60 * 1000;
    const uint64_t far_ms = rng.OneIn(12) ? kYearMs : rng.OneIn(2) ? 5'000 : 50;
    const auto by = milliseconds(rng.Between(1, far_ms));
    wall_.Jump(rng.OneIn(3) ? by : -by);
  }
}

// What it is told is history, at every moment; what is told as durable survives a power cut. When
// nobody writes any more it knows all that the store has.
void Workload::FollowMain(const kv::Store& store, Follower follower, const bool& stop, Rng rng) {
  int failures = 0;
  bool ended = false;
  while (!complaint_ && !ended && failures < 20) {
    const bool last_round = stop;
    const auto taken = follower.Take(milliseconds(last_round ? 0 : rng.Below(50)));
    if (taken.complaint) return Complain(*taken.complaint);
    Expect(taken.status, "Next of a feed");
    if (taken.status.code() == StatusCode::kResourceExhausted) {
      // Behind is none of them; but a file may be lost to writes that fail.
      const bool lost = taken.status.message().contains("could not be written");
      if (lost && !plan_.faults.empty()) return;
      return Complain("a feed was cut off: " + taken.status.ToString());
    }
    ended = taken.status.code() == StatusCode::kUnavailable;
    if (!taken.status.ok() && !ended) ++failures;
    if (follower.level() == kv::UpdateLevel::kDurable) history_.NoteDurable(follower.last());
    if (!taken.any || rng.OneIn(8)) {
      if (auto wrong = follower.Check(history_, store.TakeSnapshot().now_ms())) {
        return Complain(*std::move(wrong));
      }
    }
    if (taken.any && rng.OneIn(20)) world_.env().clock.SleepFor(milliseconds(rng.Below(2'000)));
    if (last_round && !taken.any && taken.status.ok()) break;
  }
  const bool all = follower.level() == kv::UpdateLevel::kVisible || ended;
  const uint64_t newest = ToNumber(store.Stats().sequence);
  if (Healthy() && all && !complaint_ && follower.last() != newest) {
    Complain("a feed ends at sequence " + std::to_string(follower.last()) + ", the store at " +
             std::to_string(newest));
  }
}

std::vector<Operation> Workload::DrawBatch(Rng& rng, int writer) {
  std::vector<Operation> operations;
  const uint64_t count = rng.OneIn(3) ? rng.Between(2, 6) : 1;
  for (uint64_t i = 0; i < count; ++i) {
    Operation operation{.key = static_cast<int>(rng.Below(static_cast<uint64_t>(plan_.keys)))};
    if (!rng.OneIn(4)) {
      operation.value = DrawValue(rng, writer);
      operation.expires_at_ms = DrawExpiry();
    }
    if (plan_.merge_one_in > 0) DrawMerge(operation, writer);
    operations.push_back(std::move(operation));
  }
  if (auto range = DrawRange()) {
    operations.insert(operations.begin() + static_cast<ptrdiff_t>(batches_drawn_ % count),
                      *std::move(range));
  }
  return operations;
}

std::string Workload::DrawValue(Rng& rng, int writer) {
  uint64_t size = rng.Below(40);
  if (rng.OneIn(plan_.medium_one_in)) size = rng.Below(1'500);
  if (plan_.large_one_in > 0 && rng.OneIn(plan_.large_one_in)) size += kLargeBytes;
  std::string value = std::to_string(writer) + "." + std::to_string(++tokens_) + ":";
  // Compressible here and there.
  value.resize(value.size() + size, static_cast<char>('a' + tokens_ % 26));
  for (size_t at = value.size() - size; at < value.size(); at += 3) {
    value[at] = static_cast<char>(rng.Next());
  }
  return value;
}

// From a stream of its own, as the expiry is.
void Workload::DrawMerge(Operation& operation, int writer) {
  Rng rng(io::SimRandom::SeedFor(plan_.seed, "merge " + std::to_string(++tokens_)));
  if (!rng.OneIn(plan_.merge_one_in)) return;
  operation.expires_at_ms.reset();
  operation.merge = static_cast<kv::MergeOperator>(rng.Between(1, 4));
  operation.value = operation.merge == kv::MergeOperator::kAddI64
                        ? std::to_string(rng.Between(1, 1'000'000))
                        : std::to_string(writer) + "." + std::to_string(tokens_) + ",";
}

// For one batch in so many, from a stream of its own: mostly a few keys, now and then up to the
// end.
std::optional<Operation> Workload::DrawRange() {
  ++batches_drawn_;
  if (plan_.ranges_one_in == 0) return std::nullopt;
  Rng rng(io::SimRandom::SeedFor(
      plan_.seed, "range " + std::to_string(process_) + "." + std::to_string(batches_drawn_)));
  if (!rng.OneIn(plan_.ranges_one_in)) return std::nullopt;
  Operation range{.key = static_cast<int>(rng.Below(static_cast<uint64_t>(plan_.keys)))};
  range.end = std::min(plan_.keys, range.key + 1 + static_cast<int>(rng.Below(8)));
  if (rng.OneIn(10)) range.end = plan_.keys;
  return range;
}

// Of the value with the last token; from a stream of its own, so that other seeds stay what they
// are.
std::optional<uint64_t> Workload::DrawExpiry() {
  if (plan_.expiring_one_in == 0) return std::nullopt;
  Rng rng(io::SimRandom::SeedFor(plan_.seed, "expiry " + std::to_string(tokens_)));
  if (!rng.OneIn(plan_.expiring_one_in)) return std::nullopt;
  const auto now_ms = static_cast<uint64_t>(world_.env().clock.WallMillis());
  constexpr uint64_t kNever = 1'000'000'000;
  const uint64_t spans_ms[] = {0, 1 + rng.Below(30), 1 + rng.Below(3'000), kNever};
  return now_ms + spans_ms[rng.Below(4)];
}

void Workload::WriterMain(lsm::OpenedStore& opened, int writer, int batches, Rng rng) {
  int refused = 0;
  for (int i = 0; i < batches && !complaint_; ++i) {
    if (rng.OneIn(plan_.long_pause_one_in)) {
      world_.env().clock.SleepFor(milliseconds(rng.Between(1, 3'000)));
    } else if (rng.OneIn(3)) {
      world_.env().clock.SleepFor(microseconds(rng.Below(2'000)));
    }
    const Status status = WriteOnce(opened, writer, rng);
    if (status.ok()) continue;
    Expect(status, "Write");
    ++counts_.refused_writes;
    const StatusCode code = status.code();
    // A store that is closed or read-only stays so.
    if (code == StatusCode::kUnavailable || ++refused > 200) return;
    world_.env().clock.SleepFor(milliseconds(rng.Between(1, 200)));
    if (code == StatusCode::kResourceExhausted && plan_.capacity_bytes) HandleFullDisk(refused);
  }
}

// A conflict is no failure.
Status Workload::WriteOnce(lsm::OpenedStore& opened, int writer, Rng& rng) {
  const bool sync = rng.OneIn(plan_.sync_one_in);
  const int batch = history_.Begin(writer, DrawBatch(rng, writer), Now());
  const auto mark = clock_.Begin();
  const bool conditional =
      plan_.conditional_one_in > 0 &&
      Rng(io::SimRandom::SeedFor(plan_.seed, "condition " + std::to_string(tokens_)))
          .OneIn(plan_.conditional_one_in);
  const auto result = conditional ? WriteIf(opened, batch, sync)
                                  : opened.store->Write(history_.Encode(batch), {.sync = sync});
  history_.End(batch, result, sync, Now(), clock_.Since(mark));
  if (!result.ok() && conditional && result.status().code() == StatusCode::kConflict) return {};
  return result.status();
}

// On the condition that nobody has written some keys for a while.
Result<kv::Sequence> Workload::WriteIf(lsm::OpenedStore& opened, int batch, bool sync) {
  Rng rng(io::SimRandom::SeedFor(plan_.seed, "keys " + std::to_string(tokens_)));
  std::vector<int> keys;
  kv::Precondition unchanged;
  const auto low = static_cast<int>(rng.Below(static_cast<uint64_t>(plan_.keys)));
  if (rng.OneIn(3)) {
    const int high = std::min(plan_.keys - 1, low + static_cast<int>(rng.Below(4)));
    unchanged.ranges.push_back({.lower = history_.name(low), .upper = history_.name(high)});
    for (int key = low; key < high; ++key) keys.push_back(key);
  } else {
    unchanged.keys.push_back(history_.name(low));
    keys.push_back(low);
  }
  const kv::Snapshot snapshot = opened.store->TakeSnapshot();
  const uint64_t since = ToNumber(snapshot.sequence());
  unchanged.since = &snapshot;
  if (rng.OneIn(2)) world_.env().clock.SleepFor(microseconds(rng.Below(20'000)));
  auto result = opened.conditional->WriteIf(unchanged, history_.Encode(batch), {.sync = sync});
  if (result.ok()) {
    conditions_.push_back({batch, since, std::move(keys)});
  } else if (result.status().code() == StatusCode::kConflict) {
    ++counts_.conflicts;
    if (!history_.MayBeRefused(batch, since, keys)) {
      Complain("a write was refused though nobody had changed its keys: " +
               result.status().ToString());
    }
  }
  return result;
}

// Once all writers have their answers.
void Workload::CheckConditions() {
  for (const Condition& condition : conditions_) {
    const auto complaint =
        history_.CheckCondition(condition.batch, condition.since, condition.keys);
    if (complaint) Complain(*complaint);
  }
  conditions_.clear();
}

// Space returns after a while; then writes must, without a restart.
void Workload::HandleFullDisk(int refused) {
  if (refused == 5 && space_since_ == Instant::Never()) {
    world_.files().set_capacity(io::SimDisk::kUnlimited);
    space_since_ = Now();
  }
  if (plan_.faults.empty() && space_since_ + kResumeWithin < Now()) {
    Complain("writes do not resume after space has returned");
  }
}

void Workload::ReaderMain(kv::Store& store, const bool& stop, Rng rng) {
  while (!stop && !complaint_) {
    if (rng.OneIn(3)) {
      ReadSnapshot(store, rng);
    } else {
      ReadOnce(store, rng);
    }
    world_.env().clock.SleepFor(microseconds(rng.Below(rng.OneIn(10) ? 1'000'000 : 20'000)));
  }
}

void Workload::ReadOnce(kv::Store& store, Rng& rng) {
  const int key = static_cast<int>(rng.Below(static_cast<uint64_t>(history_.keys())));
  const uint64_t before = history_.acknowledged();
  const auto mark = clock_.Begin();
  const auto read = store.Get(history_.name(key), {});
  if (!read.ok()) return Expect(read.status(), "Get");
  const auto value = read->has_value() ? std::optional<std::string>((*read)->view()) : std::nullopt;
  if (const auto complaint = history_.CheckRead(key, value, before, clock_.Since(mark))) {
    Complain(*complaint);
  }
}

// What a snapshot shows is history up to its sequence, now and later.
void Workload::ReadSnapshot(kv::Store& store, Rng& rng) {
  const auto mark = clock_.Begin();
  const kv::Snapshot snapshot = store.TakeSnapshot();
  const auto now_ms = ClockOf(snapshot, clock_, mark);
  if (!now_ms.ok()) return Complain(now_ms.status().ToString());
  Pairs first;
  for (int round = 0; round < 2 && !complaint_; ++round) {
    const auto order = rng.OneIn(2) ? kv::ScanOrder::kForward : kv::ScanOrder::kReverse;
    const auto read = ReadAll(store, order, &snapshot);
    if (!read.ok()) return Expect(read.status(), "Scan");
    ++counts_.scans;
    if (round == 0) {
      first = *read;
      clock_.NoteShown(snapshot.now_ms());
      const auto matched = history_.Match(ToNumber(snapshot.sequence()), first, *now_ms);
      if (matched.complaint) return Complain("a snapshot: " + *matched.complaint);
      world_.env().clock.SleepFor(milliseconds(rng.Below(rng.OneIn(4) ? 2'000 : 50)));
    } else if (*read != first) {
      return Complain("a snapshot at sequence " + std::to_string(ToNumber(snapshot.sequence())) +
                      " does not repeat");
    }
  }
}

}  // namespace aidb::sim

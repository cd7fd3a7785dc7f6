#include "tests/sim/workload.h"

#include <algorithm>

#include "aidb/lsm/open.h"

#include "tests/sim/oracle.h"

namespace aidb::sim {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

constexpr Duration kResumeWithin = std::chrono::seconds(20);
constexpr uint64_t kCompactedOneIn = 3;      // Lives.
constexpr uint64_t kCheckpointedOneIn = 6;   // Likewise.
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
  Verdict verdict = CheckStore(store, history_, least, rng);
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
  if (life > 0 && !TakeStock(*opened->store, rng)) return false;
  unwatched_since_ = Instant::Never();
  if (life == 0 && plan_.capacity_bytes) world_.files().set_capacity(*plan_.capacity_bytes);

  kv::Store& store = *opened->store;
  bool stop = false;
  std::vector<std::unique_ptr<io::Task>> readers;
  std::vector<std::unique_ptr<io::Task>> writers;
  const auto stream = [&](const char* who, int i) {
    return Rng(io::SimRandom::SeedFor(plan_.seed, who + std::to_string(life * 100 + i)));
  };
  for (int r = 0; r < plan_.readers; ++r) {
    readers.push_back(world_.env().executor.Start(
        "reader", [&, r] { ReaderMain(store, stop, stream("reader", r)); }));
  }
  if (Rng hand = stream("compactor", 0); hand.OneIn(kCompactedOneIn)) {
    writers.push_back(world_.env().executor.Start(
        "compactor", [&, hand] { CompactMain(*opened->compactor, hand); }));
  }
  if (Rng copies = stream("checkpointer", 0); copies.OneIn(kCheckpointedOneIn)) {
    writers.push_back(world_.env().executor.Start(
        "checkpointer", [&, copies] { CheckpointMain(*opened->checkpointer, life, copies); }));
  }
  const int share = std::max(1, plan_.batches / (plan_.lives * plan_.processes) / plan_.writers);
  for (int w = 0; w < plan_.writers; ++w) {
    writers.push_back(world_.env().executor.Start(
        "writer", [&, w] { WriterMain(store, w, share, stream("writer", w)); }));
  }
  for (uint64_t i = rng.Below(4); i > 0; --i) Disturb(store, rng);
  const bool close_early = rng.OneIn(6);
  if (close_early) {
    closing_ = true;
    unwatched_since_ = Now();
    const uint64_t acknowledged = history_.acknowledged();
    const Status status = store.Close();
    Expect(status, "Close");
    if (status.ok()) history_.NoteDurable(acknowledged);
  }
  for (auto& writer : writers) writer->Join();
  stop = true;
  for (auto& reader : readers) reader->Join();
  counts_.flushes += store.Stats().flushes;
  counts_.compactions += store.Stats().compactions;
  End(std::move(opened->store), close_early, rng);
  return !complaint_;
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

// Somewhere in a life, a range or all.
void Workload::CompactMain(kv::RangeCompactor& compactor, Rng rng) {
  world_.env().clock.SleepFor(milliseconds(rng.Below(60)));
  kv::ScanRange range;
  const auto key = [&] {
    return history_.name(static_cast<int>(rng.Below(static_cast<uint64_t>(history_.keys()))));
  };
  if (rng.OneIn(2)) range.lower = key();
  if (rng.OneIn(3)) range.upper = key();
  Expect(compactor.Compact(range), "Compact");
}

// Somewhere in a life; and what it made is opened as a store of its own.
void Workload::CheckpointMain(kv::Checkpointer& checkpointer, int life, Rng rng) {
  world_.env().clock.SleepFor(milliseconds(rng.Below(60)));
  const std::string path = "copy" + std::to_string(life);
  const uint64_t before = history_.acknowledged();
  const Status status = checkpointer.Checkpoint(path);
  if (!status.ok()) return Expect(status, "Checkpoint");
  kv::Options options = plan_.options;
  options.mode = kv::StoreMode::kMustExist;
  auto opened = lsm::OpenStore(world_.env(), path, options);
  if (!opened.ok()) return Expect(opened.status(), "Open of a checkpoint");
  const uint64_t sequence = ToNumber(opened->store->Stats().sequence);
  if (sequence < before) Complain("a checkpoint lacks what was acknowledged before it");
  const kv::Snapshot snapshot = opened->store->TakeSnapshot();
  const auto read = ReadAll(*opened->store, kv::ScanOrder::kForward, &snapshot);
  if (!read.ok()) return Expect(read.status(), "Scan of a checkpoint");
  const auto matched = history_.Match(sequence, *read, snapshot.now_ms());
  if (matched.complaint) Complain("a checkpoint: " + *matched.complaint);
  Expect(opened->store->Close(), "Close of a checkpoint");
}

std::vector<Operation> Workload::DrawBatch(Rng& rng, int writer) {
  std::vector<Operation> operations;
  const uint64_t count = rng.OneIn(3) ? rng.Between(2, 6) : 1;
  for (uint64_t i = 0; i < count; ++i) {
    Operation operation{.key = static_cast<int>(rng.Below(static_cast<uint64_t>(plan_.keys)))};
    if (!rng.OneIn(4)) {
      uint64_t size = rng.Below(40);
      if (rng.OneIn(plan_.medium_one_in)) size = rng.Below(1'500);
      if (plan_.large_one_in > 0 && rng.OneIn(plan_.large_one_in)) size += kLargeBytes;
      std::string value = std::to_string(writer) + "." + std::to_string(++tokens_) + ":";
      // Compressible here and there.
      value.resize(value.size() + size, static_cast<char>('a' + tokens_ % 26));
      for (size_t at = value.size() - size; at < value.size(); at += 3) {
        value[at] = static_cast<char>(rng.Next());
      }
      operation.value = std::move(value);
      operation.expires_at_ms = DrawExpiry();
    }
    operations.push_back(std::move(operation));
  }
  return operations;
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

void Workload::WriterMain(kv::Store& store, int writer, int batches, Rng rng) {
  int refused = 0;
  for (int i = 0; i < batches && !complaint_; ++i) {
    if (rng.OneIn(plan_.long_pause_one_in)) {
      world_.env().clock.SleepFor(milliseconds(rng.Between(1, 3'000)));
    } else if (rng.OneIn(3)) {
      world_.env().clock.SleepFor(microseconds(rng.Below(2'000)));
    }
    const bool sync = rng.OneIn(plan_.sync_one_in);
    const int batch = history_.Begin(writer, DrawBatch(rng, writer), Now());
    const auto result = store.Write(history_.Encode(batch), {.sync = sync});
    history_.End(batch, result, sync, Now());
    if (result.ok()) continue;
    Expect(result.status(), "Write");
    ++counts_.refused_writes;
    const StatusCode code = result.status().code();
    // A store that is closed or read-only stays so.
    if (code == StatusCode::kUnavailable || ++refused > 200) return;
    world_.env().clock.SleepFor(milliseconds(rng.Between(1, 200)));
    if (code == StatusCode::kResourceExhausted && plan_.capacity_bytes) HandleFullDisk(refused);
  }
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
  ClockSpan clock;
  if (plan_.expiring_one_in > 0) clock.begin_ms = store.TakeSnapshot().now_ms();
  const auto read = store.Get(history_.name(key), {});
  if (!read.ok()) return Expect(read.status(), "Get");
  const auto value = read->has_value() ? std::optional<std::string>((*read)->view()) : std::nullopt;
  if (plan_.expiring_one_in > 0) clock.end_ms = store.TakeSnapshot().now_ms();
  if (const auto complaint = history_.CheckRead(key, value, before, clock)) Complain(*complaint);
}

// What a snapshot shows is history up to its sequence, now and later.
void Workload::ReadSnapshot(kv::Store& store, Rng& rng) {
  const kv::Snapshot snapshot = store.TakeSnapshot();
  Pairs first;
  for (int round = 0; round < 2 && !complaint_; ++round) {
    const auto order = rng.OneIn(2) ? kv::ScanOrder::kForward : kv::ScanOrder::kReverse;
    const auto read = ReadAll(store, order, &snapshot);
    if (!read.ok()) return Expect(read.status(), "Scan");
    ++counts_.scans;
    if (round == 0) {
      first = *read;
      const auto matched = history_.Match(ToNumber(snapshot.sequence()), first, snapshot.now_ms());
      if (matched.complaint) return Complain("a snapshot: " + *matched.complaint);
      world_.env().clock.SleepFor(milliseconds(rng.Below(rng.OneIn(4) ? 2'000 : 50)));
    } else if (*read != first) {
      return Complain("a snapshot at sequence " + std::to_string(ToNumber(snapshot.sequence())) +
                      " does not repeat");
    }
  }
}

}  // namespace aidb::sim

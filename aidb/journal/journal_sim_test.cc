// The journal in the simulated world: writers, the flusher, rolls and failing disks, with a crash
// at every file operation and again during recovery.
//
// One crash point is: clone the disk as it is at that instant, kill the process or cut the power,
// open the journal in a world of its own, and ask the oracle.

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "aidb/io/sim/world.h"
#include "aidb/journal/follow_for_test.h"
#include "aidb/journal/journal.h"
#include "aidb/journal/numbered_files_for_test.h"
#include "aidb/journal/toy_framing.h"

namespace aidb::journal {
namespace {

constexpr std::string_view kDirectory = "log";

io::SimDisk EmptyDirectory() {
  io::SimDisk disk;
  disk.PlaceFile(std::string(kDirectory) + "/OWNER", "");
  return disk;
}

struct Entry {
  uint32_t ids = 1;
  std::string payload;
  bool operator==(const Entry&) const = default;
};
using History = std::map<uint64_t, Entry>;  // By first id.

uint64_t LastId(const History& history, uint64_t first_id) {
  if (history.empty()) return first_id - 1;
  return history.rbegin()->first + history.rbegin()->second.ids - 1;
}

// What the owner of the journal knows at every instant.
struct Oracle {
  History history;                  // Given ids, and what they stand for.
  std::set<std::string> attempted;  // In Append at this instant.
  std::set<std::string> refused;    // Outcome unknown, and no id was given since.
  uint64_t acknowledged = 0;        // Publish has returned.
  uint64_t durable = 0;             // WaitDurable has said ok.
  RecoveryFloor floor;
  uint64_t next_number = 1;
  FlushStrategy strategy;
  bool one_at_a_time = false;  // The owner appends under a lock.
  // A failed sync may take what no sync covered: a refusal to open is then an honest answer.
  bool may_refuse = false;
  bool faulty = false;        // The disk fails calls.
  bool private_ring = false;  // Only the process has what a failed sync has dropped.

  // Nullopt, or what is wrong with what was found after a crash.
  std::optional<std::string> Complaint(const History& found, bool power_cut) const {
    uint64_t next = ToNumber(floor.first_id);
    for (const auto& [id, entry] : found) {
      if (id != next) return "a hole in front of id " + std::to_string(id);
      next += entry.ids;
      const auto known = history.find(id);
      if (known == history.end()) {
        if (!attempted.contains(entry.payload) && !refused.contains(entry.payload))
          return "phantom " + entry.payload.substr(0, 16);
      } else if (!(known->second == entry)) {
        return "id " + std::to_string(id) + " holds " + entry.payload.substr(0, 16) +
               " instead of " + known->second.payload.substr(0, 16);
      }
    }
    const uint64_t last = next - 1;
    const uint64_t must = power_cut ? durable : acknowledged;
    if (last < must) return Lost(last, must);
    if (power_cut && strategy.records > 0 && acknowledged >= last + AllowedLoss()) {
      return "more than the strategy allows: " + Lost(last, acknowledged);
    }
    return std::nullopt;
  }
  uint64_t AllowedLoss() const { return std::max<uint64_t>(2 * strategy.records, kIdsMax + 1); }
  static std::string Lost(uint64_t last, uint64_t must) {
    return "recovered up to id " + std::to_string(last) + ", owed up to " + std::to_string(must);
  }
  // The records that survived are all there is from now on.
  void Restart(const History& found) {
    history = found;
    attempted.clear();
    refused.clear();
    acknowledged = durable = LastId(found, ToNumber(floor.first_id));
  }

  static constexpr uint32_t kIdsMax = 3;
};

// Numbers outlive every crash, as an owner's manifest makes them.
class OracleFiles final : public NumberedFiles {
 public:
  explicit OracleFiles(Oracle& oracle) : NumberedFiles(1), oracle_(oracle) {}
  uint64_t NextNumber() override { return oracle_.next_number++; }

 private:
  Oracle& oracle_;
};

// One life of a journal.
struct Life {
  Life(io::SimWorld& world_in, Oracle& oracle_in)
      : world(world_in), env(world.env()), oracle(oracle_in), names(oracle) {
    options.directory = std::string(kDirectory);
    options.ring_bytes = 8192;
    options.file_bytes = 6000;
    options.record_bytes_max = 9000;
    options.strategy = oracle.strategy;
  }

  Status Open() {
    found.clear();
    auto opened =
        Journal::Open(env, framing, names, options, oracle.floor,
                      [&](uint64_t, RecordId first, uint32_t ids, std::string_view payload) {
                        found[ToNumber(first)] = {ids, std::string(payload)};
                        return Status();
                      });
    AIDB_RETURN_IF_ERROR(opened.status());
    journal = std::move(opened->journal);
    report = std::move(opened->report);
    active = opened->active_number;
    oracle.private_ring = !journal->stats().ring_survives_kill;
    return {};
  }

  io::SimWorld& world;
  io::Env& env;
  Oracle& oracle;
  OracleFiles names;
  ToyFraming framing;
  JournalOptions options;
  History found;
  RecoveryReport report;
  uint64_t active = 0;
  Mutex owner_mu;
  std::unique_ptr<Journal> journal;
};

// Ends the file. An owner that appends under a lock of its own has, sometimes, stored all records
// in front of the new file elsewhere, and lets the old files go.
void Roll(Life& life, Instant deadline, bool retire) {
  Oracle& oracle = life.oracle;
  const auto number = life.journal->Roll(deadline);
  if (!number.ok() || life.world.scheduler().dead() || !oracle.one_at_a_time || !retire) return;
  oracle.floor = {.number = *number, .first_id = RecordId{LastId(oracle.history, 1) + 1}};
  life.journal->Retire(*number);
  const uint64_t needed = life.journal->Release(*number);
  const auto names = life.env.files.List(kDirectory);
  if (!names.ok()) return;
  for (const std::string& name : *names) {
    const auto old = life.names.NumberOf(name);
    if (!old || *old >= needed) continue;
    static_cast<void>(life.env.files.Remove(io::JoinPath(kDirectory, name)));
  }
}

// The last id; nullopt when it was refused, or is not safe yet.
std::optional<uint64_t> AppendOne(Life& life, const std::string& payload, uint32_t ids,
                                  Instant deadline, Journal::Next next = Journal::Next::kGoesOn) {
  Oracle& oracle = life.oracle;
  oracle.attempted.insert(payload);
  const auto appended = life.journal->Append({.payload = payload, .ids = ids}, deadline);
  oracle.attempted.erase(payload);
  if (!appended.ok()) {
    const StatusCode code = appended.status().code();
    // Every other error says that nothing has happened.
    if (code == StatusCode::kIoError) oracle.refused.insert(payload);
    EXPECT_TRUE(code == StatusCode::kResourceExhausted || code == StatusCode::kIoError ||
                code == StatusCode::kUnavailable)
        << appended.status().ToString();
    return std::nullopt;
  }
  oracle.refused.clear();
  EXPECT_TRUE(oracle.history.emplace(ToNumber(appended->first_id), Entry{ids, payload}).second);
  if (!life.journal->Publish(*appended, next) || life.world.scheduler().dead()) return std::nullopt;
  oracle.acknowledged = std::max(oracle.acknowledged, ToNumber(appended->last_id));
  return ToNumber(appended->last_id);
}

// What one writer does. Stops when the journal does.
void AppendMany(Life& life, int writer, int count) {
  Journal& journal = *life.journal;
  Oracle& oracle = life.oracle;
  for (int i = 0; i < count; ++i) {
    const uint64_t dice = life.env.random.Next();
    const size_t size = dice % 16 == 0 ? 2100 + dice / 16 % 6000 : dice / 16 % 400;
    const uint32_t ids = 1 + static_cast<uint32_t>(dice >> 40) % Oracle::kIdsMax;
    const std::string payload = std::to_string(writer) + ":" + std::to_string(dice) + ":" +
                                std::string(size, static_cast<char>('a' + writer));
    const Instant deadline = life.env.clock.Now() + std::chrono::milliseconds(dice >> 50 & 255);
    const bool waits = (dice >> 32) % 8 == 0;
    const auto append = [&] {
      const std::optional<uint64_t> appended =
          AppendOne(life, payload, ids, deadline,
                    waits ? Journal::Next::kWaitsDurable : Journal::Next::kGoesOn);
      if ((dice >> 36) % 32 == 0) Roll(life, deadline, (dice >> 41) % 2 == 0);
      return appended;
    };
    std::optional<uint64_t> last;
    if (oracle.one_at_a_time) {
      MutexLock lock(life.owner_mu);
      last = append();
    } else {
      last = append();
    }
    if (!last) continue;
    if (waits && journal.WaitDurable(RecordId{*last}, deadline + std::chrono::seconds(1)).ok() &&
        !life.world.scheduler().dead()) {
      oracle.durable = std::max(oracle.durable, *last);
    }
    if (!journal.health().ok() && journal.health().code() == StatusCode::kUnavailable) return;
  }
}

void RunWriters(Life& life, int writers, int count) {
  std::vector<std::unique_ptr<io::Task>> tasks;
  for (int w = 0; w < writers; ++w) {
    tasks.push_back(
        life.env.executor.Start("writer", [&life, w, count] { AppendMany(life, w, count); }));
  }
}

void RunWritersAndTails(Life& life, int writers, int count) {
  bool done = false;
  std::vector<std::unique_ptr<io::Task>> tails;
  for (const TailLevel level : {TailLevel::kPublished, TailLevel::kDurable}) {
    tails.push_back(
        life.env.executor.Start("tail", [&life, &done, level] { FollowLife(life, level, done); }));
  }
  RunWriters(life, writers, count);
  done = true;
}

FlushStrategy DrawStrategy(Rng& rng) {
  switch (rng.Below(4)) {
    case 0:
      return FlushStrategy::Async();
    case 1:
      return FlushStrategy::Batched(1 + rng.Below(8));
    case 2:
      return FlushStrategy::Periodic(std::chrono::milliseconds(1 + rng.Below(20)));
    default:
      return FlushStrategy::BatchedOrPeriodic(1 + rng.Below(8), std::chrono::milliseconds(5));
  }
}

// What a disk holds, a line per control record and per run of records.
std::string Describe(const io::SimDisk& disk, const Oracle& oracle) {
  std::string text = "\nfloor " + std::to_string(oracle.floor.number);
  const std::string identity = disk.ReadFile(io::JoinPath(kDirectory, "JOURNAL")).value_or("");
  if (identity.size() != 64) return text + ", no identity";
  const ToyFraming framing;
  std::string scratch;
  for (const std::string& path : disk.AllFiles()) {
    const std::string bytes = *disk.ReadFile(path);
    const auto number = NumberedFiles(1).NumberOf(path.substr(path.rfind('/') + 1));
    text += "\n" + path + " " + std::to_string(bytes.size());
    if (!number) continue;
    FileIdentity file{.number = *number};
    std::memcpy(file.journal_uuid.data(), identity.data() + 16, file.journal_uuid.size());
    for (uint64_t at = 0; at < bytes.size();) {
      const Parsed parsed =
          framing.Parse(std::string_view(bytes).substr(at), false, at, file, scratch);
      text += "\n  @" + std::to_string(at) + " kind " +
              std::to_string(static_cast<int>(parsed.kind)) + " id " +
              std::to_string(ToNumber(parsed.first_id)) + "+" + std::to_string(parsed.ids) +
              " behind " + std::to_string(parsed.behind) + " continues " +
              std::to_string(parsed.open.previous_number) + "/" +
              std::to_string(parsed.open.previous_end) + "/" +
              std::to_string(parsed.open.previous_durable) + " " + parsed.reason;
      if (parsed.kind != ParseKind::kRecord && parsed.kind != ParseKind::kControl) break;
      at += parsed.size;
    }
  }
  return text;
}

using Prepare = std::function<void(io::SimWorld&)>;

// Opens the journal twice on a crashed disk. Nullopt, or what is wrong.
std::optional<std::string> CheckRecovery(uint64_t seed, io::SimDisk disk, Oracle oracle,
                                         bool power_cut, const io::SimOptions& options,
                                         const Prepare& prepare = {}) {
  const io::SimDisk crashed = disk;
  io::SimWorld world(seed, std::move(disk), options);
  if (prepare) prepare(world);
  std::optional<std::string> complaint;
  const io::RunReport report = world.Run([&] {
    Life first(world, oracle);
    if (const Status status = first.Open(); !status.ok()) {
      if (oracle.may_refuse && status.code() == StatusCode::kCorruption) return;
      complaint = "does not open: " + status.ToString();
      return;
    }
    complaint = oracle.Complaint(first.found, power_cut);
    if (complaint) return;
    first.journal.reset();
    Life second(world, oracle);
    if (const Status status = second.Open(); !status.ok()) {
      complaint = "does not open again: " + status.ToString();
    } else if (second.found != first.found) {
      complaint = "the second recovery finds something else";
    } else if (second.report.cut_anything()) {
      complaint = "the second recovery cuts: " + second.report.quarantine.front();
    }
  });
  if (!report.finished()) return "recovery does not end: " + report.fibers;
  if (complaint) *complaint += Describe(crashed, oracle);
  return complaint;
}

struct Campaign {
  uint64_t crash_points = 0;
  std::optional<std::string> found;

  void Note(std::string_view where, std::optional<std::string> complaint) {
    ++crash_points;
    if (complaint && !found) found = std::string(where) + ": " + *complaint;
  }
};

// Crashes in front of each operation of a run: one kill, one power cut of a drawn model.
void CrashAtEveryOperation(uint64_t seed, const io::SimOptions& options, const Prepare& prepare,
                           uint32_t one_in, Campaign& campaign) {
  Rng rng(seed);
  Oracle oracle;
  oracle.strategy = DrawStrategy(rng);
  oracle.one_at_a_time = rng.OneIn(2);
  io::SimWorld world(seed, EmptyDirectory(), options);
  if (prepare) prepare(world);
  oracle.faulty = prepare != nullptr;
  const bool with_tails = seed % 2 == 0;
  oracle.may_refuse = prepare != nullptr && oracle.strategy.async();
  world.files().set_on_operation([&](const io::SimOperation& op, io::SimFileSystem::Phase phase) {
    if (phase == io::SimFileSystem::Phase::kAfter || campaign.found || !rng.OneIn(one_in)) return;
    const std::string where = "seed " + std::to_string(seed) + " operation " +
                              std::to_string(op.number) + " " +
                              std::string(io::FileCallName(op.call)) + " " + std::string(op.path);
    const io::SimDisk disk = world.files().Snapshot();
    const bool like_a_cut = oracle.private_ring && world.files().sync_has_failed();
    campaign.Note(where + " kill",
                  CheckRecovery(op.number, disk.Kill(), oracle, like_a_cut, options));
    campaign.Note(where + " cut",
                  CheckRecovery(op.number, disk.PowerCut(rng, io::PowerCutModel::Draw(rng)), oracle,
                                true, options));
  });
  const io::RunReport report = world.Run([&] {
    Life life(world, oracle);
    if (!life.Open().ok()) return;
    with_tails ? RunWritersAndTails(life, 3, 40) : RunWriters(life, 3, 40);
    if (rng.OneIn(2)) static_cast<void>(life.journal->Close());
  });
  if (!report.finished() && !campaign.found) {
    campaign.found = "seed " + std::to_string(seed) + " does not end:\n" + report.fibers;
  }
  for (const std::string& violation : world.files().rule_violations()) {
    if (!campaign.found) campaign.found = "seed " + std::to_string(seed) + ": " + violation;
  }
}

io::SimOptions OptionsWith(io::FiberStackPool& stacks) {
  io::SimOptions options;
  options.stacks = &stacks;
  return options;
}

// AIDB_SIM_SCALE=100 runs a hundred times as many seeds.
uint64_t Scaled(uint64_t seeds) {
  const char* scale = std::getenv("AIDB_SIM_SCALE");
  return seeds * (scale == nullptr ? 1 : std::strtoull(scale, nullptr, 10));
}

TEST(JournalSim, SurvivesACrashAtEveryOperation) {
  io::FiberStackPool stacks;
  Campaign campaign;
  for (uint64_t seed = 1; seed <= Scaled(24) && !campaign.found; ++seed) {
    CrashAtEveryOperation(seed, OptionsWith(stacks), {}, 1, campaign);
  }
  EXPECT_FALSE(campaign.found.has_value()) << *campaign.found;
  RecordProperty("crash_points", static_cast<int>(campaign.crash_points));
  EXPECT_GT(campaign.crash_points, 1'000u);
}

TEST(JournalSim, SurvivesACrashAtEveryOperationWithoutASharedRing) {
  io::FiberStackPool stacks;
  io::SimOptions options = OptionsWith(stacks);
  options.files.region_support = io::RegionSupport::kRefused;
  Campaign campaign;
  for (uint64_t seed = 1; seed <= Scaled(12) && !campaign.found; ++seed) {
    CrashAtEveryOperation(seed, options, {}, 1, campaign);
  }
  EXPECT_FALSE(campaign.found.has_value()) << *campaign.found;
  EXPECT_GT(campaign.crash_points, 1'000u);
}

// Some calls fail, each kind at a drawn place; then the disk is healthy again or stays bad.
void PlanFaults(io::SimWorld& world, uint64_t seed) {
  using io::Fault;
  using io::FileCall;
  Rng rng(seed * 7919);
  static constexpr Fault kFaults[] = {Fault::kError, Fault::kErrorAfterPart, Fault::kNoSpace,
                                      Fault::kSyncKeepsCache, Fault::kSyncDropsCache};
  for (const FileCall call :
       {FileCall::kWrite, FileCall::kSync, FileCall::kSyncDirectory, FileCall::kOpen,
        FileCall::kRename, FileCall::kRemove, FileCall::kTruncate, FileCall::kOpenRegion}) {
    if (rng.OneIn(2)) continue;
    const Fault fault = kFaults[rng.Below(call == FileCall::kSync ? 5 : 3)];
    world.files().faults().Add(
        {.call = call,
         .fault = fault,
         .path_contains = rng.OneIn(2) ? ".log" : "",
         .skip = rng.Below(40),
         .times = rng.OneIn(8) ? io::FaultRule::kForEver : 1 + rng.Below(3)});
  }
}

TEST(JournalSim, SurvivesACrashAtEveryOperationOfAFailingDisk) {
  io::FiberStackPool stacks;
  Campaign campaign;
  for (uint64_t seed = 1; seed <= Scaled(150) && !campaign.found; ++seed) {
    CrashAtEveryOperation(
        seed, OptionsWith(stacks), [seed](io::SimWorld& world) { PlanFaults(world, seed); }, 8,
        campaign);
  }
  EXPECT_FALSE(campaign.found.has_value()) << *campaign.found;
  EXPECT_GT(campaign.crash_points, 1'000u);
}

// A directory whose sync failed, with a roll to come.
TEST(JournalSim, SyncsNoDirectoryAgainWhoseSyncFailed) {
  io::FiberStackPool stacks;
  Campaign campaign;
  CrashAtEveryOperation(
      1379, OptionsWith(stacks), [](io::SimWorld& world) { PlanFaults(world, 1379); }, 8, campaign);
  EXPECT_FALSE(campaign.found.has_value()) << *campaign.found;
}

TEST(JournalSim, GoesOnByItselfWhenAFullDiskHasRoomAgain) {
  io::FiberStackPool stacks;
  for (uint64_t seed = 1; seed <= Scaled(10); ++seed) {
    Rng rng(seed);
    Oracle oracle;
    oracle.strategy = DrawStrategy(rng);
    io::SimWorld world(seed, EmptyDirectory(), OptionsWith(stacks));
    std::optional<std::string> complaint;
    const io::RunReport report = world.Run([&] {
      Life life(world, oracle);
      ASSERT_TRUE(life.Open().ok());
      world.files().set_capacity(24'000 + rng.Below(20'000));
      RunWriters(life, 3, 60);
      world.files().set_capacity(io::SimDisk::kUnlimited);
      const Instant deadline = world.env().clock.Now() + std::chrono::seconds(10);
      while (world.env().clock.Now() < deadline && !life.journal->Flush(deadline).ok()) {
      }
      std::optional<uint64_t> last;
      while (!last && world.env().clock.Now() < deadline) {
        last = AppendOne(life, "after", 1, deadline);
      }
      ASSERT_TRUE(last.has_value()) << "seed " << seed << life.journal->health().ToString();
      ASSERT_TRUE(life.journal->WaitDurable(RecordId{*last}, deadline).ok());
      oracle.durable = *last;
      EXPECT_TRUE(life.journal->health().ok()) << "seed " << seed;
    });
    ASSERT_TRUE(report.finished()) << "seed " << seed << report.fibers;
    complaint = CheckRecovery(seed, world.disk().PowerCut(rng, io::PowerCutModel::Draw(rng)),
                              oracle, true, OptionsWith(stacks));
    ASSERT_FALSE(complaint.has_value()) << "seed " << seed << ": " << *complaint;
  }
}

// Crashes a run now and then, and its recovery at every operation.
void CrashAtEveryOperationOfRecovery(uint64_t seed, const io::SimOptions& options,
                                     Campaign& campaign) {
  Rng rng(seed);
  Oracle oracle;
  oracle.strategy = DrawStrategy(rng);
  oracle.one_at_a_time = rng.OneIn(2);
  io::SimWorld world(seed, EmptyDirectory(), options);
  world.files().set_on_operation([&](const io::SimOperation& op, io::SimFileSystem::Phase phase) {
    if (phase == io::SimFileSystem::Phase::kAfter || !rng.OneIn(16) || campaign.found) return;
    const bool first_cut = rng.OneIn(2);
    const io::SimDisk disk =
        first_cut ? world.files().Snapshot().PowerCut(rng, io::PowerCutModel::Draw(rng))
                  : world.files().Snapshot().Kill();
    Oracle now = oracle;
    io::SimWorld recovering(op.number, disk, options);
    recovering.files().set_on_operation(
        [&](const io::SimOperation& inner, io::SimFileSystem::Phase inner_phase) {
          if (inner_phase == io::SimFileSystem::Phase::kAfter || campaign.found) return;
          const io::SimDisk again = recovering.files().Snapshot();
          const bool cut = rng.OneIn(2);
          campaign.Note(
              "seed " + std::to_string(seed) + " operations " + std::to_string(op.number) + ", " +
                  std::to_string(inner.number) + (first_cut ? " cut" : " kill") +
                  (cut ? " cut" : " kill"),
              CheckRecovery(inner.number,
                            cut ? again.PowerCut(rng, io::PowerCutModel::Draw(rng)) : again.Kill(),
                            now, first_cut || cut, options));
        });
    recovering.Run([&] {
      Life life(recovering, now);
      const Status status = life.Open();
      if (!status.ok() && !campaign.found) campaign.found = status.ToString();
    });
  });
  world.Run([&] {
    Life life(world, oracle);
    if (life.Open().ok()) RunWriters(life, 3, 40);
  });
}

TEST(JournalSim, SurvivesACrashAtEveryOperationOfItsRecovery) {
  io::FiberStackPool stacks;
  Campaign campaign;
  for (uint64_t seed = 1; seed <= Scaled(6) && !campaign.found; ++seed) {
    CrashAtEveryOperationOfRecovery(seed, OptionsWith(stacks), campaign);
  }
  EXPECT_FALSE(campaign.found.has_value()) << *campaign.found;
  EXPECT_GT(campaign.crash_points, 1'000u);
}

// Under the Async strategy: a durable mark in front of all files that the ring's table names.
TEST(JournalSim, RecoveryWritesNoDurableByteAgainWhoseFileHasLeftTheTable) {
  io::FiberStackPool stacks;
  Campaign campaign;
  CrashAtEveryOperationOfRecovery(13, OptionsWith(stacks), campaign);
  EXPECT_FALSE(campaign.found.has_value()) << *campaign.found;
}

TEST(JournalSim, LosesNothingThroughManyKillsAndCutsInARow) {
  io::FiberStackPool stacks;
  for (uint64_t seed = 1; seed <= Scaled(40); ++seed) {
    io::SimDisk disk = EmptyDirectory();
    Oracle oracle;
    Rng rng(seed);
    oracle.one_at_a_time = rng.OneIn(2);
    bool power_cut = false;
    for (int life_number = 0; life_number < 12; ++life_number) {
      const Oracle before = oracle;
      oracle.strategy = DrawStrategy(rng);
      io::SimOptions options = OptionsWith(stacks);
      options.files.kill_at_operation = 1 + rng.Below(400);
      io::SimWorld world(seed * 100 + static_cast<uint64_t>(life_number), std::move(disk), options);
      std::optional<std::string> complaint;
      world.Run([&] {
        Life life(world, oracle);
        const Status status = life.Open();
        if (!status.ok()) {
          if (!world.scheduler().dead()) complaint = status.ToString();
          return;
        }
        complaint = before.Complaint(life.found, power_cut);
        // Only now is it durable what survived, and ids behind it may be given again.
        oracle.Restart(life.found);
        RunWriters(life, 3, 40);
      });
      ASSERT_FALSE(complaint.has_value())
          << "seed " << seed << " life " << life_number << ": " << *complaint;
      ASSERT_TRUE(world.files().rule_violations().empty()) << world.files().rule_violations()[0];
      // A life that died in its recovery owes what the one before it owed.
      const bool cut_now = rng.OneIn(2);
      const bool died_in_recovery =
          oracle.acknowledged == before.acknowledged && oracle.history == before.history;
      if (died_in_recovery) oracle.strategy = before.strategy;
      power_cut = cut_now || (power_cut && died_in_recovery);
      disk =
          cut_now ? world.disk().PowerCut(rng, io::PowerCutModel::Draw(rng)) : world.disk().Kill();
    }
  }
}

TEST(JournalSim, TheSameSeedGivesTheSameTrace) {
  const auto trace_of = [](uint64_t seed) {
    io::SimWorld world(seed, EmptyDirectory());
    Oracle oracle;
    Rng rng(seed);
    oracle.strategy = DrawStrategy(rng);
    world.Run([&] {
      Life life(world, oracle);
      ASSERT_TRUE(life.Open().ok());
      RunWriters(life, 4, 60);
    });
    return world.trace_hash();
  };
  for (uint64_t seed = 1; seed <= 5; ++seed) EXPECT_EQ(trace_of(seed), trace_of(seed));
  EXPECT_NE(trace_of(1), trace_of(2));
}

// Fails call number `skip` + 1 of one kind in a scripted life. False when there is no such call.
bool FailOneCall(const io::FaultRule& rule, const io::SimOptions& options) {
  const uint64_t seed = rule.skip + 1;
  Oracle oracle;
  oracle.strategy = FlushStrategy::Batched(4);
  oracle.one_at_a_time = true;
  io::SimWorld world(seed, EmptyDirectory(), options);
  world.files().faults().Add(rule);
  const io::RunReport report = world.Run([&] {
    Life life(world, oracle);
    if (!life.Open().ok()) return;
    RunWriters(life, 1, 30);
    if (life.journal->Close().ok()) oracle.durable = oracle.acknowledged;
  });
  if (world.files().faults().hits() == 0) return false;
  const std::string where = std::string(io::FileCallName(rule.call)) + " " +
                            std::to_string(rule.skip + 1) + " fault " +
                            std::to_string(static_cast<int>(rule.fault));
  EXPECT_TRUE(report.finished()) << where << report.fibers;
  EXPECT_TRUE(world.files().rule_violations().empty()) << where;
  Rng rng(seed);
  const auto killed = CheckRecovery(seed, world.disk().Kill(), oracle, false, options);
  EXPECT_FALSE(killed.has_value()) << where << " kill: " << *killed;
  const auto cut = CheckRecovery(seed, world.disk().PowerCut(rng, io::PowerCutModel::Draw(rng)),
                                 oracle, true, options);
  EXPECT_FALSE(cut.has_value()) << where << " cut: " << *cut;
  return true;
}

TEST(JournalSim, SurvivesEveryCallThatFailsOnceOrForEver) {
  using io::Fault;
  io::FiberStackPool stacks;
  uint64_t points = 0;
  for (int number = 0; number <= static_cast<int>(io::FileCall::kOpenRegion); ++number) {
    const auto call = static_cast<io::FileCall>(number);
    std::vector<Fault> faults = {Fault::kError, Fault::kErrorAfterPart, Fault::kNoSpace};
    if (call == io::FileCall::kSync) {
      faults.insert(faults.end(), {Fault::kSyncKeepsCache, Fault::kSyncDropsCache});
    }
    if (call == io::FileCall::kRead || call == io::FileCall::kWrite) {
      faults.push_back(Fault::kShort);
    }
    for (const Fault fault : faults) {
      for (const uint64_t times : {uint64_t{1}, io::FaultRule::kForEver}) {
        for (uint64_t skip = 0; FailOneCall(
                 {.call = call, .fault = fault, .skip = skip, .times = times}, OptionsWith(stacks));
             ++skip) {
          ++points;
          if (::testing::Test::HasFailure()) return;
        }
      }
    }
  }
  EXPECT_GT(points, 500u);
}

TEST(JournalSim, TheTimerSyncsAnIdleTailAndThenTheMarkProvesIt) {
  io::SimWorld world(1, EmptyDirectory());
  Oracle oracle;
  const auto interval = std::chrono::milliseconds(100);
  oracle.strategy = FlushStrategy::Periodic(interval);
  world.Run([&] {
    Life life(world, oracle);
    ASSERT_TRUE(life.Open().ok());
    for (int i = 1; i <= 3; ++i) {
      // Also in the second after a sync, in which the flusher waits for its mark.
      ASSERT_TRUE(AppendOne(life, std::to_string(i), 1, Instant::Never()).has_value());
      EXPECT_LT(ToNumber(life.journal->durable_id()), static_cast<uint64_t>(i));
      world.env().clock.SleepFor(2 * interval);
      EXPECT_EQ(ToNumber(life.journal->durable_id()), static_cast<uint64_t>(i));
    }
    const uint64_t end = life.journal->active_offset();
    const uint64_t syncs = life.journal->stats().syncs;
    world.env().clock.SleepFor(std::chrono::seconds(5));
    EXPECT_EQ(life.journal->active_offset(), end + ToyFraming::kHeaderBytes);  // One mark.
    EXPECT_EQ(life.journal->stats().syncs, syncs);                             // Not synced.
  });
}

TEST(JournalSim, ABatchedJournalHoldsBackFewerThanTwiceItsRecords) {
  io::SimWorld world(1, EmptyDirectory());
  Oracle oracle;
  oracle.strategy = FlushStrategy::Batched(10);
  world.Run([&] {
    Life life(world, oracle);
    ASSERT_TRUE(life.Open().ok());
    world.files().faults().Add({.call = io::FileCall::kSync,
                                .fault = io::Fault::kStall,
                                .times = io::FaultRule::kForEver,
                                .stall = std::chrono::seconds(1)});
    for (int i = 0; i < 100; ++i) {
      const Instant deadline = world.env().clock.Now() + std::chrono::milliseconds(10);
      static_cast<void>(AppendOne(life, std::to_string(i), 1, deadline));
      EXPECT_LT(oracle.acknowledged - ToNumber(life.journal->durable_id()), 20u);
    }
    EXPECT_GE(oracle.acknowledged, 19u);
    EXPECT_LT(oracle.acknowledged, 100u);
  });
}

// Writers that wait for every record, in a world where a sync takes 100 µs.
void AppendDurably(Life& life, int writers, int count) {
  std::vector<std::unique_ptr<io::Task>> tasks;
  for (int w = 0; w < writers; ++w) {
    tasks.push_back(life.env.executor.Start("writer", [&life, w, count] {
      for (int i = 0; i < count; ++i) {
        const auto last = AppendOne(life, std::to_string(w) + ":" + std::to_string(i), 1,
                                    Instant::Never(), Journal::Next::kWaitsDurable);
        ASSERT_TRUE(last.has_value());
        ASSERT_TRUE(life.journal->WaitDurable(RecordId{*last}, Instant::Never()).ok());
      }
    }));
  }
}

TEST(JournalSim, WritersThatComeAgainShareOneSync) {
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    io::SimWorld world(seed, EmptyDirectory());
    Oracle oracle;
    oracle.strategy = FlushStrategy::Async();
    world.Run([&] {
      Life life(world, oracle);
      life.options.file_bytes = uint64_t{1} << 20;
      ASSERT_TRUE(life.Open().ok());
      const uint64_t before = life.journal->stats().syncs;
      AppendDurably(life, 8, 100);
      // Two halves that take turns would need at least one for each four records.
      EXPECT_LT(life.journal->stats().syncs - before, 800U / 6);
    });
  }
}

TEST(JournalSim, WhoeverWaitsIsLetGoAtItsDeadlineOrWhenItsRecordIsDurable) {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    io::SimWorld world(seed, EmptyDirectory());
    Oracle oracle;
    oracle.strategy = FlushStrategy::Periodic(std::chrono::milliseconds(5));
    world.Run([&] {
      Life life(world, oracle);
      ASSERT_TRUE(life.Open().ok());
      const auto stall = std::chrono::milliseconds(1);
      world.files().faults().Add(
          {.call = io::FileCall::kSync, .fault = io::Fault::kStall, .times = 20, .stall = stall});
      std::vector<std::unique_ptr<io::Task>> tasks;
      for (int w = 0; w < 6; ++w) {
        tasks.push_back(life.env.executor.Start("writer", [&life, w, stall] {
          for (int i = 0; i < 20; ++i) {
            const auto last = AppendOne(life, std::to_string(w) + ":" + std::to_string(i), 1,
                                        Instant::Never(), Journal::Next::kWaitsDurable);
            ASSERT_TRUE(last.has_value());
            const Instant begin = life.env.clock.Now();
            const Duration patience = stall * (life.env.random.Next() % 4) / 2;
            const Status status = life.journal->WaitDurable(RecordId{*last}, begin + patience);
            if (status.ok()) {
              EXPECT_GE(ToNumber(life.journal->durable_id()), *last);
            } else {
              EXPECT_EQ(status.code(), StatusCode::kDeadlineExceeded) << status.ToString();
              EXPECT_GE(life.env.clock.Now().ns, (begin + patience).ns);
            }
          }
        }));
      }
      tasks.clear();  // Joins.
    });
  }
}

TEST(JournalSim, TheFlusherTakesOverWhatItsWriterGaveUpWaitingFor) {
  io::SimWorld world(1, EmptyDirectory());
  Oracle oracle;
  oracle.strategy = FlushStrategy::Periodic(std::chrono::milliseconds(5));
  world.Run([&] {
    Life life(world, oracle);
    ASSERT_TRUE(life.Open().ok());
    // After a sync it sleeps until the time of the mark, a second on.
    ASSERT_TRUE(AppendOne(life, "before", 1, Instant::Never()).has_value());
    ASSERT_TRUE(life.journal->Flush(Instant::Never()).ok());
    life.env.clock.SleepFor(std::chrono::milliseconds(50));
    world.files().faults().Add({.call = io::FileCall::kSync,
                                .fault = io::Fault::kStall,
                                .stall = std::chrono::milliseconds(2)});
    const auto first = AppendOne(life, "first", 1, Instant::Never(), Journal::Next::kWaitsDurable);
    const auto driver = life.env.executor.Start("driver", [&] {
      EXPECT_TRUE(life.journal->WaitDurable(RecordId{*first}, Instant::Never()).ok());
    });
    life.env.clock.SleepFor(std::chrono::milliseconds(1));  // It is in its sync.
    const auto last = AppendOne(life, "last", 1, Instant::Never(), Journal::Next::kWaitsDurable);
    EXPECT_EQ(life.journal->WaitDurable(RecordId{*last}, life.env.clock.Now()).code(),
              StatusCode::kDeadlineExceeded);
    life.env.clock.SleepFor(std::chrono::milliseconds(50));
    EXPECT_EQ(life.journal->durable_id(), RecordId{*last});
  });
}

}  // namespace
}  // namespace aidb::journal

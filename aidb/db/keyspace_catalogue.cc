#include "aidb/db/keyspace_catalogue.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "aidb/base/escape.h"

namespace aidb {
namespace {

using kv::KeyspaceId;
using kv::KeyspacePrefix;
using kv::KeyspaceState;
using kv::StoredKey;
using Life = kv::KeyspaceState::Life;

constexpr std::string_view kHeadName;
constexpr std::string_view kVersion = "keyspaces/1 ";
constexpr size_t kNameShown = 48;
// Handles looked through when so many names are remembered.
constexpr size_t kSweepEach = 64;

std::string Quoted(std::string_view name) {
  return "\"" + EscapeForMessage(name, kNameShown) + "\"";
}

Status CheckName(std::string_view name) {
  if (!name.empty() && name.size() <= kv::kKeyspaceNameBytesMax) return {};
  return InvalidArgument("a keyspace's name has " + std::to_string(name.size()) +
                         " bytes; allowed are 1 to " + std::to_string(kv::kKeyspaceNameBytesMax));
}

// A decimal number that ends where `text` ends, or a space.
std::optional<uint32_t> TakeNumber(std::string_view& text) {
  uint32_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || text.empty()) return std::nullopt;
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  if (text.empty()) return number;
  if (text.front() != ' ') return std::nullopt;
  text.remove_prefix(1);
  return number;
}

Result<KeyspaceId> DecodeId(std::string_view name, std::string_view value) {
  std::string_view rest = value;
  const std::optional<uint32_t> number = TakeNumber(rest);
  if (number && rest.empty() && KeyspaceId{*number} != kv::kDefaultKeyspace &&
      KeyspaceId{*number} != kv::kKeyspaceCatalogue) {
    return KeyspaceId{*number};
  }
  return Corruption("the catalogue of keyspaces has \"" + EscapeForMessage(value, kNameShown) +
                    "\" for the number of " + Quoted(name));
}

// Of a write that failed so, or the store takes no other any more.
bool NothingHappened(const Status& failed) {
  return failed.code() == StatusCode::kInvalidArgument ||
         failed.code() == StatusCode::kResourceExhausted ||
         failed.code() == StatusCode::kUnavailable;
}

// The entries of the catalogue, its head left out.
kv::Iterator Entries(const kv::Store& store) {
  const KeyspacePrefix prefix(kv::kKeyspaceCatalogue);
  const std::string first = std::string(prefix.view()) + '\0';
  const std::string end = prefix.End();
  kv::Iterator entries = store.Scan({.lower = first, .upper = end});
  entries.ShowKeysOf(kv::kKeyspaceCatalogue);
  return entries;
}

// Whether the store's keys from FF on are all the default keyspace's.
Result<bool> HasPrefixedDefaultKeysAlone(const kv::Store& store) {
  for (const kv::ScanOrder order : {kv::ScanOrder::kForward, kv::ScanOrder::kReverse}) {
    const kv::Iterator at_end = store.Scan({.lower = "\xFF", .order = order});
    AIDB_RETURN_IF_ERROR(at_end.status());
    if (!at_end.Valid()) continue;
    const auto located = kv::Locate(at_end.key());
    if (!located || located->keyspace != kv::kDefaultKeyspace) return false;
  }
  return true;
}

}  // namespace

std::string KeyspaceCatalogue::Encode(const Head& head) {
  return std::string(kVersion) + std::to_string(head.next_id) + " " + std::to_string(head.count);
}

Result<KeyspaceCatalogue::Head> KeyspaceCatalogue::DecodeHead(std::string_view value) {
  const std::string shown = "\"" + EscapeForMessage(value, kNameShown) + "\"";
  std::string_view rest = value;
  if (!rest.starts_with(kVersion)) {
    return InvalidArgument("the catalogue of keyspaces begins with " + shown +
                           ": a newer version wrote it, or no DB");
  }
  rest.remove_prefix(kVersion.size());
  const std::optional<uint32_t> next_id = TakeNumber(rest);
  const std::optional<uint32_t> count = TakeNumber(rest);
  if (!next_id || !count || !rest.empty() || *next_id == 0) {
    return Corruption("the catalogue of keyspaces begins with " + shown);
  }
  return Head{.next_id = *next_id, .count = *count};
}

Result<std::optional<KeyspaceCatalogue::Head>> KeyspaceCatalogue::CountEntries() const {
  Head head;
  kv::Iterator entries = Entries(store_);
  for (; entries.Valid(); entries.Next()) {
    AIDB_ASSIGN_OR_RETURN(const KeyspaceId id, DecodeId(entries.key(), entries.value()));
    head.next_id = std::max(head.next_id, ToNumber(id) + 1);
    ++head.count;
  }
  AIDB_RETURN_IF_ERROR(entries.status());
  if (head.count == 0) return std::optional<Head>();
  AIDB_ASSIGN_OR_RETURN(const uint32_t behind_keys, NumberBehindKeys());
  head.next_id = std::max(head.next_id, behind_keys);
  return std::optional(head);
}

Result<uint32_t> KeyspaceCatalogue::NumberBehindKeys() const {
  const std::string end(KeyspacePrefix(kv::kKeyspaceCatalogue).view());
  const kv::Iterator last = store_.Scan({.upper = end, .order = kv::ScanOrder::kReverse});
  AIDB_RETURN_IF_ERROR(last.status());
  const auto located = last.Valid() ? kv::Locate(last.key()) : std::nullopt;
  return located ? ToNumber(located->keyspace) + 1 : 0;
}

Result<std::unique_ptr<KeyspaceCatalogue>> KeyspaceCatalogue::Load(kv::Store& store,
                                                                   uint64_t batch_bytes_max) {
  auto catalogue =
      std::unique_ptr<KeyspaceCatalogue>(new KeyspaceCatalogue(store, batch_bytes_max));
  {
    const kv::Iterator reserved = store.Scan({.lower = "\xFF"});
    AIDB_RETURN_IF_ERROR(reserved.status());
    if (!reserved.Valid()) return catalogue;
  }
  AIDB_ASSIGN_OR_RETURN(const std::optional<kv::PinnedValue> head,
                        store.Get(StoredKey(kv::kKeyspaceCatalogue, kHeadName).view(), {}));
  MutexLock lock(catalogue->mu_);
  if (head) {
    AIDB_ASSIGN_OR_RETURN(catalogue->head_, DecodeHead(head->view()));
    // A repair may have found an older head than keys.
    AIDB_ASSIGN_OR_RETURN(const uint32_t behind_keys, catalogue->NumberBehindKeys());
    catalogue->head_.next_id = std::max(catalogue->head_.next_id, behind_keys);
    catalogue->in_use_.store(true, std::memory_order_release);
    return catalogue;
  }
  AIDB_ASSIGN_OR_RETURN(const bool default_alone, HasPrefixedDefaultKeysAlone(store));
  if (default_alone) return catalogue;
  AIDB_ASSIGN_OR_RETURN(const std::optional<Head> counted, catalogue->CountEntries());
  if (!counted) {
    return InvalidArgument(
        "the store holds keys that begin with 0xFF and were not written through a DB, which keeps "
        "keyspaces there");
  }
  catalogue->head_ = *counted;
  catalogue->in_use_.store(true, std::memory_order_release);
  return catalogue;
}

Result<std::optional<KeyspaceId>> KeyspaceCatalogue::Find(std::string_view name) const {
  AIDB_ASSIGN_OR_RETURN(const std::optional<kv::PinnedValue> entry,
                        store_.Get(StoredKey(kv::kKeyspaceCatalogue, name).view(), {}));
  if (!entry) return std::optional<KeyspaceId>();
  AIDB_ASSIGN_OR_RETURN(const KeyspaceId id, DecodeId(name, entry->view()));
  return std::optional(id);
}

kv::Keyspace KeyspaceCatalogue::HandleOf(std::string_view name, KeyspaceId id) {
  if (states_.size() >= states_swept_at_) {
    std::erase_if(states_, [](const auto& state) { return state.second.expired(); });
    states_swept_at_ = states_.size() * 2 + kSweepEach;
  }
  const auto known = states_.find(name);
  if (known != states_.end()) {
    std::shared_ptr<KeyspaceState> state = known->second.lock();
    if (state != nullptr && state->id() == id && state->life() != Life::kDropped) {
      return kv::Keyspace(std::move(state));
    }
  }
  auto state = std::make_shared<KeyspaceState>(std::string(name), id, identity_);
  states_.insert_or_assign(std::string(name), state);
  return kv::Keyspace(std::move(state));
}

Result<kv::Keyspace> KeyspaceCatalogue::Open(std::string_view name, kv::StoreMode mode) {
  AIDB_RETURN_IF_ERROR(CheckName(name));
  if (mode == kv::StoreMode::kReadOnly) {
    return InvalidArgument("a keyspace is not opened read-only; its DB is");
  }
  MutexLock lock(mu_);
  if (const auto undecided = undecided_.find(name); undecided != undecided_.end()) {
    return undecided->second->Check(identity());
  }
  AIDB_ASSIGN_OR_RETURN(const std::optional<KeyspaceId> id, Find(name));
  if (doubtful_.contains(name)) {
    if (mode != kv::StoreMode::kMustExist) return Create(name);
    return InvalidArgument("there is no keyspace " + Quoted(name) + ": making it has failed");
  }
  if (id && mode == kv::StoreMode::kMustBeNew) {
    return InvalidArgument("there is a keyspace " + Quoted(name) + " already");
  }
  if (id) return HandleOf(name, *id);
  if (mode == kv::StoreMode::kMustExist) {
    return InvalidArgument("there is no keyspace " + Quoted(name));
  }
  return Create(name);
}

Result<kv::Keyspace> KeyspaceCatalogue::Create(std::string_view name) {
  if (head_.count >= kv::kKeyspacesMax) {
    return ResourceExhausted("there are " + std::to_string(head_.count) +
                             " keyspaces; more are not allowed: drop one");
  }
  const KeyspaceId id{head_.next_id};
  if (id == kv::kKeyspaceCatalogue) {
    return ResourceExhausted("every number of a keyspace was given; copy the store into a new one");
  }
  // Whatever becomes of the batch: its number is not given again.
  ++head_.next_id;
  const Head head{.next_id = head_.next_id, .count = head_.count + 1};
  kv::WriteBatch batch;
  batch.Put(StoredKey(kv::kKeyspaceCatalogue, kHeadName).view(), Encode(head));
  batch.Put(StoredKey(kv::kKeyspaceCatalogue, name).view(), std::to_string(ToNumber(id)));
  in_use_.store(true, std::memory_order_release);
  if (Status written = store_.Write(std::move(batch), {}).status(); !written.ok()) {
    if (!NothingHappened(written)) doubtful_.emplace(name);
    return written;
  }
  head_.count = head.count;
  doubtful_.erase(std::string(name));
  return HandleOf(name, id);
}

Status KeyspaceCatalogue::Drop(std::string_view name) {
  AIDB_RETURN_IF_ERROR(CheckName(name));
  MutexLock lock(mu_);
  if (const auto undecided = undecided_.find(name); undecided != undecided_.end()) {
    const std::shared_ptr<KeyspaceState> state = undecided->second;
    return DropState(*state);
  }
  AIDB_ASSIGN_OR_RETURN(const std::optional<KeyspaceId> id, Find(name));
  if (!id) return doubtful_.contains(name) ? ForgetDoubtful(name) : Status();
  const kv::Keyspace keyspace = HandleOf(name, *id);
  KeyspaceState& state = keyspace.state();
  state.set_life(Life::kDropping);
  // Who comes in from now on sees that; the writes of all others lie before the batch.
  gate_.WaitForThoseInside();
  const Status dropped = DropState(state);
  if (dropped.ok()) return {};
  if (NothingHappened(dropped)) {
    state.set_life(Life::kLive);
  } else {
    // A write that is acknowledged behind it could be of a keyspace that is gone at the next open.
    undecided_.emplace(name, states_.find(name)->second.lock());
  }
  return dropped;
}

Status KeyspaceCatalogue::ForgetDoubtful(std::string_view name) {
  kv::WriteBatch batch;
  batch.Delete(StoredKey(kv::kKeyspaceCatalogue, name).view());
  AIDB_RETURN_IF_ERROR(store_.Write(std::move(batch), {}).status());
  doubtful_.erase(std::string(name));
  return {};
}

Status KeyspaceCatalogue::DropState(KeyspaceState& state) {
  const Head head{.next_id = head_.next_id, .count = head_.count - std::min(head_.count, 1u)};
  kv::WriteBatch batch;
  batch.Delete(StoredKey(kv::kKeyspaceCatalogue, state.name()).view());
  batch.DeleteRange(state.prefix().view(), state.prefix().End());
  batch.Put(StoredKey(kv::kKeyspaceCatalogue, kHeadName).view(), Encode(head));
  AIDB_RETURN_IF_ERROR(store_.Write(std::move(batch), {}).status());
  head_ = head;
  state.set_life(Life::kDropped);
  states_.erase(std::string(state.name()));
  undecided_.erase(std::string(state.name()));
  doubtful_.erase(std::string(state.name()));
  return {};
}

Result<std::vector<kv::Keyspace>> KeyspaceCatalogue::All() {
  std::vector<kv::Keyspace> all;
  MutexLock lock(mu_);
  kv::Iterator entries = Entries(store_);
  for (; entries.Valid(); entries.Next()) {
    const std::string_view name = entries.key();
    AIDB_ASSIGN_OR_RETURN(const KeyspaceId id, DecodeId(name, entries.value()));
    if (!undecided_.contains(name) && !doubtful_.contains(name)) all.push_back(HandleOf(name, id));
  }
  AIDB_RETURN_IF_ERROR(entries.status());
  return all;
}

Status KeyspaceCatalogue::CheckNamed(const kv::WriteBatch& batch) const {
  if (const kv::Keyspace* const usual = batch.usual_keyspace(); usual != nullptr) {
    AIDB_RETURN_IF_ERROR(usual->state().Check(identity()));
  }
  for (const kv::Keyspace& keyspace : batch.keyspaces()) {
    AIDB_RETURN_IF_ERROR(keyspace.state().Check(identity()));
  }
  return {};
}

Result<kv::Sequence> KeyspaceCatalogue::Write(kv::WriteBatch batch,
                                              const kv::WriteOptions& options) {
  AIDB_RETURN_IF_ERROR(batch.Validate(batch_bytes_max_));
  if (batch.has_added_keyspaces()) return WriteChanges(std::move(batch), options);
  const CallPass inside(gate_);
  AIDB_RETURN_IF_ERROR(CheckNamed(batch));
  AIDB_ASSIGN_OR_RETURN(kv::WriteBatch stored, std::move(batch).AsStored());
  return store_.Write(std::move(stored), options);
}

Result<kv::Sequence> KeyspaceCatalogue::WriteChanges(kv::WriteBatch batch,
                                                     const kv::WriteOptions& options) {
  const bool changes_catalogue = batch.has_added_catalogue();
  AIDB_RETURN_IF_ERROR(CheckNamed(batch));
  AIDB_ASSIGN_OR_RETURN(kv::WriteBatch stored, std::move(batch).AsStored());
  MutexLock lock(mu_);
  in_use_.store(true, std::memory_order_release);
  AIDB_ASSIGN_OR_RETURN(const kv::Sequence written, store_.Write(std::move(stored), options));
  if (changes_catalogue) AIDB_RETURN_IF_ERROR(ReadAgain());
  return written;
}

Status KeyspaceCatalogue::ReadAgain() {
  AIDB_ASSIGN_OR_RETURN(const std::optional<kv::PinnedValue> head,
                        store_.Get(StoredKey(kv::kKeyspaceCatalogue, kHeadName).view(), {}));
  if (head) {
    AIDB_ASSIGN_OR_RETURN(head_, DecodeHead(head->view()));
  }
  for (auto it = states_.begin(); it != states_.end();) {
    AIDB_ASSIGN_OR_RETURN(const std::optional<KeyspaceId> id, Find(it->first));
    const std::shared_ptr<KeyspaceState> state = it->second.lock();
    const bool there = state != nullptr && id == state->id();
    if (state != nullptr && !there) state->set_life(Life::kDropped);
    it = there ? std::next(it) : states_.erase(it);
  }
  return {};
}

}  // namespace aidb

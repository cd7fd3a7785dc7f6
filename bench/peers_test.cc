// What every engine must do before its speed means anything.

#include <unistd.h>

#include <filesystem>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "bench/peers/peer.h"

namespace aidb::bench {
namespace {

using Entries = std::vector<std::pair<std::string, std::string>>;

class Peers : public testing::TestWithParam<const PeerKind*> {
 protected:
  void SetUp() override {
    root_ = testing::TempDir() + "aidb_peers_test." + std::to_string(::getpid());
    std::filesystem::remove_all(root_);
    std::filesystem::create_directories(root_);
    Open();
  }
  void TearDown() override {
    Close();
    std::filesystem::remove_all(root_);
  }
  void Open() {
    auto opened = GetParam()->open({.directory = root_ + "/store",
                                    .memory_bytes = uint64_t{16} << 20,
                                    .sessions = 2,
                                    .value_bytes = 8});
    ASSERT_TRUE(opened.ok()) << opened.status().ToString();
    peer_ = std::move(*opened);
    auto session = peer_->NewSession();
    ASSERT_TRUE(session.ok()) << session.status().ToString();
    session_ = std::move(*session);
  }
  void Close() {
    session_.reset();
    EXPECT_TRUE(peer_->Close().ok());
    peer_.reset();
  }
  std::optional<size_t> Get(std::string_view key) {
    auto value = session_->Get(key);
    EXPECT_TRUE(value.ok()) << value.status().ToString();
    return *value;
  }
  Entries Walk(std::optional<std::string_view> from, kv::ScanOrder order) {
    Entries entries;
    const auto cursor = session_->Scan(from, order);
    for (; cursor->Valid(); cursor->Next()) entries.emplace_back(cursor->Entry());
    EXPECT_TRUE(cursor->status().ok()) << cursor->status().ToString();
    return entries;
  }
  void PutThree() {
    ASSERT_TRUE(session_->Put("b", "two").ok());
    const std::vector<KeyValue> batch = {{"c", "three"}, {"a", "1"}};
    ASSERT_TRUE(session_->WriteBatch(batch).ok());
  }

  std::string root_;
  std::unique_ptr<Peer> peer_;
  std::unique_ptr<PeerSession> session_;
};

TEST_P(Peers, ReadBackWhatWasPutOverwrittenAndDeleted) {
  PutThree();
  EXPECT_EQ(Get("a"), 1U);
  EXPECT_EQ(Get("b"), 3U);
  EXPECT_EQ(Get("aa"), std::nullopt);
  ASSERT_TRUE(session_->Put("b", "longer").ok());
  EXPECT_EQ(Get("b"), 6U);
  ASSERT_TRUE(session_->Delete("b").ok());
  ASSERT_TRUE(session_->Delete("b").ok()) << "deleting what is not there is no error";
  EXPECT_EQ(Get("b"), std::nullopt);
  const std::vector<std::string_view> keys = {"a", "b", "c"};
  const auto found = session_->MultiGet(keys);
  ASSERT_TRUE(found.ok());
  EXPECT_EQ(*found, 2U);
}

TEST_P(Peers, MergeToTheGreater) {
  PutThree();
  ASSERT_TRUE(session_->MergeMax("a", "22").ok());
  ASSERT_TRUE(peer_->Flush().ok());
  EXPECT_EQ(Get("a"), 2U);
  ASSERT_TRUE(session_->MergeMax("new", "1").ok());
  ASSERT_TRUE(session_->MergeMax("new", "333").ok());
  EXPECT_EQ(Get("new"), 3U);
}

TEST_P(Peers, WalkInOrderFromAnywhere) {
  PutThree();
  const Entries all = {{"a", "1"}, {"b", "two"}, {"c", "three"}};
  const Entries reverse(all.rbegin(), all.rend());
  using enum kv::ScanOrder;
  EXPECT_EQ(Walk({}, kForward), all);
  EXPECT_EQ(Walk({}, kReverse), reverse);
  EXPECT_EQ(Walk("b", kForward), Entries(all.begin() + 1, all.end()));
  EXPECT_EQ(Walk("aa", kForward), Entries(all.begin() + 1, all.end()));
  EXPECT_EQ(Walk("d", kForward), Entries());
}

TEST_P(Peers, KeepWhatTheyHoldAcrossFlushCompactionAndReopening) {
  PutThree();
  ASSERT_TRUE(peer_->Flush().ok());
  ASSERT_TRUE(session_->Put("d", "four").ok());
  Close();
  Open();
  const Status compacted = peer_->Compact();
  ASSERT_TRUE(compacted.ok()) << compacted.ToString();
  EXPECT_EQ(Get("a"), 1U);
  EXPECT_EQ(Walk({}, kv::ScanOrder::kForward).size(), 4U);
}

TEST_P(Peers, ShowOneSessionWhatAnotherWrote) {
  auto other = peer_->NewSession();
  ASSERT_TRUE(other.ok()) << other.status().ToString();
  EXPECT_EQ(Get("a"), std::nullopt);
  ASSERT_TRUE((*other)->Put("a", "1").ok());
  EXPECT_EQ(Get("a"), 1U);
  EXPECT_EQ(Walk({}, kv::ScanOrder::kForward).size(), 1U);
}

// An engine that did not count as many stalls as it had would look better than it is; without any
// writes the only honest count is none.
TEST_P(Peers, TellNoStallBeforeAnyWrite) { EXPECT_EQ(peer_->StallMicros().value_or(0), 0U); }

INSTANTIATE_TEST_SUITE_P(All, Peers, testing::ValuesIn(AllPeers()),
                         [](const auto& peer) { return std::string(peer.param->name); });

}  // namespace
}  // namespace aidb::bench

#include <gtest/gtest.h>

#include <algorithm>

#include "domain/domain_fixture.hpp"
#include "domain/replica.hpp"

namespace sealift::domain {
namespace {

using namespace testing;

Deadline soon() {
  return Deadline::in(kSoon);
}

TEST(Evidence, AFollowerRestoredFromABackupHalts) {
  Three hosts;
  ASSERT_TRUE(hosts.wien.register_vm(1));
  hosts.wien.down();
  hosts.wien.back_up();
  hosts.wien.up();
  ASSERT_TRUE(hosts.wien.register_vm(2));
  const std::uint64_t height = hosts.wien.node().final_height();
  ASSERT_TRUE(eventually([&] {  // its word is out
    for (const PeerStatus& peer : hosts.zurich.node().status().peers) {
      if (peer.name == host_name("wien")) return peer.cosigned >= height;
    }
    return false;
  }));
  hosts.wien.down();
  hosts.wien.restore();
  hosts.wien.up();
  ASSERT_TRUE(eventually([&] { return hosts.wien.node().evidence().has_value(); }));
  const Evidence evidence = *hosts.wien.node().evidence();
  EXPECT_EQ(evidence.kind, Evidence::Kind::kRolledBack);
  EXPECT_EQ(evidence.against, host_name("wien"));
  EXPECT_EQ(hosts.wien.node().status().role, Role::kHalted);
  EXPECT_TRUE(eventually([&] { return !hosts.wien.alarms().empty(); }));
  EXPECT_TRUE(hosts.bern.register_vm(1));  // the others go on
  hosts.wien.restart();
  EXPECT_EQ(hosts.wien.node().status().role, Role::kHalted);
  EXPECT_EQ(hosts.wien.node().submit(hosts.wien.registration(3), soon(), {}).error().code, Code::kCorrupt);
}

TEST(Evidence, AServerRestoredFromABackupSignsNothingAndHalts) {
  Three hosts;
  hosts.zurich.down();
  hosts.zurich.back_up();
  hosts.zurich.up();
  ASSERT_TRUE(hosts.bern.register_vm(1));
  const std::uint64_t height = hosts.bern.node().final_height();
  hosts.zurich.down();
  hosts.zurich.restore();
  hosts.zurich.up();
  // Asked for a record first of all: it waits for a quorum, and that tells it.
  const auto refused = hosts.zurich.node().submit(hosts.zurich.registration(9), soon(), {});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kCorrupt) << refused.error().message;
  EXPECT_EQ(hosts.zurich.node().evidence()->kind, Evidence::Kind::kRolledBack);
  EXPECT_EQ(hosts.zurich.node().status().height + 1, height);
  EXPECT_FALSE(hosts.bern.node().evidence());
}

TEST(Evidence, ARewrittenStoreIsNotOpened) {
  Three hosts;
  ASSERT_TRUE(hosts.wien.register_vm(1));
  hosts.wien.down();
  {
    const file::Path path = hosts.wien.state() / "ledger.db";
    Bytes content = *file::read(path, 64 * 1024 * 1024);
    const std::string name = "\"payload\":\"";  // of an envelope; then base64
    const auto found = std::search(content.begin(), content.end(), name.begin(), name.end());
    ASSERT_NE(found, content.end());
    auto& letter = *(found + static_cast<std::ptrdiff_t>(name.size()) + 40);
    letter = letter == 'A' ? 'B' : 'A';
    ASSERT_TRUE(file::write_atomic(path, content));
  }
  const Status opened = hosts.wien.try_up();
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, Code::kCorrupt) << opened.error().message;
}

// A server that tells bern one story and wien another: as seen from them, no different from this one, whose
// state directory is set back while the member that could tell is away.
TEST(Evidence, TwoFollowersFindTwoStoriesAndKeepTheProof) {
  Three hosts;
  hosts.zurich.down();
  hosts.zurich.back_up();
  hosts.wien.down();
  hosts.zurich.up();
  ASSERT_TRUE(hosts.bern.register_vm(1));
  hosts.zurich.down();
  hosts.bern.down();
  hosts.zurich.restore();
  hosts.zurich.up();
  hosts.wien.up();
  ASSERT_TRUE(hosts.wien.register_vm(1));
  ASSERT_TRUE(hosts.wien.register_vm(2));  // its log is longer: the proof is found all the same
  hosts.zurich.down();
  hosts.bern.up();
  ASSERT_NE(hosts.bern.node().final_state()->root(), hosts.wien.node().final_state()->root());

  const Status compared = hosts.bern.node().compare_with(host_name("wien"), soon(), {});
  ASSERT_FALSE(compared);
  EXPECT_EQ(compared.error().code, Code::kCorrupt) << compared.error().message;
  for (Host* host : {&hosts.bern, &hosts.wien}) {
    const auto evidence = host->node().evidence();
    ASSERT_TRUE(evidence);
    EXPECT_EQ(evidence->kind, Evidence::Kind::kFork);
    EXPECT_EQ(evidence->against, host_name("zurich"));
    EXPECT_FALSE(evidence->ours_head.empty());
    EXPECT_FALSE(evidence->theirs_head.empty());
    EXPECT_NE(evidence->ours_head, evidence->theirs_head);
    EXPECT_NE(evidence->text.find(std::to_string(evidence->height)), std::string::npos);
    EXPECT_EQ(host->node().status().role, Role::kHalted);
    host->restart();
    EXPECT_TRUE(host->node().evidence());
  }
  // And the server gets no further.
  hosts.zurich.up();
  EXPECT_FALSE(hosts.zurich.register_vm(5, Milliseconds{500}));
}

TEST(Evidence, ATwistedServerIsNotedWhenItTriesToGoOn) {
  Three hosts;
  hosts.zurich.down();
  hosts.zurich.back_up();
  hosts.wien.down();
  hosts.zurich.up();
  ASSERT_TRUE(hosts.bern.register_vm(1));
  hosts.zurich.down();
  hosts.bern.down();
  hosts.zurich.restore();
  hosts.zurich.up();
  hosts.wien.up();
  ASSERT_TRUE(hosts.wien.register_vm(1));
  hosts.bern.up();  // follows the other story, and shows its checkpoint
  ASSERT_TRUE(eventually([&] { return hosts.zurich.node().evidence().has_value(); }));
  EXPECT_EQ(hosts.zurich.node().evidence()->kind, Evidence::Kind::kFork);
  EXPECT_TRUE(eventually([&] { return hosts.bern.node().evidence().has_value(); }));
}

TEST(Evidence, ReadsBackAsItWasKept) {
  Evidence evidence;
  evidence.kind = Evidence::Kind::kRolledBack;
  evidence.height = 7;
  evidence.against = host_name("bern");
  evidence.ours_head = "a";
  evidence.text = "two stories";
  const auto read = parse_evidence(encode_evidence(evidence));
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(encode_evidence(*read), encode_evidence(evidence));
  EXPECT_FALSE(parse_evidence("{}"));
}

}  // namespace
}  // namespace sealift::domain

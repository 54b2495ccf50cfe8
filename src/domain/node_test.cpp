#include "domain/node.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <thread>

#include "domain/domain_fixture.hpp"

namespace sealift::domain {
namespace {

using namespace testing;

Deadline soon() {
  return Deadline::in(kSoon);
}

TEST(Node, AloneIsFinalAtOnceAndAfterAReopen) {
  Host zurich("zurich");
  EXPECT_EQ(zurich.node().status().role, Role::kAlone);
  const auto id = zurich.register_vm(1);
  ASSERT_TRUE(id) << id.error().message;
  const auto again = zurich.node().submit(zurich.registration(1), soon(), {});
  ASSERT_TRUE(again);
  EXPECT_EQ(*again, *id);
  EXPECT_EQ(zurich.node().final_height(), 1U);
  const auto answer = zurich.node().ask_quorum(as_bytes("nonce"), soon(), {});
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(answer->height, 1U);
  zurich.restart();
  EXPECT_EQ(zurich.node().final_height(), 1U);
  EXPECT_EQ(zurich.node().status(*id)->kind, ledger::RecordStatus::Kind::kFinal);
}

TEST(Node, AJoinerFollowsAndBothMustCosign) {
  Host zurich("zurich"), bern("bern");
  ASSERT_TRUE(zurich.register_vm(1));
  ASSERT_TRUE(bern.register_vm(1));
  Three::add(bern, {&zurich});
  EXPECT_EQ(bern.joined, 1);
  EXPECT_EQ(bern.node().status().role, Role::kFollower);
  EXPECT_EQ(bern.node().final_state()->domain(), zurich.node().final_state()->domain());
  const auto from_follower = bern.register_vm(2);
  ASSERT_TRUE(from_follower) << from_follower.error().message;
  ASSERT_TRUE(zurich.register_vm(3));
  ASSERT_TRUE(bern.reach(zurich.node().final_height()));
  EXPECT_EQ(bern.node().final_state()->root(), zurich.node().final_state()->root());
  EXPECT_EQ(bern.node().final_state()->vms().size(), 3U);
  EXPECT_EQ(zurich.node().status().role, Role::kServer);
  // The log of before is kept beside it.
  bool kept = false;
  for (const auto& file : std::filesystem::directory_iterator(bern.state())) {
    kept = kept || file.path().filename().string().starts_with("ledger.db.left-");
  }
  EXPECT_TRUE(kept);
}

TEST(Node, FinalityGoesOnWithTwoOfThree) {
  Three hosts;
  hosts.wien.down();
  const auto id = hosts.bern.register_vm(1);
  ASSERT_TRUE(id) << id.error().message;
  ASSERT_TRUE(hosts.zurich.register_vm(2));
  hosts.wien.up();
  ASSERT_TRUE(hosts.wien.reach(hosts.zurich.node().final_height()));
  EXPECT_EQ(hosts.wien.node().final_state()->root(), hosts.zurich.node().final_state()->root());
}

TEST(Node, WithoutAQuorumNothingIsFinalAndTheErrorNamesWhoIsMissing) {
  Three hosts;
  hosts.wien.down();
  hosts.bern.down();
  ASSERT_TRUE(eventually([&] {
    for (const PeerStatus& peer : hosts.zurich.node().status().peers) {
      if (peer.connected) return false;
    }
    return true;
  }));
  const std::uint64_t height = hosts.zurich.node().final_height();
  const Bytes record = hosts.zurich.registration(7);
  const auto id = hosts.zurich.node().submit(record, Deadline::in(Milliseconds{2'000}), {});
  ASSERT_TRUE(id) << id.error().message;  // stored, not final
  const auto waited = hosts.zurich.node().wait(*id, Deadline::in(Milliseconds{400}), {});
  ASSERT_FALSE(waited);
  EXPECT_EQ(waited.error().code, Code::kTimeout);
  EXPECT_NE(waited.error().message.find("bern"), std::string::npos) << waited.error().message;
  const auto next =
      hosts.zurich.node().submit(hosts.zurich.registration(8), Deadline::in(Milliseconds{300}), {});
  ASSERT_FALSE(next);
  EXPECT_EQ(next.error().code, Code::kUnavailable);
  EXPECT_NE(next.error().message.find("wien"), std::string::npos) << next.error().message;
  EXPECT_EQ(hosts.zurich.node().final_height(), height);
  hosts.bern.up();
  EXPECT_TRUE(hosts.zurich.node().wait(*id, soon(), {}));
  EXPECT_TRUE(hosts.zurich.register_vm(8));
}

TEST(Node, ServerOutOfReachIsSaidAndItComesBack) {
  Three hosts;
  ASSERT_TRUE(hosts.bern.register_vm(1));
  const std::uint64_t height = hosts.bern.node().final_height();
  hosts.zurich.down();
  const auto refused = hosts.bern.node().submit(hosts.bern.registration(2), soon(), {});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kUnavailable);
  EXPECT_NE(refused.error().message.find("zurich"), std::string::npos) << refused.error().message;
  EXPECT_TRUE(eventually([&] { return !hosts.bern.node().status().waiting_for.empty(); }));
  // The other members answer directly: bern and wien are a quorum.
  const auto answer = hosts.bern.node().ask_quorum(as_bytes("n"), soon(), {});
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(answer->height, height);
  EXPECT_EQ(answer->answered, (std::vector{host_name("bern"), host_name("wien")}));
  hosts.wien.down();
  const auto silent = hosts.bern.node().ask_quorum(as_bytes("m"), Deadline::in(Milliseconds{500}), {});
  ASSERT_FALSE(silent);
  EXPECT_NE(silent.error().message.find("silent: wien, zurich"), std::string::npos) << silent.error().message;
  EXPECT_EQ(hosts.bern.node().final_height(), height);
  hosts.zurich.up();
  const auto id = hosts.bern.register_vm(2);
  EXPECT_TRUE(id) << id.error().message;
  EXPECT_TRUE(eventually([&] { return hosts.bern.node().status().waiting_for.empty(); }));
}

TEST(Node, AFollowerThatWasAwayCatchesUpOverMembershipChanges) {
  Three hosts;
  hosts.bern.down();
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(hosts.wien.register_vm(i));
  Host genf("genf");
  Three::add(genf, {&hosts.zurich, &hosts.wien});
  ASSERT_TRUE(genf.register_vm(1));
  const std::uint64_t height = genf.node().final_height();  // the server may hear of it a moment later
  hosts.bern.up();
  ASSERT_TRUE(hosts.bern.reach(height));
  ASSERT_TRUE(hosts.zurich.reach(height));
  EXPECT_EQ(hosts.bern.node().final_state()->root(), hosts.zurich.node().final_state()->root());
  EXPECT_EQ(hosts.bern.node().final_state()->members().size(), 4U);
}

TEST(Node, AskQuorumIsFreshAndToleratesOneMemberDown) {
  Three hosts;
  ASSERT_TRUE(hosts.zurich.register_vm(1));
  const std::uint64_t height = hosts.zurich.node().final_height();
  for (Host* host : {&hosts.zurich, &hosts.bern, &hosts.wien}) {
    const auto answer = host->node().ask_quorum(as_bytes("one"), soon(), {});
    ASSERT_TRUE(answer) << answer.error().message;
    EXPECT_GE(answer->height, height);
    EXPECT_GE(host->node().final_height(), height);
    EXPECT_GE(answer->answered.size(), 2U);
  }
  hosts.wien.down();
  for (Host* host : {&hosts.zurich, &hosts.bern}) {
    const auto answer = host->node().ask_quorum(as_bytes("two"), Deadline::in(kSoon), {});
    EXPECT_TRUE(answer) << answer.error().message;
  }
  hosts.bern.down();
  const auto silent = hosts.zurich.node().ask_quorum(as_bytes("three"), Deadline::in(Milliseconds{300}), {});
  ASSERT_FALSE(silent);
  EXPECT_EQ(silent.error().code, Code::kUnavailable);
  EXPECT_NE(silent.error().message.find("bern"), std::string::npos) << silent.error().message;
}

TEST(Node, StormsFromThreeMembersStayConsistent) {
  Three hosts;
  constexpr int kEach = 40;
  std::vector<std::jthread> storms;
  for (Host* host : {&hosts.zurich, &hosts.bern, &hosts.wien}) {
    storms.emplace_back([host] {
      for (int i = 0; i < kEach; ++i) {
        const auto id = host->register_vm(100 + i);
        ASSERT_TRUE(id) << id.error().message;
      }
    });
  }
  storms.clear();
  // A follower's own cosignature may make a block final there before the server has heard of it.
  std::uint64_t height = 0;
  for (Host* host : {&hosts.zurich, &hosts.bern, &hosts.wien})
    height = std::max(height, host->node().final_height());
  for (Host* host : {&hosts.zurich, &hosts.bern, &hosts.wien}) {
    ASSERT_TRUE(host->reach(height));
    EXPECT_EQ(host->node().final_state()->vms().size(), 3U * kEach);
  }
  for (Host* host : {&hosts.bern, &hosts.wien}) {
    EXPECT_EQ(host->node().final_state()->root(), hosts.zurich.node().final_state()->root());
  }
}

TEST(Node, ARefusalNamesTheRuleOnEveryMember) {
  Three hosts;
  ASSERT_TRUE(hosts.bern.register_vm(1));
  ledger::VmRegister body;
  body.vm = hosts.bern.node().final_state()->vms().front().id;
  body.number = 2;
  body.owner = host_name("bern");
  const Bytes twin =
      ledger::make_record(hosts.bern.node().final_state()->domain(), body, hosts.bern.identity());
  const auto refused = hosts.bern.node().submit(twin, soon(), {});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kRefused) << refused.error().message;
  EXPECT_EQ(hosts.bern.node().submit(as_bytes("rubbish"), soon(), {}).error().code, Code::kInvalid);
}

TEST(Node, ClocksApartAreRefusedAndTheOthersGoOn) {
  Host zurich("zurich"), bern("bern");
  Three::add(bern, {&zurich});
  Host late("wien", Milliseconds{-3'600'000});
  const auto line = zurich.node().invite({});
  ASSERT_TRUE(line);
  std::jthread approver([&](const std::stop_token& ended) {
    while (!ended.stop_requested() && !bern.node().approve("wien", soon(), {})) {
    }
  });
  const auto joined = late.node().join(*line, Deadline::in(Milliseconds{3'000}), {});
  EXPECT_FALSE(joined);
  approver.request_stop();
  approver.join();
  ASSERT_TRUE(eventually([&] { return !late.alarms().empty(); }));
  EXPECT_NE(late.alarms().front().find("clock"), std::string::npos) << late.alarms().front();
  ASSERT_TRUE(bern.register_vm(1));
  EXPECT_NE(late.node().status().waiting_for.find("clock"), std::string::npos);
}

TEST(Node, LatencyOfOneWriteIsPrinted) {
  Three hosts;
  std::vector<double> from_server, from_follower, asks;
  for (int i = 0; i < 30; ++i) {
    for (auto [host, times] : {std::pair{&hosts.zurich, &from_server}, {&hosts.bern, &from_follower}}) {
      const auto begin = std::chrono::steady_clock::now();
      ASSERT_TRUE(host->register_vm(500 + i));
      times->push_back(
          std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count());
    }
    const auto begin = std::chrono::steady_clock::now();
    ASSERT_TRUE(hosts.bern.node().ask_quorum(as_bytes("n"), soon(), {}));
    asks.push_back(
        std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count());
  }
  for (auto* times : {&from_server, &from_follower, &asks}) std::ranges::sort(*times);
  std::printf("submit to final, median ms: at the server %.1f, at a follower %.1f; ask_quorum %.1f\n",
              from_server[15], from_follower[15], asks[15]);
}

}  // namespace
}  // namespace sealift::domain

#include <gtest/gtest.h>

#include <algorithm>

#include "domain/domain_fixture.hpp"
#include "ledger/rules.hpp"

namespace sealift::domain {
namespace {

using namespace testing;

Deadline soon() {
  return Deadline::in(kSoon);
}

Code code_of(const Status& status) {
  return status ? Code::kInternal : status.error().code;
}

TEST(Join, AWrongSecretIsRefusedAndTheInvitationStaysGood) {
  Host zurich("zurich"), bern("bern");
  const std::string line = *zurich.node().invite({});
  Invitation forged = *parse_invitation(line);
  forged.secret = crypto::Secret::random(kInvitationSecretBytes);
  const Status wrong = bern.node().join(forged.line(), soon(), {});
  EXPECT_EQ(code_of(wrong), Code::kUnauthorized) << wrong.error().message;
  forged.id = "0000000000000000";
  EXPECT_EQ(code_of(bern.node().join(forged.line(), soon(), {})), Code::kUnauthorized);
  EXPECT_EQ(zurich.node().final_state()->members().size(), 1U);
  EXPECT_EQ(bern.node().status().role, Role::kAlone);
  EXPECT_TRUE(bern.node().join(line, soon(), {}));
}

TEST(Join, AnotherGenesisIsRefused) {
  Host zurich("zurich"), bern("bern");
  Invitation forged = *parse_invitation(*zurich.node().invite({}));
  forged.domain = {crypto::sha256(as_bytes("another"))};
  const Status refused = bern.node().join(forged.line(), soon(), {});
  EXPECT_EQ(code_of(refused), Code::kRefused) << refused.error().message;
  EXPECT_EQ(bern.node().status().role, Role::kAlone);
}

TEST(Join, AnotherKeyAtTheAddressIsRefused) {
  Host zurich("zurich"), bern("bern"), mallory("mallory");
  Invitation forged = *parse_invitation(*zurich.node().invite({}));
  ASSERT_TRUE(mallory.node().invite({}));
  forged.endpoints = {mallory.endpoint()};
  const Status refused = bern.node().join(forged.line(), soon(), {});
  EXPECT_EQ(code_of(refused), Code::kUnauthorized) << refused.error().message;
}

TEST(Join, AnExpiredInvitationIsRefused) {
  Host zurich("zurich"), bern("bern"), late("wien", Milliseconds{-7'200'000});
  Node::InviteOptions options;
  options.valid_for = Milliseconds{-5'000};
  const std::string line = *zurich.node().invite(options);
  EXPECT_EQ(code_of(bern.node().join(line, soon(), {})), Code::kRefused);
  // A joiner whose clock is slow asks; the member that invited says no.
  EXPECT_EQ(code_of(late.node().join(line, soon(), {})), Code::kUnauthorized);
}

TEST(Join, AUsedInvitationIsNoGoodForAnotherHost) {
  Host zurich("zurich"), bern("bern"), wien("wien");
  const std::string line = *zurich.node().invite({});
  ASSERT_TRUE(bern.node().join(line, soon(), {}));
  const Status second = wien.node().join(line, soon(), {});
  EXPECT_EQ(code_of(second), Code::kRefused) << second.error().message;
  EXPECT_TRUE(bern.node().join(line, soon(), {}));  // the same host: it is there already
  EXPECT_EQ(zurich.node().final_state()->members().size(), 2U);
}

TEST(Join, WithoutAnInvitationNobodyGetsIn) {
  Host zurich("zurich"), bern("bern");
  Invitation forged;
  forged.endpoints = {zurich.endpoint()};
  forged.domain = zurich.node().final_state()->domain();
  forged.inviter = {"zurich", zurich.identity().public_key()};
  forged.id = "0123456789abcdef";
  forged.secret = crypto::Secret::random(kInvitationSecretBytes);
  forged.expires = system_clock().wall() + std::chrono::hours{1};
  EXPECT_EQ(code_of(bern.node().join(forged.line(), soon(), {})), Code::kUnauthorized);
}

TEST(Join, TheThirdMemberNeedsTheSecondsApproval) {
  Host zurich("zurich"), bern("bern"), wien("wien");
  ASSERT_TRUE(bern.node().join(*zurich.node().invite({}), soon(), {}));
  const std::string line = *bern.node().invite({});  // not the server
  const Status pending = wien.node().join(line, Deadline::in(Milliseconds{100}), {});
  ASSERT_EQ(code_of(pending), Code::kTimeout);
  EXPECT_NE(pending.error().message.find("1 of 2"), std::string::npos) << pending.error().message;
  EXPECT_EQ(wien.node().status().role, Role::kAlone);
  const auto proposals = zurich.node().proposals(soon(), {});
  ASSERT_TRUE(proposals && proposals->size() == 1) << proposals.error().message;
  EXPECT_EQ(proposals->front().kind, "host.join");
  EXPECT_EQ(proposals->front().subject, "wien");
  EXPECT_EQ(proposals->front().signed_by, std::vector{host_name("bern")});
  const auto approved = zurich.node().approve("wien", soon(), {});
  ASSERT_TRUE(approved) << approved.error().message;
  EXPECT_TRUE(approved->submitted);
  const Status joined = wien.node().join(line, soon(), {});
  ASSERT_TRUE(joined) << joined.error().message;
  ASSERT_TRUE(wien.register_vm(1));
  EXPECT_TRUE(zurich.node().proposals(soon(), {})->empty());
}

TEST(Join, AFollowerSeesWhyItsRecordWasRefused) {
  Host zurich("zurich"), bern("bern");
  ASSERT_TRUE(bern.node().join(*zurich.node().invite({}), soon(), {}));
  ASSERT_TRUE(zurich.register_vm(1));
  ledger::VmRegister body;
  body.vm = zurich.node().final_state()->vms().front().id;
  body.number = 1;
  body.owner = host_name("bern");
  const Bytes twin = ledger::make_record(zurich.node().final_state()->domain(), body, bern.identity());
  const auto refused = bern.node().submit(twin, soon(), {});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kRefused);
  EXPECT_TRUE(bern.node().final_state()->vm(body.vm));
}

TEST(Join, AHostWithPeersMustLeaveFirst) {
  Host zurich("zurich"), bern("bern"), wien("wien");
  ASSERT_TRUE(bern.node().join(*zurich.node().invite({}), soon(), {}));
  EXPECT_EQ(code_of(bern.node().join(*wien.node().invite({}), soon(), {})), Code::kConflict);
}

TEST(Join, AReplayedJoinRecordIsRefused) {
  Three hosts;
  const auto log = hosts.zurich.node().log(1, 100);
  ASSERT_TRUE(log);
  ASSERT_TRUE(hosts.zurich.node().propose(ledger::HostExpel{0, host_name("wien"), "test"}, soon(), {}));
  ASSERT_TRUE(hosts.bern.node().approve("wien", soon(), {}));
  ASSERT_TRUE(hosts.zurich.reach(hosts.bern.node().final_height()));
  EXPECT_FALSE(hosts.zurich.node().final_state()->member(host_name("wien")));
  for (const ledger::LogEntry& entry : *log) {
    const auto replayed = hosts.zurich.node().submit(entry.envelope, soon(), {});
    EXPECT_TRUE(replayed);  // the same bytes are the same record
  }
  EXPECT_FALSE(hosts.zurich.node().final_state()->member(host_name("wien")));
}

TEST(Membership, AnExpelledHostGetsTheProofAndNothingElse) {
  Three hosts;
  ASSERT_TRUE(hosts.wien.register_vm(1));
  const ledger::Vm vm = hosts.wien.node().final_state()->vms().front();
  ASSERT_TRUE(hosts.zurich.node().wait_beyond(hosts.wien.node().final_height() - 1, soon(), {}));
  hosts.wien.down();
  ledger::VmRecover recover;
  recover.vm = vm.id;
  recover.epoch = {vm.epoch_used.value + 1};
  recover.lost = host_name("wien");
  recover.owner = host_name("bern");
  recover.fence = "switched off";
  const auto proposed = hosts.zurich.node().propose(recover, soon(), {});
  ASSERT_TRUE(proposed) << proposed.error().message;
  ASSERT_TRUE(hosts.bern.node().approve(vm.id.text(), soon(), {}));
  const std::uint64_t removed_at = hosts.bern.node().final_height();
  ASSERT_TRUE(hosts.bern.register_vm(2));  // by the two that are left

  hosts.wien.up();
  ASSERT_TRUE(eventually([&] { return hosts.wien.node().expelled().has_value(); }));
  EXPECT_EQ(hosts.wien.node().status().role, Role::kExpelled);
  const ExpulsionProof proof = *hosts.wien.node().expelled();
  EXPECT_EQ(proof.height, removed_at);
  EXPECT_FALSE(proof.block.empty());
  EXPECT_FALSE(proof.checkpoint.empty());
  ASSERT_EQ(proof.new_owners.size(), 1U);
  EXPECT_EQ(proof.new_owners.front().vm, vm.id);
  EXPECT_EQ(proof.new_owners.front().owner, host_name("bern"));
  EXPECT_EQ(hosts.wien.node().final_height(), removed_at);  // not a block more
  EXPECT_EQ(hosts.wien.node().submit(hosts.wien.registration(3), soon(), {}).error().code, Code::kRefused);
  EXPECT_FALSE(hosts.wien.node().ask_quorum(as_bytes("n"), soon(), {}));
  // Nor do the others let it in.
  net::Hello hello;
  hello.host_name = "wien";
  hello.purpose = "move";
  EXPECT_EQ(code_of(hosts.bern.node().authorise(hosts.wien.identity().public_key(), hello)),
            Code::kUnauthorized);
  hosts.wien.restart();  // it knows without being told again
  EXPECT_EQ(hosts.wien.node().status().role, Role::kExpelled);
}

TEST(Membership, AnyMemberGivesTheProofOfAnExpulsion) {
  Three hosts;
  hosts.wien.down();
  ASSERT_TRUE(hosts.zurich.node().propose(ledger::HostExpel{0, host_name("wien"), "test"}, soon(), {}));
  ASSERT_TRUE(hosts.bern.node().approve("wien", soon(), {}));
  const std::uint64_t removed_at = hosts.bern.node().final_height();
  hosts.zurich.down();  // the server
  hosts.wien.up();
  ASSERT_TRUE(eventually([&] { return hosts.wien.node().expelled().has_value(); }));
  EXPECT_EQ(hosts.wien.node().expelled()->height, removed_at);
  EXPECT_FALSE(hosts.wien.node().evidence());
}

TEST(Membership, AHostThatIsThereLearnsOfItsExpulsionAtOnce) {
  Three hosts;
  ASSERT_TRUE(hosts.zurich.node().propose(ledger::HostExpel{0, host_name("bern"), "test"}, soon(), {}));
  ASSERT_TRUE(hosts.wien.node().approve("bern", soon(), {}));
  ASSERT_TRUE(eventually([&] { return hosts.bern.node().expelled().has_value(); }));
  EXPECT_TRUE(hosts.wien.register_vm(1));  // final by the set of two
}

TEST(Membership, WhoLeavesIsAloneAgain) {
  Three hosts;
  const Status pending = hosts.wien.node().leave(Deadline::in(Milliseconds{100}), {});
  ASSERT_EQ(code_of(pending), Code::kTimeout) << pending.error().message;
  ASSERT_TRUE(hosts.zurich.node().approve("wien", soon(), {}));
  ASSERT_TRUE(hosts.bern.node().approve("wien", soon(), {}));
  const Status left = hosts.wien.node().leave(soon(), {});
  ASSERT_TRUE(left) << left.error().message;
  EXPECT_EQ(hosts.wien.node().status().role, Role::kAlone);
  EXPECT_EQ(hosts.wien.joined, 2);
  EXPECT_TRUE(hosts.wien.register_vm(1));
  EXPECT_TRUE(hosts.bern.register_vm(1));
  hosts.wien.restart();
  EXPECT_EQ(hosts.wien.node().status().role, Role::kAlone);
}

TEST(Membership, TheServerIsNotExpelled) {
  Three hosts;
  const auto refused =
      hosts.bern.node().propose(ledger::HostExpel{0, host_name("zurich"), "test"}, soon(), {});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kRefused);
}

TEST(Membership, EndpointsAreUpdatedInTheLedger) {
  Three hosts;
  const net::Endpoint moved{"192.0.2.44", 7420};
  const auto id = hosts.bern.node().update_endpoints({moved}, soon(), {});
  ASSERT_TRUE(id) << id.error().message;
  ASSERT_TRUE(hosts.wien.node().wait(*id, soon(), {}));
  EXPECT_EQ(hosts.wien.node().final_state()->member(host_name("bern"))->info.endpoints,
            std::vector<std::string>{moved.text()});
}

TEST(Membership, StrangersAndFalseNamesGetNoSession) {
  Three hosts;
  const Node& node = hosts.bern.node();
  net::Hello hello;
  hello.purpose = "ledger";
  hello.host_name = "zurich";
  EXPECT_TRUE(node.authorise(hosts.zurich.identity().public_key(), hello));
  EXPECT_EQ(code_of(node.authorise(hosts.wien.identity().public_key(), hello)), Code::kUnauthorized);
  EXPECT_EQ(code_of(node.authorise(identity_of("mallory").public_key(), hello)), Code::kUnauthorized);
  hello.domain = std::string(64, '0');
  EXPECT_EQ(code_of(node.authorise(hosts.zurich.identity().public_key(), hello)), Code::kRefused);
  hello.domain.clear();
  hello.purpose = "join";
  EXPECT_EQ(code_of(node.authorise(identity_of("mallory").public_key(), hello)), Code::kUnauthorized);
}

}  // namespace
}  // namespace sealift::domain

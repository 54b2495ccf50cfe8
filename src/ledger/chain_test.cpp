#include <gtest/gtest.h>

#include <thread>

#include "ledger/chain_fixture.hpp"

namespace sealift::ledger {
namespace {

using namespace testing;

TEST(Chain, AloneIsFinalWhenDurable) {
  Net net;
  net.register_vm();
  EXPECT_EQ(net.server().height(), 1U);
  EXPECT_EQ(net.server().final_height(), 1U);
  net.open("zurich");
  EXPECT_EQ(net.server().final_height(), 1U);
  EXPECT_EQ(net.server().state()->root(), net.world.state.root());
}

TEST(Chain, IsFinalWithAMajorityAndNotBefore) {
  Net net;
  net.three();
  net.register_vm();
  const std::uint64_t height = net.server().height();
  EXPECT_EQ(net.server().final_height(), height - 1);
  EXPECT_EQ(net.server().waiting_for(), (std::vector{host("bern"), host("genf")}));
  EXPECT_FALSE(net.server().final_state()->vm(vm_id()));
  ASSERT_TRUE(net.follow("bern"));
  EXPECT_EQ(net.at("bern").final_height(), height - 1);
  ASSERT_TRUE(net.cosign("bern"));
  EXPECT_EQ(net.server().final_height(), height);
  EXPECT_TRUE(net.server().final_state()->vm(vm_id()));
}

TEST(Chain, NoBlockFollowsAMembershipChangeBeforeItIsFinal) {
  Net net;
  net.join("bern", {"zurich"});
  net.say(HostJoin{net.world.change(), info_of("genf", true), {}}, {"zurich", "bern"});
  const Bytes next =
      net.world.signed_record(VmRegister{vm_id(), {0}, 1, host("zurich"), digest_of("d")}, {"zurich"});
  const auto refused = net.append({next});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kUnavailable);
  EXPECT_NE(refused.error().message.find("bern"), std::string::npos);
  net.settle();
  const auto appended = net.append({next});
  ASSERT_TRUE(appended) << appended.error().message;
  EXPECT_TRUE(appended->block);
}

TEST(Chain, ANewFollowerCatchesUpFromTheGenesisAlone) {
  Net net;
  net.three();
  net.moved();
  net.settle();
  net.say(HostLeave{net.world.change(), host("genf")}, {"genf", "zurich", "bern"});
  net.settle();
  net.chains.erase("genf");
  net.say(MoveStarted{net.world.stamp(), "running"}, {"bern"});
  net.settle();
  net.join("basel", {"zurich", "bern"});
  EXPECT_EQ(net.at("basel").final_height(), net.server().height());
  EXPECT_EQ(net.at("basel").final_state()->root(), net.world.state.root());
}

TEST(Chain, TellsEachRecordsOutcome) {
  Net net;
  const Bytes good =
      net.world.signed_record(VmRegister{vm_id(1), {0}, 1, host("zurich"), digest_of("d")}, {"zurich"});
  const Bytes twin =
      net.world.signed_record(VmRegister{vm_id(1), {0}, 2, host("zurich"), digest_of("d")}, {"zurich"});
  const Bytes join = net.world.signed_record(HostJoin{1, info_of("bern"), {}}, {"zurich"});
  const Bytes after =
      net.world.signed_record(VmRegister{vm_id(2), {0}, 1, host("zurich"), digest_of("d")}, {"zurich"});
  const auto appended = net.append({good, twin, to_bytes("rubbish"), join, after, good});
  ASSERT_TRUE(appended) << appended.error().message;
  using Kind = Chain::Outcome::Kind;
  const std::vector<Kind> expected = {Kind::kIncluded, Kind::kRefused,  Kind::kRefused,
                                      Kind::kIncluded, Kind::kDeferred, Kind::kAlready};
  for (std::size_t i = 0; i < expected.size(); ++i) EXPECT_EQ(appended->outcomes[i].kind, expected[i]) << i;
  EXPECT_EQ(appended->block->records.size(), 2U);
  EXPECT_EQ(net.server().status(record_id(good))->kind, RecordStatus::Kind::kFinal);
  EXPECT_EQ(net.server().status(record_id(twin))->kind, RecordStatus::Kind::kRefused);
  EXPECT_EQ(net.server().status(record_id(after))->kind, RecordStatus::Kind::kUnknown);
  net.open("zurich");
  EXPECT_NE(net.server().status(record_id(twin))->reason.find("never used again"), std::string::npos);
}

TEST(Chain, AFollowerRefusesEveryFieldThatIsNotWhatTheRulesGive) {
  Net net;
  net.three();
  net.register_vm();
  const Block good = *net.server().block(net.server().height());
  struct Case {
    const char* name;
    std::function<void(Block&)> change;
  };
  const std::vector<Case> cases = {
      {"height", [](Block& b) { b.header.height += 1; }},
      {"term", [](Block& b) { b.header.term += 1; }},
      {"rules version", [](Block& b) { b.header.rules_version = 2; }},
      {"earlier time", [](Block& b) { b.header.time_ms = 1; }},
      {"time of the future", [](Block& b) { b.header.time_ms += 3'600'000; }},
      {"previous", [](Block& b) { b.header.previous.bytes[0] ^= 1; }},
      {"members", [](Block& b) { b.header.members.bytes[0] ^= 1; }},
      {"state root", [](Block& b) { b.header.state_root.bytes[0] ^= 1; }},
      {"records root", [](Block& b) { b.header.records_root.bytes[0] ^= 1; }},
      {"no record", [](Block& b) { b.records.clear(), b.header.records_root = records_root(b.records); }},
      {"a record twice",
       [](Block& b) { b.records.push_back(b.records[0]), b.header.records_root = records_root(b.records); }},
      {"a signature bit",
       [](Block& b) {
         const std::string text(as_text(b.records[0]));
         b.records[0][text.find("\"sig\":\"") + 12] ^= 1;
         b.header.records_root = records_root(b.records);
       }},
  };
  for (const Case& one : cases) {
    Block bad = good;
    one.change(bad);
    EXPECT_FALSE(net.at("bern").accept_block(bad, Chain::Arrival::kLive)) << one.name;
  }
  EXPECT_TRUE(net.at("bern").accept_block(good, Chain::Arrival::kLive));
  EXPECT_TRUE(net.at("bern").accept_block(good, Chain::Arrival::kLive));  // again: fine
}

TEST(Chain, WaitersWakeWhenTheirRecordIsFinal) {
  Net net;
  net.three();
  const Bytes bytes =
      net.world.signed_record(VmRegister{vm_id(), {0}, 1, host("zurich"), digest_of("d")}, {"zurich"});
  Result<RecordStatus> status;
  std::jthread waiter(
      [&] { status = net.server().wait(record_id(bytes), Deadline::in(Milliseconds{60'000}), Stop()); });
  ASSERT_TRUE(net.append({bytes}));
  net.settle();
  waiter.join();
  ASSERT_TRUE(status);
  EXPECT_EQ(status->kind, RecordStatus::Kind::kFinal);
  EXPECT_EQ(net.server().wait({digest_of("never")}, Deadline::in(Milliseconds{1}), Stop()).error().code,
            Code::kTimeout);
  StopSource stop;
  stop.stop();
  EXPECT_EQ(net.server().wait_beyond(1000, Deadline::never(), stop.token()).error().code, Code::kCancelled);
}

TEST(Chain, StateIsKeptNowAndThenAndOpeningReplaysTheRest) {
  Net net;
  for (int i = 1; i <= 150; ++i)
    net.say(VmRegister{vm_id(i), {0}, 1, host("zurich"), digest_of("d")}, {"zurich"});
  net.open("zurich");
  EXPECT_EQ(net.server().final_height(), 150U);
  EXPECT_EQ(net.server().state()->root(), net.world.state.root());
}

TEST(Solo, IsALedgerOfOne) {
  Net net;
  SoloLedger ledger(net.server(), net.clock);
  const Bytes bytes =
      net.world.signed_record(VmRegister{vm_id(), {0}, 1, host("zurich"), digest_of("d")}, {"zurich"});
  const auto id = ledger.submit(bytes, Deadline::never(), Stop());
  ASSERT_TRUE(id) << id.error().message;
  EXPECT_EQ(*ledger.submit(bytes, Deadline::never(), Stop()), *id);
  EXPECT_EQ(ledger.status(*id)->kind, RecordStatus::Kind::kFinal);
  EXPECT_TRUE(ledger.final_state()->vm(vm_id()));
  EXPECT_EQ(ledger.log(1, 10)->size(), 1U);
  EXPECT_EQ(ledger.ask_quorum({}, Deadline::never(), Stop())->answered, std::vector{host("zurich")});
  const Bytes twice =
      net.world.signed_record(VmRegister{vm_id(), {0}, 2, host("zurich"), digest_of("d")}, {"zurich"});
  EXPECT_EQ(ledger.submit(twice, Deadline::never(), Stop()).error().code, Code::kRefused);
  const Bytes join = net.world.signed_record(HostJoin{1, info_of("bern"), {}}, {"zurich"});
  EXPECT_TRUE(ledger.submit(join, Deadline::never(), Stop()));
  EXPECT_FALSE(ledger.submit(twice, Deadline::never(), Stop()));
}

TEST(Chain, ABlockAndItsCosignatureAreOneStep) {
  Net net;
  net.three();
  net.register_vm();
  const std::uint64_t height = net.server().height();
  const std::string note = *net.server().checkpoint();
  const Block block = *net.server().block(height);
  ASSERT_TRUE(net.at("bern").accept_and_cosign(block, Chain::Arrival::kLive, note));
  EXPECT_EQ(net.at("bern").final_height(), height);  // the server's and its own are two of three
  EXPECT_TRUE(net.at("bern").accept_and_cosign(block, Chain::Arrival::kLive, note));
  const std::string with_ours = *net.at("bern").checkpoint();
  EXPECT_EQ(*net.server().add_signatures(with_ours), height);
  net.open("bern");
  EXPECT_EQ(net.at("bern").final_height(), height);
  EXPECT_EQ(*net.at("bern").checkpoint(), with_ours);
}

TEST(Chain, ABlockWhoseCheckpointMayNotBeCosignedIsStoredAllTheSame) {
  Net net;
  net.three();
  net.register_vm();
  const std::uint64_t height = net.server().height();
  ASSERT_TRUE(net.at("bern").promise(2, host("genf")));
  const Status refused = net.at("bern").accept_and_cosign(*net.server().block(height), Chain::Arrival::kLive,
                                                          *net.server().checkpoint());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kRefused);
  EXPECT_EQ(net.at("bern").height(), height);
  EXPECT_EQ(net.at("bern").final_height(), height - 1);
}

}  // namespace
}  // namespace sealift::ledger

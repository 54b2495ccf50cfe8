// What the allowed records lead to.
#include "ledger/rules_cases.hpp"

namespace sealift::ledger {
namespace {

using namespace testing;

TEST(Rules, CommitMakesTheDestinationOwnerOfTheNextEpoch) {
  World w;
  moved_to(MoveStatus::kCommitted)(w);
  const Vm vm = *w.state.vm(vm_id());
  EXPECT_EQ(vm.owner, host("bern"));
  EXPECT_EQ(vm.epoch, Epoch{1});
  EXPECT_EQ(vm.definition, digest_of("definition 2"));
  EXPECT_EQ(w.last().seal->root(), parts_root(parts_of()));
}

TEST(Rules, ReturnGivesTheVmBackTwoEpochsOn) {
  World w;
  moved_to(MoveStatus::kReturned)(w);
  EXPECT_EQ(w.state.vm(vm_id())->owner, host("zurich"));
  EXPECT_EQ(w.state.vm(vm_id())->epoch, Epoch{2});
  EXPECT_FALSE(w.last().unclosed());
}

TEST(Rules, ExpelAbortsOpenMovesAndAbandonsUnclosedOnes) {
  World open;
  moved_to(MoveStatus::kAccepted)(open);
  ASSERT_TRUE(open.say(HostExpel{open.change(), host("bern"), "r"}, {"zurich", "genf"}));
  EXPECT_EQ(open.last().status, MoveStatus::kAborted);
  EXPECT_EQ(open.state.vm(vm_id())->owner, host("zurich"));
  World started;
  moved_to(MoveStatus::kStarted)(started);
  EXPECT_TRUE(started.last().unclosed());
  ASSERT_TRUE(started.say(HostExpel{started.change(), host("zurich"), "r"}, {"bern", "genf"}));
  EXPECT_FALSE(started.last().unclosed());
  EXPECT_FALSE(started.last().closed);
}

TEST(Rules, RecoverExpelsTheLostOwnerAndRaisesTheEpoch) {
  World w;
  moved_to(MoveStatus::kCommitted)(w);
  ASSERT_TRUE(
      w.say(VmRecover{w.change(), vm_id(), {2}, host("bern"), host("zurich"), "powered off", digest_of("r")},
            {"zurich", "genf"}));
  EXPECT_FALSE(w.state.member(host("bern")));
  const Vm vm = *w.state.vm(vm_id());
  EXPECT_EQ(vm.owner, host("zurich"));
  EXPECT_EQ(vm.epoch, Epoch{2});
  EXPECT_EQ(vm.rest_root, digest_of("r"));
  EXPECT_EQ(w.last().status, MoveStatus::kRecovered);
  EXPECT_EQ(w.last().recovered_to, host("zurich"));
}

TEST(Rules, RegionsLimitWhereVmsGo) {
  World w(Policy{0, 30'000, {"eu"}});
  HostInfo away = info_of("tokyo", false, "jp");
  EXPECT_EQ(w.say(HostJoin{w.change(), away, ""}, {"zurich"}).error().code, Code::kRefused);
  away.witness_only = true;
  EXPECT_TRUE(w.say(HostJoin{w.change(), away, ""}, {"zurich"}));
}

TEST(Rules, GenesisMayAskForMoreApprovals) {
  World w(Policy{3, 30'000, {}});
  w.three();
  EXPECT_EQ(approvals_needed(w.state, {}), 3U);
  EXPECT_EQ(approvals_needed(w.state, host("bern")), 2U);
  EXPECT_FALSE(w.say(HostJoin{w.change(), info_of("x"), ""}, {"zurich", "genf"}));
  EXPECT_TRUE(w.say(HostJoin{w.change(), info_of("x"), ""}, {"zurich", "genf", "bern"}));
}

TEST(Rules, EveryStatusHasItsTransitions) {
  for (const MoveStatus status : {MoveStatus::kOffered, MoveStatus::kAccepted, MoveStatus::kCommitted}) {
    EXPECT_TRUE(std::ranges::any_of(transitions(), [&](const Transition& t) { return t.from == status; }));
  }
  for (const Transition& t : transitions()) {
    if (t.to == MoveStatus::kCommitted) {
      EXPECT_EQ(t.from, MoveStatus::kAccepted);
    }
    if (t.record == MoveRecord::kStarted) {
      EXPECT_EQ(t.from, MoveStatus::kCommitted);
    }
  }
}

}  // namespace
}  // namespace sealift::ledger

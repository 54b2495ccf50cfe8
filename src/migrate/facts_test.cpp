#include "migrate/facts.hpp"

#include "ledger/ledger_fixture.hpp"

// What the ledger's state means for a move, on states that the real rules made.

namespace sealift::migrate {

namespace {

using ledger::MoveStatus;
using ledger::testing::World;
using S = custody::source::EventKind;
using D = custody::destination::EventKind;

struct Facts {
  std::optional<S> source;
  std::optional<D> destination;
  bool operator==(const Facts&) const = default;
};

Facts facts_of(const World& world) {
  const ledger::MoveId move = world.last().id;
  return {source_fact(world.state, move), destination_fact(world.state, move)};
}

World moved_to(MoveStatus status) {
  World world;
  world.three();
  world.register_vm();
  world.advance_to(status);
  return world;
}

}  // namespace

TEST(MoveFacts, FollowTheMovesStatus) {
  EXPECT_EQ(facts_of(moved_to(MoveStatus::kOffered)), (Facts{std::nullopt, std::nullopt}));
  EXPECT_EQ(facts_of(moved_to(MoveStatus::kAccepted)), (Facts{S::kAccepted, D::kAccepted}));
  EXPECT_EQ(facts_of(moved_to(MoveStatus::kCommitted)), (Facts{S::kCommitted, D::kCommitted}));
  EXPECT_EQ(facts_of(moved_to(MoveStatus::kStarted)), (Facts{S::kStarted, D::kStarted}));
  EXPECT_EQ(facts_of(moved_to(MoveStatus::kReturned)), (Facts{S::kReturned, D::kReturned}));
  EXPECT_EQ(facts_of(moved_to(MoveStatus::kAborted)), (Facts{S::kAborted, D::kAborted}));
}

TEST(MoveFacts, ARecoveryOfTheOpenMoveTellsEachSideWhoOwnsTheVm) {
  // bern had committed and is lost: zurich gets the VM back.
  EXPECT_EQ(facts_of(moved_to(MoveStatus::kRecovered)), (Facts{S::kRecoveredToUs, D::kRecoveredToOther}));
}

TEST(MoveFacts, ARecoveryAfterTheMoveEndedIsStrongerThanItsStatus) {
  World world = moved_to(MoveStatus::kStarted);
  const auto done = world.say(ledger::VmRecover{world.change(),
                                                ledger::testing::vm_id(),
                                                {2},
                                                ledger::testing::host("bern"),
                                                ledger::testing::host("zurich"),
                                                "powered off",
                                                {}},
                              {"zurich", "genf"});
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(facts_of(world), (Facts{S::kRecoveredToUs, D::kRecoveredToOther}));
}

TEST(MoveFacts, AnUnknownMoveHasNone) {
  const World world = moved_to(MoveStatus::kOffered);
  EXPECT_FALSE(source_fact(world.state, {crypto::sha256(as_bytes("another"))}));
  EXPECT_FALSE(destination_fact(world.state, {crypto::sha256(as_bytes("another"))}));
}

}  // namespace sealift::migrate

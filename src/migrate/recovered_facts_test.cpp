// What the ledger's final state means for a move that a vm.recover cut short: real records, real rules.

#include "migrate/facts.hpp"

#include <gtest/gtest.h>

#include "ledger/record.hpp"
#include "migrate/test_ledger.hpp"

namespace sealift::migrate::testing {
namespace {

using S = custody::source::EventKind;
using D = custody::destination::EventKind;

ledger::HostName host(const std::string& name) {
  return *ledger::HostName::parse(name);
}

class RecoveredFacts : public ::testing::Test {
 protected:
  void say(const std::string& signer, const ledger::Body& body, const std::vector<std::string>& also = {}) {
    Bytes envelope = ledger::make_record(ledger_.state()->domain(), body, identity_of(signer));
    for (const std::string& name : also) envelope = *ledger::approve(envelope, identity_of(name));
    const auto id = ledger_.submit(envelope);
    ASSERT_TRUE(id) << id.error().message;
    last_ = *id;
  }
  // Offered by zurich to bern and accepted: the destination may hold a seal now, the ledger doesn't know.
  void SetUp() override {
    say("zurich", ledger::VmRegister{vm_, {}, 1, host("zurich"), crypto::sha256({})});
    say("zurich",
        ledger::MoveOffer{
            vm_, {1}, 2, host("zurich"), host("bern"), ledger::MoveMode::kLive, {}, 4'000'000'000'000});
    move_ = {last_.digest};
    ledger::MoveAccept accept;
    accept.vm = vm_, accept.epoch = {1}, accept.number = 1, accept.move = move_;
    say("bern", accept);
  }
  void recover_to(const std::string& owner, const std::vector<std::string>& also) {
    ledger::VmRecover recover;
    recover.number = ledger_.state()->changes() + 1;
    recover.vm = vm_, recover.epoch = {2}, recover.lost = host("zurich"), recover.owner = host(owner);
    recover.fence = "powered off";
    say("bern", recover, also);
  }

  SharedLedger ledger_{genesis_of({"zurich", "bern", "basel", "genf"})};
  const ledger::VmId vm_ = *ledger::VmId::parse("6f1c6f7e-0000-4000-8000-000000000001");
  ledger::MoveId move_;
  ledger::RecordId last_;
};

TEST_F(RecoveredFacts, ARecoveryToTheDestinationIsNoAbortForIt) {
  ASSERT_EQ(destination_fact(*ledger_.state(), move_), D::kAccepted);
  recover_to("bern", {"basel"});
  ASSERT_EQ(ledger_.state()->move(move_)->status, ledger::MoveStatus::kAborted);
  EXPECT_EQ(destination_fact(*ledger_.state(), move_), D::kRecoveredToUs);
  EXPECT_EQ(source_fact(*ledger_.state(), move_), S::kRecoveredToOther);
}

TEST_F(RecoveredFacts, ARecoveryToAThirdHostIsNoAbortForTheDestinationEither) {
  recover_to("basel", {"basel"});
  EXPECT_EQ(destination_fact(*ledger_.state(), move_), D::kRecoveredToOther);
  EXPECT_EQ(source_fact(*ledger_.state(), move_), S::kRecoveredToOther);
}

TEST_F(RecoveredFacts, AnAbortIsAnAbort) {
  ledger::MoveAbort abort;
  abort.vm = vm_, abort.epoch = {1}, abort.number = 2, abort.move = move_;
  say("bern", abort);
  EXPECT_EQ(destination_fact(*ledger_.state(), move_), D::kAborted);
  EXPECT_EQ(source_fact(*ledger_.state(), move_), S::kAborted);
}

}  // namespace
}  // namespace sealift::migrate::testing

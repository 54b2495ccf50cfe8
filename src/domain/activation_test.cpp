#include <gtest/gtest.h>

#include "domain/domain_fixture.hpp"
#include "ledger/record.hpp"

// One owner per epoch, through the real ledger of three real nodes: whoever comes second with the same epoch
// is refused, whatever it signs.

namespace sealift::domain {
namespace {

using namespace testing;

class Activation : public ::testing::Test {
 protected:
  // Final, or why it is refused.
  Status say(Host& signer, const ledger::Body& body) {
    const Bytes envelope = ledger::make_record(domain(), body, signer.identity());
    const Deadline deadline = Deadline::in(kSoon);
    const ledger::RecordId id = SEALIFT_TRY(signer.node().submit(envelope, deadline, {}));
    last_ = {id.digest};
    const auto status = SEALIFT_TRY(signer.node().wait(id, deadline, {}));
    if (status.kind == ledger::RecordStatus::Kind::kFinal) return {};
    return fail(Code::kRefused, "{}", status.reason);
  }
  ledger::DomainId domain() { return hosts_.zurich.node().final_state()->domain(); }
  ledger::Vm vm() { return *hosts_.bern.node().final_state()->vm(vm_); }

  ledger::MoveCommit commit(std::uint64_t number, const std::string& definition) {
    ledger::Seal seal;
    seal.domain = domain(), seal.move = move_, seal.vm = vm_, seal.epoch = {1};
    seal.from = host_name("zurich"), seal.to = host_name("bern");
    seal.parts = {{"definition", "sha256", 10, crypto::sha256(as_bytes(definition))},
                  {"disk/vda", "blake3-leaves-256k", 1 << 20, crypto::sha256(as_bytes("disk"))}};
    ledger::MoveCommit body;
    body.vm = vm_, body.epoch = {1}, body.number = number, body.move = move_;
    body.seal = ledger::make_seal(seal, hosts_.zurich.identity());
    return body;
  }
  // Registered at zurich, moved cold to bern, which has committed.
  void SetUp() override {
    ASSERT_TRUE(say(hosts_.zurich, ledger::VmRegister{vm_, {}, 1, host_name("zurich"), crypto::sha256({})}));
    ASSERT_TRUE(say(hosts_.zurich, ledger::MoveOffer{vm_,
                                                     {1},
                                                     2,
                                                     host_name("zurich"),
                                                     host_name("bern"),
                                                     ledger::MoveMode::kCold,
                                                     {{"vda", "raw", 1 << 20}},
                                                     4'000'000'000'000}));
    move_ = last_;
    ledger::MoveAccept accept;
    accept.vm = vm_, accept.epoch = {1}, accept.number = 1, accept.move = move_;
    ASSERT_TRUE(say(hosts_.bern, accept));
    const Status committed = say(hosts_.bern, commit(2, "definition"));
    ASSERT_TRUE(committed) << committed.error().message;
    ASSERT_EQ(vm().owner, host_name("bern"));
  }

  Three hosts_;
  const ledger::VmId vm_ = *ledger::VmId::parse("6f1c6f7e-0000-4000-8000-000000000001");
  ledger::MoveId move_, last_;
};

TEST_F(Activation, TheSameCommitAgainIsTheSameRecord) {
  const std::uint64_t height = hosts_.bern.node().final_height();
  EXPECT_TRUE(say(hosts_.bern, commit(2, "definition")));
  EXPECT_EQ(hosts_.bern.node().final_height(), height);
}

TEST_F(Activation, ASecondCommitOfTheSameEpochIsRefused) {
  for (const char* definition : {"definition", "another"}) {
    const Status second = say(hosts_.bern, commit(3, definition));
    ASSERT_FALSE(second) << definition;
    EXPECT_EQ(second.error().code, Code::kRefused) << second.error().message;
  }
  // Nor does a third host get the epoch by the same seal.
  EXPECT_FALSE(say(hosts_.wien, commit(1, "definition")));
  EXPECT_EQ(vm().owner, host_name("bern"));
}

TEST_F(Activation, TheOldOwnerActivatesNothing) {
  const auto refused = [&](const ledger::Body& body) {
    const Status status = say(hosts_.zurich, body);
    ASSERT_FALSE(status);
    EXPECT_TRUE(status.error().code == Code::kRefused || status.error().code == Code::kUnauthorized);
  };
  refused(ledger::VmStart{vm_, {0}, 3, {}, "its own old epoch"});
  refused(ledger::VmStart{vm_, {1}, 3, {}, "the new owner's epoch"});
  refused(ledger::VmRegister{vm_, {}, 3, host_name("zurich"), crypto::sha256({})});
  refused(ledger::MoveOffer{vm_,
                            {1},
                            3,
                            host_name("zurich"),
                            host_name("wien"),
                            ledger::MoveMode::kCold,
                            {{"vda", "raw", 1 << 20}},
                            4'000'000'000'000});
  ledger::MoveAbort abort;
  abort.vm = vm_, abort.epoch = {1}, abort.number = 3, abort.move = move_;
  refused(abort);
  EXPECT_EQ(vm().owner, host_name("bern"));
  EXPECT_EQ(vm().epoch.value, 1U);
}

}  // namespace
}  // namespace sealift::domain

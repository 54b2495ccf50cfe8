#include "migrate/preflight.hpp"

#include <gtest/gtest.h>

#include "migrate/test_ledger.hpp"

// Each reason that a move can be refused for is fired once: its words name what is wrong and what to do.

namespace sealift::migrate::testing {
namespace {

class PreflightTest : public ::testing::Test {
 protected:
  PreflightTest() : shared_(genesis_of({"bern", "zurich"})) {
    SeededRandom random(3);
    vm_.id = ledger::VmId::make(random);
    vm_.definition.name = "web-01";
    vm_.definition.disks.push_back({.name = "vda", .size_bytes = 1 << 20});
    nobody_dials_ = shared_.state();
    submit("bern", ledger::HostUpdate{1, name("bern"), {"bern.example:7420"}, std::nullopt});
    submit("zurich", ledger::VmRegister{vm_.id, {}, 1, name("zurich"), {}});
    request_.vm = "web-01";
    request_.to = name("bern");
    source_.request = &request_;
    source_.vm = &vm_;
    source_.self = name("zurich");
    source_.state = shared_.state();
    source_.images = {{.format = "qcow2", .virtual_bytes = 1 << 20, .backing = {}}};
    source_.quorum_answered = 2;
    source_.quorum_needed = 2;
    facts_.version = "10.0.2";
    facts_.machines = {vm_.definition.machine};
    facts_.cpu_models = {vm_.definition.cpu};
    facts_.migration_capabilities = {"events",
                                     "return-path",
                                     "switchover-ack",
                                     "multifd",
                                     "pause-before-switchover",
                                     "late-block-activate"};
    incoming_.id = vm_.id;
    incoming_.definition = vm_.definition;
    incoming_.live = true;
    destination_.vm = &incoming_;
    destination_.self = name("bern");
    destination_.peer = name("zurich");
    destination_.state = shared_.state();
  }
  static ledger::HostName name(const char* text) { return *ledger::HostName::parse(text); }
  void submit(const char* signer, const ledger::Body& body) {
    const auto done =
        shared_.submit(ledger::make_record(shared_.state()->domain(), body, identity_of(signer)));
    ASSERT_TRUE(done) << done.error().message;
  }
  // Exactly one reason, and it says these words.
  static void refused(const Verdict& verdict, std::initializer_list<const char*> words) {
    ASSERT_EQ(verdict.refused.size(), 1U) << (verdict.refused.empty() ? "nothing" : verdict.refused[1]);
    for (const char* word : words)
      EXPECT_NE(verdict.refused.front().find(word), std::string::npos) << verdict.refused.front();
  }
  Verdict source() const { return check_source(source_, facts_); }
  Verdict destination() const { return check_destination(destination_, facts_, theirs_, plan_); }

  SharedLedger shared_;
  std::shared_ptr<const ledger::State> nobody_dials_;
  LocalVm vm_;
  MigrateRequest request_;
  SourceFacts source_;
  hypervisor::HypervisorFacts facts_, theirs_;
  IncomingVm incoming_;
  DestinationFacts destination_;
  IncomingPlan plan_;
};

TEST_F(PreflightTest, AHealthyMoveIsRefusedByNobody) {
  const Verdict verdict = source();
  EXPECT_TRUE(verdict.refused.empty()) << verdict.refused.front();
  EXPECT_GT(verdict.passed, 10U);
  EXPECT_TRUE(destination().refused.empty());
}

TEST_F(PreflightTest, TwoMembersWithoutAWitnessAreWarnedOf) {
  ASSERT_EQ(source().warnings.size(), 1U);
  EXPECT_NE(source().warnings.front().find("witness"), std::string::npos);
}

TEST_F(PreflightTest, InternalSnapshotsUnlessTheyMayBeLost) {
  source_.images[0].internal_snapshots = 2;
  refused(source(), {"vda", "2 internal snapshots", "--drop-snapshots"});
  request_.drop_snapshots = true;
  EXPECT_TRUE(source().refused.empty());
}

TEST_F(PreflightTest, ABackingFile) {
  source_.images[0].backing = "/elsewhere/base.qcow2";
  refused(source(), {"vda", "/elsewhere/base.qcow2", "qemu-img"});
}

TEST_F(PreflightTest, AnImageInTwoFiles) {
  source_.images[0].external_data = true;
  refused(source(), {"vda", "another file", "qemu-img convert"});
}

TEST_F(PreflightTest, AnEncryptedImage) {
  source_.images[0].encrypted = true;
  refused(source(), {"vda", "encrypted"});
}

TEST_F(PreflightTest, AnImageThatWasNotClosedInGoodOrder) {
  source_.images[0].marked_dirty = true;
  refused(source(), {"vda", "good order", "qemu-img check"});
}

TEST_F(PreflightTest, AnImageOfAnotherSize) {
  source_.images[0].virtual_bytes = 2 << 20;
  refused(source(), {"vda", "2097152", "1048576"});
}

TEST_F(PreflightTest, ALiveMoveOfAVmThatIsOff) {
  source_.live = true;
  refused(source(), {"powered off"});
}

TEST_F(PreflightTest, TheSameHost) {
  request_.to = name("zurich");
  refused(source(), {"is this host"});
}

TEST_F(PreflightTest, AHostThatIsNoMember) {
  request_.to = name("geneva");
  refused(source(), {"geneva", "no member", "sealift domain members"});
}

TEST_F(PreflightTest, AnUnfinishedMoveInTheJournal) {
  source_.unfinished = ledger::MoveId{};
  refused(source(), {"not finished", "sealift moves show 000000000000"});
}

TEST_F(PreflightTest, AnOpenMoveInTheLedger) {
  ledger::MoveOffer offer;
  offer.vm = vm_.id;
  offer.epoch = {1};
  offer.number = 2;
  offer.from = name("zurich");
  offer.to = name("bern");
  offer.deadline_ms = 4'000'000'000'000;
  submit("zurich", offer);
  source_.state = shared_.state();
  refused(source(), {"open move"});
}

TEST_F(PreflightTest, AVmThatTheLedgerDoesNotKnow) {
  SeededRandom random(9);
  vm_.id = ledger::VmId::make(random);
  refused(source(), {"not in the ledger"});
}

TEST_F(PreflightTest, AnotherOwner) {
  source_.self = name("bern");
  request_.to = name("zurich");
  refused(source(), {"zurich owns the VM"});
}

TEST_F(PreflightTest, RecordsOnTheirWay) {
  source_.records_settled = false;
  refused(source(), {"not in the ledger yet", "try again"});
}

TEST_F(PreflightTest, TwoHostsWithoutAnAddress) {
  source_.state = nobody_dials_;  // it has no VM either
  ASSERT_EQ(source().refused.size(), 2U);
  EXPECT_NE(source().refused.front().find("takes connections"), std::string::npos)
      << source().refused.front();
}

TEST_F(PreflightTest, NoQuorum) {
  source_.quorum_answered = 1;
  refused(source(), {"no quorum", "1 of the 2"});
}

TEST_F(PreflightTest, CapabilitiesThatQemuLacks) {
  std::erase(facts_.migration_capabilities, "switchover-ack");
  refused(destination(), {"bern", "switchover-ack", "upgrade"});
}

TEST_F(PreflightTest, AMachineType) {
  facts_.machines = {"pc-q35-9.0"};
  refused(destination(), {"bern", "pc-q35-9.2", "10.0.2", "upgrade"});
}

TEST_F(PreflightTest, ACpuModel) {
  facts_.cpu_models.clear();
  refused(destination(), {"bern", "x86-64-v2"});
}

TEST_F(PreflightTest, FirmwareOfAnotherSize) {
  incoming_.definition.firmware = hypervisor::Firmware::kUefi;
  facts_.uefi_code_bytes = 4;
  theirs_.uefi_code_bytes = 2;
  refused(destination(), {"UEFI", "same version"});
}

TEST_F(PreflightTest, AnotherAccelerator) {
  theirs_.accelerator = hypervisor::Accelerator::kKvm;
  refused(destination(), {"kvm", "tcg", "cold"});
}

TEST_F(PreflightTest, ClocksApart) {
  destination_.clock_ms = 100'000;
  refused(destination(), {"clocks", "100 s apart"});
}

TEST_F(PreflightTest, AnEarlierMoveOfTheVmThere) {
  destination_.unfinished = ledger::MoveId{};
  refused(destination(), {"bern", "not finished"});
}

TEST_F(PreflightTest, TooManyMovesAtOnce) {
  destination_.incoming = destination_.incoming_max;
  refused(destination(), {"8 moves at once", "wait"});
}

TEST_F(PreflightTest, WhatTheHostRefusesIsNamedOnceAndWithItsName) {
  plan_.refused = {"network prod-10 is not mapped"};
  refused(destination(), {"bern: network prod-10"});
  facts_.machines.clear();
  plan_.refused = hypervisor::problems_running(incoming_.definition, facts_);
  refused(destination(), {"no machine type"});
}

TEST_F(PreflightTest, AllReasonsComeAtOnce) {
  source_.images[0].internal_snapshots = 1;
  source_.quorum_answered = 0;
  request_.to = name("geneva");
  EXPECT_EQ(source().refused.size(), 3U);
}

}  // namespace
}  // namespace sealift::migrate::testing

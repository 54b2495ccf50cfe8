#include "migrate/destination_driver.hpp"
#include "migrate/move_fixture.hpp"

// The loop that hands events to a custody machine, over a real journal, outbox and ledger; the deeds are the
// test's.

namespace sealift::migrate::testing {

namespace {

class ScriptedDestination final : public CustodyDriver<DestinationMachine> {
 public:
  using CustodyDriver::CustodyDriver;
  std::atomic<int> looks{0};  // at the ledger
  void guest_runs() { tell(EventKind::kGuestRuns); }
  Result<std::string> abort() override { return fail(Code::kRefused, "not here"); }
  Result<std::string> tune(std::optional<std::uint64_t>, std::optional<std::uint64_t>) override {
    return fail(Code::kRefused, "not here");
  }

 private:
  void perform(Deed) override {}
  void send(const custody::Send&) override {}
  std::optional<EventKind> fact(const ledger::State&) const override {
    ++const_cast<ScriptedDestination*>(this)->looks;
    return EventKind::kRecoveredToUs;
  }
  std::pair<Bytes, std::string> record_details(custody::RecordKind, const State&) const override {
    return {};
  }
};

class DriverTest : public MoveTest {};

}  // namespace

// Starting has no use for the recovery, Started ends with it: it must be said to both.
TEST_F(DriverTest, WhatTheLedgerSaidBeforeIsSaidToALaterStateToo) {
  auto journal = *MoveJournal::open(directory_.path() / "driver.db");
  Outbox outbox(*journal, bern_->ledger, bern_->records->numbering(), bern_->identity,
                [](const Outbox::Settled&) {});
  Surroundings around;
  around.options.directory = directory_.path();
  around.options.self = bern_->host_name();
  around.options.identity = &bern_->identity;
  around.options.ledger = &bern_->ledger;
  around.options.host = bern_->local.get();
  around.journal = journal.get();
  around.outbox = &outbox;
  MoveRow row;
  row.vm = ledger::VmId::make(system_random());
  row.state = custody::destination::encode(
      custody::destination::Starting{custody::destination::Starting::From::kDisks, false});
  ASSERT_OK(journal->add(row));
  ScriptedDestination driver(around, row, Agreed{});
  std::jthread thread([&] { driver.run(); });
  const Deadline deadline = Deadline::in(10s);
  while (driver.looks < 2 && !deadline.passed()) Stop().sleep(5ms);
  driver.guest_runs();
  while (!driver.done() && !deadline.passed()) Stop().sleep(5ms);
  EXPECT_TRUE(driver.done()) << driver.progress().phase;
  driver.stop();
}

}  // namespace sealift::migrate::testing

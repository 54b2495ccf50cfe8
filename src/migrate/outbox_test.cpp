#include "migrate/outbox.hpp"

#include <gtest/gtest.h>

#include "image/temporary_directory.hpp"
#include "migrate/test_ledger.hpp"

// Records on their way to a ledger that comes and goes; the real rules decide.

namespace sealift::migrate {

namespace {

using namespace std::chrono_literals;
using custody::RecordKind;

class OutboxTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto id = shared_.submit(record(ledger::VmRegister{vm_, {0}, 1, zurich_, {}}));
    ASSERT_TRUE(id) << id.error().message;
    open();
  }
  void TearDown() override { outbox_.reset(); }
  // As after a restart of the daemon.
  void open() {
    outbox_.reset();
    journal_.reset();
    journal_ = MoveJournal::open(directory_.path() / "moves.db").value();
    used_.moves([this](const ledger::VmId& vm) { return journal_->highest_number(vm); });
    outbox_ =
        std::make_unique<Outbox>(*journal_, view_, used_, identity_, [this](const Outbox::Settled& settled) {
          settled_.lock()->push_back(settled);
          settled_.notify_all();
        });
    outbox_->start();
  }
  Bytes record(const ledger::Body& body) const {
    return ledger::make_record(genesis_.id(), body, testing::identity_of("zurich"));
  }
  Bytes offer(std::uint64_t number) const {
    return record(ledger::MoveOffer{vm_,
                                    {1},
                                    number,
                                    zurich_,
                                    *ledger::HostName::parse("bern"),
                                    ledger::MoveMode::kCold,
                                    {{"vda", "raw", 1 << 20}},
                                    UINT64_C(1) << 50U});
  }
  Status put(const ledger::MoveId& move, RecordKind kind, const std::function<Bytes(std::uint64_t)>& make) {
    return outbox_->submit(move, vm_, kind, [&](std::uint64_t number) -> Result<Bytes> {
      numbers_.push_back(number);
      return make(number);
    });
  }
  std::vector<Outbox::Settled> wait_settled(std::size_t count) {
    auto settled = settled_.lock();
    EXPECT_TRUE(settled.wait_until(std::chrono::steady_clock::now() + 30s,
                                   [&](const auto& all) { return all.size() >= count; }));
    return *settled;
  }

  image::testing::TemporaryDirectory directory_;
  SeededRandom random_{9};
  ledger::VmId vm_ = ledger::VmId::make(random_);
  ledger::HostName zurich_ = *ledger::HostName::parse("zurich");
  ledger::Genesis genesis_ = testing::genesis_of({"zurich", "bern"});
  testing::SharedLedger shared_{genesis_};
  testing::LedgerView view_{shared_};
  const crypto::Identity identity_ = testing::identity_of("zurich");
  std::atomic<std::uint64_t> hosts_{0};  // the highest number that the host's own records have
  host::RecordNumbers used_{view_, zurich_,
                            [this](const ledger::VmId&) -> Result<std::uint64_t> { return hosts_.load(); }};
  Guarded<std::vector<Outbox::Settled>> settled_;
  std::vector<std::uint64_t> numbers_;
  std::unique_ptr<MoveJournal> journal_;
  std::unique_ptr<Outbox> outbox_;
};

}  // namespace

TEST_F(OutboxTest, RecordsWaitForTheLedgerAndGoInTheirOrder) {
  view_.reachable = false;
  const ledger::MoveId move = {ledger::record_id(offer(2)).digest};
  ASSERT_TRUE(put(move, RecordKind::kOffer, [&](std::uint64_t number) { return offer(number); }));
  ASSERT_TRUE(put(move, RecordKind::kAbort, [&](std::uint64_t number) {
    return record(ledger::MoveAbort{{vm_, {1}, number, move}, "test"});
  }));
  EXPECT_FALSE(outbox_->settled(vm_));
  EXPECT_EQ(numbers_, (std::vector<std::uint64_t>{2, 3}));
  view_.reachable = true;
  const auto settled = wait_settled(2);
  EXPECT_EQ(settled[0].kind, RecordKind::kOffer);
  EXPECT_EQ(settled[1].kind, RecordKind::kAbort);
  for (const auto& one : settled) EXPECT_EQ(one.status, OutboxStatus::kFinal) << one.reason;
  EXPECT_TRUE(outbox_->settled(vm_));
  EXPECT_EQ(shared_.state()->move(move)->status, ledger::MoveStatus::kAborted);
}

TEST_F(OutboxTest, WhatIsPendingGoesOnAfterARestart) {
  view_.reachable = false;
  const ledger::MoveId move = {ledger::record_id(offer(2)).digest};
  ASSERT_TRUE(put(move, RecordKind::kOffer, [&](std::uint64_t number) { return offer(number); }));
  open();
  view_.reachable = true;
  EXPECT_EQ(wait_settled(1)[0].status, OutboxStatus::kFinal);
  EXPECT_TRUE(shared_.state()->move(move));
}

TEST_F(OutboxTest, NumbersGoOnWhereTheHostsOwnRecordsAre) {
  hosts_ = 7;
  const ledger::MoveId move = {ledger::record_id(offer(8)).digest};
  ASSERT_TRUE(put(move, RecordKind::kOffer, [&](std::uint64_t number) { return offer(number); }));
  EXPECT_EQ(numbers_, std::vector<std::uint64_t>{8});
  EXPECT_EQ(wait_settled(1)[0].status, OutboxStatus::kFinal);
}

// A vm.rest of the host, made later, came first: the abort is made again, not given up.
TEST_F(OutboxTest, ARecordWhoseNumberWasOvertakenGoesOutWithAnother) {
  const ledger::MoveId move = {ledger::record_id(offer(2)).digest};
  ASSERT_TRUE(put(move, RecordKind::kOffer, [&](std::uint64_t number) { return offer(number); }));
  (void)wait_settled(1);
  view_.reachable = false;
  ASSERT_TRUE(put(move, RecordKind::kAbort, [&](std::uint64_t number) {
    return record(ledger::MoveAbort{{vm_, {1}, number, move}, "test"});
  }));
  hosts_ = 4;
  const auto rest =
      shared_.submit(record(ledger::VmRest{vm_, {0}, 4, crypto::sha256(as_bytes("disks")), ""}));
  ASSERT_TRUE(rest) << rest.error().message;
  view_.reachable = true;
  const auto settled = wait_settled(2);
  EXPECT_EQ(settled[1].status, OutboxStatus::kFinal) << settled[1].reason;
  EXPECT_EQ(shared_.state()->move(move)->status, ledger::MoveStatus::kAborted);
  EXPECT_EQ(shared_.state()->vm(vm_)->numbers.at(zurich_), 5U);
}

TEST_F(OutboxTest, ARefusalSettlesTheRecordForGood) {
  const ledger::MoveId move = {crypto::sha256(as_bytes("no such move"))};
  const auto abort = [&](std::uint64_t number) {
    return record(ledger::MoveAbort{{vm_, {1}, number, move}, "test"});
  };
  ASSERT_TRUE(put(move, RecordKind::kAbort, abort));
  const auto refused = wait_settled(1);
  EXPECT_EQ(refused[0].status, OutboxStatus::kRefused);
  EXPECT_FALSE(refused[0].reason.empty());
  // Asked again, it tells so again and makes no other record.
  ASSERT_TRUE(put(move, RecordKind::kAbort, abort));
  EXPECT_EQ(wait_settled(2)[1].reason, refused[0].reason);
  EXPECT_TRUE(outbox_->settled(vm_));
}

}  // namespace sealift::migrate

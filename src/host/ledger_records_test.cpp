// Over the real embedded ledger of a host alone.

#include "host/ledger_records.hpp"

#include <gtest/gtest.h>

#include <atomic>

#include "hypervisor/test_guest.hpp"
#include "ledger/embedded/solo.hpp"

namespace sealift::host {
namespace {

using namespace std::chrono_literals;
using ledger::VmId;

// The solo ledger, with a switch that puts it out of reach.
class Switched final : public ledger::Ledger {
 public:
  explicit Switched(ledger::Ledger& inner) : inner_(inner) {}
  Result<ledger::RecordId> submit(ByteView envelope, Deadline deadline, const Stop& stop) override {
    if (off) return fail(Code::kUnavailable, "off");
    return inner_.submit(envelope, deadline, stop);
  }
  Result<ledger::RecordStatus> status(const ledger::RecordId& id) override { return inner_.status(id); }
  Result<ledger::RecordStatus> wait(const ledger::RecordId& id, Deadline deadline,
                                    const Stop& stop) override {
    return inner_.wait(id, deadline, stop);
  }
  std::shared_ptr<const ledger::State> final_state() override { return inner_.final_state(); }
  std::uint64_t final_height() override { return inner_.final_height(); }
  Result<std::uint64_t> wait_beyond(std::uint64_t height, Deadline deadline, const Stop& stop) override {
    return inner_.wait_beyond(height, deadline, stop);
  }
  Result<ledger::QuorumAnswer> ask_quorum(ByteView nonce, Deadline deadline, const Stop& stop) override {
    if (off) return fail(Code::kUnavailable, "off");
    return inner_.ask_quorum(nonce, deadline, stop);
  }
  Result<Bytes> receipt(const ledger::MoveId& move) override { return inner_.receipt(move); }
  Result<std::vector<ledger::LogEntry>> log(std::uint64_t from, std::size_t count) override {
    return inner_.log(from, count);
  }
  std::atomic<bool> off = false;

 private:
  ledger::Ledger& inner_;
};

class LedgerRecordsTest : public ::testing::Test {
 protected:
  LedgerRecordsTest() {
    self_ = *ledger::HostName::parse("zurich");
    const ledger::Genesis genesis = ledger::make_genesis(
        {.name = self_, .key = identity_.public_key(), .endpoints = {}, .region = {}, .witness_only = false},
        {}, system_clock().wall(), system_random());
    auto store = ledger::Store::create_in_memory(genesis);
    chain_ = std::move(*ledger::Chain::open(std::move(*store), {self_, identity_.clone()}));
    solo_ = std::make_unique<ledger::SoloLedger>(*chain_);
    ledger_ = std::make_unique<Switched>(*solo_);
    open();
  }
  void open() {
    records_.reset();
    records_ = std::move(*LedgerRecords::open({.state_directory = directory_.path(),
                                               .self = self_,
                                               .identity = &identity_,
                                               .ledger = ledger_.get(),
                                               .random = &system_random()}));
    records_->start({});
  }
  void wait_settled(const VmId& vm) {
    const Deadline deadline = Deadline::in(20s);
    while (!records_->numbers(vm).settled) {
      ASSERT_FALSE(deadline.passed());
      Stop().sleep(5ms);
    }
  }
  std::optional<ledger::Vm> in_ledger(const VmId& vm) { return ledger_->final_state()->vm(vm); }

  hypervisor::testing::TestDirectory directory_;
  crypto::Identity identity_ = crypto::Identity::generate();
  ledger::HostName self_;
  std::unique_ptr<ledger::Chain> chain_;
  std::unique_ptr<ledger::SoloLedger> solo_;
  std::unique_ptr<Switched> ledger_;
  std::unique_ptr<LedgerRecords> records_;
  VmId vm_ = VmId::make(system_random());
};

TEST_F(LedgerRecordsTest, TheLifeOfASealedVmIsInTheLedger) {
  const Deadline soon = Deadline::in(20s);
  EXPECT_EQ(records_->may_start(vm_, soon, Stop()).error().code, Code::kNotFound);
  ASSERT_TRUE(records_->registered(vm_, crypto::sha256(as_bytes("definition")), soon, Stop()));
  ASSERT_TRUE(records_->registered(vm_, crypto::sha256(as_bytes("definition")), soon, Stop()));
  ASSERT_TRUE(records_->may_start(vm_, soon, Stop()));
  const crypto::Digest root = crypto::sha256(as_bytes("disks"));
  ASSERT_TRUE(records_->rested(vm_, root, ""));
  EXPECT_EQ(records_->rest_root(vm_), root);  // before the ledger has it, and after
  wait_settled(vm_);
  EXPECT_EQ(in_ledger(vm_)->rest_root, root);
  EXPECT_EQ(records_->rest_root(vm_), root);
  ASSERT_TRUE(records_->started(vm_, root, ""));
  EXPECT_FALSE(records_->rest_root(vm_));
  wait_settled(vm_);
  EXPECT_FALSE(in_ledger(vm_)->rest_root);
  EXPECT_TRUE(in_ledger(vm_)->verified_start);
  EXPECT_EQ(records_->numbers(vm_).highest, 3U);
  ASSERT_TRUE(records_->retired(vm_, "removed", soon, Stop()));
  ASSERT_TRUE(records_->retired(vm_, "removed", soon, Stop()));
  EXPECT_EQ(records_->may_start(vm_, soon, Stop()).error().code, Code::kRefused);
  EXPECT_EQ(records_->registered(VmId::make(system_random()), {}, Deadline::in(1s), Stop()).has_value(),
            true);
}

TEST_F(LedgerRecordsTest, WhatCouldNotBeSentGoesOutAfterARestartInOrder) {
  ASSERT_TRUE(records_->registered(vm_, {}, Deadline::in(20s), Stop()));
  ledger_->off = true;
  EXPECT_EQ(records_->may_start(vm_, Deadline::in(1s), Stop()).error().code, Code::kUnavailable);
  ASSERT_TRUE(records_->started(vm_, {}, "the others are off"));
  const crypto::Digest root = crypto::sha256(as_bytes("disks"));
  ASSERT_TRUE(records_->rested(vm_, root, ""));
  EXPECT_FALSE(records_->numbers(vm_).settled);
  EXPECT_EQ(records_->retired(vm_, "x", Deadline::in(20ms), Stop()).error().code, Code::kUnavailable);
  records_.reset();
  ledger_->off = false;
  open();
  wait_settled(vm_);
  EXPECT_EQ(in_ledger(vm_)->rest_root, root);
}

// Another record of this host, made later, came first: the rest is recorded with another number, not given
// up.
TEST_F(LedgerRecordsTest, ARecordWhoseNumberWasOvertakenGoesOutWithAnother) {
  const Deadline soon = Deadline::in(20s);
  ASSERT_TRUE(records_->registered(vm_, {}, soon, Stop()));
  ledger_->off = true;
  const crypto::Digest root = crypto::sha256(as_bytes("disks"));
  ASSERT_TRUE(records_->rested(vm_, root, ""));
  records_->numbering().moves([](const VmId&) -> Result<std::uint64_t> { return 5U; });
  const ledger::VmStart start{.vm = vm_, .epoch = {}, .number = 5, .checked = {}, .reason = ""};
  ASSERT_TRUE(
      solo_->submit(ledger::make_record(ledger_->final_state()->domain(), start, identity_), soon, Stop()));
  ledger_->off = false;
  wait_settled(vm_);
  EXPECT_EQ(in_ledger(vm_)->numbers.at(self_), 6U);
  EXPECT_EQ(in_ledger(vm_)->rest_root, root);
}

TEST_F(LedgerRecordsTest, ARefusedRecordDoesNotHoldUpTheOthers) {
  ASSERT_TRUE(records_->registered(vm_, {}, Deadline::in(20s), Stop()));
  const crypto::Digest root = crypto::sha256(as_bytes("disks"));
  ASSERT_TRUE(records_->rested(vm_, root, ""));
  ASSERT_TRUE(records_->started(vm_, crypto::sha256(as_bytes("other")), ""));  // names another root: refused
  ASSERT_TRUE(records_->started(vm_, root, ""));
  wait_settled(vm_);
  EXPECT_FALSE(in_ledger(vm_)->rest_root);
  EXPECT_TRUE(in_ledger(vm_)->verified_start);
}

}  // namespace
}  // namespace sealift::host

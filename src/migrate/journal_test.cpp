#include "migrate/journal.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

namespace sealift::migrate {

namespace {

class MoveJournalTest : public testing::Test {
 protected:
  void SetUp() override {
    directory_ = testing::TempDir() + "moves-" + std::to_string(::getpid());
    ASSERT_TRUE(file::remove_tree(directory_));
    ASSERT_TRUE(file::make_private_directory(directory_));
    open();
  }
  void TearDown() override {
    journal_.reset();
    ASSERT_TRUE(file::remove_tree(directory_));
  }
  void open() {
    journal_.reset();
    auto journal = MoveJournal::open(directory_ / "moves.db");
    ASSERT_TRUE(journal.has_value()) << journal.error().message;
    journal_ = std::move(*journal);
  }
  MoveRow row(std::uint8_t first) {
    MoveRow row;
    row.id.digest.bytes[0] = first;
    row.vm = vm_;
    row.agreed = "{}";
    row.state = {1, 1};
    return row;
  }
  OutboxRow record(const MoveRow& move, custody::RecordKind kind, std::uint64_t number) {
    OutboxRow out;
    out.move = move.id;
    out.vm = move.vm;
    out.kind = kind;
    out.number = number;
    out.envelope = to_bytes("record " + std::to_string(number));
    return out;
  }

  SeededRandom random_{7};
  ledger::VmId vm_ = ledger::VmId::make(random_);
  file::Path directory_;
  std::unique_ptr<MoveJournal> journal_;
};

}  // namespace

TEST_F(MoveJournalTest, KeepsAMoveAcrossARestart) {
  MoveRow move = row(1);
  move.offer = to_bytes("offer");
  ASSERT_TRUE(journal_->add(move));
  ASSERT_TRUE(journal_->set_state(move.id, Bytes{1, 2}, false));
  open();
  const auto all = journal_->all();
  ASSERT_TRUE(all.has_value());
  ASSERT_EQ(all->size(), 1U);
  EXPECT_EQ(all->front().id, move.id);
  EXPECT_EQ(all->front().state, (Bytes{1, 2}));
  EXPECT_EQ(all->front().offer, to_bytes("offer"));
  EXPECT_EQ(*journal_->unfinished(vm_).value(), move.id);
}

TEST_F(MoveJournalTest, RefusesASecondUnfinishedMoveOfAVm) {
  ASSERT_TRUE(journal_->add(row(1)));
  const auto second = journal_->add(row(2));
  ASSERT_FALSE(second.has_value());
  EXPECT_EQ(second.error().code, Code::kConflict);
  ASSERT_TRUE(journal_->set_state(row(1).id, Bytes{1, 8}, true));
  EXPECT_TRUE(journal_->add(row(2)));
}

TEST_F(MoveJournalTest, KeepsARecordsFirstBytes) {
  const MoveRow move = row(1);
  ASSERT_TRUE(journal_->add(move));
  ASSERT_TRUE(journal_->put(record(move, custody::RecordKind::kAbort, 4)));
  const auto again = journal_->put(record(move, custody::RecordKind::kAbort, 5));
  ASSERT_TRUE(again.has_value());
  EXPECT_EQ(again->number, 4U);
  EXPECT_EQ(again->envelope, to_bytes("record 4"));
  EXPECT_EQ(journal_->highest_number(vm_).value(), 4U);
}

TEST_F(MoveJournalTest, HandsOutPendingRecordsInOrder) {
  const MoveRow move = row(1);
  ASSERT_TRUE(journal_->add(move));
  const auto offer = journal_->put(record(move, custody::RecordKind::kOffer, 1));
  ASSERT_TRUE(journal_->put(record(move, custody::RecordKind::kAbort, 2)));
  EXPECT_EQ(journal_->next_pending(vm_).value()->kind, custody::RecordKind::kOffer);
  ASSERT_TRUE(journal_->settle(offer->sequence, OutboxStatus::kRefused, "no"));
  EXPECT_EQ(journal_->next_pending(vm_).value()->kind, custody::RecordKind::kAbort);
  EXPECT_EQ(journal_->vms_with_pending().value().size(), 1U);
}

}  // namespace sealift::migrate

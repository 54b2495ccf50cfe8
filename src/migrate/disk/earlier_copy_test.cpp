#include "migrate/disk/earlier_copy.hpp"

#include <fcntl.h>

#include "base/process.hpp"
#include "migrate/disk/copy_fixture.hpp"

namespace sealift::migrate {
namespace {

using namespace testing;
using image::LeafTable;
using image::RawFile;

constexpr std::uint64_t kBytes = 200 * kLeafBytes + 4608;

// A disk that changed since it was somewhere, and the copy that stayed there.
class EarlierCopies : public ::testing::Test {
 protected:
  void SetUp() override {
    source_ = make_disk(directory_ / "s", kBytes, random_);
    std::filesystem::copy_file(directory_ / "s", directory_ / "old");
    copied_ = RawFile::create(directory_ / "d", kBytes).value();
    ours_ = LeafTable::temporary(kBytes).value();
    theirs_ = LeafTable::open(directory_ / "table", kBytes).value();
  }
  void change(std::uint64_t leaf) {
    ASSERT_TRUE(source_->write(leaf * kLeafBytes + 512, random_bytes(random_, 1024)));
  }
  // The old file, altered after its quarantine.
  void flip(std::uint64_t offset) {
    const auto old = RawFile::open(directory_ / "old", image::Access::kReadWrite).value();
    Bytes bytes(512);
    ASSERT_TRUE(old->read(offset, bytes));
    bytes[7] ^= 4U;
    ASSERT_TRUE(old->write(offset, bytes));
  }
  std::unique_ptr<EarlierCopy> earlier(const char* name = "old", const std::string& format = "raw") {
    auto copy = EarlierCopy::open(directory_ / name, format, kBytes, directory_ / "digests");
    EXPECT_TRUE(copy) << copy.error().message;
    return std::move(*copy);
  }
  std::unique_ptr<Copy> begin(EarlierCopy* earlier) {
    auto copy = std::make_unique<Copy>(
        std::vector<DestinationDisk>{{copied_.get(), copied_.get(), theirs_.get(), earlier}},
        std::vector<SourceDisk>{{.table = ours_.get(), .known_file = {}}});
    copy->agree();
    return copy;
  }
  void arrives(Copy& copy) {
    const auto received = copy.round({{.source = source_.get(), .leaves = {}}}, MoreRounds::kNone);
    ASSERT_TRUE(received) << received.error().message;
    EXPECT_EQ(ours_->root().value(), theirs_->root().value());
    EXPECT_EQ(root_of(*copied_), root_of(*source_));
    const CopyStats sent = copy.sender->stats(), got = copy.receiver->stats();
    EXPECT_EQ(sent.same_bytes + sent.data_bytes + sent.zero_bytes, kBytes);
    EXPECT_EQ(sent.disks.at(0).had_bytes, sent.same_bytes);
    EXPECT_EQ(got.disks.at(0).had_bytes, sent.same_bytes);
    EXPECT_EQ(got.disks.at(0).done_bytes, kBytes);
    EXPECT_LE(allocated_bytes(directory_ / "d"), allocated_bytes(directory_ / "s") + 4 * kLeafBytes);
  }
  std::uint64_t data_leaves() {
    std::uint64_t count = 0;
    for (std::uint64_t leaf = 0; leaf < image::leaf_count(kBytes); ++leaf)
      if (!image::zero_leaves(*source_, leaf, 1)->front()) ++count;
    return count;
  }

  TemporaryDirectory directory_;
  SeededRandom random_{20261124};
  std::unique_ptr<RawFile> source_, copied_;
  std::unique_ptr<LeafTable> ours_, theirs_;
};

TEST_F(EarlierCopies, OnlyWhatChangedIsSent) {
  for (const std::uint64_t leaf : {3U, 64U, 199U}) change(leaf);
  ASSERT_TRUE(source_->zero(200 * kLeafBytes, 4608));  // was data, and is in the old copy
  const crypto::Digest before = root_of(*RawFile::open(directory_ / "old", image::Access::kReadOnly).value());
  const auto old = earlier();
  EXPECT_FALSE(std::filesystem::exists(directory_ / "digests"));
  const auto copy = begin(old.get());
  arrives(*copy);
  EXPECT_EQ(copy->sender->stats().data_bytes, 3 * kLeafBytes);
  EXPECT_GT(copy->sender->stats().same_bytes, 50 * kLeafBytes);
  EXPECT_EQ(root_of(*RawFile::open(directory_ / "old", image::Access::kReadOnly).value()), before);
}

TEST_F(EarlierCopies, ACopyInAnotherFormatServesAsWell) {
  const auto converted = process::run({"qemu-img", "convert", "-f", "raw", "-O", "qcow2",
                                       (directory_ / "old").string(), (directory_ / "old.qcow2").string()},
                                      4096, Deadline::in(60s), {});
  ASSERT_TRUE(converted && converted->exit.code == 0);
  change(5);
  const auto old = earlier("old.qcow2", "qcow2");
  const auto copy = begin(old.get());
  arrives(*copy);
  EXPECT_EQ(copy->sender->stats().data_bytes, kLeafBytes);
}

TEST_F(EarlierCopies, WhatWasAlteredThereIsSent) {
  change(0);  // so that it holds data
  ASSERT_TRUE(source_->write(7 * kLeafBytes, random_bytes(random_, kLeafBytes)));
  std::filesystem::copy_file(directory_ / "s", directory_ / "old",
                             std::filesystem::copy_options::overwrite_existing);
  flip(7 * kLeafBytes + 1024);
  const auto old = earlier();
  const auto copy = begin(old.get());
  arrives(*copy);
  EXPECT_EQ(copy->sender->stats().data_bytes, kLeafBytes);
}

TEST_F(EarlierCopies, WhatChangesUnderTheMoveIsNotTaken) {
  ASSERT_TRUE(source_->write(7 * kLeafBytes, random_bytes(random_, kLeafBytes)));
  std::filesystem::copy_file(directory_ / "s", directory_ / "old",
                             std::filesystem::copy_options::overwrite_existing);
  {
    const auto old = earlier();
    const auto copy = begin(old.get());
    flip(7 * kLeafBytes);
    const auto received = copy->round({{.source = source_.get(), .leaves = {}}}, MoreRounds::kNone);
    ASSERT_FALSE(received);
    EXPECT_EQ(received.error().code, Code::kConflict);
    EXPECT_NE(received.error().message.find("leaf 7 of the earlier copy"), std::string::npos)
        << received.error().message;
    EXPECT_FALSE(theirs_->root());
    ASSERT_TRUE(theirs_->sync());
  }
  // The next session, after a restart: what was copied over is hashed again, the rest is looked for anew.
  theirs_ = LeafTable::open(directory_ / "table", kBytes).value();
  const auto old = earlier();
  const auto copy = begin(old.get());
  arrives(*copy);
  EXPECT_EQ(copy->sender->stats().data_bytes, kLeafBytes);
}

TEST_F(EarlierCopies, ACopyThatCannotBeReadIsLeftOut) {
  ASSERT_TRUE(RawFile::open(directory_ / "old", image::Access::kReadWrite)
                  .value()
                  ->write(100 * kLeafBytes, random_bytes(random_, kLeafBytes)));
  const auto old = earlier();
  std::filesystem::resize_file(directory_ / "old", 100 * kLeafBytes + 512);  // in the middle of its data
  const auto copy = begin(old.get());
  arrives(*copy);
  EXPECT_EQ(copy->sender->stats().same_bytes, 0U);
  const auto open = [&](const char* name, const char* format, std::uint64_t bytes) {
    return EarlierCopy::open(directory_ / name, format, bytes, directory_ / "digests").error().code;
  };
  EXPECT_EQ(open("old", "raw", kBytes), Code::kConflict);
  EXPECT_EQ(open("s", "raw", kBytes + 512), Code::kConflict);
  EXPECT_EQ(open("s", "qcow2", kBytes), Code::kInvalid);
  EXPECT_EQ(open("s", "vmdk", kBytes), Code::kUnsupported);
  EXPECT_EQ(open("gone", "raw", kBytes), Code::kNotFound);
}

TEST_F(EarlierCopies, StockTakingHasItsTime) {
  const auto old = earlier();
  ASSERT_TRUE(old->take_stock(*theirs_, 2, Deadline::in(0ms), {}));
  for (std::uint64_t leaf = 0; leaf < theirs_->leaves(); ++leaf) ASSERT_FALSE(old->digest(leaf));
  StopSource stop;
  stop.stop();
  EXPECT_EQ(old->take_stock(*theirs_, 2, Deadline::never(), stop.token()).error().code, Code::kCancelled);
  ASSERT_TRUE(old->take_stock(*theirs_, 2, Deadline::never(), {}));
  std::uint64_t offered = 0;
  for (std::uint64_t leaf = 0; leaf < theirs_->leaves(); ++leaf) offered += old->digest(leaf) ? 1 : 0;
  EXPECT_EQ(offered, data_leaves());
}

}  // namespace
}  // namespace sealift::migrate

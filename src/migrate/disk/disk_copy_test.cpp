#include <gtest/gtest.h>
#include <sys/mount.h>
#include <unistd.h>

#include "image/qemu_img.hpp"
#include "image/qemu_nbd.hpp"
#include "migrate/disk/copy_fixture.hpp"

namespace sealift::migrate {
namespace {

using namespace testing;
using image::Access;
using image::LeafTable;
using image::NbdDisk;
using image::QemuNbd;
using image::RawFile;

std::unique_ptr<LeafTable> table_for(std::uint64_t bytes) {
  return LeafTable::temporary(bytes).value();
}

class DiskCopy : public ::testing::Test {
 protected:
  TemporaryDirectory directory_;
  SeededRandom random_{20261124};
};

class DiskCopyModes : public DiskCopy, public ::testing::WithParamInterface<Compression> {};

TEST_P(DiskCopyModes, SparseDisksOfOddSizesArriveEqualAndSparse) {
  for (const std::uint64_t bytes : {std::uint64_t{512}, kLeafBytes, 300 * kLeafBytes + 4608}) {
    const auto source = make_disk(directory_ / fmt::format("s{}", bytes), bytes, random_);
    const auto copied = RawFile::create(directory_ / fmt::format("d{}", bytes), bytes).value();
    const auto ours = table_for(bytes), theirs = table_for(bytes);
    Copy copy({{.sink = copied.get(), .content = copied.get(), .table = theirs.get()}},
              {{.table = ours.get(), .known_file = {}}}, {.workers = 2, .compression = GetParam()});
    copy.agree();
    const auto received = copy.round({{.source = source.get(), .leaves = {}}}, MoreRounds::kNone);
    ASSERT_TRUE(received) << received.error().message;
    EXPECT_EQ(received->number, 1U);
    EXPECT_TRUE(received->last);
    EXPECT_EQ(ours->root().value(), theirs->root().value());
    EXPECT_EQ(theirs->root().value(), root_of(*source));
    EXPECT_EQ(theirs->root().value(), root_of(*copied));
    EXPECT_LE(allocated_bytes(directory_ / fmt::format("d{}", bytes)),
              allocated_bytes(directory_ / fmt::format("s{}", bytes)) + kLeafBytes);
    const CopyStats stats = copy.sender->stats();
    EXPECT_EQ(stats.data_bytes + stats.zero_bytes, bytes);
    EXPECT_EQ(stats.disks.at(0).done_bytes, bytes);
    EXPECT_EQ(copy.receiver->stats().disks.at(0).done_bytes, bytes);
    EXPECT_EQ(copy.receiver->stats().record_bytes, stats.record_bytes);
    if (GetParam() == Compression::kAlways && bytes > kLeafBytes) {
      EXPECT_GT(stats.compressed_bytes, 0U);
      EXPECT_LT(stats.record_bytes, stats.data_bytes - stats.compressed_bytes / 2);
    }
    EXPECT_TRUE(GetParam() != Compression::kNever || stats.compressed_bytes == 0);
  }
}

INSTANTIATE_TEST_SUITE_P(All, DiskCopyModes,
                         ::testing::Values(Compression::kAdaptive, Compression::kAlways,
                                           Compression::kNever));

TEST_F(DiskCopy, LaterRoundsCarryWhatChangedAndNameWhatDidNot) {
  const std::uint64_t bytes = 130 * kLeafBytes + 512;
  const auto source = make_disk(directory_ / "s", bytes, random_);
  const auto copied = RawFile::create(directory_ / "d", bytes).value();
  const auto ours = table_for(bytes), theirs = table_for(bytes);
  Copy copy({{.sink = copied.get(), .content = copied.get(), .table = theirs.get()}},
            {{.table = ours.get(), .known_file = {}}});
  copy.agree();
  ASSERT_TRUE(copy.round({{.source = source.get(), .leaves = {}}}, MoreRounds::kFollow));
  const crypto::Digest before = ours->root().value();
  EXPECT_EQ(theirs->root().value(), before);

  ASSERT_TRUE(source->write(7 * kLeafBytes + 1024, random_bytes(random_, 512)));  // changed
  ASSERT_TRUE(source->zero(130 * kLeafBytes, 512));                               // data became zeros
  ASSERT_TRUE(source->write(64 * kLeafBytes, random_bytes(random_, kLeafBytes)));
  ASSERT_TRUE(source->write(65 * kLeafBytes, random_bytes(random_, kLeafBytes)));
  const std::uint64_t sent_before = copy.sender->stats().data_bytes;
  auto received = copy.round({{.source = source.get(), .leaves = {{7, 64, 65, 130}}}}, MoreRounds::kFollow);
  ASSERT_TRUE(received) << received.error().message;
  EXPECT_EQ(received->number, 2U);
  EXPECT_FALSE(received->last);
  EXPECT_EQ(copy.sender->stats().data_bytes - sent_before, 3 * kLeafBytes);
  EXPECT_EQ(theirs->root().value(), root_of(*source));
  EXPECT_NE(theirs->root().value(), before);

  // Dirty, but the same bytes as before: only named. And a disk without dirty leaves needs no source.
  received = copy.round({{.source = source.get(), .leaves = {{64, 65}}}}, MoreRounds::kFollow);
  ASSERT_TRUE(received) << received.error().message;
  EXPECT_EQ(copy.sender->stats().data_bytes - sent_before, 3 * kLeafBytes);
  EXPECT_EQ(copy.sender->stats().same_bytes, 2 * kLeafBytes);
  received = copy.round({{.source = nullptr, .leaves = {std::vector<std::uint64_t>{}}}}, MoreRounds::kNone);
  ASSERT_TRUE(received) << received.error().message;
  EXPECT_EQ(received->number, 4U);
  EXPECT_TRUE(received->last);
  EXPECT_EQ(root_of(*copied), root_of(*source));
}

TEST_F(DiskCopy, Qcow2ImagesAreCopiedThroughQemuNbd) {
  const std::uint64_t bytes = 200 * kLeafBytes + 1024;
  const Deadline soon = Deadline::in(60s);
  std::vector<std::unique_ptr<QemuNbd>> servers;
  std::vector<std::unique_ptr<NbdDisk>> disks;
  for (const std::string name : {"s", "d"}) {
    ASSERT_TRUE(image::create(directory_ / name, "qcow2", bytes, soon, {}));
    image::QemuNbdOptions options;
    options.image = directory_ / name;
    options.format = "qcow2";
    options.access = Access::kReadWrite;
    options.socket = directory_ / (name + ".sock");
    servers.push_back(QemuNbd::start(options, soon, {}).value());
    disks.push_back(NbdDisk::open(servers.back()->connection(), Access::kReadWrite, soon, {}).value());
  }
  for (std::uint64_t leaf = 0; leaf < 201; leaf += 1 + random_.below(7)) {
    const std::size_t length = image::leaf_length(bytes, leaf);
    ASSERT_TRUE(disks[0]->write(leaf * kLeafBytes, random_bytes(random_, length)));
  }
  const auto ours = table_for(bytes), theirs = table_for(bytes);
  {
    Copy copy({{.sink = disks[1].get(), .content = disks[1].get(), .table = theirs.get()}},
              {{.table = ours.get(), .known_file = {}}}, {.workers = 3});
    copy.agree();
    const auto received = copy.round({{.source = disks[0].get(), .leaves = {}}}, MoreRounds::kNone);
    ASSERT_TRUE(received) << received.error().message;
  }
  EXPECT_EQ(ours->root().value(), theirs->root().value());
  EXPECT_EQ(root_of(*disks[0]), root_of(*disks[1]));
  disks.clear();
  for (const auto& server : servers) EXPECT_TRUE(server->end(soon));
  const auto compared = process::run({"qemu-img", "compare", "-f", "qcow2", "-F", "qcow2",
                                      (directory_ / "s").string(), (directory_ / "d").string()},
                                     4096, soon, {});
  ASSERT_TRUE(compared);
  EXPECT_EQ(compared->exit.code, 0) << compared->text;
  EXPECT_LE(allocated_bytes(directory_ / "d"), allocated_bytes(directory_ / "s") + kLeafBytes);
}

// A sink that ends the session after so many leaves: a connection that never comes back.
class CuttingSink final : public image::BlockSink {
 public:
  CuttingSink(RawFile& disk, std::int64_t writes) : disk_(disk), left_(writes) {}
  std::uint64_t size_bytes() const override { return disk_.size_bytes(); }
  Status write(std::uint64_t offset, ByteView bytes) override {
    if (left_.fetch_sub(1) <= 0) return fail(Code::kUnavailable, "cut");
    return disk_.write(offset, bytes);
  }
  Status zero(std::uint64_t offset, std::uint64_t length) override { return disk_.zero(offset, length); }
  Status flush() override { return disk_.flush(); }

 private:
  RawFile& disk_;
  std::atomic<std::int64_t> left_;
};

TEST_F(DiskCopy, AnInterruptedCopyGoesOnAndEndsWithEqualRoots) {
  const std::uint64_t bytes = 400 * kLeafBytes + 512;
  const auto source = make_disk(directory_ / "s", bytes, random_);
  const auto copied = RawFile::create(directory_ / "d", bytes).value();
  {
    // One round is durable; the next one is cut in its middle.
    const auto ours = table_for(bytes);
    const auto theirs = LeafTable::open(directory_ / "table", bytes).value();
    CuttingSink sink(*copied, 250);
    Copy copy({{.sink = &sink, .content = copied.get(), .table = theirs.get()}},
              {{.table = ours.get(), .known_file = {}}});
    copy.agree();
    ASSERT_TRUE(copy.round({{.source = source.get(), .leaves = {}}}, MoreRounds::kFollow));
    std::vector<std::uint64_t> dirty;
    for (std::uint64_t leaf = 0; leaf < 300; ++leaf) {
      ASSERT_TRUE(source->write(leaf * kLeafBytes, random_bytes(random_, 512)));
      dirty.push_back(leaf);
    }
    const auto cut = copy.round({{.source = source.get(), .leaves = dirty}}, MoreRounds::kNone);
    ASSERT_FALSE(cut);
    EXPECT_EQ(cut.error().code, Code::kUnavailable);
    EXPECT_FALSE(copy.receiver->receive_round({}));
    EXPECT_FALSE(theirs->root());
    ASSERT_TRUE(theirs->sync());
  }
  // A leaf whose data the power failure took, while the table's page survived.
  ASSERT_TRUE(copied->write(399 * kLeafBytes, Bytes(4096, 1)));
  const auto ours = table_for(bytes);
  const auto theirs = LeafTable::open(directory_ / "table", bytes).value();
  Copy copy({{.sink = copied.get(), .content = copied.get(), .table = theirs.get()}},
            {{.table = ours.get(), .known_file = directory_ / "known"}});
  copy.agree();
  EXPECT_FALSE(std::filesystem::exists(directory_ / "known"));
  const auto received = copy.round({{.source = source.get(), .leaves = {}}}, MoreRounds::kNone);
  ASSERT_TRUE(received) << received.error().message;
  EXPECT_EQ(ours->root().value(), theirs->root().value());
  EXPECT_EQ(root_of(*copied), root_of(*source));
  const CopyStats stats = copy.sender->stats();
  EXPECT_GT(stats.same_bytes, 30 * kLeafBytes);
  EXPECT_LT(stats.data_bytes, 310 * kLeafBytes);
}

TEST_F(DiskCopy, AFullDestinationIsExhaustedAndSaysSo) {
  const file::Path small = directory_ / "small";
  std::filesystem::create_directory(small);
  if (::mount("tmpfs", small.c_str(), "tmpfs", 0, "size=8m") != 0) GTEST_SKIP() << "may not mount";
  const std::uint64_t bytes = 100 * kLeafBytes;
  {
    const auto source = RawFile::create(directory_ / "s", bytes).value();
    ASSERT_TRUE(source->write(0, random_bytes(random_, bytes)));
    const auto copied = RawFile::create(small / "d", bytes).value();
    const auto ours = table_for(bytes), theirs = table_for(bytes);
    Copy copy({{.sink = copied.get(), .content = copied.get(), .table = theirs.get()}},
              {{.table = ours.get(), .known_file = {}}});
    copy.agree();
    const auto received = copy.round({{.source = source.get(), .leaves = {}}}, MoreRounds::kNone);
    ASSERT_FALSE(received);
    EXPECT_EQ(received.error().code, Code::kExhausted);
    EXPECT_NE(received.error().message.find("storage is full"), std::string::npos)
        << received.error().message;
  }
  EXPECT_EQ(::umount(small.c_str()), 0);
}

TEST_F(DiskCopy, StopEndsBothEnds) {
  const std::uint64_t bytes = 64 * kLeafBytes;
  const auto copied = RawFile::create(directory_ / "d", bytes).value();
  const auto ours = table_for(bytes), theirs = table_for(bytes);
  Copy copy({{.sink = copied.get(), .content = copied.get(), .table = theirs.get()}},
            {{.table = ours.get(), .known_file = {}}});
  StopSource stop;
  std::jthread stopper([&] { stop.stop(); });
  EXPECT_EQ(copy.receiver->receive_round(stop.token()).error().code, Code::kCancelled);
}

}  // namespace
}  // namespace sealift::migrate

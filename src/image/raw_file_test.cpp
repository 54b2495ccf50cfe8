#include "image/raw_file.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "image/hash_disk.hpp"
#include "image/temporary_directory.hpp"

namespace sealift::image {
namespace {

using testing::TemporaryDirectory;

TEST(RawFile, ReadsWhatWasWrittenAndKnowsItsHoles) {
  const TemporaryDirectory directory;
  auto disk = RawFile::create(directory / "disk", 8 * kLeafBytes);
  ASSERT_TRUE(disk);
  const Bytes data(kLeafBytes, 7);
  ASSERT_TRUE((*disk)->write(2 * kLeafBytes, data));
  const auto extents = (*disk)->extents(0, 8 * kLeafBytes);
  ASSERT_TRUE(extents);
  const std::vector<Extent> expected = {{0, 2 * kLeafBytes, ExtentKind::kZero},
                                        {2 * kLeafBytes, kLeafBytes, ExtentKind::kData},
                                        {3 * kLeafBytes, 5 * kLeafBytes, ExtentKind::kZero}};
  EXPECT_EQ(*extents, expected);
  Bytes back(kLeafBytes);
  ASSERT_TRUE((*disk)->read(2 * kLeafBytes, back));
  EXPECT_EQ(back, data);
}

TEST(RawFile, ZeroMakesAHole) {
  const TemporaryDirectory directory;
  auto disk = RawFile::create(directory / "disk", 4 * kLeafBytes);
  ASSERT_TRUE(disk);
  ASSERT_TRUE((*disk)->write(0, Bytes(4 * kLeafBytes, 1)));
  ASSERT_TRUE((*disk)->zero(0, 4 * kLeafBytes));
  ASSERT_TRUE((*disk)->flush());
  struct stat facts{};
  ASSERT_EQ(::stat((directory / "disk").c_str(), &facts), 0);
  EXPECT_LT(facts.st_blocks * 512, 65536);
  Bytes back(kLeafBytes, 9);
  ASSERT_TRUE((*disk)->read(kLeafBytes, back));
  EXPECT_TRUE(all_zero(back));
}

TEST(RawFile, RefusesRangesOutside) {
  const TemporaryDirectory directory;
  auto disk = RawFile::create(directory / "disk", 1024);
  ASSERT_TRUE(disk);
  Bytes bytes(1024);
  EXPECT_EQ((*disk)->read(1, bytes).error().code, Code::kInvalid);
  EXPECT_EQ((*disk)->write(~std::uint64_t{0}, bytes).error().code, Code::kInvalid);
  EXPECT_EQ((*disk)->extents(0, 1025).error().code, Code::kInvalid);
}

TEST(RawFile, RefusesWhatIsNoDisk) {
  const TemporaryDirectory directory;
  ASSERT_EQ(::mkfifo((directory / "fifo").c_str(), 0600), 0);
  EXPECT_EQ(RawFile::open(directory / "fifo", Access::kReadOnly).error().code, Code::kInvalid);
  ASSERT_TRUE(file::write_atomic(directory / "odd", std::string(513, 'x')));
  EXPECT_EQ(RawFile::open(directory / "odd", Access::kReadOnly).error().code, Code::kInvalid);
  std::filesystem::create_symlink(directory / "odd", directory / "link");
  EXPECT_FALSE(RawFile::open(directory / "link", Access::kReadOnly));
  EXPECT_EQ(RawFile::create(directory / "odd", 512).error().code, Code::kConflict);
}

TEST(ZeroLeaves, OnlyLeavesThatAreZeroAsAWhole) {
  const TemporaryDirectory directory;
  auto disk = RawFile::create(directory / "disk", 3 * kLeafBytes + 512);
  ASSERT_TRUE(disk);
  ASSERT_TRUE((*disk)->write(kLeafBytes + 8192, Bytes(512, 1)));
  const auto zeros = zero_leaves(**disk, 0, 4);
  ASSERT_TRUE(zeros);
  EXPECT_EQ(*zeros, (std::vector<bool>{true, false, true, true}));
}

}  // namespace
}  // namespace sealift::image

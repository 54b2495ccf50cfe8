#include "image/qcow2_file.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "base/clock.hpp"
#include "image/hash_disk.hpp"
#include "image/open_image.hpp"
#include "image/qemu_img.hpp"
#include "image/temporary_directory.hpp"

namespace sealift::image {
namespace {

using namespace std::chrono_literals;
using testing::TemporaryDirectory;

void qemu_img(const std::vector<std::string>& words) {
  std::vector<std::string> argv{"qemu-img"};
  argv.insert(argv.end(), words.begin(), words.end());
  const auto ran = process::run(argv, 4096, Deadline::in(60s), {});
  ASSERT_TRUE(ran);
  ASSERT_EQ(ran->exit.code, 0) << ran->text;
}

// Data of odd places and lengths, written by qemu-nbd; a part of it zeroed again.
void fill(const TemporaryDirectory& directory, const file::Path& image, std::uint64_t bytes) {
  QemuNbdOptions options;
  options.image = image;
  options.format = "qcow2";
  options.access = Access::kReadWrite;
  options.socket = directory / "s";
  auto disk = OpenImage::open(options, Deadline::in(20s), {});
  ASSERT_TRUE(disk) << disk.error().message;
  SeededRandom random(7);
  for (std::uint64_t at = 0; at + (1U << 20U) < bytes; at += (1 + random.below(8)) << 19U) {
    Bytes data(512 * (1 + random.below(1024)));
    random.fill(data);
    ASSERT_TRUE(disk->sink()->write(at, data));
  }
  ASSERT_TRUE(disk->sink()->zero(3U << 20U, 1U << 20U));
  ASSERT_TRUE(disk->close(Deadline::in(20s)));
}

crypto::Digest root_of(BlockSource& source) {
  const auto table = LeafTable::temporary(source.size_bytes()).value();
  const auto root = hash_disk(source, *table);
  EXPECT_TRUE(root) << root.error().message;
  return root.value_or(crypto::Digest{});
}

class Qcow2Kinds : public ::testing::TestWithParam<const char*> {};

TEST_P(Qcow2Kinds, ReadsWhatQemuWrote) {
  const TemporaryDirectory directory;
  const std::uint64_t bytes = (40U << 20U) + 4608;
  qemu_img(
      {"create", "-q", "-f", "qcow2", "-o", GetParam(), (directory / "a").string(), std::to_string(bytes)});
  fill(directory, directory / "a", bytes);
  qemu_img({"convert", "-f", "qcow2", "-O", "raw", (directory / "a").string(), (directory / "raw").string()});
  const auto qcow2 = Qcow2File::open(directory / "a");
  ASSERT_TRUE(qcow2) << qcow2.error().message;
  const auto raw = RawFile::open(directory / "raw", Access::kReadOnly).value();
  ASSERT_EQ((*qcow2)->size_bytes(), bytes);
  EXPECT_EQ(root_of(**qcow2), root_of(*raw));
  Bytes ours(100'000), theirs(100'000);
  for (std::uint64_t at = 1; at + ours.size() < bytes; at += 777'777) {
    ASSERT_TRUE((*qcow2)->read(at, ours));
    ASSERT_TRUE(raw->read(at, theirs));
    ASSERT_EQ(ours, theirs) << at;
  }
  std::uint64_t data = 0, at = 0;
  const auto extents = (*qcow2)->extents(0, bytes);
  ASSERT_TRUE(extents);
  for (const Extent& extent : *extents) {
    EXPECT_EQ(extent.offset, at);
    at += extent.length;
    if (extent.kind == ExtentKind::kData) data += extent.length;
  }
  EXPECT_EQ(at, bytes);
  EXPECT_LT(data, bytes);  // with 2 MiB clusters most hold something
  EXPECT_FALSE((*qcow2)->read(bytes - 1, MutableByteView(ours).first(2)));
}

INSTANTIATE_TEST_SUITE_P(All, Qcow2Kinds,
                         ::testing::Values("compat=1.1", "compat=0.10", "cluster_size=512",
                                           "cluster_size=2M"));

TEST(Qcow2File, WhatItCannotReadIsRefused) {
  const TemporaryDirectory directory;
  const auto path = [&](const char* name) { return (directory / name).string(); };
  qemu_img({"create", "-q", "-f", "qcow2", path("a"), "8M"});
  fill(directory, directory / "a", 8U << 20U);
  qemu_img({"create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", path("a"), path("backed")});
  qemu_img({"create", "-q", "-f", "qcow2", "-o", "extended_l2=on", path("extended"), "8M"});
  for (const char* name : {"backed", "extended"})
    EXPECT_EQ(Qcow2File::open(directory / name).error().code, Code::kUnsupported) << name;
  qemu_img({"convert", "-c", "-f", "qcow2", "-O", "qcow2", path("a"), path("compressed")});
  const auto compressed = Qcow2File::open(directory / "compressed").value();
  EXPECT_EQ(compressed->extents(0, 8U << 20U).error().code, Code::kUnsupported);
  Bytes out(8U << 20U);  // some cluster of it could be compressed
  EXPECT_EQ(compressed->read(0, out).error().code, Code::kUnsupported);
  // Its L1 table is cut off.
  ASSERT_EQ(::truncate(path("a").c_str(), 65536), 0);
  EXPECT_FALSE(Qcow2File::open(directory / "a"));
  EXPECT_FALSE(Qcow2File::open(directory.path()));
  ASSERT_EQ(::symlink(path("compressed").c_str(), path("link").c_str()), 0);
  EXPECT_FALSE(Qcow2File::open(directory / "link"));
}

}  // namespace
}  // namespace sealift::image

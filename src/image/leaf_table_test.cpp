#include "image/leaf_table.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>

#include "base/clock.hpp"
#include "crypto/merkle.hpp"
#include "image/hash_disk.hpp"
#include "image/raw_file.hpp"
#include "image/temporary_directory.hpp"

namespace sealift::image {
namespace {

using testing::TemporaryDirectory;

crypto::Digest digest_of(std::uint64_t number) {
  Encoder encoder;
  encoder.u64(number);
  return crypto::blake3(encoder.bytes());
}

TEST(LeafTable, RootIsThePlainTreeOverTheDigestsForEveryCount) {
  for (std::uint64_t leaves : {1U, 2U, 7U, 8U, 9U, 15U, 16U, 17U, 63U, 64U, 65U, 100U, 1000U}) {
    auto table = LeafTable::temporary(leaves * kLeafBytes);
    ASSERT_TRUE(table);
    std::vector<crypto::Digest> hashes;
    for (std::uint64_t leaf = 0; leaf < leaves; ++leaf) {
      (*table)->set(leaf, digest_of(leaf));
      hashes.push_back(crypto::merkle_leaf(digest_of(leaf).view()));
    }
    ASSERT_EQ((*table)->root().value(), crypto::merkle_root(hashes)) << leaves;
    // Only a changed path, and a zero one.
    (*table)->set(leaves / 2, digest_of(99));
    hashes[leaves / 2] = crypto::merkle_leaf(digest_of(99).view());
    (*table)->set_zero(0, 1);
    hashes[0] = crypto::merkle_leaf(crypto::blake3(Bytes(kLeafBytes)).view());
    ASSERT_EQ((*table)->root().value(), crypto::merkle_root(hashes)) << leaves;
  }
}

TEST(LeafTable, NoRootWhileALeafIsMissing) {
  auto table = LeafTable::temporary(3 * kLeafBytes);
  ASSERT_TRUE(table);
  (*table)->set(0, digest_of(0));
  (*table)->set(2, digest_of(2));
  const auto root = (*table)->root();
  ASSERT_FALSE(root);
  EXPECT_EQ(root.error().code, Code::kConflict);
  EXPECT_NE(root.error().message.find("the first is 1"), std::string::npos) << root.error().message;
  (*table)->set(1, digest_of(1));
  EXPECT_TRUE((*table)->root());
  (*table)->clear(1);
  EXPECT_FALSE((*table)->root());
}

TEST(LeafTable, EntriesOfAnEarlierStartAreClaimsUntilHashedAgain) {
  const TemporaryDirectory directory;
  const std::uint64_t bytes = 5 * kLeafBytes + 1024;
  auto disk = RawFile::create(directory / "disk", bytes);
  ASSERT_TRUE(disk);
  ASSERT_TRUE((*disk)->write(kLeafBytes, Bytes(kLeafBytes, 3)));
  ASSERT_TRUE((*disk)->write(5 * kLeafBytes, Bytes(1024, 4)));
  crypto::Digest root;
  {
    auto table = LeafTable::open(directory / "table", bytes);
    ASSERT_TRUE(table) << table.error().message;
    auto hashed = hash_disk(**disk, **table);
    ASSERT_TRUE(hashed);
    root = *hashed;
    ASSERT_TRUE((*table)->sync());
  }
  // What the disk lost (a power failure) does not count.
  ASSERT_TRUE((*disk)->write(kLeafBytes, Bytes(512, 9)));
  auto table = LeafTable::open(directory / "table", bytes);
  ASSERT_TRUE(table);
  EXPECT_EQ((*table)->missing(), 6U);
  EXPECT_FALSE((*table)->digest(0));
  EXPECT_TRUE((*table)->claimed(0));
  const auto counted = (*table)->verify_claims(**disk, 2, {});
  ASSERT_TRUE(counted);
  EXPECT_EQ(*counted, 5U);
  EXPECT_FALSE((*table)->digest(1));
  EXPECT_FALSE((*table)->claimed(1));
  (*table)->set(1, crypto::blake3(Bytes(kLeafBytes, 3)));
  EXPECT_EQ((*table)->root().value(), root);
}

TEST(LeafTable, AFileCutShortWhileMadeIsMadeAgainOthersAreRefused) {
  const TemporaryDirectory directory;
  const file::Path path = directory / "table";
  ASSERT_TRUE(file::write_atomic(path, Bytes(4096 + 64)));  // reserved, no header yet
  ASSERT_TRUE(LeafTable::open(path, 2 * kLeafBytes));
  EXPECT_EQ(LeafTable::open(path, 3 * kLeafBytes).error().code, Code::kConflict);
  Bytes content = file::read(path, 1 << 20).value();
  content[20] ^= 1U;
  ASSERT_TRUE(file::write_atomic(path, content));
  EXPECT_EQ(LeafTable::open(path, 2 * kLeafBytes).error().code, Code::kCorrupt);
  content[20] ^= 1U;
  content.pop_back();
  ASSERT_TRUE(file::write_atomic(path, content));
  EXPECT_EQ(LeafTable::open(path, 2 * kLeafBytes).error().code, Code::kCorrupt);
}

TEST(HashDisk, SameRootWithAnyNumberOfThreads) {
  const TemporaryDirectory directory;
  const std::uint64_t bytes = 300 * kLeafBytes + 4608;
  auto disk = RawFile::create(directory / "disk", bytes);
  ASSERT_TRUE(disk);
  SeededRandom random(11);
  Bytes data(kLeafBytes);
  for (std::uint64_t leaf = 0; leaf < 300; leaf += 1 + random.below(9)) {
    random.fill(data);
    ASSERT_TRUE((*disk)->write(leaf * kLeafBytes, data));
  }
  std::vector<crypto::Digest> roots;
  for (unsigned threads : {1U, 2U, 5U}) {
    auto table = LeafTable::temporary(bytes);
    ASSERT_TRUE(table);
    HashOptions options;
    options.threads = threads;
    roots.push_back(hash_disk(**disk, **table, options).value());
  }
  EXPECT_EQ(roots[0], roots[1]);
  EXPECT_EQ(roots[0], roots[2]);
}

}  // namespace
}  // namespace sealift::image

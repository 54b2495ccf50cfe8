// A source that breaks the rules: records made by hand, over a real session.

#include <gtest/gtest.h>
#include <zstd.h>

#include <algorithm>

#include "migrate/disk/compress.hpp"
#include "migrate/disk/copy_fixture.hpp"
#include "migrate/disk/record.hpp"

namespace sealift::migrate {
namespace {

using namespace testing;

constexpr std::uint64_t kBytes = 10 * kLeafBytes + 512;

Bytes record_of(const DiskRecordHeader& header, const crypto::Digest& digest, ByteView bytes) {
  Bytes out(kDiskRecordHeaderBytes);
  encode_disk_record_header(header, out);
  out.insert(out.end(), digest.bytes.begin(), digest.bytes.end());
  out.insert(out.end(), bytes.begin(), bytes.end());
  return out;
}

Bytes record_of(const DiskRecordHeader& header) {
  Bytes out(kDiskRecordHeaderBytes);
  encode_disk_record_header(header, out);
  return out;
}

Bytes leaf_record(std::uint16_t disk, std::uint64_t leaf, ByteView bytes) {
  return record_of({.kind = DiskRecordKind::kData, .disk = disk, .count = 1, .first = leaf},
                   crypto::blake3(bytes), bytes);
}

Bytes zstd_record(std::uint64_t leaf, ByteView content, const crypto::Digest& digest) {
  Bytes packed(ZSTD_compressBound(content.size()));
  packed.resize(ZSTD_compress(packed.data(), packed.size(), content.data(), content.size(), 1));
  return record_of({.kind = DiskRecordKind::kZstd, .disk = 0, .count = 1, .first = leaf}, digest, packed);
}

class HostileSource : public ::testing::Test {
 protected:
  // The receiver's answer to these records on its only stream.
  Error answer(const std::vector<Bytes>& records) {
    const TemporaryDirectory directory;
    const auto disk = image::RawFile::create(directory / "d", kBytes).value();
    const auto table = image::LeafTable::temporary(kBytes).value();
    transport::testing::Pair pair;
    pair.connect();
    auto receiver = DiskReceiver::open(*pair.accepted,
                                       {{.sink = disk.get(), .content = disk.get(), .table = table.get()}},
                                       {.workers = 1})
                        .value();
    {
      auto writer = pair.initiator->writer(1);
      for (const Bytes& record : records) {
        std::ranges::copy(record, writer.buffer().begin());
        EXPECT_TRUE(writer.commit(record.size()));
      }
      EXPECT_TRUE(writer.finish());
    }
    const auto received = receiver->receive_round({});
    if (received) return {Code::kInternal, "accepted"};
    // Nothing but what was right was written.
    EXPECT_LE(allocated_bytes(directory / "d"), 2 * kLeafBytes);
    EXPECT_FALSE(table->root());
    receiver.reset();
    return received.error();
  }
  void refused(const std::vector<Bytes>& records, std::string_view word) {
    const Error error = answer(records);
    EXPECT_EQ(error.code, Code::kCorrupt) << error.message;
    EXPECT_NE(error.message.find(word), std::string::npos) << error.message;
  }
  Bytes leaf_ = Bytes(kLeafBytes, 7);
};

TEST_F(HostileSource, DisksAndLeavesThatDoNotExist) {
  refused({leaf_record(1, 0, leaf_)}, "there are 1");
  refused({leaf_record(0, 11, leaf_)}, "it has 11");
  refused({leaf_record(0, ~std::uint64_t{0}, leaf_)}, "it has 11");
  refused({record_of({.kind = DiskRecordKind::kZero, .disk = 0, .count = 2, .first = 10})}, "it has 11");
  refused({record_of({.kind = DiskRecordKind::kZero, .disk = 0, .count = ~0U, .first = 0})}, "bounds");
}

TEST_F(HostileSource, LeavesOfAnotherLength) {
  refused({leaf_record(0, 0, ByteView(leaf_).first(512))}, "it has 262144");
  refused({leaf_record(0, 10, leaf_)}, "it has 512");
}

TEST_F(HostileSource, ALeafThatIsNotItsDigest) {
  refused({record_of({.kind = DiskRecordKind::kData, .disk = 0, .count = 1, .first = 0}, {}, leaf_)},
          "not what its digest says");
}

TEST_F(HostileSource, ALeafNamedTwiceInARound) {
  refused({leaf_record(0, 3, leaf_), leaf_record(0, 3, leaf_)}, "twice");
  refused({leaf_record(0, 3, leaf_),
           record_of({.kind = DiskRecordKind::kZero, .disk = 0, .count = 5, .first = 0})},
          "twice");
}

TEST_F(HostileSource, LeavesSaidToBeHereThatAreNot) {
  refused({record_of({.kind = DiskRecordKind::kSame, .disk = 0, .count = 1, .first = 0},
                     crypto::blake3(leaf_), {})},
          "is not");
  refused({record_of({.kind = DiskRecordKind::kKnown, .disk = 0, .count = 1, .first = 0}, {}, {})}, "offers");
}

TEST_F(HostileSource, ACompressedLeafThatOpensToMoreOrLess) {
  // A bomb: 64 MiB of zeros in a few KiB.
  refused({zstd_record(0, Bytes(std::size_t{64} << 20U), crypto::blake3(leaf_))}, "does not open");
  refused({zstd_record(0, ByteView(leaf_).first(512), crypto::blake3(leaf_))}, "opens to 512");
  refused({zstd_record(10, leaf_, crypto::blake3(leaf_))}, "does not open");
  refused({record_of({.kind = DiskRecordKind::kZstd, .disk = 0, .count = 1, .first = 0}, {}, leaf_)},
          "does not open");
}

TEST_F(HostileSource, RoundsOutOfOrderAndStreamsCutShort) {
  refused({record_of({.kind = DiskRecordKind::kEnd, .disk = 0, .count = 0, .first = 2})}, "round 1");
  refused({leaf_record(0, 0, leaf_)}, "middle of a round");
  refused({record_of({.kind = DiskRecordKind::kEnd, .disk = 0, .count = 1, .first = 1}),
           leaf_record(0, 0, leaf_)},
          "follow");
  refused({Bytes(3)}, "shorter");
  refused({Bytes(16)}, "unknown kind");
}

TEST(CompressionChoice, PaysOnASlowLinkNotOnAFastOne) {
  using std::chrono::microseconds;
  const auto run = [](microseconds per_leaf, microseconds waited) {
    CompressionChoice choice(Compression::kAdaptive);
    EXPECT_FALSE(choice.pays());
    for (int i = 0; i < 200; ++i) choice.committed(kLeafBytes, waited, per_leaf);
    return choice.pays();
  };
  EXPECT_TRUE(run(microseconds(2200), microseconds(2000)));  // 1 Gbit/s
  EXPECT_FALSE(run(microseconds(400), microseconds(300)));   // loopback
  EXPECT_FALSE(run(microseconds(2200), microseconds(100)));  // a slow disk, not the link
}

TEST(LeafCompressor, LeavesThatDoNotShrinkStayAsTheyAre) {
  SeededRandom random(5);
  LeafCompressor compressor;
  EXPECT_TRUE(compressor.compress(random_bytes(random, kLeafBytes)).empty());
  const Bytes leaf = compressible_bytes(random, kLeafBytes);
  const ByteView packed = compressor.compress(leaf);
  ASSERT_FALSE(packed.empty());
  LeafDecompressor decompressor;
  const auto opened = decompressor.decompress(packed, leaf.size());
  ASSERT_TRUE(opened);
  EXPECT_TRUE(std::ranges::equal(*opened, leaf));
}

}  // namespace
}  // namespace sealift::migrate

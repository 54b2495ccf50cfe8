#include "crypto/aead.hpp"

#include <gtest/gtest.h>

#include "base/clock.hpp"

namespace sealift::crypto {
namespace {

using Tag = std::array<std::uint8_t, kAeadTagBytes>;

Secret counting_key() {
  Secret key(kAeadKeyBytes);
  for (std::size_t i = 0; i < key.size(); ++i) key.mutable_bytes()[i] = static_cast<std::uint8_t>(i);
  return key;
}

TEST(Aead, KnownAnswersOfTheGcmSubmission) {  // McGrew and Viega, test cases 13 and 14: AES-256, nonce 0
  const Secret key(kAeadKeyBytes);
  Tag tag;
  Sealer(key).seal(0, {}, {}, tag);
  EXPECT_EQ(hex(tag), "530f8afbc74536b9a963b4f1c4cb738b");
  Bytes data(16);
  Sealer(key).seal(0, {}, data, tag);
  EXPECT_EQ(hex(data), "cea7403d4d606b6e074ec5d3baf39d18");
  EXPECT_EQ(hex(tag), "d0d1c8a799996bf0265b98b5d48ab919");
}

TEST(Aead, NonceIsTheSequenceAndAssociatedDataCounts) {  // expected bytes from python-cryptography's AESGCM
  Bytes data(100);
  for (std::size_t i = 0; i < data.size(); ++i) data[i] = static_cast<std::uint8_t>(i % 251);
  Tag tag;
  Sealer(counting_key()).seal(0x0102030405060708, as_bytes("header"), data, tag);
  EXPECT_EQ(hex(ByteView(data).first(16)), "0450670dd9e40f990b96f7e4126a37ff");
  EXPECT_EQ(hex(tag), "b4e0e76b089063b09ae949109ca4d3cb");
}

TEST(Aead, OpensWhatWasSealedAtEverySize) {
  Sealer sealer(counting_key());
  Opener opener(counting_key());
  SeededRandom random(3);
  std::uint64_t sequence = 0;
  for (const std::size_t size : {0U, 1U, 15U, 16U, 17U, 4096U, 262144U, 266240U}) {
    Bytes plain(size);
    random.fill(plain);
    Bytes data = plain;
    Tag tag;
    sealer.seal(sequence, as_bytes("a"), data, tag);
    EXPECT_TRUE(size <= 16 || data != plain);
    ASSERT_TRUE(opener.open(sequence, as_bytes("a"), data, tag)) << size;
    EXPECT_EQ(data, plain);
    ++sequence;
  }
}

TEST(Aead, AnyChangeIsRefusedAndLeavesNoPlaintext) {
  const Bytes plain(1000, 0x41);
  Bytes sealed = plain;
  Tag tag;
  Sealer(counting_key()).seal(5, as_bytes("stream 1"), sealed, tag);
  Opener opener(counting_key());
  const auto refuses = [&](std::uint64_t sequence, std::string_view associated, Bytes data, Tag with) {
    const Status status = opener.open(sequence, as_bytes(associated), data, with);
    return !status && status.error().code == Code::kCorrupt && data == Bytes(data.size());
  };
  Bytes flipped = sealed;
  flipped[999] ^= 1U;
  Tag other_tag = tag;
  other_tag[0] ^= 1U;
  EXPECT_TRUE(refuses(6, "stream 1", sealed, tag));
  EXPECT_TRUE(refuses(5, "stream 2", sealed, tag));
  EXPECT_TRUE(refuses(5, "stream 1", flipped, tag));
  EXPECT_TRUE(refuses(5, "stream 1", sealed, other_tag));
  EXPECT_TRUE(refuses(5, "stream 1", Bytes(sealed.begin(), sealed.end() - 1), tag));
  Bytes data = sealed;
  EXPECT_FALSE(Opener(Secret(kAeadKeyBytes)).open(5, as_bytes("stream 1"), data, tag));
  EXPECT_TRUE(opener.open(5, as_bytes("stream 1"), sealed, tag));  // a refusal does not spoil the opener
  EXPECT_EQ(sealed, plain);
}

TEST(AeadDeathTest, ASequenceIsNeverUsedTwice) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  Sealer sealer(counting_key());
  Bytes data(16);
  Tag tag;
  sealer.seal(7, {}, data, tag);
  EXPECT_DEATH(sealer.seal(7, {}, data, tag), "next_sequence_");
  sealer.seal(9, {}, data, tag);
}

}  // namespace
}  // namespace sealift::crypto

#include "crypto/digest.hpp"

#include <gtest/gtest.h>

#include "crypto/secret.hpp"

namespace sealift::crypto {
namespace {

Bytes bytes_of(std::string_view hex_text) {
  return unhex(hex_text).value();
}

// The input pattern of the BLAKE3 project's test_vectors.json.
Bytes blake3_input(std::size_t length) {
  Bytes out(length);
  for (std::size_t i = 0; i < length; ++i) out[i] = static_cast<std::uint8_t>(i % 251);
  return out;
}

TEST(Digest, Sha256KnownAnswers) {  // FIPS 180-4 examples
  EXPECT_EQ(sha256({}).hex(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256(as_bytes("abc")).hex(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256(as_bytes("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq")).hex(),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

TEST(Digest, Sha256CanBeForkedAndContinued) {
  Sha256 running;
  running.update(as_bytes("ab"));
  Sha256 fork = running;
  running.update(as_bytes("c"));
  EXPECT_EQ(fork.finish(), sha256(as_bytes("ab")));
  EXPECT_EQ(running.finish(), sha256(as_bytes("abc")));
  EXPECT_EQ(running.finish(), sha256({}));  // finish() leaves it as new
}

TEST(Digest, Blake3KnownAnswersUpToThreeMebibytes) {
  const std::pair<std::size_t, const char*> vectors[] = {
      {0, "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"},
      {1, "2d3adedff11b61f14c886e35afa036736dcd87a74d27b5c1510225d0f592e213"},
      {1023, "10108970eeda3eb932baac1428c7a2163b0e924c9a9e25b35bba72b28f70bd11"},
      {1024, "42214739f095a406f3fc83deb889744ac00df831c10daa55189b5d121c855af7"},
      {1025, "d00278ae47eb27b34faecf67b4fe263f82d5412916c1ffd97c8cb7fb814b8444"},
      {31744, "62b6960e1a44bcc1eb1a611a8d6235b6b4b78f32e7abc4fb4c6cdcce94895c47"},
      {102400, "bc3e3d41a1146b069abffad3c0d44860cf664390afce4d9661f7902e7943e085"},
      // Longer than the project's own vectors: from its Rust implementation.
      {262144, "d57dc906e20d3fd326ffaa85535500486f46a0979f5a323f028dcabfd381fd4a"},
      {1048576, "74cb441fd087764ca9c3694da742ebe30cbeb3060a17009ca81825c7a8d10343"},
      {1048577, "2f053cd7472cf0cd2f9adaf45c1180255b91b9a865404a63671a0ee5f792ed33"},
      {3145745, "26003c63117013de5d02be76e5e32a2f75bfbc075f17180fd5f9f0b4752d2bfe"},
  };
  for (const auto& [length, expected] : vectors)
    EXPECT_EQ(blake3(blake3_input(length)).hex(), expected) << length;
}

TEST(Digest, TextFormIsOneFormOnly) {
  const Digest digest = sha256(as_bytes("x"));
  EXPECT_EQ(Digest::from_hex(digest.hex()).value(), digest);
  EXPECT_FALSE(Digest::from_hex(digest.hex().substr(2)));
  EXPECT_FALSE(Digest::from_hex(digest.hex() + "00"));
  EXPECT_FALSE(Digest::from_hex("2D711642B726B04401627CA9FBAC32F5C8530FB1903CC4DB02258717921A4881"));
  EXPECT_FALSE(Digest::from_bytes(Bytes(31)));
}

TEST(Digest, HmacKnownAnswers) {  // RFC 4231 test cases 2 and 6
  EXPECT_EQ(hmac_sha256(as_bytes("Jefe"), as_bytes("what do ya want for nothing?")).hex(),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  EXPECT_EQ(
      hmac_sha256(Bytes(131, 0xaa), as_bytes("Test Using Larger Than Block-Size Key - Hash Key First")).hex(),
      "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

TEST(Digest, HkdfKnownAnswers) {  // RFC 5869 A.1 and A.3
  const Bytes info = bytes_of("f0f1f2f3f4f5f6f7f8f9");
  EXPECT_EQ(
      hex(hkdf_sha256(Bytes(22, 0x0b), bytes_of("000102030405060708090a0b0c"), as_text(info), 42).reveal()),
      "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865");
  EXPECT_EQ(hex(hkdf_sha256(Bytes(22, 0x0b), {}, "", 42).reveal()),
            "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8");
}

TEST(Secret, MovesAndNeverCopies) {
  static_assert(!std::is_copy_constructible_v<Secret> && !fmt::is_formattable<Secret>::value);
  Secret first(as_bytes("key material"));
  Secret second = std::move(first);
  EXPECT_TRUE(
      first.empty());  // NOLINT(bugprone-use-after-move): what a moved-from secret holds is the promise
  EXPECT_EQ(as_text(second.reveal()), "key material");
  second = Secret(as_bytes("other"));
  EXPECT_EQ(second.size(), 5U);
}

TEST(Secret, WipeLeavesZeros) {
  Bytes bytes(100, 0x5a);
  wipe(bytes);
  EXPECT_EQ(bytes, Bytes(100));
}

}  // namespace
}  // namespace sealift::crypto

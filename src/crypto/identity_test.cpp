#include "crypto/identity.hpp"

#include <sys/stat.h>

#include <filesystem>
#include <thread>

#include <gtest/gtest.h>

#include "crypto/tls_identity.hpp"

#include <openssl/x509.h>

namespace sealift::crypto {
namespace {

Bytes bytes_of(std::string_view hex_text) {
  return unhex(hex_text).value();
}

class IdentityFile : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "sealift-identity-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }
  std::filesystem::path directory_;
};

TEST(Identity, KnownAnswersOfRfc8032) {
  struct Vector {
    const char *seed, *key, *message, *signature;
  };
  const Vector vectors[] = {
      {"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
       "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
       "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf"
       "5f0595b"
       "be24655141438e7a100b"},
      {"4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
       "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
       "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2"
       "eaeb430"
       "2aeeb00d291612bb0c00"},
      {"c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
       "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
       "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c1"
       "5e9716e"
       "d28dc027beceea1ec40a"},
  };
  for (const Vector& vector : vectors) {
    const Identity identity = Identity::from_seed(bytes_of(vector.seed)).value();
    EXPECT_EQ(identity.public_key().hex(), vector.key);
    EXPECT_EQ(hex(identity.sign("", bytes_of(vector.message))), vector.signature);
    EXPECT_TRUE(identity.public_key().verify("", bytes_of(vector.message), bytes_of(vector.signature)));
  }
}

TEST(Identity, ASignatureHoldsForItsKeyContextAndMessageOnly) {
  const Identity mine = Identity::generate();
  const Identity other = Identity::generate();
  const ByteView message = as_bytes("message");
  const Bytes signature = mine.sign("records", message);
  EXPECT_TRUE(mine.public_key().verify("records", message, signature));
  EXPECT_EQ(mine.public_key().verify("checkpoints", message, signature).error().code, Code::kCorrupt);
  EXPECT_FALSE(mine.public_key().verify("", message, signature));
  EXPECT_FALSE(mine.public_key().verify("record", as_bytes("smessage"), signature));
  EXPECT_FALSE(mine.public_key().verify("records", as_bytes("massage"), signature));
  EXPECT_FALSE(other.public_key().verify("records", message, signature));
  EXPECT_FALSE(mine.public_key().verify("records", message, ByteView(signature).first(63)));
  EXPECT_FALSE(PublicKey().verify("records", message, signature));
}

TEST(Identity,
     RefusesASignatureWithAnUnreducedScalar) {  // RFC 8032 5.1.7: S < L, else signatures are malleable
  const Identity identity = Identity::generate();
  Bytes signature = identity.sign("", as_bytes("m"));
  const Bytes order = bytes_of("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010");
  unsigned carry = 0;
  for (std::size_t i = 0; i < 32; ++i) {
    carry += static_cast<unsigned>(signature[32 + i]) + order[i];
    signature[32 + i] = static_cast<std::uint8_t>(carry);
    carry >>= 8U;
  }
  EXPECT_FALSE(identity.public_key().verify("", as_bytes("m"), signature));
}

TEST(Identity, RefusesKeysOfSmallOrderAndNonCanonicalOnes) {
  for (const char* bad : {"0000000000000000000000000000000000000000000000000000000000000000",
                          "0000000000000000000000000000000000000000000000000000000000000080",
                          "0100000000000000000000000000000000000000000000000000000000000000",
                          "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
                          "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
                          "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
                          "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
                          "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
                          "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"})
    EXPECT_EQ(PublicKey::from_hex(bad).error().code, Code::kInvalid) << bad;
  EXPECT_FALSE(PublicKey::from_bytes(Bytes(31)));
}

TEST(Identity, VerifierKeyRoundTripsAndItsHashIsChecked) {
  const NamedKey key{"zurich-1", Identity::generate().public_key()};
  const std::string text = key.verifier_key();
  EXPECT_EQ(PublicKey::parse_verifier_key(text).value(), key);
  EXPECT_FALSE(PublicKey::parse_verifier_key("bern" + text.substr(8)));  // another name under the same hash
  EXPECT_FALSE(PublicKey::parse_verifier_key(text.substr(0, text.size() - 4)));
  EXPECT_FALSE(PublicKey::parse_verifier_key(text + "\n"));
  EXPECT_FALSE(PublicKey::parse_verifier_key(key.key.verifier_key("Zurich")));  // not a host name
  EXPECT_FALSE(PublicKey::parse_verifier_key(""));
  EXPECT_FALSE(PublicKey::parse_verifier_key("a+b"));
  // The example of golang.org/x/mod/sumdb/note: right in form, but its name is no host's.
  EXPECT_FALSE(
      PublicKey::parse_verifier_key("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"));
}

TEST(Identity, HostNames) {
  for (const char* good : {"a", "bern", "host-01", "0", "a-"}) EXPECT_TRUE(valid_host_name(good)) << good;
  for (const char* bad : {"", "Bern", "a b", "a+b", "a.b", "../a", "a\n", "ä"})
    EXPECT_FALSE(valid_host_name(bad));
  EXPECT_TRUE(valid_host_name(std::string(63, 'x')));
  EXPECT_FALSE(valid_host_name(std::string(64, 'x')));
}

TEST_F(IdentityFile, IsSavedPrivateAndLoadsAgain) {
  const Identity identity = Identity::generate();
  const auto path = directory_ / "host.key";
  ASSERT_TRUE(identity.save(path));
  struct stat info{};
  ASSERT_EQ(::stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777U, 0600U);
  const Identity loaded = Identity::load(path).value();
  EXPECT_EQ(loaded.public_key(), identity.public_key());
  EXPECT_EQ(loaded.sign("c", as_bytes("m")), identity.sign("c", as_bytes("m")));
  EXPECT_TRUE(file::read_text(path, 1000).value().starts_with("-----BEGIN PRIVATE KEY-----\n"));
}

TEST_F(IdentityFile, IsNeverOverwritten) {
  const Identity first = Identity::generate();
  ASSERT_TRUE(first.save(directory_ / "host.key"));
  EXPECT_EQ(Identity::generate().save(directory_ / "host.key").error().code, Code::kConflict);
  EXPECT_EQ(Identity::load(directory_ / "host.key").value().public_key(), first.public_key());
}

TEST_F(IdentityFile, ThatOthersMayReadIsRefused) {
  const auto path = directory_ / "host.key";
  ASSERT_TRUE(Identity::generate().save(path));
  ASSERT_EQ(::chmod(path.c_str(), 0640), 0);
  EXPECT_EQ(Identity::load(path).error().code, Code::kRefused);
}

TEST_F(IdentityFile, MissingOrDamagedIsAnErrorThatSaysWhich) {
  const auto path = directory_ / "host.key";
  EXPECT_EQ(Identity::load(path).error().code, Code::kNotFound);
  for (const char* content :
       {"", "hello", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"}) {
    ASSERT_TRUE(file::write_atomic(path, std::string_view(content)));
    EXPECT_EQ(Identity::load(path).error().code, Code::kCorrupt) << content;
  }
  ASSERT_TRUE(file::write_atomic(path, std::string(20000, 'x')));
  EXPECT_EQ(Identity::load(path).error().code, Code::kCorrupt);
}

TEST(Identity, SignsFromSeveralThreads) {
  const Identity identity = Identity::generate();
  const Bytes expected = identity.sign("", as_bytes("m"));
  std::vector<std::jthread> threads;
  threads.reserve(4);
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int k = 0; k < 50; ++k) EXPECT_EQ(identity.sign("", as_bytes("m")), expected);
    });
  }
}

TEST(TlsIdentity, CertificateHoldsTheKeyIsSelfSignedAndReproducible) {
  const Identity identity = Identity::generate();
  const TlsIdentity tls = TlsIdentity::make(identity).value();
  EXPECT_EQ(certificate_key(tls.certificate()).value(), identity.public_key());
  EXPECT_EQ(X509_verify(tls.certificate(), tls.key()), 1);
  const TlsIdentity again = TlsIdentity::make(identity).value();
  EXPECT_EQ(X509_cmp(tls.certificate(), again.certificate()), 0);
  EXPECT_EQ(certificate_key(nullptr).error().code, Code::kUnauthorized);
}

}  // namespace
}  // namespace sealift::crypto

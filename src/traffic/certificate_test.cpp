#include "traffic/certificate.hpp"

#include <gtest/gtest.h>

#include "traffic/test_traffic.hpp"

namespace sealift::traffic {
namespace {

using namespace testing;

struct CertificateTest : ::testing::Test {
  const WallTime now{std::chrono::seconds{1'800'000'000}};
  const crypto::Identity zurich = identity_of("zurich");
  const ledger::DomainId domain{crypto::sha256(as_bytes("domain"))};
  const crypto::PublicKey key = identity_of("lb").public_key();
  bool zurich_is_member = true;

  Certificate certificate() const {
    return {domain, host_name("zurich"), key, host_name("lb-1"), now + std::chrono::hours{1}};
  }
  Status check(ByteView bytes, const crypto::PublicKey& shown_by, const ledger::DomainId& in, WallTime at) {
    const auto parsed = SEALIFT_TRY(parse_certificate(bytes));
    const auto member_key = [&](const ledger::HostName& name) -> std::optional<crypto::PublicKey> {
      if (!zurich_is_member || name != host_name("zurich")) return std::nullopt;
      return zurich.public_key();
    };
    const auto verified = SEALIFT_TRY(verify_certificate(parsed, in, shown_by, member_key, at));
    EXPECT_EQ(verified, certificate());
    return {};
  }
};

TEST_F(CertificateTest, AMembersSignatureGivesTheRight) {
  EXPECT_TRUE(check(make_certificate(certificate(), zurich), key, domain, now));
}

TEST_F(CertificateTest, NothingElseDoes) {
  const Bytes good = make_certificate(certificate(), zurich);
  const auto refused = [&](const Status& status, std::string_view word) {
    ASSERT_FALSE(status) << word;
    EXPECT_EQ(status.error().code, Code::kUnauthorized);
    EXPECT_NE(status.error().message.find(word), std::string::npos) << status.error().message;
  };
  refused(check(good, identity_of("other").public_key(), domain, now), "another balancer's");
  refused(check(good, key, {crypto::sha256(as_bytes("else"))}, now), "another domain");
  refused(check(good, key, domain, now + std::chrono::hours{2}), "expired");
  refused(check(make_certificate(certificate(), identity_of("mallory")), key, domain, now), "not zurich's");
  zurich_is_member = false;
  refused(check(good, key, domain, now), "no member any more");
}

TEST_F(CertificateTest, OtherEnvelopesAndDamageAreNoCertificates) {
  const Bytes good = make_certificate(certificate(), zurich);
  for (std::size_t cut = 0; cut < good.size(); cut += 7)
    EXPECT_FALSE(parse_certificate(ByteView(good).first(cut)));
  const crypto::Identity* signers[] = {&zurich};
  const Bytes other = crypto::encode(
      crypto::sign_envelope("application/vnd.in-toto+json", as_bytes("{\"version\":1}"), signers));
  EXPECT_FALSE(parse_certificate(other));
}

}  // namespace
}  // namespace sealift::traffic

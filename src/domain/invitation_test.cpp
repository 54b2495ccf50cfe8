#include "domain/invitation.hpp"

#include <gtest/gtest.h>

#include "domain/answer.hpp"
#include "domain/domain_fixture.hpp"
#include "domain/messages.hpp"

namespace sealift::domain {
namespace {

using namespace testing;

Invitation an_invitation() {
  Invitation invitation;
  invitation.endpoints = {{"192.0.2.7", 7420}, {"2001:db8::1", 7421}};
  invitation.domain = {crypto::sha256(as_bytes("genesis"))};
  invitation.inviter = {"zurich", identity_of("zurich").public_key()};
  invitation.id = "0123456789abcdef";
  SeededRandom random(1);
  invitation.secret = crypto::Secret::random(kInvitationSecretBytes, random);
  invitation.expires = WallTime{std::chrono::seconds{1'800'000'000}};
  return invitation;
}

TEST(Invitation, ALineReadsBackAsItself) {
  const Invitation invitation = an_invitation();
  const auto parsed = parse_invitation("  '" + invitation.line() + "'\n");
  ASSERT_TRUE(parsed) << parsed.error().message;
  EXPECT_EQ(parsed->line(), invitation.line());
  EXPECT_EQ(parsed->endpoints, invitation.endpoints);
}

TEST(Invitation, EveryDamageIsRefusedWithoutTellingTheSecret) {
  const std::string line = an_invitation().line();
  const std::string secret = hex(an_invitation().secret.reveal());
  EXPECT_FALSE(parse_invitation(""));
  EXPECT_FALSE(parse_invitation("hello"));
  EXPECT_FALSE(parse_invitation(line + ",x"));
  for (std::size_t cut = 0; cut + 1 < line.size(); ++cut) {
    const auto parsed = parse_invitation(line.substr(0, cut));
    if (parsed) continue;  // a shorter expiry is a time, too
    EXPECT_EQ(parsed.error().code, Code::kInvalid);
    EXPECT_EQ(parsed.error().message.find(secret), std::string::npos);
  }
}

TEST(Invitation, TheProofBindsTheJoinersKeyAndEverythingItAsksFor) {
  const Invitation invitation = an_invitation();
  ledger::HostInfo host;
  host.name = host_name("bern");
  host.key = identity_of("bern").public_key();
  const auto proof = [&](const ledger::HostInfo& info, std::string_view old_log) {
    return join_proof(invitation.secret, invitation.domain, invitation.id, info, old_log);
  };
  const crypto::Digest good = proof(host, "log");
  ledger::HostInfo other = host;
  other.key = identity_of("wien").public_key();
  EXPECT_NE(proof(other, "log"), good);
  other = host;
  other.witness_only = true;
  EXPECT_NE(proof(other, "log"), good);
  other = host;
  other.endpoints = {"192.0.2.9:1"};
  EXPECT_NE(proof(other, "log"), good);
  EXPECT_NE(proof(host, "another"), good);
}

TEST(Answer, CountsForItsMemberDomainAndNonceOnly) {
  const crypto::Identity bern = identity_of("bern");
  const ledger::DomainId domain{crypto::sha256(as_bytes("a"))};
  const ledger::MemberSet set{1,
                              {{"bern", bern.public_key()}, {"zurich", identity_of("zurich").public_key()}}};
  const Bytes bytes = sign_answer({host_name("bern"), 1, 7, 6}, domain, as_bytes("nonce"), bern);
  const std::vector<Bytes> twice = {bytes, bytes};
  ASSERT_EQ(verified_answers(twice, set, domain, as_bytes("nonce")).size(), 1U);
  EXPECT_EQ(verified_answers(twice, set, domain, as_bytes("nonce")).front().height, 7U);
  EXPECT_TRUE(verified_answers(twice, set, domain, as_bytes("other")).empty());
  EXPECT_TRUE(verified_answers(twice, set, {crypto::sha256(as_bytes("b"))}, as_bytes("nonce")).empty());
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    std::vector<Bytes> flipped = {bytes};
    flipped[0][i] ^= 1;
    EXPECT_TRUE(verified_answers(flipped, set, domain, as_bytes("nonce")).empty()) << i;
  }
}

TEST(Messages, ReadBackAsTheyWereWritten) {
  FollowRequest request;
  request.domain = {crypto::sha256(as_bytes("a"))};
  request.height = 3;
  request.note = "note";
  request.first = true;
  request.answers = {{5, to_bytes("answer")}};
  const auto parsed = parse_follow_request(to_json(request));
  ASSERT_TRUE(parsed) << parsed.error().message;
  EXPECT_EQ(to_json(*parsed), to_json(request));
  FollowNews news;
  news.steps = {{std::nullopt, "note"}};
  news.asks = {{7, to_bytes("nonce")}};
  news.recoveries = {to_bytes("envelope")};
  const auto read = parse_follow_news(to_json(news));
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(to_json(*read), to_json(news));
  const Json whole = to_json(request);
  for (const auto& [name, value] : whole.items()) {
    Json without = whole;
    without.erase(name);
    EXPECT_FALSE(parse_follow_request(without)) << name;
  }
}

}  // namespace
}  // namespace sealift::domain

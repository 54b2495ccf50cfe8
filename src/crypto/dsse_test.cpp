#include "crypto/dsse.hpp"

#include <gtest/gtest.h>

#include "base/json.hpp"

namespace sealift::crypto {
namespace {

constexpr std::string_view kType = "application/vnd.in-toto+json";

UnverifiedEnvelope reparse(const Envelope& envelope) {
  return parse_envelope(encode(envelope)).value();
}

TEST(Dsse, PreAuthenticationEncodingIsThatOfTheSpecification) {
  EXPECT_EQ(as_text(pre_authentication("http://example.com/HelloWorld", as_bytes("hello world"))),
            "DSSEv1 29 http://example.com/HelloWorld 11 hello world");
  EXPECT_EQ(as_text(pre_authentication("", {})), "DSSEv1 0  0 ");
  EXPECT_NE(pre_authentication("a 1", as_bytes("x")), pre_authentication("a", as_bytes("1 x")));
}

TEST(Dsse, WhatWasSignedVerifiesAndNamesItsSigners) {
  const Identity source = Identity::generate();
  const Identity destination = Identity::generate();
  const Identity* signers[] = {&source, &destination};
  const Envelope envelope = sign_envelope(kType, as_bytes(R"({"a":1})"), signers);
  EXPECT_EQ(envelope.signatures[0].keyid, sha256(source.public_key().view()).hex());
  const UnverifiedEnvelope parsed = reparse(envelope);
  EXPECT_EQ(Bytes(parsed.bytes().begin(), parsed.bytes().end()), encode(envelope));
  const std::vector<PublicKey> both = {destination.public_key(), source.public_key()};
  const VerifiedPayload verified = verify(parsed, kType, both).value();
  EXPECT_EQ(as_text(verified.payload), R"({"a":1})");
  EXPECT_EQ(verified.signers, (std::vector{source.public_key(), destination.public_key()}));
  EXPECT_EQ(verify(parsed, kType, std::vector{source.public_key()}).value().signers.size(), 1U);
}

TEST(Dsse, RefusesBadKeyidOtherKeysAndOtherTypes) {
  const Identity signer = Identity::generate();
  const Identity other = Identity::generate();
  const std::vector<PublicKey> trusted = {signer.public_key()};
  const Identity* signers[] = {&signer};
  const Envelope good = sign_envelope(kType, as_bytes("{}"), signers);
  EXPECT_EQ(verify(reparse(good), "text/plain", trusted).error().code, Code::kUnsupported);
  EXPECT_EQ(verify(reparse(good), kType, std::vector{other.public_key()}).error().code, Code::kUnauthorized);
  EXPECT_EQ(verify(reparse(good), kType, {}).error().code, Code::kUnauthorized);

  Envelope bad_keyid = good;
  bad_keyid.signatures[0].keyid = "00";
  EXPECT_EQ(verify(reparse(bad_keyid), kType, trusted).error().code, Code::kUnauthorized);
  Envelope by_another = good;  // another key's signature under the trusted key's id
  by_another.signatures[0].sig = sign_payload(kType, as_bytes("{}"), other).sig;
  EXPECT_EQ(verify(reparse(by_another), kType, trusted).error().code, Code::kCorrupt);
  Envelope altered = good;
  altered.payload = to_bytes("{ }");
  EXPECT_EQ(verify(reparse(altered), kType, trusted).error().code, Code::kCorrupt);
  Envelope retyped = good;
  retyped.payload_type = "text/plain";
  EXPECT_EQ(verify(reparse(retyped), "text/plain", trusted).error().code, Code::kCorrupt);
  Envelope one_bad = good;  // a good one does not outweigh a bad one of a trusted key
  one_bad.signatures.push_back(by_another.signatures[0]);
  EXPECT_EQ(verify(reparse(one_bad), kType, trusted).error().code, Code::kCorrupt);
}

TEST(Dsse, DuplicateSignaturesCountOnce) {
  const Identity signer = Identity::generate();
  const Identity* signers[] = {&signer, &signer, &signer};
  const UnverifiedEnvelope envelope = reparse(sign_envelope(kType, as_bytes("{}"), signers));
  const std::vector<PublicKey> trusted = {signer.public_key(), signer.public_key()};
  EXPECT_EQ(verify(envelope, kType, trusted).value().signers.size(), 1U);
}

TEST(Dsse, BinaryPayloadsAndUnknownFieldsAreFine) {
  const Identity signer = Identity::generate();
  const Bytes payload = {0, 1, 0xff, 0x80, '\n'};
  const Identity* signers[] = {&signer};
  Json value = Json::parse(as_text(encode(sign_envelope(kType, payload, signers))));
  value["extra"] = 1;
  const UnverifiedEnvelope envelope = parse_envelope(as_bytes(value.dump(3))).value();
  EXPECT_EQ(verify(envelope, kType, std::vector{signer.public_key()}).value().payload, payload);
}

TEST(Dsse, MalformedEnvelopesAreRefused) {
  for (const char* bad : {
           "",
           "[]",
           "1",
           "{}",
           R"({"payload":"","payloadType":"t"})",
           R"({"payload":"","payloadType":"t","signatures":[]})",
           R"({"payload":"","payloadType":"t","signatures":{}})",
           R"({"payload":"","payloadType":"t","signatures":[1]})",
           R"({"payload":"","payloadType":"t","signatures":[{"keyid":"a"}]})",
           R"({"payload":"","payloadType":"t","signatures":[{"keyid":1,"sig":""}]})",
           R"({"payload":"-_8=","payloadType":"t","signatures":[{"sig":""}]})",
           R"({"payload":"=","payloadType":"t","signatures":[{"sig":""}]})",
           R"({"payload":"","payloadType":7,"signatures":[{"sig":""}]})",
           R"({"payload":"","payload":"AAAA","payloadType":"t","signatures":[{"sig":""}]})",
       }) {
    const Result<UnverifiedEnvelope> parsed = parse_envelope(as_bytes(bad));
    ASSERT_FALSE(parsed) << bad;
    EXPECT_EQ(parsed.error().code, Code::kInvalid) << bad;
  }
  Envelope crowded{std::string(kType), {}, {}};
  crowded.signatures.resize(kEnvelopeSignaturesMax + 1);
  EXPECT_FALSE(parse_envelope(encode(crowded)));
}

}  // namespace
}  // namespace sealift::crypto

#include "traffic/certificate.hpp"

#include "base/json.hpp"

namespace sealift::traffic {

namespace {

constexpr std::string_view kPayloadType = "application/vnd.sealift.balancer+json";
constexpr std::uint64_t kVersion = 1;
constexpr std::uint64_t kSecondsMax = 253'402'300'799;  // year 9999

Result<Certificate> parse_payload(ByteView payload) {
  const Json json = SEALIFT_TRY(json::parse(as_text(payload), kCertificateBytesMax));
  const std::uint64_t version = SEALIFT_TRY(json::number(json, "version"));
  if (version != kVersion)
    return fail(Code::kUnsupported, "it is of version {}, this sealift knows version {}", version, kVersion);
  Certificate said;
  said.domain = SEALIFT_TRY(json::id<ledger::DomainId>(json, "domain"));
  said.issuer = SEALIFT_TRY(json::id<ledger::HostName>(json, "issuer"));
  said.key = SEALIFT_TRY(json::id<crypto::PublicKey>(json, "key"));
  said.name = SEALIFT_TRY(json::id<ledger::HostName>(json, "name"));
  const std::uint64_t until = SEALIFT_TRY(json::number(json, "until"));
  if (until > kSecondsMax) return fail(Code::kInvalid, "field 'until' is no time");
  said.until = WallTime{std::chrono::seconds{static_cast<std::int64_t>(until)}};
  return said;
}

}  // namespace

Bytes make_certificate(const Certificate& certificate, const crypto::Identity& issuer) {
  const auto until = std::chrono::floor<std::chrono::seconds>(certificate.until).time_since_epoch().count();
  const Json payload = {{"version", kVersion},
                        {"domain", certificate.domain.hex()},
                        {"issuer", certificate.issuer.text()},
                        {"key", certificate.key.hex()},
                        {"name", certificate.name.text()},
                        {"until", until}};
  const std::string text = json::dump(payload);
  const crypto::Identity* signers[] = {&issuer};
  return crypto::encode(crypto::sign_envelope(kPayloadType, as_bytes(text), signers));
}

Result<UnverifiedCertificate> parse_certificate(ByteView bytes) {
  if (bytes.size() > kCertificateBytesMax)
    return fail(Code::kInvalid, "no certificate: {} bytes, at most {} are allowed", bytes.size(),
                kCertificateBytesMax);
  auto envelope = crypto::parse_envelope(bytes);
  if (!envelope) return because(envelope.error(), "no certificate");
  if (envelope->payload_type() != kPayloadType)
    return fail(Code::kInvalid, "no certificate: its payload type is not {}", kPayloadType);
  auto said = parse_payload(envelope->unverified_payload());
  if (!said) return because(said.error(), "the certificate");
  return UnverifiedCertificate{std::move(*said), std::move(*envelope)};
}

Result<Certificate> verify_certificate(const UnverifiedCertificate& certificate,
                                       const ledger::DomainId& domain, const crypto::PublicKey& shown_by,
                                       const MemberKey& member_key, WallTime now) {
  const Certificate& said = certificate.said;
  if (said.domain != domain) return fail(Code::kUnauthorized, "the certificate is of another domain");
  if (said.key != shown_by)
    return fail(Code::kUnauthorized,
                "the certificate is another balancer's: its key is not this connection's");
  const auto key = member_key(said.issuer);
  if (!key)
    return fail(Code::kUnauthorized,
                "the certificate was signed by {}, which is no member any more: enrol again at a member",
                said.issuer.text());
  const auto verified = crypto::verify(certificate.envelope, kPayloadType, std::span(&*key, 1));
  if (!verified)
    return fail(Code::kUnauthorized, "the certificate is not {}'s: {}", said.issuer.text(),
                verified.error().message);
  if (now > said.until)
    return fail(Code::kUnauthorized, "the certificate of {} expired at {}: enrol it again", said.name.text(),
                to_iso8601(said.until));
  return said;
}

}  // namespace sealift::traffic

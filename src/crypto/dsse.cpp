#include "crypto/dsse.hpp"

#include <algorithm>

#include "base/json.hpp"

namespace sealift::crypto {

namespace {

Result<Bytes> base64_field(const Json& object, std::string_view name) {
  const std::string text = SEALIFT_TRY(json::text(object, name));
  const Result<Bytes> bytes = unbase64(text);
  if (!bytes) return because(bytes.error(), fmt::format("field '{}'", name));
  return *bytes;
}

Result<EnvelopeSignature> parse_signature(const Json& object) {
  EnvelopeSignature out;
  if (json::has(object, "keyid")) out.keyid = SEALIFT_TRY(json::text(object, "keyid"));
  out.sig = SEALIFT_TRY(base64_field(object, "sig"));
  return out;
}

Result<Envelope> parse_fields(ByteView bytes) {
  const Json value = SEALIFT_TRY(json::parse(as_text(bytes), kEnvelopeBytesMax));
  Envelope out;
  out.payload_type = SEALIFT_TRY(json::text(value, "payloadType"));
  out.payload = SEALIFT_TRY(base64_field(value, "payload"));
  const Json signatures = SEALIFT_TRY(json::array(value, "signatures"));
  if (signatures.empty() || signatures.size() > kEnvelopeSignaturesMax)
    return fail(Code::kInvalid, "{} signatures, not 1 to {}", signatures.size(), kEnvelopeSignaturesMax);
  for (const Json& signature : signatures) out.signatures.push_back(SEALIFT_TRY(parse_signature(signature)));
  return out;
}

}  // namespace

Bytes pre_authentication(std::string_view payload_type, ByteView payload) {
  Bytes out = to_bytes(fmt::format("DSSEv1 {} {} {} ", payload_type.size(), payload_type, payload.size()));
  out.insert(out.end(), payload.begin(), payload.end());
  return out;
}

Bytes encode(const Envelope& envelope) {
  Json signatures = Json::array();
  for (const EnvelopeSignature& signature : envelope.signatures)
    signatures.push_back({{"keyid", signature.keyid}, {"sig", base64(signature.sig)}});
  const Json value = {{"payload", base64(envelope.payload)},
                      {"payloadType", envelope.payload_type},
                      {"signatures", std::move(signatures)}};
  return to_bytes(json::dump(value));
}

EnvelopeSignature sign_payload(std::string_view payload_type, ByteView payload, const Identity& signer) {
  return {signer.public_key().id().hex(), signer.sign("", pre_authentication(payload_type, payload))};
}

Envelope sign_envelope(std::string_view payload_type, ByteView payload,
                       std::span<const Identity* const> signers) {
  Envelope out{std::string(payload_type), Bytes(payload.begin(), payload.end()), {}};
  for (const Identity* signer : signers)
    out.signatures.push_back(sign_payload(payload_type, payload, *signer));
  return out;
}

Result<UnverifiedEnvelope> parse_envelope(ByteView bytes) {
  Result<Envelope> fields = parse_fields(bytes);
  if (!fields) return because(fields.error(), "DSSE envelope");
  UnverifiedEnvelope out;
  out.bytes_.assign(bytes.begin(), bytes.end());
  out.envelope_ = std::move(*fields);
  return out;
}

Result<VerifiedPayload> verify(const UnverifiedEnvelope& envelope, std::string_view payload_type,
                               std::span<const PublicKey> trusted) {
  if (envelope.payload_type() != payload_type)
    return fail(Code::kUnsupported, "DSSE envelope: payload of type '{}', expected '{}'",
                envelope.payload_type(), payload_type);
  const ByteView payload = envelope.unverified_payload();
  const Bytes message = pre_authentication(payload_type, payload);
  VerifiedPayload out{std::string(payload_type), Bytes(payload.begin(), payload.end()), {}};
  for (const EnvelopeSignature& signature : envelope.signatures()) {
    const auto key = std::ranges::find_if(
        trusted, [&](const PublicKey& candidate) { return candidate.id().hex() == signature.keyid; });
    if (key == trusted.end()) continue;
    if (!key->verify("", message, signature.sig))
      return fail(Code::kCorrupt, "DSSE envelope: the signature of key {} does not match the payload",
                  signature.keyid);
    if (std::ranges::find(out.signers, *key) == out.signers.end()) out.signers.push_back(*key);
  }
  if (out.signers.empty())
    return fail(Code::kUnauthorized, "DSSE envelope: none of the keys that are trusted for it signed it");
  return out;
}

}  // namespace sealift::crypto

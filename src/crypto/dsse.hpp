#pragma once

// DSSE v1.0.2 envelopes: {"payload": base64, "payloadType": text, "signatures": [{"keyid": hex, "sig":
// base64}]}. Signed are the bytes  "DSSEv1" SP length(type) SP type SP length(payload) SP payload  (decimal
// lengths), Ed25519, context "". keyid = lower-case hex of SHA-256(32 key bytes): a hint, never proof.
//
// What is exact: the payload. The JSON around it is not signed (spaces, order, other fields), so the digest
// of an envelope's bytes names these bytes, not what was signed: who forwards an envelope can change it.
// Rules must therefore not treat "another digest" as "another statement".
//
// Base64 is accepted in the standard alphabet only; unknown fields are ignored.

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "crypto/identity.hpp"

namespace sealift::crypto {

constexpr std::size_t kEnvelopeBytesMax = std::size_t{4} * 1024 * 1024;
constexpr std::size_t kEnvelopeSignaturesMax = 128;

struct EnvelopeSignature {
  std::string keyid;
  Bytes sig;
  bool operator==(const EnvelopeSignature&) const = default;
};

struct Envelope {
  std::string payload_type;
  Bytes payload;
  std::vector<EnvelopeSignature> signatures;
};

Bytes pre_authentication(std::string_view payload_type, ByteView payload);
Bytes encode(const Envelope& envelope);  // one line of JSON, fields in alphabetical order

EnvelopeSignature sign_payload(std::string_view payload_type, ByteView payload, const Identity& signer);
Envelope sign_envelope(std::string_view payload_type, ByteView payload,
                       std::span<const Identity* const> signers);

// An envelope from outside. Its payload is nobody's word until verify().
class UnverifiedEnvelope {
 public:
  ByteView bytes() const { return bytes_; }  // exactly as they came
  const std::string& payload_type() const { return envelope_.payload_type; }
  const std::vector<EnvelopeSignature>& signatures() const { return envelope_.signatures; }
  // For finding out whose key is needed, or for showing it as unverified.
  ByteView unverified_payload() const { return envelope_.payload; }

 private:
  friend Result<UnverifiedEnvelope> parse_envelope(ByteView bytes);
  Bytes bytes_;
  Envelope envelope_;
};

Result<UnverifiedEnvelope> parse_envelope(ByteView bytes);  // kInvalid; at least one signature

struct VerifiedPayload {
  std::string payload_type;
  Bytes payload;
  std::vector<PublicKey> signers;  // each once, at least one, in the order of the envelope
};
// kUnsupported: another payload type. kCorrupt: a trusted key's signature is bad. kUnauthorized: none of the
// trusted keys signed. Signatures with other keyids are ignored.
Result<VerifiedPayload> verify(const UnverifiedEnvelope& envelope, std::string_view payload_type,
                               std::span<const PublicKey> trusted);

}  // namespace sealift::crypto

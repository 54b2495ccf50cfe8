#pragma once

// A balancer's right to read the event streams of a domain's hosts: a DSSE envelope of payload type
// application/vnd.sealift.balancer+json, signed by the member that invited it. No ledger record: the right
// is as old as its signer's membership and ends with it, or when it expires. The payload, compact JSON:
//
//   {"domain": 64 hex digits, "issuer": member, "key": 64 hex digits, "name": text, "until": POSIX seconds,
//    "version": 1}

#include <functional>
#include <optional>

#include "base/clock.hpp"
#include "crypto/dsse.hpp"
#include "ledger/ids.hpp"

namespace sealift::traffic {

constexpr std::size_t kCertificateBytesMax = 4096;

struct Certificate {
  ledger::DomainId domain;
  ledger::HostName issuer;  // who signed it
  crypto::PublicKey key;    // the balancer's
  ledger::HostName name;    // the balancer's
  WallTime until{};         // whole seconds
  bool operator==(const Certificate&) const = default;
};

Bytes make_certificate(const Certificate& certificate, const crypto::Identity& issuer);

// What it says, signed or not: for finding the signer, and for showing. kInvalid.
struct UnverifiedCertificate {
  Certificate said;
  crypto::UnverifiedEnvelope envelope;
};
Result<UnverifiedCertificate> parse_certificate(ByteView bytes);

// The key of a member of now; nothing for anybody else.
using MemberKey = std::function<std::optional<crypto::PublicKey>(const ledger::HostName&)>;
// kUnauthorized says why it gives no right now.
Result<Certificate> verify_certificate(const UnverifiedCertificate& certificate,
                                       const ledger::DomainId& domain, const crypto::PublicKey& shown_by,
                                       const MemberKey& member_key, WallTime now);

}  // namespace sealift::traffic

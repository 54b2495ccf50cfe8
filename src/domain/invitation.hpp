#pragma once

// The line that `domain invite` prints: for `domain join`, or with --balancer for `balance enrol`. One word,
// seven fields parted by commas:
//
//   sealift-invite-1,<endpoint>[|<endpoint>…],<domain id, 64 hex>,<verifier key of the inviting member>,
//   <invitation id, 16 hex>,<secret, 64 hex>,<expiry, POSIX seconds>
//
// A balancer's begins with sealift-balancer-1; neither can be used as the other (traffic/service.hpp).
//
// (endpoints are parted by '|', at most 8). The joiner trusts the line alone: the domain id is the hash that
// the genesis file must have, the key is the one that must answer at the endpoint. The secret never travels:
// the joiner proves it with join_proof(). Who holds the line can ask for one membership until it expires; k
// members decide.

#include <string>
#include <vector>

#include "base/clock.hpp"
#include "crypto/identity.hpp"
#include "crypto/secret.hpp"
#include "ledger/record.hpp"
#include "net/endpoint.hpp"

namespace sealift::domain {

constexpr std::size_t kInvitationBytesMax = 4096;
constexpr std::size_t kInvitationSecretBytes = 32;

enum class InvitationKind : std::uint8_t { kHost, kBalancer };

struct Invitation {
  InvitationKind kind = InvitationKind::kHost;
  std::vector<net::Endpoint> endpoints;
  ledger::DomainId domain;
  crypto::NamedKey inviter;
  std::string id;  // 16 hex digits; names the invitation, tells nothing of the secret
  crypto::Secret secret;
  WallTime expires{};  // whole seconds

  std::string line() const;
};
// Of either kind. kInvalid says which field; never repeats the secret. White space around the line is
// ignored.
Result<Invitation> parse_invitation(std::string_view line);

// What the joiner shows instead of the secret: HMAC-SHA-256 under it over everything that it asks for, its
// own key first. Replayed on a connection of another key it proves nothing.
crypto::Digest join_proof(const crypto::Secret& secret, const ledger::DomainId& domain, std::string_view id,
                          const ledger::HostInfo& host, std::string_view old_log);

}  // namespace sealift::domain

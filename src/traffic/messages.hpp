#pragma once

// What travels beside the events: a reader's question, the domain's members, and enrolment (service.hpp).
//
//   traffic.wait     {"stream": text, "after": n, "certificate": envelope as text}   ->  a batch (event.hpp)
//                    "certificate" is a balancer's; a member of the domain needs none
//   traffic.members  {}                                                              ->  a member list
//   enrol.request    {"id": 16 hex digits, "name": text, "proof": 64 hex digits}
//                    ->  {"certificate": envelope as text, "members": a member list}
//   member list      {"height": n, "members": [{"name": text, "key": 64 hex digits, "endpoints": [text]}]}

#include <string>
#include <vector>

#include "crypto/secret.hpp"
#include "ledger/state.hpp"
#include "traffic/event.hpp"

namespace sealift::traffic {

struct WaitRequest {
  Position position;
  std::string certificate;  // empty: none shown
};
Json to_json(const WaitRequest& request);
Result<WaitRequest> parse_wait_request(const Json& json);  // kInvalid

struct MemberAddress {
  ledger::HostName name;
  crypto::PublicKey key;
  std::vector<std::string> endpoints;  // none: it takes no connections
  bool operator==(const MemberAddress&) const = default;
};
// As a host sees its domain; the one of the greater height is the newer.
struct MemberList {
  std::uint64_t height = 0;
  std::vector<MemberAddress> members;
  bool operator==(const MemberList&) const = default;
};
MemberList members_of(const ledger::State& state, std::uint64_t height);
Json to_json(const MemberList& list);
Result<MemberList> parse_member_list(const Json& json);  // kInvalid

struct EnrolRequest {
  std::string id;  // the invitation's
  ledger::HostName name;
  crypto::Digest proof;
};
Json to_json(const EnrolRequest& request);
Result<EnrolRequest> parse_enrol_request(const Json& json);  // kInvalid
// Instead of the secret: HMAC-SHA-256 under it over domain, invitation, and the balancer's key and name.
crypto::Digest enrol_proof(const crypto::Secret& secret, const ledger::DomainId& domain, std::string_view id,
                           const crypto::PublicKey& key, const ledger::HostName& name);

struct Enrolled {
  std::string certificate;
  MemberList members;
};
Json to_json(const Enrolled& enrolled);
Result<Enrolled> parse_enrolled(const Json& json);  // kInvalid

}  // namespace sealift::traffic

#include "traffic/messages.hpp"

#include "traffic/certificate.hpp"

namespace sealift::traffic {

namespace {

constexpr std::size_t kMembersMax = 256;
constexpr std::size_t kEndpointsMax = 16;
constexpr std::size_t kEndpointBytesMax = 300;
constexpr std::size_t kIdDigits = 16;

Result<std::string> hex_text(const Json& json, std::string_view field, std::size_t digits) {
  std::string text = SEALIFT_TRY(json::text(json, field));
  if (text.size() != digits || !unhex(text))
    return fail(Code::kInvalid, "field '{}' is not {} hex digits", field, digits);
  return text;
}

Result<std::string> certificate_text(const Json& json) {
  std::string text = SEALIFT_TRY(json::text(json, "certificate"));
  if (text.size() > kCertificateBytesMax)
    return fail(Code::kInvalid, "field 'certificate' is longer than {} bytes", kCertificateBytesMax);
  return text;
}

Result<MemberAddress> parse_member(const Json& json) {
  MemberAddress member;
  member.name = SEALIFT_TRY(json::id<ledger::HostName>(json, "name"));
  member.key = SEALIFT_TRY(json::id<crypto::PublicKey>(json, "key"));
  const Json endpoints = SEALIFT_TRY(json::array(json, "endpoints"));
  if (endpoints.size() > kEndpointsMax)
    return fail(Code::kInvalid, "a member with more than {} addresses", kEndpointsMax);
  for (const Json& endpoint : endpoints) {
    if (!endpoint.is_string() || endpoint.get_ref<const std::string&>().size() > kEndpointBytesMax)
      return fail(Code::kInvalid, "field 'endpoints' holds what is no address");
    member.endpoints.push_back(endpoint.get<std::string>());
  }
  return member;
}

}  // namespace

Json to_json(const WaitRequest& request) {
  Json json = {{"stream", request.position.stream}, {"after", request.position.after}};
  if (!request.certificate.empty()) json["certificate"] = request.certificate;
  return json;
}

Result<WaitRequest> parse_wait_request(const Json& json) {
  WaitRequest request;
  request.position.stream = SEALIFT_TRY(json::text(json, "stream"));
  if (!request.position.stream.empty()) SEALIFT_TRY(hex_text(json, "stream", kStreamIdDigits));
  request.position.after = SEALIFT_TRY(json::number(json, "after"));
  if (json::has(json, "certificate")) request.certificate = SEALIFT_TRY(certificate_text(json));
  return request;
}

MemberList members_of(const ledger::State& state, std::uint64_t height) {
  MemberList list{.height = height, .members = {}};
  for (const ledger::Member& member : state.members())
    list.members.push_back({member.info.name, member.info.key, member.info.endpoints});
  return list;
}

Json to_json(const MemberList& list) {
  Json members = Json::array();
  for (const MemberAddress& member : list.members)
    members.push_back(
        {{"name", member.name.text()}, {"key", member.key.hex()}, {"endpoints", member.endpoints}});
  return {{"height", list.height}, {"members", std::move(members)}};
}

Result<MemberList> parse_member_list(const Json& json) {
  MemberList list;
  list.height = SEALIFT_TRY(json::number(json, "height"));
  const Json members = SEALIFT_TRY(json::array(json, "members"));
  if (members.size() > kMembersMax) return fail(Code::kInvalid, "more than {} members", kMembersMax);
  for (const Json& member : members) list.members.push_back(SEALIFT_TRY(parse_member(member)));
  return list;
}

Json to_json(const EnrolRequest& request) {
  return {{"id", request.id}, {"name", request.name.text()}, {"proof", request.proof.hex()}};
}

Result<EnrolRequest> parse_enrol_request(const Json& json) {
  EnrolRequest request;
  request.id = SEALIFT_TRY(hex_text(json, "id", kIdDigits));
  request.name = SEALIFT_TRY(json::id<ledger::HostName>(json, "name"));
  request.proof = SEALIFT_TRY(json::id<crypto::Digest>(json, "proof"));
  return request;
}

crypto::Digest enrol_proof(const crypto::Secret& secret, const ledger::DomainId& domain, std::string_view id,
                           const crypto::PublicKey& key, const ledger::HostName& name) {
  Encoder message;
  message.text("sealift-enrol-1").raw(key.view()).raw(domain.digest.view()).text(id).text(name.text());
  return crypto::hmac_sha256(secret.reveal(), message.bytes());
}

Json to_json(const Enrolled& enrolled) {
  return {{"certificate", enrolled.certificate}, {"members", to_json(enrolled.members)}};
}

Result<Enrolled> parse_enrolled(const Json& json) {
  Enrolled enrolled;
  enrolled.certificate = SEALIFT_TRY(certificate_text(json));
  const Json members = SEALIFT_TRY(json::object(json, "members"));
  enrolled.members = SEALIFT_TRY(parse_member_list(members));
  return enrolled;
}

}  // namespace sealift::traffic

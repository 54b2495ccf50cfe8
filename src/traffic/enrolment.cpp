#include "traffic/enrolment.hpp"

#include "net/rpc.hpp"
#include "traffic/service.hpp"

namespace sealift::traffic {

namespace {

constexpr std::uint64_t kVersion = 1;
constexpr std::size_t kEnrolmentBytesMax = 1024 * 1024;
constexpr std::string_view kKeyFile = "balancer.key";
constexpr std::string_view kEnrolmentFile = "enrolment.json";

Result<crypto::Identity> own_identity(const file::Path& directory) {
  SEALIFT_TRY_STATUS(file::make_private_directory(directory));
  const file::Path path = directory / kKeyFile;
  auto known = crypto::Identity::load(path);
  if (known || known.error().code != Code::kNotFound) return known;
  crypto::Identity fresh = crypto::Identity::generate();
  SEALIFT_TRY_STATUS(fresh.save(path));
  return fresh;
}

net::Hello hello_of(const ledger::DomainId& domain, const ledger::HostName& name) {
  net::Hello hello;
  hello.host_name = name.text();
  hello.domain = domain.hex();
  return hello;
}

}  // namespace

std::string encode_enrolment(const Enrolment& enrolment) {
  return json::dump_pretty({{"version", kVersion},
                            {"domain", enrolment.domain.hex()},
                            {"name", enrolment.name.text()},
                            {"certificate", enrolment.certificate},
                            {"members", to_json(enrolment.members)}}) +
         "\n";
}

Result<Enrolment> decode_enrolment(std::string_view text) {
  const Json json = SEALIFT_TRY(json::parse(text, kEnrolmentBytesMax));
  const std::uint64_t version = SEALIFT_TRY(json::number(json, "version"));
  if (version != kVersion)
    return fail(Code::kUnsupported, "it is of version {}, this sealift knows version {}", version, kVersion);
  Enrolled enrolled = SEALIFT_TRY(parse_enrolled(json));
  Enrolment enrolment{.domain = {},
                      .name = {},
                      .certificate = std::move(enrolled.certificate),
                      .members = std::move(enrolled.members)};
  enrolment.domain = SEALIFT_TRY(json::id<ledger::DomainId>(json, "domain"));
  enrolment.name = SEALIFT_TRY(json::id<ledger::HostName>(json, "name"));
  return enrolment;
}

Result<EnrolledBalancer> load_enrolment(const file::Path& directory) {
  const auto text = file::read_text(directory / kEnrolmentFile, kEnrolmentBytesMax);
  if (!text && text.error().code == Code::kNotFound)
    return fail(Code::kNotFound, "{} holds no enrolment: sealift balance enrol LINE --directory {}",
                directory.string(), directory.string());
  if (!text) return std::unexpected(text.error());
  auto enrolment = decode_enrolment(*text);
  if (!enrolment) return because(enrolment.error(), (directory / kEnrolmentFile).string());
  return EnrolledBalancer{SEALIFT_TRY(crypto::Identity::load(directory / kKeyFile)), std::move(*enrolment)};
}

Status save_enrolment(const file::Path& directory, const Enrolment& enrolment) {
  const std::string text = encode_enrolment(enrolment);
  return file::write_atomic(directory / kEnrolmentFile, std::string_view(text));
}

Result<Enrolment> enrol(const file::Path& directory, std::string_view line, const ledger::HostName& name,
                        Deadline deadline, const Stop& stop) {
  const domain::Invitation invitation = SEALIFT_TRY(domain::parse_invitation(line));
  if (invitation.kind != domain::InvitationKind::kBalancer)
    return fail(Code::kInvalid,
                "that line makes a member of a domain (sealift domain join); a balancer's comes "
                "from: sealift domain invite --balancer");
  const crypto::Identity identity = SEALIFT_TRY(own_identity(directory));
  net::DialOptions to;
  to.endpoints = invitation.endpoints;
  to.expected = invitation.inviter.key;
  to.hello = hello_of(invitation.domain, name);
  to.hello.purpose = kEnrolPurpose;
  const EnrolRequest request{
      invitation.id, name,
      enrol_proof(invitation.secret, invitation.domain, invitation.id, identity.public_key(), name)};
  net::RpcClient client(to, identity, 1);
  const Json answer = SEALIFT_TRY(client.call("enrol.request", to_json(request), deadline, stop));
  Enrolled enrolled = SEALIFT_TRY(parse_enrolled(answer));
  // The key that answered was the line's; what it gave must be what others will accept.
  const auto certificate = SEALIFT_TRY(parse_certificate(as_bytes(enrolled.certificate)));
  const auto inviter_key = [&](const ledger::HostName& issuer) -> std::optional<crypto::PublicKey> {
    if (issuer.text() != invitation.inviter.name) return std::nullopt;
    return invitation.inviter.key;
  };
  SEALIFT_TRY(verify_certificate(certificate, invitation.domain, identity.public_key(), inviter_key,
                                 system_clock().wall()));
  Enrolment enrolment{invitation.domain, name, std::move(enrolled.certificate), std::move(enrolled.members)};
  SEALIFT_TRY_STATUS(save_enrolment(directory, enrolment));
  return enrolment;
}

std::vector<Followed> hosts_of(const Enrolment& enrolment) {
  std::vector<Followed> list;
  for (const MemberAddress& member : enrolment.members.members) {
    Followed followed;
    followed.host = member.name;
    followed.to.endpoints = net::parse_endpoints(member.endpoints);
    followed.to.expected = member.key;
    followed.to.hello = hello_of(enrolment.domain, enrolment.name);
    if (!followed.to.endpoints.empty()) list.push_back(std::move(followed));
  }
  return list;
}

}  // namespace sealift::traffic

#include "domain/invitation.hpp"

#include <charconv>

namespace sealift::domain {
namespace {

constexpr std::string_view kHostPrefix = "sealift-invite-1";
constexpr std::string_view kBalancerPrefix = "sealift-balancer-1";
constexpr std::size_t kFields = 7;
constexpr std::size_t kEndpointsMax = 8;
constexpr std::size_t kIdDigits = 16;
constexpr std::int64_t kExpiryMax = 253'402'300'799;  // year 9999

std::vector<std::string_view> split(std::string_view text, char by) {
  std::vector<std::string_view> parts;
  for (std::size_t at = 0;;) {
    const std::size_t end = text.find(by, at);
    parts.push_back(text.substr(at, end == std::string_view::npos ? end : end - at));
    if (end == std::string_view::npos) return parts;
    at = end + 1;
  }
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kWhite = " \t\r\n\"'";
  const std::size_t first = text.find_first_not_of(kWhite);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kWhite) - first + 1);
}

bool lower_hex(std::string_view text, std::size_t digits) {
  return text.size() == digits && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

}  // namespace

std::string Invitation::line() const {
  std::string where;
  for (const net::Endpoint& endpoint : endpoints) where += (where.empty() ? "" : "|") + endpoint.text();
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(expires.time_since_epoch()).count();
  return fmt::format("{},{},{},{},{},{},{}", kind == InvitationKind::kHost ? kHostPrefix : kBalancerPrefix,
                     where, domain.hex(), inviter.verifier_key(), id, hex(secret.reveal()), seconds);
}

Result<Invitation> parse_invitation(std::string_view line) {
  line = trimmed(line);
  if (line.size() > kInvitationBytesMax) return fail(Code::kInvalid, "the invitation is too long to be one");
  const std::vector<std::string_view> fields = split(line, ',');
  if (fields[0] != kHostPrefix && fields[0] != kBalancerPrefix) {
    return fail(Code::kInvalid, "that is no invitation of this version: one starts with '{},' or '{},'",
                kHostPrefix, kBalancerPrefix);
  }
  if (fields.size() != kFields) {
    return fail(Code::kInvalid, "the invitation has {} fields instead of {}: copy the whole line",
                fields.size(), kFields);
  }
  Invitation invitation;
  invitation.kind = fields[0] == kHostPrefix ? InvitationKind::kHost : InvitationKind::kBalancer;
  for (std::string_view text : split(fields[1], '|')) {
    auto endpoint = net::Endpoint::parse(text);
    if (!endpoint) return because(endpoint.error(), "the invitation's address");
    invitation.endpoints.push_back(std::move(*endpoint));
  }
  if (invitation.endpoints.size() > kEndpointsMax) {
    return fail(Code::kInvalid, "the invitation has more than {} addresses", kEndpointsMax);
  }
  auto domain = ledger::DomainId::from_hex(fields[2]);
  if (!domain) return because(domain.error(), "the invitation's domain id");
  invitation.domain = *domain;
  auto key = crypto::PublicKey::parse_verifier_key(fields[3]);
  if (!key) return because(key.error(), "the invitation's key");
  invitation.inviter = std::move(*key);
  if (!lower_hex(fields[4], kIdDigits))
    return fail(Code::kInvalid, "the invitation's id is not 16 hex digits");
  invitation.id = fields[4];
  if (!lower_hex(fields[5], 2 * kInvitationSecretBytes)) {
    return fail(Code::kInvalid, "the invitation's secret is damaged: copy the whole line");
  }
  Bytes secret = SEALIFT_TRY(unhex(fields[5]));
  invitation.secret = crypto::Secret(secret);
  crypto::wipe(secret);
  std::int64_t seconds = -1;
  const auto [end, error] = std::from_chars(fields[6].data(), fields[6].data() + fields[6].size(), seconds);
  if (error != std::errc{} || end != fields[6].data() + fields[6].size() || seconds < 0 ||
      seconds > kExpiryMax) {
    return fail(Code::kInvalid, "the invitation's expiry is not a time");
  }
  invitation.expires = WallTime{std::chrono::seconds{seconds}};
  return invitation;
}

crypto::Digest join_proof(const crypto::Secret& secret, const ledger::DomainId& domain, std::string_view id,
                          const ledger::HostInfo& host, std::string_view old_log) {
  Encoder message;
  message.text("sealift-join-1")
      .raw(host.key.view())
      .raw(domain.digest.view())
      .text(id)
      .text(host.name.text());
  message.u32(static_cast<std::uint32_t>(host.endpoints.size()));
  for (const std::string& endpoint : host.endpoints) message.text(endpoint);
  message.text(host.region).u8(host.witness_only ? 1 : 0).text(old_log);
  return crypto::hmac_sha256(secret.reveal(), message.bytes());
}

}  // namespace sealift::domain

#include "ledger/checkpoint.hpp"

#include <algorithm>
#include <charconv>

namespace sealift::ledger {

namespace {

constexpr std::string_view kOriginPrefix = "sealift.dev/";
constexpr std::string_view kTermPrefix = "term ";

Result<LogHead> parse_inner(std::string_view text) {
  const crypto::Checkpoint checkpoint = SEALIFT_TRY(crypto::parse_checkpoint(text));
  if (!checkpoint.origin.starts_with(kOriginPrefix))
    return fail(Code::kInvalid, "its origin '{}' is not a sealift domain", checkpoint.origin.substr(0, 80));
  if (checkpoint.extensions.size() != 1 || !checkpoint.extensions[0].starts_with(kTermPrefix))
    return fail(Code::kInvalid, "it does not name its term and server in one line");
  LogHead head;
  head.domain =
      SEALIFT_TRY(DomainId::from_hex(std::string_view(checkpoint.origin).substr(kOriginPrefix.size())));
  head.size = checkpoint.size;
  head.root = checkpoint.root;
  const std::string_view line = std::string_view(checkpoint.extensions[0]).substr(kTermPrefix.size());
  const std::size_t space = line.find(' ');
  const std::string_view number = line.substr(0, space);
  const auto parsed = std::from_chars(number.data(), number.data() + number.size(), head.term);
  if (space == std::string_view::npos || parsed.ec != std::errc() ||
      parsed.ptr != number.data() + number.size())
    return fail(Code::kInvalid, "its term line is malformed");
  head.server = SEALIFT_TRY(HostName::parse(line.substr(space + 1)));
  if (head.text() != text) return fail(Code::kInvalid, "it is not in its one form");
  return head;
}

}  // namespace

std::string log_origin(const DomainId& domain) {
  return fmt::format("{}{}", kOriginPrefix, domain.hex());
}

std::string LogHead::text() const {
  return crypto::checkpoint_text(
      {log_origin(domain), size, root, {fmt::format("{}{} {}", kTermPrefix, term, server.text())}});
}

Result<LogHead> parse_log_head(std::string_view text) {
  auto head = parse_inner(text);
  if (!head) return because(head.error(), "not a checkpoint of sealift");
  return head;
}

Result<SignedHead> parse_signed_head(ByteView note) {
  auto unverified = crypto::parse_note(note);
  if (!unverified) return because(unverified.error(), "not a checkpoint");
  LogHead head = SEALIFT_TRY(parse_log_head(unverified->text));
  return SignedHead{std::move(head), std::move(*unverified)};
}

crypto::NoteSignature sign_head(const LogHead& head, const crypto::Identity& server) {
  return crypto::sign_note(head.server.text(), server, head.text());
}

crypto::NoteSignature cosign_head(const LogHead& head, const HostName& name, const crypto::Identity& member,
                                  std::uint64_t posix_seconds) {
  return crypto::cosign_checkpoint(name.text(), member, head.text(), posix_seconds);
}

Result<std::string> encode_signed_head(const LogHead& head,
                                       std::span<const crypto::NoteSignature> signatures) {
  return crypto::encode_note(head.text(), signatures);
}

Result<std::vector<HostName>> cosigners(const SignedHead& signed_head, const MemberSet& set) {
  const auto found = SEALIFT_TRY(crypto::verify_cosignatures(signed_head.note, set.members));
  std::vector<HostName> names;
  for (const crypto::Cosignature& cosignature : found)
    names.push_back(SEALIFT_TRY(HostName::parse(cosignature.signer.name)));
  std::ranges::sort(names);
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

Status verify_server(const SignedHead& signed_head, const MemberSet& set) {
  // Two of one name: the keys before and after a rotation.
  std::vector<crypto::NamedKey> keys = set.members;
  std::erase_if(keys, [&](const auto& key) { return key.name != signed_head.head.server.text(); });
  if (keys.empty()) {
    return fail(Code::kUnauthorized, "the checkpoint's server {} is not a member",
                signed_head.head.server.text());
  }
  const auto verified = crypto::verify_note(signed_head.note, keys);
  if (!verified) return because(verified.error(), "the checkpoint is not signed by its server");
  return {};
}

}  // namespace sealift::ledger

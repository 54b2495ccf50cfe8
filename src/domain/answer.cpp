#include "domain/answer.hpp"

#include <algorithm>

namespace sealift::domain {
namespace {

constexpr std::uint8_t kVersion = 1;
constexpr std::string_view kContext = "sealift-answer";
constexpr std::size_t kNameBytesMax = 63;

Bytes signed_message(const ledger::DomainId& domain, ByteView nonce, ByteView part) {
  Encoder message;
  message.raw(domain.digest.view()).blob(nonce).raw(part);
  return message.take();
}

}  // namespace

Bytes sign_answer(const Answer& answer, const ledger::DomainId& domain, ByteView nonce,
                  const crypto::Identity& identity) {
  Encoder out;
  out.u8(kVersion).u64(answer.term).u64(answer.height).u64(answer.final_height).text(answer.member.text());
  const Bytes signature = identity.sign(kContext, signed_message(domain, nonce, out.bytes()));
  return out.raw(signature).take();
}

Result<Answer> UnverifiedAnswer::verify(const ledger::DomainId& domain, ByteView nonce,
                                        const crypto::PublicKey& key) const {
  SEALIFT_TRY_STATUS(key.verify(kContext, signed_message(domain, nonce, signed_part), signature));
  return answer;
}

Result<UnverifiedAnswer> parse_answer(ByteView bytes) {
  Decoder in(bytes);
  const std::uint8_t version = SEALIFT_TRY(in.u8());
  if (version != kVersion) {
    return fail(Code::kUnsupported, "an answer of version {}; this build reads {}: upgrade the older host",
                version, kVersion);
  }
  UnverifiedAnswer parsed;
  parsed.answer.term = SEALIFT_TRY(in.u64());
  parsed.answer.height = SEALIFT_TRY(in.u64());
  parsed.answer.final_height = SEALIFT_TRY(in.u64());
  const std::string name = SEALIFT_TRY(in.text(kNameBytesMax));
  parsed.answer.member = SEALIFT_TRY(ledger::HostName::parse(name));
  const ByteView part = bytes.first(bytes.size() - in.left());
  parsed.signed_part.assign(part.begin(), part.end());
  const ByteView signature = SEALIFT_TRY(in.raw(crypto::kSignatureBytes));
  parsed.signature.assign(signature.begin(), signature.end());
  SEALIFT_TRY_STATUS(in.finish());
  return parsed;
}

std::vector<Answer> verified_answers(std::span<const Bytes> answers, const ledger::MemberSet& set,
                                     const ledger::DomainId& domain, ByteView nonce) {
  std::vector<Answer> verified;
  for (const Bytes& bytes : answers) {
    const auto parsed = parse_answer(bytes);
    if (!parsed) continue;
    const crypto::NamedKey* member = set.find(parsed->answer.member.text());
    if (member == nullptr) continue;
    const auto seen = [&](const Answer& other) { return other.member == parsed->answer.member; };
    if (std::ranges::any_of(verified, seen)) continue;
    if (auto answer = parsed->verify(domain, nonce, member->key)) verified.push_back(std::move(*answer));
  }
  return verified;
}

Status check_quorum(std::span<const Answer> answers, const ledger::MemberSet& set) {
  if (answers.size() >= set.quorum()) return {};
  std::string silent;
  for (const crypto::NamedKey& member : set.members) {
    const bool heard =
        std::ranges::any_of(answers, [&](const Answer& a) { return a.member.text() == member.name; });
    if (!heard) silent += (silent.empty() ? "" : ", ") + member.name;
  }
  return fail(Code::kUnavailable, "{} of {} members answered, {} are needed; silent: {}", answers.size(),
              set.members.size(), set.quorum(), silent);
}

}  // namespace sealift::domain

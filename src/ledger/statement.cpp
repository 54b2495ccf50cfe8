#include "ledger/statement.hpp"

#include <algorithm>
#include <array>

namespace sealift::ledger {

namespace {

constexpr std::string_view kStatementType = "https://in-toto.io/Statement/v1";
constexpr std::string_view kPredicatePrefix = "https://sealift.dev/";
constexpr std::string_view kPredicateSuffix = "/v1";

// In the order of Body's alternatives.
constexpr std::array<std::string_view, kKinds> kKindNames = {
    "host.join",   "host.leave",  "host.expel", "host.update",  "rules.activate", "domain.serve",
    "vm.register", "vm.retire",   "vm.rest",    "vm.start",     "vm.recover",     "move.offer",
    "move.accept", "move.commit", "move.abort", "move.started", "move.return",    "move.closed"};

Json subject(std::string name, const crypto::Digest& digest) {
  return Json::array({Json{{"name", std::move(name)}, {"digest", {{"sha256", digest.hex()}}}}});
}

// What a record is about: a VM with the digest that matters, a host with its key's, the domain.
struct SubjectOf {
  const DomainId& domain;

  Json host(const HostName& name) const { return subject("host:" + name.text(), domain.digest); }
  Json vm(const VmId& id, const crypto::Digest& digest) const { return subject("vm:" + id.text(), digest); }

  Json operator()(const HostJoin& v) const { return subject("host:" + v.host.name.text(), v.host.key.id()); }
  Json operator()(const HostLeave& v) const { return host(v.host); }
  Json operator()(const HostExpel& v) const { return host(v.host); }
  Json operator()(const HostUpdate& v) const {
    return v.next_key ? subject("host:" + v.host.text(), v.next_key->id()) : host(v.host);
  }
  Json operator()(const RulesActivate&) const { return subject("domain", domain.digest); }
  Json operator()(const DomainServe&) const { return subject("domain", domain.digest); }
  Json operator()(const VmRegister& v) const { return vm(v.vm, v.definition); }
  Json operator()(const VmRetire& v) const { return vm(v.vm, domain.digest); }
  Json operator()(const VmRest& v) const { return vm(v.vm, v.root); }
  Json operator()(const VmStart& v) const { return vm(v.vm, v.checked.value_or(domain.digest)); }
  Json operator()(const VmRecover& v) const { return vm(v.vm, v.root.value_or(domain.digest)); }
  Json operator()(const MoveOffer& v) const { return vm(v.vm, domain.digest); }
  Json operator()(const MoveCommit& v) const { return vm(v.vm, crypto::sha256(v.seal)); }
  Json operator()(const MoveStamp& v) const { return vm(v.vm, v.move.digest); }
};

}  // namespace

std::string_view kind_name(std::size_t index) {
  return kKindNames.at(index);
}
std::string_view kind_name(const Body& body) {
  return kind_name(body.index());
}

bool is_multi_signed(const Body& body) {
  if (const auto* update = std::get_if<HostUpdate>(&body)) return update->next_key.has_value();
  return std::holds_alternative<HostJoin>(body) || std::holds_alternative<HostLeave>(body) ||
         std::holds_alternative<HostExpel>(body) || std::holds_alternative<RulesActivate>(body) ||
         std::holds_alternative<DomainServe>(body) || std::holds_alternative<VmRecover>(body);
}

Json subject_of(const Body& body, const DomainId& domain) {
  return std::visit(SubjectOf{domain}, body);
}

std::string statement(std::string_view kind, const Json& subject, Json predicate) {
  const Json whole = {{"_type", kStatementType},
                      {"subject", subject},
                      {"predicateType", fmt::format("{}{}{}", kPredicatePrefix, kind, kPredicateSuffix)},
                      {"predicate", std::move(predicate)}};
  return json::dump(whole);
}

Result<ParsedStatement> parse_statement(ByteView payload, std::size_t bytes_max) {
  Json whole = SEALIFT_TRY(json::parse(as_text(payload), bytes_max));
  if (SEALIFT_TRY(json::text(whole, "_type")) != kStatementType)
    return fail(Code::kInvalid, "not an in-toto Statement v1");
  if (whole.size() != 4) return fail(Code::kInvalid, "an unknown field is in the statement");
  const std::string type = SEALIFT_TRY(json::text(whole, "predicateType"));
  if (!type.starts_with(kPredicatePrefix))
    return fail(Code::kUnsupported, "predicate type '{}' is none of sealift's", type.substr(0, 80));
  if (!type.ends_with(kPredicateSuffix)) {
    return fail(Code::kUnsupported,
                "predicate type '{}': this sealift knows version 1 only; a newer one wrote it, upgrade",
                type.substr(0, 80));
  }
  ParsedStatement parsed;
  parsed.kind =
      type.substr(kPredicatePrefix.size(), type.size() - kPredicatePrefix.size() - kPredicateSuffix.size());
  parsed.subject = SEALIFT_TRY(json::array(whole, "subject"));
  parsed.predicate = SEALIFT_TRY(json::object(whole, "predicate"));
  return parsed;
}

Status check_canonical(const crypto::UnverifiedEnvelope& envelope) {
  const auto& signatures = envelope.signatures();
  const auto unordered = [](const auto& a, const auto& b) { return a.keyid >= b.keyid; };
  if (std::adjacent_find(signatures.begin(), signatures.end(), unordered) != signatures.end())
    return fail(Code::kInvalid, "signatures are not sorted by key id, each once");
  const crypto::Envelope same{
      envelope.payload_type(),
      Bytes(envelope.unverified_payload().begin(), envelope.unverified_payload().end()), signatures};
  const Bytes encoded = crypto::encode(same);
  if (!std::equal(encoded.begin(), encoded.end(), envelope.bytes().begin(), envelope.bytes().end()))
    return fail(Code::kInvalid, "the envelope is not in its one form (a line of JSON, fields in order)");
  return {};
}

}  // namespace sealift::ledger

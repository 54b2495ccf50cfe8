#include "ledger/record.hpp"

#include <algorithm>

#include "ledger/body_fields.hpp"
#include "ledger/statement.hpp"

namespace sealift::ledger {

namespace {

template <std::size_t I = 0>
Result<Body> read_body(std::string_view kind, const Json& predicate) {
  if constexpr (I == kKinds) {
    return fail(Code::kUnsupported, "record kind '{}' is unknown to this sealift: upgrade it",
                kind.substr(0, 64));
  } else {
    if (kind != kind_name(I)) return read_body<I + 1>(kind, predicate);
    using T = std::variant_alternative_t<I, Body>;
    auto body = read_fields<T>(predicate);
    if (!body) return std::unexpected(body.error());
    return Body(std::in_place_index<I>, std::move(*body));
  }
}

Status check_host(const HostInfo& host) {
  if (host.endpoints.size() > kEndpointsMax)
    return fail(Code::kInvalid, "host {} has more than {} endpoints", host.name.text(), kEndpointsMax);
  return {};
}

// What the field types can't say.
Status check_body(const Body& body) {
  if (const auto* join = std::get_if<HostJoin>(&body)) return check_host(join->host);
  if (const auto* update = std::get_if<HostUpdate>(&body)) {
    if (update->endpoints.size() > kEndpointsMax)
      return fail(Code::kInvalid, "more than {} endpoints", kEndpointsMax);
  }
  if (const auto* offer = std::get_if<MoveOffer>(&body)) {
    if (offer->disks.size() > kDisksMax) return fail(Code::kInvalid, "more than {} disks", kDisksMax);
    const auto unordered = [](const auto& a, const auto& b) { return a.name >= b.name; };
    if (std::adjacent_find(offer->disks.begin(), offer->disks.end(), unordered) != offer->disks.end())
      return fail(Code::kInvalid, "disks are not sorted by name, each once");
  }
  if (const auto* commit = std::get_if<MoveCommit>(&body)) SEALIFT_TRY(parse_seal(commit->seal));
  return {};
}

Result<Record> parse_inner(ByteView bytes) {
  if (bytes.size() > kRecordBytesMax)
    return fail(Code::kInvalid, "{} bytes, at most {} are allowed", bytes.size(), kRecordBytesMax);
  auto envelope = SEALIFT_TRY(crypto::parse_envelope(bytes));
  if (envelope.payload_type() != kPayloadType)
    return fail(Code::kInvalid, "payload type is not {}", kPayloadType);
  SEALIFT_TRY_STATUS(check_canonical(envelope));
  auto said = SEALIFT_TRY(parse_statement(envelope.unverified_payload(), kRecordBytesMax));
  const std::string domain_text = SEALIFT_TRY(json::text(said.predicate, "domain"));
  const auto domain = SEALIFT_TRY(DomainId::from_hex(domain_text));
  said.predicate.erase("domain");
  auto body = read_body(said.kind, said.predicate);
  if (!body) return because(body.error(), said.kind);
  SEALIFT_TRY_STATUS(check_body(*body));
  if (said.subject != subject_of(*body, domain))
    return fail(Code::kInvalid, "{}: the subject does not say what the predicate says", said.kind);
  if (!is_multi_signed(*body) && envelope.signatures().size() != 1)
    return fail(Code::kInvalid, "{} carries {} signatures instead of one", said.kind,
                envelope.signatures().size());
  return Record{record_id(bytes), domain, std::move(*body), std::move(envelope)};
}

}  // namespace

Bytes make_record(const DomainId& domain, const Body& body, const crypto::Identity& signer) {
  Json predicate = std::visit([](const auto& v) { return write_fields(v); }, body);
  predicate["domain"] = domain.hex();
  const std::string text = statement(kind_name(body), subject_of(body, domain), std::move(predicate));
  const crypto::Identity* signers[] = {&signer};
  return crypto::encode(crypto::sign_envelope(kPayloadType, as_bytes(text), signers));
}

Result<Record> parse_record(ByteView envelope) {
  auto record = parse_inner(envelope);
  if (!record) return because(record.error(), "not a record");
  return record;
}

Result<Bytes> approve(ByteView envelope, const crypto::Identity& signer) {
  const Record record = SEALIFT_TRY(parse_record(envelope));
  if (!is_multi_signed(record.body))
    return fail(Code::kRefused, "{} is signed by one host alone", kind_name(record.body));
  crypto::Envelope whole{std::string(kPayloadType), {}, record.envelope.signatures()};
  const ByteView payload = record.envelope.unverified_payload();
  whole.payload.assign(payload.begin(), payload.end());
  auto ours = crypto::sign_payload(kPayloadType, payload, signer);
  std::erase_if(whole.signatures, [&](const auto& s) { return s.keyid == ours.keyid; });
  whole.signatures.push_back(std::move(ours));
  std::ranges::sort(whole.signatures, {}, &crypto::EnvelopeSignature::keyid);
  return crypto::encode(whole);
}

std::optional<VmId> vm_of(const Body& body) {
  return std::visit(
      [](const auto& v) -> std::optional<VmId> {
        if constexpr (requires { v.vm; }) return v.vm;
        return std::nullopt;
      },
      body);
}

std::optional<MoveId> move_of(const Body& body) {
  return std::visit(
      [](const auto& v) -> std::optional<MoveId> {
        if constexpr (requires { v.move; }) return v.move;
        return std::nullopt;
      },
      body);
}

}  // namespace sealift::ledger

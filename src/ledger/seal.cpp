#include "ledger/seal.hpp"

#include <algorithm>

#include "crypto/merkle.hpp"
#include "ledger/statement.hpp"

namespace sealift::ledger {

namespace {

constexpr std::string_view kSealKind = "seal";
constexpr std::string_view kDiskPrefix = "disk/";

Json seal_subject(const Seal& seal) {
  return Json::array({Json{{"name", "vm:" + seal.vm.text()}, {"digest", {{"sha256", seal.root().hex()}}}}});
}

Result<UnverifiedSeal> parse_inner(ByteView bytes) {
  if (bytes.size() > kSealBytesMax)
    return fail(Code::kInvalid, "{} bytes, at most {} are allowed", bytes.size(), kSealBytesMax);
  auto envelope = SEALIFT_TRY(crypto::parse_envelope(bytes));
  if (envelope.payload_type() != kPayloadType)
    return fail(Code::kInvalid, "payload type is not {}", kPayloadType);
  SEALIFT_TRY_STATUS(check_canonical(envelope));
  if (envelope.signatures().size() != 1) return fail(Code::kInvalid, "it carries more than one signature");
  const auto said = SEALIFT_TRY(parse_statement(envelope.unverified_payload(), kSealBytesMax));
  if (said.kind != kSealKind) return fail(Code::kInvalid, "it is a {}", said.kind.substr(0, 64));
  Seal seal = SEALIFT_TRY(read_fields<Seal>(said.predicate));
  if (seal.parts.size() > kSealPartsMax) return fail(Code::kInvalid, "more than {} parts", kSealPartsMax);
  const auto unordered = [](const auto& a, const auto& b) { return a.name >= b.name; };
  if (std::adjacent_find(seal.parts.begin(), seal.parts.end(), unordered) != seal.parts.end())
    return fail(Code::kInvalid, "parts are not sorted by name, each once");
  if (seal.find("definition") == nullptr) return fail(Code::kInvalid, "the part 'definition' is missing");
  if (said.subject != seal_subject(seal))
    return fail(Code::kInvalid, "the subject is not the root of the parts");
  return UnverifiedSeal{std::move(seal), std::move(envelope)};
}

}  // namespace

crypto::Digest parts_root(const std::vector<SealPart>& parts) {
  std::vector<const SealPart*> sorted;
  for (const SealPart& part : parts) sorted.push_back(&part);
  std::ranges::sort(sorted, {}, [](const SealPart* part) { return std::string_view(part->name); });
  std::vector<crypto::Digest> leaves;
  for (const SealPart* part : sorted) {
    Encoder leaf;
    leaf.text(part->name).text(part->algorithm).u64(part->bytes).raw(part->digest.view());
    leaves.push_back(crypto::merkle_leaf(leaf.bytes()));
  }
  return crypto::merkle_root(leaves);
}

crypto::Digest disks_root(const std::vector<SealPart>& parts) {
  std::vector<SealPart> disks;
  for (const SealPart& part : parts) {
    if (part.name.starts_with(kDiskPrefix)) disks.push_back(part);
  }
  return parts_root(disks);
}

const SealPart* Seal::find(std::string_view name) const {
  const auto found =
      std::ranges::find(parts, name, [](const SealPart& p) { return std::string_view(p.name); });
  return found == parts.end() ? nullptr : &*found;
}

Bytes make_seal(const Seal& seal, const crypto::Identity& source) {
  Seal sorted = seal;
  std::ranges::sort(sorted.parts, {}, &SealPart::name);
  const std::string text = statement(kSealKind, seal_subject(sorted), write_fields(sorted));
  const crypto::Identity* signers[] = {&source};
  return crypto::encode(crypto::sign_envelope(kPayloadType, as_bytes(text), signers));
}

Result<Seal> UnverifiedSeal::verify(const crypto::PublicKey& source) const {
  const auto verified = crypto::verify(envelope, kPayloadType, std::span(&source, 1));
  if (!verified) return because(verified.error(), "the seal is not the source's");
  return seal;
}

Result<UnverifiedSeal> parse_seal(ByteView envelope) {
  auto seal = parse_inner(envelope);
  if (!seal) return because(seal.error(), "not a seal");
  return seal;
}

}  // namespace sealift::ledger

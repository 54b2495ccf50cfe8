#include "migrate/statement.hpp"

#include <algorithm>

namespace sealift::migrate {

namespace {

constexpr std::uint8_t kVersion = 1;
constexpr std::size_t kNameBytesMax = 128;

Result<ledger::SealPart> read_part(Decoder& in) {
  ledger::SealPart part;
  part.name = SEALIFT_TRY(in.text(kNameBytesMax));
  part.algorithm = SEALIFT_TRY(in.text(kNameBytesMax));
  part.bytes = SEALIFT_TRY(in.u64());
  const ByteView digest = SEALIFT_TRY(in.raw(sizeof(crypto::Digest::bytes)));
  part.digest = SEALIFT_TRY(crypto::Digest::from_bytes(digest));
  return part;
}

std::vector<ledger::SealPart> sorted(std::vector<ledger::SealPart> parts) {
  std::ranges::sort(parts, {}, &ledger::SealPart::name);
  return parts;
}

}  // namespace

Bytes encode_statement(std::vector<ledger::SealPart> parts) {
  parts = sorted(std::move(parts));
  Encoder out;
  out.u8(kVersion).u32(static_cast<std::uint32_t>(parts.size()));
  for (const ledger::SealPart& part : parts)
    out.text(part.name).text(part.algorithm).u64(part.bytes).raw(part.digest.view());
  return out.take();
}

Result<std::vector<ledger::SealPart>> decode_statement(ByteView bytes) {
  Decoder in(bytes);
  const std::uint8_t version = SEALIFT_TRY(in.u8());
  if (version != kVersion)
    return fail(Code::kUnsupported, "the journal's seal has version {}, this build reads version {}", version,
                kVersion);
  const std::uint32_t count = SEALIFT_TRY(in.u32());
  if (count > ledger::kSealPartsMax)
    return fail(Code::kInvalid, "{} parts, at most {}", count, ledger::kSealPartsMax);
  std::vector<ledger::SealPart> parts;
  for (std::uint32_t i = 0; i < count; ++i) {
    parts.push_back(SEALIFT_TRY(read_part(in)));
    if (i > 0 && parts[i - 1].name >= parts[i].name) return fail(Code::kInvalid, "the parts are not sorted");
  }
  SEALIFT_TRY_STATUS(in.finish());
  return parts;
}

std::string difference(const std::vector<ledger::SealPart>& theirs,
                       const std::vector<ledger::SealPart>& ours) {
  std::string text;
  const auto say = [&](std::string words) { text += (text.empty() ? "" : "; ") + words; };
  const auto find = [](const auto& parts, const std::string& name) {
    return std::ranges::find(parts, name, &ledger::SealPart::name);
  };
  for (const ledger::SealPart& part : theirs) {
    const auto here = find(ours, part.name);
    if (here == ours.end())
      say(fmt::format("{} was sealed but did not arrive", part.name));
    else if (here->algorithm != part.algorithm)
      say(fmt::format("{}: sealed as {}, counted here as {}", part.name, part.algorithm, here->algorithm));
    else if (here->bytes != part.bytes)
      say(fmt::format("{}: {} bytes sealed, {} arrived", part.name, part.bytes, here->bytes));
    else if (here->digest != part.digest)
      say(fmt::format("{}: sealed {}, arrived {}", part.name, part.digest.hex(), here->digest.hex()));
  }
  for (const ledger::SealPart& part : ours)
    if (find(theirs, part.name) == theirs.end()) say(fmt::format("{} arrived but was not sealed", part.name));
  return text;
}

}  // namespace sealift::migrate

#include "net/hello.hpp"

#include <algorithm>

#include "crypto/identity.hpp"

namespace sealift::net {

namespace {

constexpr std::size_t kVersionsMax = 16;
constexpr std::size_t kPurposeBytesMax = 32;
constexpr std::size_t kHostBytesMax = 63;
constexpr std::size_t kDomainBytesMax = 64;

bool printable(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c > ' ' && c < 0x7f; });
}

std::string list(const std::vector<std::uint8_t>& versions) {
  return fmt::format("{}", fmt::join(versions, ", "));
}

}  // namespace

Bytes encode_hello(const Hello& hello) {
  Encoder out;
  out.u8(static_cast<std::uint8_t>(hello.versions.size()));
  for (const std::uint8_t version : hello.versions) out.u8(version);
  return out.text(hello.purpose).text(hello.host_name).text(hello.domain).take();
}

Result<Hello> decode_hello(ByteView body) {
  Decoder in(body);
  Hello hello{.versions = {}, .purpose = {}, .host_name = {}, .domain = {}};
  const std::uint8_t count = SEALIFT_TRY(in.u8());
  if (count == 0 || count > kVersionsMax) return fail(Code::kInvalid, "hello with {} wire versions", count);
  for (std::uint8_t i = 0; i < count; ++i) hello.versions.push_back(SEALIFT_TRY(in.u8()));
  hello.purpose = SEALIFT_TRY(in.text(kPurposeBytesMax));
  hello.host_name = SEALIFT_TRY(in.text(kHostBytesMax));
  hello.domain = SEALIFT_TRY(in.text(kDomainBytesMax));
  SEALIFT_TRY_STATUS(in.finish());
  // A purpose is written like a host name.
  if (!crypto::valid_host_name(hello.purpose)) return fail(Code::kInvalid, "hello with a malformed purpose");
  if (!crypto::valid_host_name(hello.host_name))
    return fail(Code::kInvalid, "hello with a malformed host name");
  if (!printable(hello.domain)) return fail(Code::kInvalid, "hello with a malformed domain id");
  return hello;
}

Result<std::uint8_t> common_version(const Hello& ours, const Hello& theirs) {
  std::uint8_t best = 0;
  for (const std::uint8_t version : ours.versions) {
    if (std::ranges::find(theirs.versions, version) != theirs.versions.end()) best = std::max(best, version);
  }
  if (best != 0) return best;
  const bool we_are_older = std::ranges::max(ours.versions) < std::ranges::max(theirs.versions);
  return fail(Code::kUnsupported, "{} speaks wire version {}, {} speaks {}: upgrade sealift on {}",
              ours.host_name, list(ours.versions), theirs.host_name, list(theirs.versions),
              we_are_older ? ours.host_name : theirs.host_name);
}

}  // namespace sealift::net

#include "ledger/ids.hpp"

#include <algorithm>
#include <array>

#include "crypto/identity.hpp"

namespace sealift::ledger {

Result<HostName> HostName::parse(std::string_view text) {
  if (!crypto::valid_host_name(text))
    return fail(Code::kInvalid, "'{}' is not a host name: 1 to 63 of a-z, 0-9 and -", text.substr(0, 64));
  HostName name;
  name.text_ = text;
  return name;
}

Result<VmId> VmId::parse(std::string_view text) {
  constexpr std::string_view kShape = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
  const auto fits = [](char shape, char c) {
    return shape == '-' ? c == '-' : (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
  };
  if (text.size() != kShape.size() ||
      !std::equal(kShape.begin(), kShape.end(), text.begin(), text.end(), fits)) {
    return fail(Code::kInvalid, "'{}' is not a VM id: a lower-case UUID", text.substr(0, 64));
  }
  VmId id;
  id.text_ = text;
  return id;
}

VmId VmId::make(Random& random) {
  std::array<std::uint8_t, 16> bytes{};
  random.fill(bytes);
  bytes[6] = static_cast<std::uint8_t>((bytes[6] & 0x0f) | 0x40);  // RFC 9562: version 4
  bytes[8] = static_cast<std::uint8_t>((bytes[8] & 0x3f) | 0x80);  // and its variant
  std::string text = hex(bytes);
  for (const std::size_t dash : {8U, 13U, 18U, 23U}) text.insert(dash, 1, '-');
  VmId id;
  id.text_ = std::move(text);
  return id;
}

RecordId record_id(ByteView envelope) {
  return {crypto::sha256(envelope)};
}

}  // namespace sealift::ledger

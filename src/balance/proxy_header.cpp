#include "balance/proxy_header.hpp"

#include <algorithm>
#include <array>
#include <charconv>

namespace sealift::balance {

namespace {

constexpr std::string_view kV1 = "PROXY ";
constexpr std::size_t kV1Max = 107;  // "\r\n" included
constexpr std::array<std::uint8_t, 12> kV2{0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d,
                                           0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a};
constexpr std::size_t kV2Fixed = 16;

using Decoded = Result<std::optional<ProxyHeader>>;

std::optional<Address> v1_address(std::string_view ip, std::string_view port, bool v6) {
  if (ip.find_first_of("[]") != std::string_view::npos || (ip.find(':') != std::string_view::npos) != v6)
    return {};
  // Port 0 is allowed here, unlike in an address to connect to.
  std::uint16_t number = 0;
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), number);
  if (error != std::errc{} || end != port.data() + port.size() || port.size() > 5) return {};
  auto address = Address::parse(fmt::format("{}{}{}:1", v6 ? "[" : "", ip, v6 ? "]" : ""));
  if (!address) return {};
  address->port = number;
  return *address;
}

Decoded decode_v1(std::string_view text) {
  const auto end = text.substr(0, kV1Max).find("\r\n");
  if (end == std::string_view::npos) {
    if (text.size() >= kV1Max) return fail(Code::kInvalid, "PROXY header: no end within {} bytes", kV1Max);
    return std::optional<ProxyHeader>{};
  }
  std::array<std::string_view, 6> words;
  std::size_t count = 0;
  for (std::string_view rest = text.substr(0, end); count < words.size();) {
    const auto space = rest.find(' ');
    words[count++] = rest.substr(0, space);
    if (space == std::string_view::npos) break;
    rest = rest.substr(space + 1);
    if (count == words.size()) return fail(Code::kInvalid, "PROXY header: too many words");
  }
  ProxyHeader header;
  header.bytes = end + 2;
  if (count >= 2 && words[1] == "UNKNOWN") return header;
  if (count != 6 || (words[1] != "TCP4" && words[1] != "TCP6"))
    return fail(Code::kInvalid, "PROXY header: neither TCP4, TCP6 nor UNKNOWN");
  const bool v6 = words[1] == "TCP6";
  header.client = v1_address(words[2], words[4], v6);
  header.target = v1_address(words[3], words[5], v6);
  if (!header.client || !header.target) return fail(Code::kInvalid, "PROXY header: malformed addresses");
  return header;
}

Decoded decode_v2(ByteView bytes) {
  if (bytes.size() < kV2Fixed) return std::optional<ProxyHeader>{};
  const unsigned version = bytes[12] >> 4, command = bytes[12] & 15U, family = bytes[13];
  const std::size_t length = load_be16(bytes.data() + 14);
  if (version != 2 || command > 1)
    return fail(Code::kInvalid, "PROXY header: version {}, command {}", version, command);
  if (kV2Fixed + length > kProxyHeaderMax)
    return fail(Code::kInvalid, "PROXY header: {} bytes, at most {} are taken", kV2Fixed + length,
                kProxyHeaderMax);
  if (bytes.size() < kV2Fixed + length) return std::optional<ProxyHeader>{};
  ProxyHeader header;
  header.bytes = kV2Fixed + length;
  if (command == 0) return header;
  const auto take = [&](std::size_t at, std::size_t size, std::size_t port_at) {
    Address address;
    if (size == 4) address.ip[10] = address.ip[11] = 0xff;
    std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(at), size,
                address.ip.end() - static_cast<std::ptrdiff_t>(size));
    address.port = load_be16(bytes.data() + port_at);
    return address;
  };
  const std::size_t size = family == 0x11 ? 4 : family == 0x21 ? 16 : 0;
  if (size == 0) return header;
  if (length < 2 * size + 4) return fail(Code::kInvalid, "PROXY header: shorter than its addresses");
  header.client = take(kV2Fixed, size, kV2Fixed + 2 * size);
  header.target = take(kV2Fixed + size, size, kV2Fixed + 2 * size + 2);
  return header;
}

}  // namespace

Decoded decode_proxy_header(ByteView bytes) {
  const auto starts = [&](auto prefix) {
    const std::size_t common = std::min(bytes.size(), prefix.size());
    return std::equal(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(common), prefix.begin());
  };
  if (starts(kV2))
    return bytes.size() < kV2.size() ? Decoded(std::optional<ProxyHeader>{}) : decode_v2(bytes);
  if (starts(as_bytes(kV1)))
    return bytes.size() < kV1.size() ? Decoded(std::optional<ProxyHeader>{}) : decode_v1(as_text(bytes));
  return fail(Code::kInvalid, "the connection does not begin with a PROXY header");
}

Bytes encode_proxy_header(ProxyVersion version, const Address& client, const Address& target) {
  // Both of one family: IPv4 only when both are.
  const bool v4 = client.is_v4() && target.is_v4();
  if (version == ProxyVersion::kV1) {
    const auto ip = [&](const Address& address) {
      return !v4 && address.is_v4() ? "::ffff:" + address.ip_text() : address.ip_text();
    };
    return to_bytes(fmt::format("PROXY {} {} {} {} {}\r\n", v4 ? "TCP4" : "TCP6", ip(client), ip(target),
                                client.port, target.port));
  }
  Encoder out;
  out.raw(kV2).u8(0x21).u8(v4 ? 0x11 : 0x21).u16(v4 ? 12 : 36);
  for (const Address* address : {&client, &target}) out.raw(ByteView(address->ip).subspan(v4 ? 12 : 0));
  return out.u16(client.port).u16(target.port).take();
}

}  // namespace sealift::balance

#include "balance/address.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <charconv>
#include <cstring>

namespace sealift::balance {

namespace {

constexpr std::array<std::uint8_t, 12> kMapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

std::optional<std::array<std::uint8_t, 16>> parse_ip(std::string_view text) {
  const std::string ended(text);
  std::array<std::uint8_t, 16> ip{};
  if (inet_pton(AF_INET6, ended.c_str(), ip.data()) == 1) return ip;
  if (inet_pton(AF_INET, ended.c_str(), ip.data() + 12) != 1) return std::nullopt;
  std::ranges::copy(kMapped, ip.begin());
  return ip;
}

bool mapped(const std::array<std::uint8_t, 16>& ip) {
  return std::equal(kMapped.begin(), kMapped.end(), ip.begin());
}

std::string ip_to_text(const std::array<std::uint8_t, 16>& ip) {
  char text[INET6_ADDRSTRLEN] = {};
  if (mapped(ip)) {
    inet_ntop(AF_INET, ip.data() + 12, text, sizeof(text));
  } else {
    inet_ntop(AF_INET6, ip.data(), text, sizeof(text));
  }
  return text;
}

template <class Number>
std::optional<Number> whole_number(std::string_view digits) {
  Number value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (digits.empty() || error != std::errc{} || end != digits.data() + digits.size()) return std::nullopt;
  return value;
}

}  // namespace

Result<Address> Address::parse(std::string_view text) {
  const auto colon = text.rfind(':');
  const auto port =
      colon == std::string_view::npos ? std::nullopt : whole_number<std::uint16_t>(text.substr(colon + 1));
  if (!port || *port == 0)
    return fail(Code::kInvalid, "'{}': an address ends with a port, :1 to :65535", text);
  std::string_view host = text.substr(0, colon);
  const bool brackets = host.size() >= 2 && host.front() == '[' && host.back() == ']';
  if (brackets) host = host.substr(1, host.size() - 2);
  const auto ip = parse_ip(host);
  if (!ip || brackets != (host.find(':') != std::string_view::npos))
    return fail(Code::kInvalid, "'{}' is no address such as 192.0.2.7:80 or [2001:db8::1]:80 (no names)",
                text);
  return Address{*ip, *port};
}

std::optional<Address> Address::from(const sockaddr_storage& storage) {
  Address address;
  if (storage.ss_family == AF_INET) {
    sockaddr_in v4{};
    std::memcpy(&v4, &storage, sizeof(v4));
    std::ranges::copy(kMapped, address.ip.begin());
    std::memcpy(address.ip.data() + 12, &v4.sin_addr, 4);
    address.port = ntohs(v4.sin_port);
  } else if (storage.ss_family == AF_INET6) {
    sockaddr_in6 v6{};
    std::memcpy(&v6, &storage, sizeof(v6));
    std::memcpy(address.ip.data(), &v6.sin6_addr, 16);
    address.port = ntohs(v6.sin6_port);
  } else {
    return std::nullopt;
  }
  return address;
}

Address Address::bound_to(int fd) {
  sockaddr_storage own{};
  socklen_t bytes = sizeof(own);
  ::getsockname(fd, reinterpret_cast<sockaddr*>(&own), &bytes);
  return from(own).value_or(Address{});
}

socklen_t Address::to(sockaddr_storage* storage) const {
  std::memset(storage, 0, sizeof(*storage));
  if (is_v4()) {
    sockaddr_in v4{};
    v4.sin_family = AF_INET;
    v4.sin_port = htons(port);
    std::memcpy(&v4.sin_addr, ip.data() + 12, 4);
    std::memcpy(storage, &v4, sizeof(v4));
    return sizeof(v4);
  }
  sockaddr_in6 v6{};
  v6.sin6_family = AF_INET6;
  v6.sin6_port = htons(port);
  std::memcpy(&v6.sin6_addr, ip.data(), 16);
  std::memcpy(storage, &v6, sizeof(v6));
  return sizeof(v6);
}

bool Address::is_v4() const {
  return mapped(ip);
}

std::string Address::ip_text() const {
  return ip_to_text(ip);
}

std::string Address::text() const {
  return is_v4() ? fmt::format("{}:{}", ip_text(), port) : fmt::format("[{}]:{}", ip_text(), port);
}

std::array<std::uint8_t, 16> masked(const std::array<std::uint8_t, 16>& ip, unsigned bits) {
  std::array<std::uint8_t, 16> out{};
  const unsigned whole = bits / 8;
  std::copy_n(ip.begin(), whole, out.begin());
  if (bits % 8 != 0) out[whole] = static_cast<std::uint8_t>(ip[whole] & (0xff00U >> (bits % 8)));
  return out;
}

Result<Network> Network::parse(std::string_view text) {
  const auto slash = text.find('/');
  const auto ip = parse_ip(text.substr(0, slash));
  if (!ip) return fail(Code::kInvalid, "'{}' is no network such as 10.0.0.0/8 or 2001:db8::/32", text);
  const bool v4 = mapped(*ip) && text.find(':') == std::string_view::npos;
  const unsigned longest = v4 ? 32 : 128;
  const auto bits = slash == std::string_view::npos ? std::optional(longest)
                                                    : whole_number<unsigned>(text.substr(slash + 1));
  if (!bits || *bits > longest)
    return fail(Code::kInvalid, "'{}': the prefix length is a number from 0 to {}", text, longest);
  const Network network{*ip, *bits + (v4 ? 96 : 0)};
  if (masked(*ip, network.bits) != *ip)
    return fail(Code::kInvalid, "'{}': bits beyond the prefix are set: write {}", text,
                Network{masked(*ip, network.bits), network.bits}.text());
  return network;
}

bool Network::contains(const Address& address) const {
  return masked(address.ip, bits) == ip;
}

std::string Network::text() const {
  const bool v4 = mapped(ip) && bits >= 96;
  return fmt::format("{}/{}", ip_to_text(ip), v4 ? bits - 96 : bits);
}

}  // namespace sealift::balance

#pragma once

// Addresses and networks as the balancer keeps them: 18 bytes, IPv4 in its mapped form (RFC 4291, 2.5.5.2),
// so that one comparison and one prefix length serve both families. Literals only: names are not resolved.

#include <sys/socket.h>

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace sealift::balance {

struct Address {
  std::array<std::uint8_t, 16> ip{};
  std::uint16_t port = 0;

  // "192.0.2.7:80", "[2001:db8::1]:80". kInvalid names what is wrong.
  static Result<Address> parse(std::string_view text);
  // Nothing for a family other than IPv4 and IPv6.
  static std::optional<Address> from(const sockaddr_storage& storage);
  // Where the socket is bound; all zero if it has no such address.
  static Address bound_to(int fd);
  socklen_t to(sockaddr_storage* storage) const;
  bool is_v4() const;
  std::string text() const;
  std::string ip_text() const;
  auto operator<=>(const Address&) const = default;
};

struct Network {
  std::array<std::uint8_t, 16> ip{};  // host bits are 0
  unsigned bits = 0;                  // 0 to 128; an IPv4 prefix counts 96 more

  static Result<Network> parse(std::string_view text);  // "10.0.0.0/8", "2001:db8::/32", or one address
  bool contains(const Address& address) const;
  std::string text() const;
  auto operator<=>(const Network&) const = default;
};

// The first `bits` bits of the address, the rest 0.
std::array<std::uint8_t, 16> masked(const std::array<std::uint8_t, 16>& ip, unsigned bits);

// A good 64-bit mixer (SplitMix64's finaliser); the base of every hash here, equal on every machine.
constexpr std::uint64_t mix(std::uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
  return x ^ (x >> 31);
}

}  // namespace sealift::balance

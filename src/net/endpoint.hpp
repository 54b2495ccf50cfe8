#pragma once

// Where a host listens: "host:port", "192.0.2.7:7420", "[2001:db8::1]:7420"; without a port kDefaultPort. The
// host is a name or an address literal; names are resolved when dialling, never here.

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace sealift::net {

constexpr std::uint16_t kDefaultPort = 7420;

struct Endpoint {
  std::string host;
  std::uint16_t port = kDefaultPort;

  // kInvalid names what is wrong with the text.
  static Result<Endpoint> parse(std::string_view text);
  std::string text() const;  // always with the port; IPv6 in brackets
  bool operator==(const Endpoint&) const = default;
};

}  // namespace sealift::net

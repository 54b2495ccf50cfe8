#include "net/endpoint.hpp"

#include <charconv>

namespace sealift::net {

namespace {

Result<std::uint16_t> parse_port(std::string_view digits, std::string_view whole) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (error != std::errc{} || end != digits.data() + digits.size() || port == 0) {
    return fail(Code::kInvalid, "'{}': the port must be a number from 1 to 65535", whole);
  }
  return port;
}

bool plain_host(std::string_view host) {
  return !host.empty() && host.size() <= 253 && host.find_first_of(" \t\r\n/@[]:") == std::string_view::npos;
}

}  // namespace

Result<Endpoint> Endpoint::parse(std::string_view text) {
  std::string_view host = text;
  std::string_view rest;
  if (text.starts_with('[')) {
    const auto close = text.find(']');
    if (close == std::string_view::npos) return fail(Code::kInvalid, "'{}': no ']' after the address", text);
    host = text.substr(1, close - 1);
    rest = text.substr(close + 1);
    if (host.find(':') == std::string_view::npos ||
        host.find_first_not_of("0123456789abcdefABCDEF:.%") != std::string_view::npos) {
      return fail(Code::kInvalid, "'{}': no IPv6 address between the brackets", text);
    }
    if (!rest.empty() && !rest.starts_with(':')) {
      return fail(Code::kInvalid, "'{}': only ':port' may follow ']'", text);
    }
  } else {
    const auto colon = text.find(':');
    if (colon != std::string_view::npos && text.find(':', colon + 1) != std::string_view::npos) {
      return fail(Code::kInvalid, "'{}': write an IPv6 address in brackets, [::1]:7420", text);
    }
    host = text.substr(0, colon);
    rest = colon == std::string_view::npos ? std::string_view{} : text.substr(colon);
    if (!plain_host(host)) return fail(Code::kInvalid, "'{}': no host name or address", text);
  }
  Endpoint endpoint{.host = std::string(host)};
  if (!rest.empty()) endpoint.port = SEALIFT_TRY(parse_port(rest.substr(1), text));
  return endpoint;
}

std::string Endpoint::text() const {
  if (host.find(':') != std::string::npos) return fmt::format("[{}]:{}", host, port);
  return fmt::format("{}:{}", host, port);
}

}  // namespace sealift::net

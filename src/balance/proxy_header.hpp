#pragma once

// PROXY protocol, versions 1 and 2 (haproxy.org, doc/proxy-protocol.txt): tells a server the client's address
// before the connection's first byte. TLVs of version 2 are skipped.

#include <optional>

#include "balance/config.hpp"
#include "base/bytes.hpp"

namespace sealift::balance {

constexpr std::size_t kProxyHeaderMax = 1024;  // ours have up to 107 bytes; others may carry TLVs

struct ProxyHeader {
  std::size_t bytes = 0;  // to be taken off the stream
  std::optional<Address>
      client;  // none: LOCAL, UNKNOWN or another family: the connection's own address counts
  std::optional<Address> target;
};

// Nothing yet: a good beginning, more is needed. kInvalid: no PROXY header, or one of more than
// kProxyHeaderMax.
Result<std::optional<ProxyHeader>> decode_proxy_header(ByteView bytes);

Bytes encode_proxy_header(ProxyVersion version, const Address& client, const Address& target);

}  // namespace sealift::balance

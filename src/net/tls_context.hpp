#pragma once

// The OpenSSL side of tls.hpp: how a connection is configured and how it reaches its socket. Only tls.cpp and
// tls_context.cpp include it.

#include <openssl/ssl.h>

#include <memory>

#include "crypto/tls_identity.hpp"
#include "net/socket.hpp"

namespace sealift::net::detail {

struct FreeSsl {
  void operator()(SSL* ssl) const { SSL_free(ssl); }
};
using Ssl = std::unique_ptr<SSL, FreeSsl>;

enum class TlsRole { kConnect, kAccept };

// A TLS 1.3 connection object over the socket, ready for its handshake. The socket must outlive it.
Result<Ssl> make_ssl(const crypto::TlsIdentity& identity, int socket, TlsRole role);

// The oldest reason in OpenSSL's error queue, in its words; empties the queue.
std::string last_tls_error();

}  // namespace sealift::net::detail

#include "net/tls.hpp"

#include <openssl/err.h>

#include <algorithm>
#include <climits>
#include <mutex>

#include "base/check.hpp"
#include "net/tls_context.hpp"

namespace sealift::net {

using detail::Ssl;
using detail::TlsRole;

// An SSL object is no two threads' business: the lock is held for one OpenSSL call (at most one TLS record of
// work) and never while waiting for the socket.
struct TlsStream::Impl {
  TcpStream socket;
  std::mutex mutex;
  Ssl ssl;  // after the socket: freed before it
  crypto::PublicKey peer_key;

  explicit Impl(TcpStream stream) : socket(std::move(stream)) {}

  // Repeats `operation` (an OpenSSL call on the SSL object) until it succeeds: its result, or 0 at the peer's
  // close_notify.
  template <class Operation>
  Result<int> run(Operation operation, Deadline deadline, const Stop& stop) {
    if (stop.stopped()) return fail(Code::kCancelled, "stopped");
    while (true) {
      int wait_for = SSL_ERROR_NONE;
      {
        const std::lock_guard lock(mutex);
        ERR_clear_error();
        const int result = operation(ssl.get());
        if (result > 0) return result;
        wait_for = SSL_get_error(ssl.get(), result);
        if (socket.closed()) return fail(Code::kClosed, "the connection is closed");
        if (wait_for == SSL_ERROR_ZERO_RETURN) return 0;
        if (wait_for == SSL_ERROR_SSL) {
          return fail(Code::kCorrupt, "TLS: bytes altered on the way, or a peer that breaks the protocol: {}",
                      detail::last_tls_error());
        }
        if (wait_for != SSL_ERROR_WANT_READ && wait_for != SSL_ERROR_WANT_WRITE) {
          ERR_clear_error();
          return fail(Code::kUnavailable, "the connection was lost");
        }
      }
      const Readiness what = wait_for == SSL_ERROR_WANT_READ ? Readiness::kReadable : Readiness::kWritable;
      SEALIFT_TRY_STATUS(wait_ready(socket.fd(), what, deadline, stop));
    }
  }
};

// Makes a TlsStream of a socket; a friend, so that no stream exists before its handshake.
struct TlsHandshake {
  static Result<TlsStream> run(TcpStream socket, const crypto::Identity& identity, TlsRole role,
                               const std::optional<crypto::PublicKey>& expected, Deadline deadline,
                               const Stop& stop) {
    const crypto::TlsIdentity tls_identity = SEALIFT_TRY(crypto::TlsIdentity::make(identity));
    auto impl = std::make_unique<TlsStream::Impl>(std::move(socket));
    impl->socket.set_no_delay(true);
    impl->ssl = SEALIFT_TRY(detail::make_ssl(tls_identity, impl->socket.fd(), role));
    auto done = impl->run([](SSL* ssl) { return SSL_do_handshake(ssl); }, deadline, stop);
    const std::string peer = impl->socket.peer();
    if (!done) {
      Error error = std::move(done).error();
      if (error.code == Code::kCorrupt) error.code = Code::kUnauthorized;
      return because(std::move(error), fmt::format("TLS handshake with {}", peer));
    }
    X509* certificate = SSL_get0_peer_certificate(impl->ssl.get());
    if (certificate == nullptr) return fail(Code::kUnauthorized, "{} showed no certificate", peer);
    impl->peer_key = SEALIFT_TRY(crypto::certificate_key(certificate));
    if (expected && *expected != impl->peer_key) {
      return fail(Code::kUnauthorized, "{} holds the key {}, expected was {}: it is another host", peer,
                  impl->peer_key.hex(), expected->hex());
    }
    return TlsStream(std::move(impl));
  }
};

TlsStream::TlsStream(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
TlsStream::TlsStream(TlsStream&&) noexcept = default;
TlsStream& TlsStream::operator=(TlsStream&&) noexcept = default;
TlsStream::~TlsStream() = default;

Result<std::size_t> TlsStream::read_some(MutableByteView out, Deadline deadline, const Stop& stop) {
  SEALIFT_CHECK(!out.empty());
  const int bytes = static_cast<int>(std::min<std::size_t>(out.size(), INT_MAX));
  const int got =
      SEALIFT_TRY(impl_->run([&](SSL* ssl) { return SSL_read(ssl, out.data(), bytes); }, deadline, stop));
  return static_cast<std::size_t>(got);
}

Status TlsStream::write_all(ByteView bytes, Deadline deadline, const Stop& stop) {
  while (!bytes.empty()) {
    const int part = static_cast<int>(std::min<std::size_t>(bytes.size(), INT_MAX));
    const int sent =
        SEALIFT_TRY(impl_->run([&](SSL* ssl) { return SSL_write(ssl, bytes.data(), part); }, deadline, stop));
    if (sent == 0) return fail(Code::kUnavailable, "the other side closed the connection");
    bytes = bytes.subspan(static_cast<std::size_t>(sent));
  }
  return {};
}

void TlsStream::shutdown_write() {
  {
    const std::lock_guard lock(impl_->mutex);
    ERR_clear_error();
    SSL_shutdown(impl_->ssl.get());
    ERR_clear_error();
  }
  impl_->socket.shutdown_write();
}

void TlsStream::close() {
  impl_->socket.close();
}

const crypto::PublicKey& TlsStream::peer_key() const {
  return impl_->peer_key;
}

crypto::Secret TlsStream::export_key(std::string_view label, ByteView context,
                                     std::size_t length_bytes) const {
  crypto::Secret secret(length_bytes);
  const std::lock_guard lock(impl_->mutex);
  const int made = SSL_export_keying_material(impl_->ssl.get(), secret.mutable_bytes().data(), length_bytes,
                                              label.data(), label.size(), context.data(), context.size(), 1);
  SEALIFT_CHECK(made == 1);  // only a missing handshake or memory could fail it
  return secret;
}

bool TlsStream::idle_and_open() const {
  const std::lock_guard lock(impl_->mutex);
  return SSL_pending(impl_->ssl.get()) == 0 && impl_->socket.idle_and_open();
}

std::string TlsStream::peer() const {
  return impl_->socket.peer();
}

Result<TlsStream> accept_tls(TcpStream socket, const crypto::Identity& identity, Deadline deadline,
                             const Stop& stop) {
  return TlsHandshake::run(std::move(socket), identity, TlsRole::kAccept, std::nullopt, deadline, stop);
}

Result<TlsStream> connect_tls(TcpStream socket, const crypto::Identity& identity,
                              const std::optional<crypto::PublicKey>& expected, Deadline deadline,
                              const Stop& stop) {
  return TlsHandshake::run(std::move(socket), identity, TlsRole::kConnect, expected, deadline, stop);
}

Result<TlsStream> connect_tls(const Endpoint& endpoint, const crypto::Identity& identity,
                              const std::optional<crypto::PublicKey>& expected, Deadline deadline,
                              const Stop& stop) {
  TcpStream socket = SEALIFT_TRY(TcpStream::connect(endpoint, deadline, stop));
  return connect_tls(std::move(socket), identity, expected, deadline, stop);
}

}  // namespace sealift::net

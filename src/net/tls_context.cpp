#include "net/tls_context.hpp"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/x509.h>
#include <sys/socket.h>

#include <cerrno>

#include "base/check.hpp"

namespace sealift::net::detail {

namespace {

// OpenSSL's own socket BIO writes without MSG_NOSIGNAL: a lost peer would raise SIGPIPE. The descriptor is
// kept in the BIO's data pointer.
int socket_of(BIO* bio) {
  return static_cast<int>(reinterpret_cast<std::intptr_t>(BIO_get_data(bio)));
}

bool try_again(int error) {
  return error == EAGAIN || error == EWOULDBLOCK || error == EINTR;
}

int bio_read(BIO* bio, char* out, int bytes) {
  BIO_clear_retry_flags(bio);
  const ssize_t got = ::recv(socket_of(bio), out, static_cast<std::size_t>(bytes), MSG_DONTWAIT);
  if (got < 0 && try_again(errno)) BIO_set_retry_read(bio);
  return static_cast<int>(got);
}

int bio_write(BIO* bio, const char* in, int bytes) {
  BIO_clear_retry_flags(bio);
  const ssize_t sent =
      ::send(socket_of(bio), in, static_cast<std::size_t>(bytes), MSG_DONTWAIT | MSG_NOSIGNAL);
  if (sent < 0 && try_again(errno)) BIO_set_retry_write(bio);
  return static_cast<int>(sent);
}

long bio_control(BIO* /*bio*/, int command, long /*number*/, void* /*pointer*/) {
  return command == BIO_CTRL_FLUSH ? 1 : 0;
}

BIO_METHOD* socket_method() {
  static BIO_METHOD* const method = [] {
    BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "sealift socket");
    SEALIFT_CHECK(made != nullptr);
    BIO_meth_set_read(made, bio_read);
    BIO_meth_set_write(made, bio_write);
    BIO_meth_set_ctrl(made, bio_control);
    return made;
  }();
  return method;
}

// Any one self-signed Ed25519 certificate: it carries a key and no authority. That the peer holds the key is
// what the handshake proves; whom the key belongs to is for the caller to say.
int verify_peer(X509_STORE_CTX* context, void* /*unused*/) {
  X509* leaf = X509_STORE_CTX_get0_cert(context);
  const STACK_OF(X509)* chain = X509_STORE_CTX_get0_untrusted(context);
  const bool alone = chain == nullptr || sk_X509_num(chain) <= 1;
  if (leaf != nullptr && alone && crypto::certificate_key(leaf) &&
      X509_verify(leaf, X509_get0_pubkey(leaf)) == 1) {
    return 1;
  }
  X509_STORE_CTX_set_error(context, X509_V_ERR_APPLICATION_VERIFICATION);
  return 0;
}

struct FreeContext {
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};

bool configure(SSL_CTX* context, const crypto::TlsIdentity& identity) {
  SSL_CTX_set_options(context, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_max_early_data(context, 0);
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  SSL_CTX_set_cert_verify_callback(context, verify_peer, nullptr);
  return SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) == 1 &&
         SSL_CTX_set_max_proto_version(context, TLS1_3_VERSION) == 1 &&
         SSL_CTX_set_num_tickets(context, 0) == 1 &&
         SSL_CTX_set_ciphersuites(context, "TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256") == 1 &&
         SSL_CTX_set1_groups_list(context, "X25519") == 1 &&
         SSL_CTX_set1_sigalgs_list(context, "ed25519") == 1 &&
         SSL_CTX_set1_client_sigalgs_list(context, "ed25519") == 1 &&
         SSL_CTX_use_certificate(context, identity.certificate()) == 1 &&
         SSL_CTX_use_PrivateKey(context, identity.key()) == 1;
}

}  // namespace

Result<Ssl> make_ssl(const crypto::TlsIdentity& identity, int socket, TlsRole role) {
  const std::unique_ptr<SSL_CTX, FreeContext> context(SSL_CTX_new(TLS_method()));
  if (!context || !configure(context.get(), identity)) {
    return fail(Code::kInternal, "configuring TLS: {}", last_tls_error());
  }
  Ssl ssl(SSL_new(context.get()));
  BIO* bio = BIO_new(socket_method());
  if (!ssl || bio == nullptr) {
    BIO_free(bio);
    return fail(Code::kExhausted, "no memory for a TLS connection");
  }
  BIO_set_data(bio, reinterpret_cast<void*>(static_cast<std::intptr_t>(socket)));
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl.get(), bio, bio);  // takes the one reference
  if (role == TlsRole::kConnect) {
    SSL_set_connect_state(ssl.get());
  } else {
    SSL_set_accept_state(ssl.get());
  }
  return ssl;
}

std::string last_tls_error() {
  const unsigned long code = ERR_get_error();
  ERR_clear_error();
  const char* reason = code == 0 ? nullptr : ERR_reason_error_string(code);
  return reason == nullptr ? "no reason given" : reason;
}

}  // namespace sealift::net::detail

#pragma once

// TLS 1.3 (RFC 8446) between two Ed25519 identities. Each side shows a self-signed certificate of its key; no
// certificate authority takes part. A handshake proves that the peer holds the private key of peer_key();
// whether that key may do what it asks for is the caller's question: it pins the key, or asks the member
// list.
//
// Only TLS 1.3, X25519, AES-256-GCM and ChaCha20-Poly1305, Ed25519 signatures; no tickets, no resumption, no
// 0-RTT. There is no other mode: a peer that offers less gets no session (kUnauthorized).

#include <memory>
#include <optional>
#include <string_view>

#include "crypto/identity.hpp"
#include "crypto/secret.hpp"
#include "net/socket.hpp"

namespace sealift::net {

class TlsStream final : public Stream {
 public:
  TlsStream(TlsStream&&) noexcept;
  TlsStream& operator=(TlsStream&&) noexcept;
  ~TlsStream() override;

  // kCorrupt: bytes were altered on the way (here, or as the peer's alert says). A connection that ends
  // without close_notify is kUnavailable, never an end.
  Result<std::size_t> read_some(MutableByteView out, Deadline deadline, const Stop& stop) override;
  Status write_all(ByteView bytes, Deadline deadline, const Stop& stop) override;
  void shutdown_write() override;  // close_notify
  void close() override;

  const crypto::PublicKey& peer_key() const;
  // RFC 8446 7.5: the same value on both ends, known to nobody else. Labels start with "EXPORTER-".
  crypto::Secret export_key(std::string_view label, ByteView context, std::size_t length_bytes) const;
  bool idle_and_open() const;  // as SocketStream's
  std::string peer() const;    // address, for the log

 private:
  struct Impl;
  friend struct TlsHandshake;
  explicit TlsStream(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

Result<TlsStream> accept_tls(TcpStream socket, const crypto::Identity& identity, Deadline deadline,
                             const Stop& stop);
// expected: kUnauthorized unless the peer is exactly that key. nullopt only where the peer's key is checked
// by other means afterwards (a join's one-time secret).
Result<TlsStream> connect_tls(TcpStream socket, const crypto::Identity& identity,
                              const std::optional<crypto::PublicKey>& expected, Deadline deadline,
                              const Stop& stop);
Result<TlsStream> connect_tls(const Endpoint& endpoint, const crypto::Identity& identity,
                              const std::optional<crypto::PublicKey>& expected, Deadline deadline,
                              const Stop& stop);

}  // namespace sealift::net

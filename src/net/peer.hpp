#pragma once

// One listening port for everything between hosts. The first byte tells a connection's kind:
//   0x16  a TLS ClientHello: handshake, HELLO, authorisation, then the handler of its purpose
//   'B'   a bulk connection ("BULK" …, transport/attach.hpp): raw bytes for the bulk handler, which
//         authenticates them itself
//   else  closed
// Nobody unauthenticated holds more than a bounded number of threads for longer than the handshake's time:
// when all are taken, the next connection is closed at once. Authorisation comes BEFORE any handler.

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "crypto/identity.hpp"
#include "net/hello.hpp"
#include "net/tls.hpp"

namespace sealift::net {

struct PeerConnection {
  TlsStream stream;
  crypto::PublicKey key;  // the peer's, proven
  Hello hello;            // the peer's, as it says; authorisation has compared the name with the key
};

struct PeerServerOptions {
  std::string host_name;
  std::string domain;                       // told to whom is welcome
  std::size_t unauthenticated_max = 32;     // connections before authorisation, bulk ones included
  std::size_t connections_max = 256;        // all of them, one thread each
  Milliseconds handshake_deadline{10'000};  // from accept to WELCOME
};

class PeerServer {
 public:
  // A handler owns the connection and runs on its thread; it returns soon after stop is pulled.
  using Handler = std::function<void(PeerConnection connection, const Stop& stop)>;
  // Says `authenticated()` once it knows the peer: from then on the connection counts as such.
  using BulkHandler =
      std::function<void(TcpStream stream, const std::function<void()>& authenticated, const Stop& stop)>;
  // Refuses with a reason, which the peer is told.
  using Authorise = std::function<Status(const crypto::PublicKey& key, const Hello& hello)>;

  PeerServer(const crypto::Identity& identity, PeerServerOptions options, Authorise authorise);
  ~PeerServer();  // stops and joins everything

  // Before start(). A purpose without a handler is refused as kUnsupported.
  void on(std::string purpose, Handler handler);
  void on_bulk(BulkHandler handler);

  Status start(const Endpoint& listen);
  std::uint16_t port() const;
  std::string domain() const;
  void set_domain(std::string domain);  // a host that has joined another one
  void stop();
  std::size_t connections() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

struct DialOptions {
  std::vector<Endpoint> endpoints;  // tried in turn
  std::optional<crypto::PublicKey> expected;
  Hello hello;
};
// Connects, handshakes, says HELLO. The refusal of the other side comes back as its own code and words.
// kUnauthorized: another key answers there; kUnavailable: nobody does.
Result<PeerConnection> dial_peer(const DialOptions& options, const crypto::Identity& identity,
                                 Deadline deadline, const Stop& stop);

}  // namespace sealift::net

#pragma once

// One listening port for everything between hosts. The first byte tells a connection's kind:
//   0x16  a TLS ClientHello: handshake, HELLO, authorisation, then the handler of its purpose
//   'B'   a bulk connection ("BULK" …, transport/attach.hpp): raw bytes for the bulk handler, which
//         authenticates them itself
//   'C'   a host calls back ("CALL" …, call_wire.hpp): handed to whoever asked for it
//   else  closed
// Nobody unauthenticated holds more than a bounded number of threads for longer than the handshake's time:
// when all are taken, the next connection is closed at once (admission.hpp). Authorisation comes BEFORE any
// handler.
//
// A host that cannot be dialled dials by itself when asked (standing.hpp); what comes over such a connection
// is served here like an accepted one.

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "crypto/identity.hpp"
#include "net/admission.hpp"
#include "net/hello.hpp"
#include "net/tls.hpp"

namespace sealift::net {

struct PeerConnection {
  TlsStream stream;
  crypto::PublicKey key;  // the peer's, proven
  Hello hello;            // the peer's, as it says; authorisation has compared the name with the key
  std::optional<Endpoint> dialled = {};  // where it was reached; nothing: it came, or has called back
};

struct PeerServerOptions {
  std::string host_name;
  std::string domain;  // told to whom is welcome
  AdmissionLimits limits = {};
  Milliseconds handshake_deadline{10'000};  // from accept to WELCOME
};

class PeerServer {
 public:
  // A handler owns the connection and runs on its thread; it returns soon after stop is pulled.
  using Handler = std::function<void(PeerConnection connection, const Stop& stop)>;
  // Says `authenticated()` once it knows the peer: from then on the connection counts as such.
  using BulkHandler =
      std::function<void(TcpStream stream, const std::function<void()>& authenticated, const Stop& stop)>;
  // A call back, its preamble still to be read.
  using CallBackHandler = std::function<void(TcpStream stream, Deadline deadline, const Stop& stop)>;
  // Refuses with a reason, which the peer is told.
  using Authorise = std::function<Status(const crypto::PublicKey& key, const Hello& hello)>;

  PeerServer(const crypto::Identity& identity, PeerServerOptions options, Authorise authorise);
  ~PeerServer();  // stops and joins everything

  // Before start(). A purpose without a handler is refused as kUnsupported.
  void on(std::string purpose, Handler handler);
  void on_bulk(BulkHandler handler);
  void on_call_back(CallBackHandler handler);

  Status start(const Endpoint& listen);
  std::uint16_t port() const;
  std::string domain() const;
  void set_domain(std::string domain);  // a host that has joined another one
  void stop();
  std::size_t connections() const;

  // Calls back: connects from a thread of its own, says `preamble`, and serves what comes as if the
  // connection had been accepted. Over TLS nobody but `peer` is served on it.
  struct Outgoing {
    Endpoint to;
    Bytes preamble;
    crypto::PublicKey peer;
    std::function<void(Error)> failed;  // it could not be made; on that thread
  };
  Status serve_outgoing(Outgoing outgoing);  // kExhausted: too many at this moment; kClosed: stopped

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sealift::net

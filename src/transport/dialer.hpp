#pragma once

// How an initiator reaches the other side, again and again, from several threads at once. EndpointDialer is
// the real one.

#include "base/guarded.hpp"
#include "net/dial.hpp"

namespace sealift::transport {

class Dialer {
 public:
  virtual ~Dialer() = default;
  // TLS, peer pinned, HELLO said.
  virtual Result<net::PeerConnection> dial_control(Deadline deadline, const Stop& stop) = 0;
  // Raw TCP to the same host; the session authenticates it (attach.hpp).
  virtual Result<net::TcpStream> dial_bulk(Deadline deadline, const Stop& stop) = 0;
};

class EndpointDialer final : public Dialer {
 public:
  // options.expected must be set; options.hello.purpose as the other side's acceptor is registered ("move").
  EndpointDialer(net::DialOptions options, crypto::Identity identity);
  Result<net::PeerConnection> dial_control(Deadline deadline, const Stop& stop) override;
  Result<net::TcpStream> dial_bulk(Deadline deadline, const Stop& stop) override;

 private:
  net::DialOptions options_;
  crypto::Identity identity_;
  Guarded<std::optional<net::Endpoint>>
      dialled_;  // where the last control connection was; nothing: called back
};

}  // namespace sealift::transport

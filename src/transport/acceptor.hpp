#pragma once

// The acceptor's side: knows the open sessions of this host by id, and puts the connections that a PeerServer
// hands over where they belong: a new session, a control connection made again, or a bulk connection.
//
//   Acceptor acceptor(options, on_session);
//   server.on("move", acceptor.control_handler());
//   server.on_bulk(acceptor.bulk_handler());

#include <functional>
#include <memory>

#include "net/peer.hpp"
#include "transport/session.hpp"

namespace sealift::transport {

class Acceptor {
 public:
  // Called on the connection's thread, which may serve the whole move; the session fails when stop is pulled.
  // hello is the peer's, authorised.
  using OnSession =
      std::function<void(std::unique_ptr<Session> session, const net::Hello& hello, const Stop& stop)>;

  Acceptor(SessionOptions options, OnSession on_session, std::size_t sessions_max = 32);
  ~Acceptor();  // the server must have stopped

  net::PeerServer::Handler control_handler();
  net::PeerServer::BulkHandler bulk_handler();
  std::size_t sessions() const;

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;  // shared: handlers hold it
};

}  // namespace sealift::transport

#pragma once

// PeerServer's inside. peer.cpp takes connections and ends them, peer_serve.cpp speaks on them.

#include <atomic>
#include <list>
#include <map>
#include <thread>

#include "base/guarded.hpp"
#include "net/peer.hpp"

namespace sealift::net {

struct PeerServer::Impl {
  using Ticket = std::unique_ptr<Admission::Ticket>;
  struct Worker {
    std::jthread thread;
    std::shared_ptr<std::atomic<bool>> done;  // shared: set by the thread, read by the sweep
  };
  struct State {
    std::string domain;
    std::list<Worker> workers;
  };

  crypto::Identity identity;
  PeerServerOptions options;
  Authorise authorise;
  std::map<std::string, Handler> handlers;
  BulkHandler bulk_handler;
  CallBackHandler call_back_handler;
  std::optional<TcpListener> listener;
  StopSource stop;
  Admission admission;
  SteadyTime said_full{};  // by the accepting thread
  Guarded<State> state;
  std::jthread accepting;

  Impl(crypto::Identity own, PeerServerOptions given, Authorise ask)
      : identity(std::move(own)),
        options(std::move(given)),
        authorise(std::move(ask)),
        admission(options.limits) {
    state.lock()->domain = options.domain;
  }

  void accept_loop();
  void take(TcpStream socket);
  bool work(std::function<void()> work);
  void sweep();
  void call_out(const Outgoing& outgoing, Admission::Ticket& ticket);
  // only: the one peer that may speak on a connection that this host has made.
  void serve(TcpStream socket, Admission::Ticket& ticket, const std::optional<crypto::PublicKey>& only);
  void serve_tls(TcpStream socket, Admission::Ticket& ticket, const std::optional<crypto::PublicKey>& only,
                 Deadline deadline);
  void refuse(TlsStream& stream, const std::string& from, const Error& reason);
  Result<Handler> admit(const TlsStream& stream, const Hello& hello, Admission::Ticket& ticket);
};

}  // namespace sealift::net

#pragma once

// The host's own half of call_back.hpp: keeps a standing connection to every peer that has an address, asks
// there what to call, and calls back: from a thread of the PeerServer, which then serves that connection like
// an accepted one. It dials the address over which the standing connection goes, never one that it is told.
//
// One thread per peer and one that looks who they are. A connection that is lost is made again, with pauses
// that double up to redial_max.

#include <functional>
#include <list>
#include <thread>

#include "net/call_back.hpp"
#include "net/dial.hpp"

namespace sealift::net {

class StandingConnections {
 public:
  struct Options {
    Milliseconds look_every{1'000};  // at the peers
    Milliseconds redial_max{2'000};
    Milliseconds refused_max{30'000};  // likewise, while the peer itself refuses
    std::size_t peers_max = 256;
  };
  // Peers with their endpoints, expected keys and the hello; its purpose is set here.
  using Peers = std::function<std::vector<DialOptions>()>;

  StandingConnections(PeerServer& server, const crypto::Identity& identity, Peers peers, Options options);
  ~StandingConnections();  // before the server's end
  void stop();

 private:
  struct Kept {
    DialOptions to;
    StopSource stop;
    std::jthread thread;
  };
  void look(const Stop& stop);
  void keep(const DialOptions& to, const Stop& stop);
  Status serve(const DialOptions& at, const Stop& stop, bool& connected);

  PeerServer& server_;
  const crypto::Identity identity_;
  const Peers peers_;
  const Options options_;
  StopSource stop_;
  std::list<Kept> kept_;  // the looking thread's
  std::jthread looking_;
};

}  // namespace sealift::net

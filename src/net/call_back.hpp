#pragma once

// Reaching a host that takes no connections: asking it to call back.
//
// Every member keeps a standing connection to every other one that has an address (standing.hpp). CallBacks
// is the side that is called: it knows who keeps one here, tells it a fresh token, and hands the connection
// that arrives with that token to whoever waits. To the waiter it is a connection as if it had dialled
// itself: it speaks first, and it proves whom it reached, by TLS with a pinned key or by a session's secret.
// So a token needs to be no secret: who steals one can only spoil that attempt.
//
// A token is random, ends one wait, and is gone with it. Bounded: kCallsMax waits per host, kWaitsMax in all.
// Thread-safe. Outlives the PeerServer that it is attached to.

#include <map>

#include "base/clock.hpp"
#include "base/guarded.hpp"
#include "net/call_wire.hpp"
#include "net/rpc.hpp"

namespace sealift::net {

constexpr std::size_t kWaitsMax = 256;

class CallBacks {
 public:
  struct Options {
    Milliseconds hold{5'000};         // longest answer to reach.wait; both ends know within this and a margin
    Milliseconds line_within{3'000};  // a host without a standing connection: how long one is waited for
    Milliseconds call_within{8'000};  // from the token to the connection
    Milliseconds in_vain_for{60'000};  // addresses that failed are tried last for so long
    Random* random = &system_random();
  };
  CallBacks() : CallBacks(Options{}) {}
  explicit CallBacks(Options options);

  void attach(PeerServer& server);  // before its start()

  // A connection from that host, made for this call. kUnavailable: it keeps none here, or could not call.
  Result<TcpStream> call(const crypto::PublicKey& peer, Deadline deadline, const Stop& stop);
  bool standing(const crypto::PublicKey& peer) const;  // it keeps a connection here at this moment
  // What dialling found out: its addresses answer, or only calling back worked.
  void reached(const crypto::PublicKey& peer, bool by_address);
  bool addresses_in_vain(const crypto::PublicKey& peer) const;
  std::size_t waiting() const;

 private:
  struct Wait {
    crypto::PublicKey peer;
    bool heard = false;
    std::optional<TcpStream> stream;
    std::optional<Error> error;
  };
  struct Line {
    std::uint64_t turn = 0;  // the newest request counts
    std::size_t held = 0;
    SteadyTime seen{};  // end of the last request
  };
  struct State {
    std::map<CallToken, Wait> waits;
    std::map<crypto::PublicKey, Line> lines;
    std::map<crypto::PublicKey, SteadyTime> in_vain;
    bool standing(const crypto::PublicKey& peer) const;
    std::vector<CallToken> unheard(const crypto::PublicKey& peer) const;
    void forget_old();
  };
  Result<CallToken> begin(const crypto::PublicKey& peer);
  Result<Json> wait(const crypto::PublicKey& peer, const Json& params, const Stop& stop);
  void take(TcpStream stream, Deadline deadline, const Stop& stop);

  const Options options_;
  RpcService service_;
  mutable Guarded<State> state_;
};

}  // namespace sealift::net

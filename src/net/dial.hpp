#pragma once

// Dialling a peer: its addresses in turn, and, where they fail, asking it to call back (call_back.hpp). What
// worked last for a peer is tried first.

#include "net/peer.hpp"

namespace sealift::net {

class CallBacks;

struct DialOptions {
  std::vector<Endpoint> endpoints;  // tried in turn; none: the peer takes no connections
  std::optional<crypto::PublicKey> expected;
  Hello hello;
  CallBacks* call_backs = nullptr;  // outlives whoever dials; without it only addresses count
};

// Addresses as a ledger names them; those that are none are left out.
std::vector<Endpoint> parse_endpoints(const std::vector<std::string>& texts);

// Connects, handshakes, says HELLO. The refusal of the other side comes back as its own code and words.
// kUnauthorized: another key answers there; kUnavailable: nobody does, with every way that was tried.
Result<PeerConnection> dial_peer(const DialOptions& options, const crypto::Identity& identity,
                                 Deadline deadline, const Stop& stop);

// Raw TCP to the same peer, for what proves itself (bulk connections): first where a connection of dial_peer
// was `dialled` (nothing: it called back), then the other ways.
Result<TcpStream> dial_raw(const DialOptions& options, const std::optional<Endpoint>& dialled,
                           Deadline deadline, const Stop& stop);

}  // namespace sealift::net

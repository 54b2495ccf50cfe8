#pragma once

// A host's side towards those who follow its moves. Two purposes of the one port (net/peer.hpp):
//
//   traffic  who may: members, and balancers with a certificate of one. Anybody else is told nothing: who
//            does not know the domain is refused at HELLO; who shows no good certificate in its first request
//            is refused and disconnected. The right is looked at again with every answer.
//   enrol    who may: anyone while an invitation is outstanding here; it gets a certificate for the key of
//            its connection by proving the invitation's secret, which never travels. One invitation serves
//            one key, and does not outlive this daemon.

#include <atomic>

#include "domain/invitation.hpp"
#include "ledger/ledger.hpp"
#include "net/rpc.hpp"
#include "traffic/certificate.hpp"
#include "traffic/messages.hpp"
#include "traffic/stream.hpp"

namespace sealift::traffic {

constexpr std::string_view kTrafficPurpose = "traffic";
constexpr std::string_view kEnrolPurpose = "enrol";
constexpr Milliseconds kWaitHold{2'000};  // an answer without events comes after that, a sign of life

struct ServiceOptions {
  ledger::HostName self;
  const crypto::Identity* identity = nullptr;  // these outlive the service
  ledger::Ledger* ledger = nullptr;
  EventStream* stream = nullptr;
  const Clock* clock = &system_clock();
  Random* random = &system_random();
};

class Service {
 public:
  explicit Service(ServiceOptions options);

  void attach(net::PeerServer& server);
  // Of the two purposes above, for those that are no members: they are asked for in their first request.
  Status authorise(const crypto::PublicKey& key, const net::Hello& hello) const;

  struct InviteOptions {
    Milliseconds line_valid{1'800'000};
    std::chrono::days right_valid{365};
  };
  // One line for `sealift balance enrol`. kRefused: this host takes no connections.
  Result<std::string> invite(const InviteOptions& options);

 private:
  struct Ticket {
    crypto::Secret secret;
    WallTime expires{};
    std::chrono::days right_valid{};
    std::optional<crypto::PublicKey> used_by;
  };
  using Tickets = std::map<std::string, Ticket>;

  void serve_traffic(net::PeerConnection connection, const Stop& stop);
  void serve_enrol(net::PeerConnection connection, const Stop& stop);
  // Whose right it is, now.
  Result<std::string> reader_name(const crypto::PublicKey& key,
                                  const std::optional<UnverifiedCertificate>& shown) const;
  Result<Json> enrol(const crypto::PublicKey& peer, const Json& params);

  const ServiceOptions options_;
  mutable Guarded<Tickets> tickets_;
  std::atomic<int> strangers_{0};
};

}  // namespace sealift::traffic

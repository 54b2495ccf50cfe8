#pragma once

// The thread of a follower: finds the server, keeps one request open there, and starts over when the
// connection is lost. Also the way to the server for everything else that a follower asks it.

#include <functional>

#include "domain/follower.hpp"
#include "net/rpc.hpp"

namespace sealift::domain {

// Where the server was last seen, before the state tells: kept in the desk by a joiner.
Status keep_server_hint(Desk& desk, const crypto::NamedKey& server,
                        const std::vector<std::string>& endpoints);

class FollowLoop {
 public:
  struct Options {
    Milliseconds redial_max{2'000};
    Milliseconds follow_hold{3'000};
    std::function<void(std::string)> on_alarm;
    std::function<void()> on_news;         // after each news taken
    net::CallBacks* call_backs = nullptr;  // for members that cannot be dialled
  };
  FollowLoop(Replica& replica, Options options);

  void run(const Stop& stop);

  // A call to the server on a connection of its own. kUnavailable names the server and what could not be
  // done.
  Result<Json> call(std::string_view method, const Json& params, Deadline deadline, const Stop& stop);
  // To any member, by name.
  Result<Json> call_member(const ledger::HostName& member, std::string_view method, const Json& params,
                           Deadline deadline, const Stop& stop);

  // It has an address, or keeps a connection to this host.
  bool may_reach(const ledger::Member& member) const;
  bool connected() const;
  std::string waiting_for() const;  // empty while connected
  std::optional<ExpulsionProof> removal() const;

 private:
  struct Shared {
    bool connected = false;
    std::string waiting_for = "the first connection to the server";
    std::optional<ExpulsionProof> removal;
    std::shared_ptr<net::RpcClient>
        calls;  // shared: calls under way outlive a change of the server's address
    net::DialOptions calls_to;
    std::optional<Code> lost_by;  // why it is not connected
  };
  Result<net::DialOptions> server_address() const;
  net::DialOptions address_of(const ledger::Member& member) const;
  Status follow_once(net::RpcClient& client, Follower& follower, const Stop& stop);
  // Nobody serves us: one of the other members may know that we are out.
  void look_for_removal(Follower& follower, const Stop& stop);
  void failed(const Error& error);
  void get_evidence(const Stop& stop);

  Replica& replica_;
  Options options_;
  mutable Guarded<Shared> shared_;
};

}  // namespace sealift::domain

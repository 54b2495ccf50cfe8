#pragma once

// This host drives HAProxy (`[[haproxy]]` in sealift.toml): as a member it reads the event streams of the
// domain's other hosts, and its own directly, and hands them to traffic::HaproxyEnd. So a move waits for
// HAProxy as it waits for any balancer that follows, whichever hosts it is between.

#include "traffic/haproxy_end.hpp"
#include "traffic/stream.hpp"

namespace sealift::app {

class HaproxyFollow {
 public:
  // Puts back what an earlier daemon left. hosts: the other members.
  static Result<std::unique_ptr<HaproxyFollow>> start(
      const file::Path& state_file, std::vector<traffic::HaproxyServer> servers, const ledger::HostName& self,
      const crypto::Identity& identity, traffic::EventStream& stream, traffic::Follower::Hosts hosts);
  ~HaproxyFollow();

 private:
  HaproxyFollow() = default;
  void read_own(const ledger::HostName& self, traffic::EventStream& stream, const Stop& stop);

  std::unique_ptr<traffic::HaproxyEnd> end_;
  std::unique_ptr<traffic::Follower> follower_;
  StopSource stop_;
  std::jthread own_;
};

}  // namespace sealift::app

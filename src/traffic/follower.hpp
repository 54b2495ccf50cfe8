#pragma once

// The other end of the event streams: keeps a connection to each host of a domain, goes on there where it
// was, and hands on what comes. One thread per host and one that looks which hosts there are.

#include <list>
#include <thread>

#include "net/dial.hpp"
#include "traffic/messages.hpp"

namespace sealift::traffic {

// Who acts on events. Calls about one host come one after the other, on that host's thread.
class Taker {
 public:
  virtual ~Taker() = default;
  // In force when it returns: that is what the host is told next.
  virtual void take(const ledger::HostName& host, const Batch& batch) = 0;
  virtual void connected(const ledger::HostName& host) = 0;
  // Nothing was heard of it for kLostAfter, or it refuses. Said once, until it is connected again.
  virtual void lost(const ledger::HostName& host, const Error& why) = 0;
  virtual void members(const MemberList& /*list*/) {}  // what that host knows of its domain
};

constexpr Milliseconds kLostAfter{3'000};

struct Followed {
  ledger::HostName host;
  net::DialOptions to;  // the purpose is set here
};

class Follower {
 public:
  using Hosts = std::function<std::vector<Followed>()>;  // asked every second
  // certificate: empty for a member.
  Follower(const crypto::Identity& identity, std::string certificate, Hosts hosts, Taker& taker);
  ~Follower();  // before the taker

 private:
  struct Kept {
    Followed followed;
    StopSource stop;
    std::jthread thread;
  };
  void look(const Stop& stop);
  void keep(const Followed& followed, const Stop& stop);

  const crypto::Identity identity_;
  const std::string certificate_;
  const Hosts hosts_;
  Taker& taker_;
  StopSource stop_;
  std::list<Kept> kept_;  // the looking thread's
  std::jthread looking_;
};

}  // namespace sealift::traffic

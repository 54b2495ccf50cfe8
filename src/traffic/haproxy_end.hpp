#pragma once

// Drives HAProxy by what hosts publish: while a VM switches over, new connections to its servers queue in
// HAProxy and its checks are off; then everything is as it was. What it was is durable in a file before
// anything is changed, and what a daemon that crashed has left is put back at the next start:
//
//   {"version": 1, "held": [{"socket": path, "backend": name, "server": name, "connections_max": n,
//    "checks": bool}]}
//
// Fails open: after kHoldMax, or with the stream of the move's source lost, a server is put back, whether or
// not the move has ended. A server that cannot be put back is tried again every second.

#include <map>
#include <thread>

#include "base/guarded.hpp"
#include "traffic/follower.hpp"
#include "traffic/haproxy.hpp"

namespace sealift::traffic {

struct HaproxyHeld {
  HaproxyServer server;  // without the VM
  HaproxyLimits before;
  bool checks = false;  // were on
};
std::string encode_held(const std::vector<HaproxyHeld>& held);
Result<std::vector<HaproxyHeld>> decode_held(std::string_view text);  // kInvalid

class HaproxyEnd final : public Taker {
 public:
  static constexpr Milliseconds kHoldMax{10'000};

  // Puts back what an earlier daemon left. kInvalid: the file is damaged; nothing was changed.
  static Result<std::unique_ptr<HaproxyEnd>> open(const file::Path& path, std::vector<HaproxyServer> servers);
  ~HaproxyEnd() override;  // puts back what is held

  void take(const ledger::HostName& host, const Batch& batch) override;
  void connected(const ledger::HostName& host) override;
  void lost(const ledger::HostName& host, const Error& why) override;

 private:
  enum class Hold {
    kInForce,
    kEnding
  };  // kEnding: released, the queue is not empty yet or HAProxy is silent
  struct Held {
    HaproxyHeld was;
    std::string vm;         // its id; empty: an earlier daemon's
    ledger::HostName from;  // whose stream it depends on
    Hold hold = Hold::kInForce;
    SteadyTime until{};  // of a hold in force
  };
  struct State {
    std::vector<Held> held;
    std::map<ledger::VmId, MovePlace> seen;
  };
  HaproxyEnd(file::Path path, std::vector<HaproxyServer> servers)
      : path_(std::move(path)), servers_(std::move(servers)) {}

  void apply(State& state, const MoveEvent& event);
  void hold(State& state, const HaproxyServer& server, const MoveEvent& event);
  void end_hold(Held& held, std::string_view why);
  // Those that end, as far as it can be done now; false: HAProxy did not answer.
  bool put_back(State& state);
  Status keep(const State& state) const;
  void watch(const Stop& stop);

  const file::Path path_;
  const std::vector<HaproxyServer> servers_;
  Guarded<State> state_;
  StopSource stop_;
  std::jthread watching_;
};

}  // namespace sealift::traffic

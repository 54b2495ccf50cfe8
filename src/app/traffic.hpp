#pragma once

// TrafficSwitch over this host's event stream: what moves do becomes events, and a move about to stop its
// guest waits for the readers that are present. What cannot be published is logged, never fatal to a move.

#include "host/config.hpp"
#include "migrate/traffic_switch.hpp"
#include "traffic/stream.hpp"

namespace sealift::app {

class HostTraffic final : public migrate::TrafficSwitch {
 public:
  // addresses: where VMs are reached while they run on this host, by name.
  HostTraffic(traffic::EventStream& stream, ledger::HostName self,
              std::map<std::string, std::string> addresses)
      : stream_(stream), self_(std::move(self)), addresses_(std::move(addresses)) {}

  void moving(const migrate::TrafficMove& move) override;
  migrate::TrafficHold switching(const migrate::TrafficMove& move, Milliseconds longest) override;
  void moved(const migrate::TrafficMove& move) override;
  void aborted(const migrate::TrafficMove& move) override;

 private:
  std::optional<std::uint64_t> publish(const migrate::TrafficMove& move, traffic::MoveEventKind kind);

  traffic::EventStream& stream_;
  const ledger::HostName self_;
  const std::map<std::string, std::string> addresses_;
};

}  // namespace sealift::app

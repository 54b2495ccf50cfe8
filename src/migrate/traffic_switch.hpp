#pragma once

// What a live move tells those who send traffic to its VM, and the one moment that it waits for them: before
// the source stops its guest, until new connections are held, at most `longest`. The composition root
// implements it over the host's event stream (app/traffic.hpp); a move without one tells nobody.
//
// Calls may be repeated, after a restart too, and come from several threads. None of them can fail a move:
// what cannot be told is logged there.

#include <string>
#include <vector>

#include "base/stop.hpp"
#include "ledger/ids.hpp"

namespace sealift::migrate {

constexpr Milliseconds kTrafficHoldMax{50};

struct TrafficMove {
  ledger::MoveId id;
  ledger::VmId vm;
  std::string vm_name;
  ledger::Epoch epoch;  // that the move gives to its destination
  ledger::HostName from, to;
};

struct TrafficHold {
  double waited_ms = 0;
  std::vector<std::string> by;       // who holds new connections now
  std::vector<std::string> missing;  // who was there and had not said so in time
};

class TrafficSwitch {
 public:
  virtual ~TrafficSwitch() = default;
  virtual void moving(const TrafficMove& move) = 0;  // it is being copied, and runs on
  virtual TrafficHold switching(const TrafficMove& move, Milliseconds longest) = 0;  // it is about to stop
  virtual void moved(const TrafficMove& move) = 0;    // it runs at the destination
  virtual void aborted(const TrafficMove& move) = 0;  // it runs at the source again, or ended
};

}  // namespace sealift::migrate

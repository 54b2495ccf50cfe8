#pragma once

// Follows the moves of VMs that servers name (`vm = …`): what a host publishes about a move becomes holds and
// releases in the registry. Pure; who brings the events (the hosts' event stream, a TrafficSwitch of this
// process) is not its business.
//
//   moving     checks of the server are not counted against it; it is routed to as before
//   switching  new connections to it are held, at most for the pool's hold_max
//   moved      its address is the new one, if it changed; held connections go, at the pool's pace
//   aborted    held connections go to it where it was
//
// Fails open: a hold ends by itself, a move that stays silent for kSilenceMax or a lost stream is forgotten,
// and the server is one like any other again.

#include "balance/registry.hpp"

namespace sealift::balance {

enum class MovePhase : std::uint8_t { kMoving, kSwitching, kMoved, kAborted };

struct MoveEvent {
  std::string vm;
  std::uint64_t sequence = 0;  // grows with each event of this VM; what comes late or twice changes nothing
  MovePhase phase = MovePhase::kMoving;
  std::optional<Address> address;  // kMoved: where it is reached now, when that changed
};

class MoveFollower {
 public:
  static constexpr std::chrono::minutes kSilenceMax{10};  // a host repeats `moving` well within that

  // Fine for VMs that no server names.
  Status apply(const MoveEvent& event, Registry& registry, SteadyTime now);
  void stream_lost(Registry& registry, SteadyTime now);
  void tick(Registry& registry, SteadyTime now);

 private:
  struct Move {
    std::uint64_t sequence = 0;
    bool open = false;  // between moving and moved or aborted
    SteadyTime heard{};
  };
  void forget(const std::string& vm, Move& move, Registry& registry, SteadyTime now);
  std::map<std::string, Move> moves_;
};

}  // namespace sealift::balance

#pragma once

// Follows the moves of VMs that servers name (`vm = …`): what hosts publish about a move becomes holds and
// releases in the registry. Pure; who brings the events is not its business (app/balance_follow.hpp).
//
//   moving     checks of its servers are not counted against them; they are routed to as before
//   switching  new connections to them are held, at most for the pool's hold_max
//   moved      their address is the new one, if it changed; held connections go, at the pool's pace
//   aborted    held connections go to them where they were
//
// Events of a VM have an order: by epoch, then by phase; what is not new changes nothing. Fails open: a hold
// ends by itself, and with the stream of a move's source lost its servers are ones like any other again.

#include <set>

#include "balance/registry.hpp"

namespace sealift::balance {

enum class MovePhase : std::uint8_t { kMoving, kSwitching, kMoved, kAborted };
std::string_view to_string(MovePhase phase);

struct MoveEvent {
  std::string vm, name;     // id and name: a server may say either
  std::uint64_t epoch = 0;  // of the move; a later move of the VM has a higher one
  MovePhase phase = MovePhase::kMoving;
  std::string from;                // the host that it leaves
  std::optional<Address> address;  // kMoved: where it is reached now, when that changed
};

class MoveFollower {
 public:
  // Fine for VMs that no server names.
  Status apply(const MoveEvent& event, Registry& registry, SteadyTime now);
  void stream_connected(const std::string& host);
  void stream_lost(const std::string& host, const std::string& why, Registry& registry, SteadyTime now);
  // That host has told everything that it knows: its moves of other VMs are over, their end was missed.
  void told_whole(const std::string& host, const std::set<std::string>& vms, Registry& registry,
                  SteadyTime now);

  // {"hosts": [{"name", "connected", "why"}], "moves": [{"vm", "name", "phase", "from"}],
  //  "followed": moves so far, "failed_open": n}
  Json status() const;

 private:
  struct Move {
    std::string name, from;
    std::uint64_t epoch = 0;
    MovePhase phase = MovePhase::kAborted;
    bool open = false;  // between moving and moved or aborted, and followed
  };
  struct Stream {
    bool connected = false;
    std::string why;  // not
  };
  void fail_open(const std::string& vm, Move& move, const std::string& why, Registry& registry,
                 SteadyTime now);
  std::map<std::string, Move> moves_;  // by the VM's id
  std::map<std::string, Stream> streams_;
  std::uint64_t followed_ = 0, failed_open_ = 0;
};

}  // namespace sealift::balance

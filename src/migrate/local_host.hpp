#pragma once

// What a move needs of the host that it happens on: its VMs, and the place where an incoming one grows. The
// composition root implements it over the host module; tests over plain directories.
//
// Every call may come from several threads, and each one that changes something is durable when it returns
// and harmless when repeated: after a crash the mover asks again. Which VM a move holds is the mover's
// journal's word: MoveManager calls hold() again for each unfinished move before start() returns, so
// autostart comes after.

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "hypervisor/hypervisor.hpp"
#include "ledger/ids.hpp"

namespace sealift::migrate {

// A VM of this host.
struct LocalVm {
  ledger::VmId id;
  hypervisor::VmDefinition definition;
  hypervisor::Placement placement;
  std::shared_ptr<hypervisor::Machine> machine;  // its process, none when powered off; shared with the host
};

// What the source asks the destination to take in.
struct IncomingDisk {
  std::string name;
  std::string format;  // at the destination; the source's unless told otherwise
  std::uint64_t virtual_bytes = 0;
  std::uint64_t allocated_bytes = 0;  // at the source: the space that it will need, about
};
struct IncomingVm {
  ledger::VmId id;
  ledger::HostName from;
  hypervisor::VmDefinition definition;  // canonical form travels; the digest of its bytes is sealed
  bool live = false;
  std::vector<IncomingDisk> disks;                  // in the definition's order
  std::vector<bool> bridged;                        // per network: on a bridge at the source
  std::map<std::string, std::string> map_networks;  // source's name -> this host's; the rest by the same name
  std::map<std::string, std::string> map_pools;
};
struct IncomingPlan {
  std::vector<std::string> refused;  // every reason, in words, with what to do; empty: welcome
  std::vector<std::string> mapped;   // "prod-10: br0.10 -> br1", for the screen
};

// The place of an incoming VM, keyed by its move: nothing of it is startable before adopt_incoming().
struct IncomingPlace {
  file::Path directory;             // private; side files and the mover's leaf tables
  hypervisor::Placement placement;  // disks named, not made
};

// A disk of a VM that left, in quarantine here. Nothing of it is trusted or changed.
struct EarlierDisk {
  std::string name;
  std::string format;  // its own
  file::Path path;
};

class LocalHost {
 public:
  virtual ~LocalHost() = default;

  virtual const hypervisor::HypervisorFacts& facts() const = 0;
  // The user that QEMU and qemu-nbd run as; nothing: ours.
  virtual std::optional<std::pair<uid_t, gid_t>> guest_user() const = 0;

  // By name or id; kNotFound.
  virtual Result<LocalVm> find(const std::string& name_or_id) = 0;
  // No start, kill, change or removal by anyone but the mover until release(). kConflict says who holds it.
  virtual Status hold(const ledger::VmId& vm, const ledger::MoveId& move) = 0;
  virtual void release(const ledger::VmId& vm, const ledger::MoveId& move) = 0;
  // None of the records that this host has made for the VM outside of moves (vm.start, vm.rest …) is still on
  // its way; else a move waits.
  virtual bool records_settled(const ledger::VmId& vm) = 0;

  // Source. After a power cut in the middle of a move: started from its disks, though the mover holds it.
  virtual Result<std::shared_ptr<hypervisor::Machine>> start_held(const ledger::VmId& vm) = 0;
  // The VM has left: its definition is not startable, its disks are in quarantine under the move's id, and it
  // is no VM of this host any more. Its process must be gone. Until when they are kept.
  virtual Result<WallTime> quarantine(const ledger::VmId& vm, const ledger::MoveId& move,
                                      const std::string& why) = 0;

  // Destination.
  virtual IncomingPlan check_incoming(const IncomingVm& vm) = 0;
  // Makes the place (an existing one of the same move is returned as it is) and reserves what it needs.
  virtual Result<IncomingPlace> make_incoming(const ledger::MoveId& move, const IncomingVm& vm) = 0;
  virtual Result<IncomingPlace> incoming(const ledger::MoveId& move) = 0;  // kNotFound
  virtual std::vector<ledger::MoveId> incoming_moves() = 0;                // of places that were not adopted
  // Of the newest copy of this VM that is whole; empty: there is none.
  virtual std::vector<EarlierDisk> earlier_disks(const ledger::VmId& vm) = 0;
  // A QEMU that waits for the stream; its process is remembered under the move.
  virtual Result<std::shared_ptr<hypervisor::Machine>> launch_incoming(const ledger::MoveId& move) = 0;
  // The same one after a restart of the daemon; kNotFound: it is gone.
  virtual Result<std::shared_ptr<hypervisor::Machine>> incoming_machine(const ledger::MoveId& move) = 0;
  // The place becomes a VM of this host, held by the move; its process, if any, becomes the VM's.
  virtual Status adopt_incoming(const ledger::MoveId& move) = 0;
  // Its QEMU killed, everything received erased; also when it was adopted (a VM given back). Absent is fine.
  virtual Status destroy_incoming(const ledger::MoveId& move) = 0;
  // As destroy, but the disks are kept in quarantine.
  virtual Status quarantine_incoming(const ledger::MoveId& move, const std::string& why) = 0;
};

}  // namespace sealift::migrate

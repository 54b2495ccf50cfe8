#pragma once

// Watches the ledger for what concerns this host's VMs outside of moves: a VM that is no longer this host's
// is stopped and frozen at once (design: "a host that finds itself no longer the owner"), a copy that waited
// for its vm.recover is taken in, and in a new domain every VM is registered.

#include <thread>

#include "domain/node.hpp"
#include "host/host.hpp"
#include "migrate/move_manager.hpp"

#include "app/recovery.hpp"

namespace sealift::app {

class OwnershipWatch {
 public:
  // All outlive it.
  OwnershipWatch(domain::Node& node, host::Host& host, host::VmRecords& records, migrate::MoveManager& moves,
                 Recovery& recovery);
  ~OwnershipWatch();
  void look_soon();  // joined another domain, or expelled

 private:
  void run();
  void look();
  std::optional<ledger::HostName> other_owner(const ledger::VmId& vm, const ledger::HostName& self,
                                              const std::optional<domain::ExpulsionProof>& proof);
  void fence_foreign(const ledger::HostName& self);
  void register_missing(const ledger::State& state, const ledger::HostName& self);

  domain::Node& node_;
  host::Host& host_;
  host::VmRecords& records_;
  migrate::MoveManager& moves_;
  Recovery& recovery_;
  StopSource stop_;
  std::atomic<bool> soon_{false};
  std::jthread thread_;
};

}  // namespace sealift::app

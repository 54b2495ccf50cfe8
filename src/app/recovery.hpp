#pragma once

// `vm recover`: the owner of a VM is lost, this host or another one becomes its owner by a record that k
// members sign. At the new owner a copy is brought in first, hashed, and compared with what the ledger last
// recorded of the VM's disks; the record names its root. Once the record is final the copy becomes this
// host's VM, whichever daemon sees that: look() is called for every new block and at every start.

#include <mutex>

#include "domain/node.hpp"
#include "host/host.hpp"
#include "migrate/move_manager.hpp"

namespace sealift::app {

class Recovery {
 public:
  // All outlive it.
  Recovery(domain::Node& node, host::Host& host, host::VmRecords& records, migrate::MoveManager& moves)
      : node_(node), host_(host), records_(records), moves_(moves) {}

  struct Request {
    std::string vm;  // id, or a name that this host knows it by
    std::string to;  // host; empty: this one
    std::string fence;
    std::string from;  // host::Host::find_copy()
    std::string accept_changes;
    std::string root;  // hex; empty: whatever the copy has
  };
  // {"message", "recorded", "vm", "epoch"}: what has happened, what is safe, what to do next.
  Result<Json> recover(const Request& request, const Stop& stop);

  // Copies that wait: adopted when the ledger names this host in their epoch, erased when it went on without.
  void look();

 private:
  struct Case {  // one VM, looked at
    Request request;
    ledger::Vm vm;
    ledger::HostName self, to;
    std::shared_ptr<const ledger::State> state;
    std::optional<crypto::Digest> root;  // the one that is asked for
  };
  Result<ledger::VmId> resolve(const std::string& wanted);
  Status check_lost(const Case& about, const Stop& stop);
  Result<bool> copy_by_move(const Case& about);
  Result<Json> without_copy(const Case& about, const std::string& after, const Stop& stop);
  Result<Json> with_copy(const Case& about, const Stop& stop);
  Result<std::string> judge(const Case& about, const crypto::Digest& root, const std::string& words);
  Result<Json> propose(const Case& about, const std::optional<crypto::Digest>& root,
                       const std::string& accepted, const std::string& after, const Stop& stop);
  void settle(const host::PreparedCopy& copy, const ledger::Vm& vm, const ledger::HostName& self);

  domain::Node& node_;
  host::Host& host_;
  host::VmRecords& records_;
  migrate::MoveManager& moves_;
  std::mutex one_;  // one recovery at a time on this host
};

}  // namespace sealift::app

#pragma once

// What the host asks of the ledger for the life of its VMs. ledger_records.hpp implements it over
// ledger::Ledger; a test may have its own. Records that running guests never wait for (vm.start, vm.rest) are
// journaled before the call returns and submitted, in order, until they are in.

#include <optional>
#include <string>

#include "base/stop.hpp"
#include "crypto/digest.hpp"
#include "ledger/ids.hpp"

namespace sealift::host {

class VmRecords {
 public:
  virtual ~VmRecords() = default;

  // vm.register with epoch 0, waited for until it is final.
  virtual Status registered(const ledger::VmId& vm, const crypto::Digest& definition, Deadline deadline,
                            const Stop& stop) = 0;
  // vm.retire, waited for until it is final; fine when the VM is not in the ledger.
  virtual Status retired(const ledger::VmId& vm, const std::string& reason, Deadline deadline,
                         const Stop& stop) = 0;
  // A final proof that this host owns the VM and that no move of it is open: a quorum's answer to a nonce
  // drawn now. kRefused: another owner, or an open move; kUnavailable: the ledger is out of reach.
  virtual Status may_start(const ledger::VmId& vm, Deadline deadline, const Stop& stop) = 0;
  virtual std::optional<crypto::Digest> rest_root(const ledger::VmId& vm) = 0;
  // vm.start; `checked`: the rest root that the disks matched; reason: of an offline start.
  virtual Status started(const ledger::VmId& vm, const std::optional<crypto::Digest>& checked,
                         const std::string& reason) = 0;
  // vm.rest; reason: why changes are accepted.
  virtual Status rested(const ledger::VmId& vm, const crypto::Digest& root, const std::string& reason) = 0;

  // The highest number that this host gave to a record of the VM outside of moves, and whether all of them
  // are final: a move waits for that.
  struct Numbers {
    std::uint64_t highest = 0;
    bool settled = true;
  };
  virtual Numbers numbers(const ledger::VmId& vm) = 0;
};

}  // namespace sealift::host

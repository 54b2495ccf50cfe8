#pragma once

// The one place that hands out the numbers of this host's records of a VM. The ledger takes a record only
// with a number above its signer's last one, and two parts of a host make records: the host itself (vm.start,
// vm.rest …) and its moves. Each keeps its own; here each says how far it is, and a number is given while
// nobody else can be given one.

#include <functional>

#include "base/guarded.hpp"
#include "ledger/ledger.hpp"

namespace sealift::host {

class RecordNumbers {
 public:
  // The highest number of the VM that was given to that part; 0: none.
  using Used = std::function<Result<std::uint64_t>(const ledger::VmId&)>;

  RecordNumbers(ledger::Ledger& ledger, ledger::HostName self, Used host)
      : ledger_(ledger), self_(std::move(self)), users_({std::move(host), {}}) {}
  void moves(Used used) { users_.lock()->moves = std::move(used); }  // empty: no more

  // Hands the next number to `keep`, which makes the record durable before it returns.
  Status next(const ledger::VmId& vm, const std::function<Status(std::uint64_t number)>& keep);

 private:
  struct Users {
    Used host, moves;
  };
  ledger::Ledger& ledger_;
  const ledger::HostName self_;
  Guarded<Users> users_;
};

// The record with another number, signed anew: for one whose number others have overtaken. It can
// never become final as it is. kInvalid: no record of a VM.
Result<Bytes> renumbered(ByteView envelope, std::uint64_t number, const crypto::Identity& signer);

}  // namespace sealift::host

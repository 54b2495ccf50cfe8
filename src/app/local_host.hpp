#pragma once

// What a move needs of this host (migrate::LocalHost), over the host module and its records.

#include "host/host.hpp"
#include "migrate/local_host.hpp"

namespace sealift::app {

class HostForMoves final : public migrate::LocalHost {
 public:
  // All outlive it.
  HostForMoves(host::Host& host, host::VmRecords& records, const hypervisor::HypervisorFacts& facts,
               std::optional<std::pair<uid_t, gid_t>> guest_user)
      : host_(host), records_(records), facts_(facts), guest_user_(guest_user) {}

  const hypervisor::HypervisorFacts& facts() const override { return facts_; }
  std::optional<std::pair<uid_t, gid_t>> guest_user() const override { return guest_user_; }
  Result<migrate::LocalVm> find(const std::string& name_or_id) override;
  Status hold(const ledger::VmId& vm, const ledger::MoveId& move) override;
  void release(const ledger::VmId& vm, const ledger::MoveId& move) override;
  bool records_settled(const ledger::VmId& vm) override;
  Result<std::shared_ptr<hypervisor::Machine>> start_held(const ledger::VmId& vm) override;
  Result<WallTime> quarantine(const ledger::VmId& vm, const ledger::MoveId& move,
                              const std::string& to) override;
  migrate::IncomingPlan check_incoming(const migrate::IncomingVm& vm) override;
  Result<migrate::IncomingPlace> make_incoming(const ledger::MoveId& move,
                                               const migrate::IncomingVm& vm) override;
  Result<migrate::IncomingPlace> incoming(const ledger::MoveId& move) override;
  std::vector<ledger::MoveId> incoming_moves() override;
  std::vector<migrate::EarlierDisk> earlier_disks(const ledger::VmId& vm) override;
  Result<std::shared_ptr<hypervisor::Machine>> launch_incoming(const ledger::MoveId& move) override;
  Result<std::shared_ptr<hypervisor::Machine>> incoming_machine(const ledger::MoveId& move) override;
  Status adopt_incoming(const ledger::MoveId& move) override;
  Status destroy_incoming(const ledger::MoveId& move) override;
  Status quarantine_incoming(const ledger::MoveId& move, const std::string& why) override;

 private:
  host::Host& host_;
  host::VmRecords& records_;
  const hypervisor::HypervisorFacts& facts_;
  std::optional<std::pair<uid_t, gid_t>> guest_user_;
};

}  // namespace sealift::app

#pragma once

// For tests: LocalHost over the real host module (the daemon has its own, src/app).

#include <atomic>

#include "host/host.hpp"
#include "migrate/local_host.hpp"

namespace sealift::migrate {

class HostSide final : public LocalHost {
 public:
  // So many times in a row these fail, as on a full disk.
  std::atomic<int> adopts_to_fail{0}, destroys_to_fail{0};
  // All outlive it. guest_user: hypervisor::qemu::guest_user() of the configuration.
  HostSide(host::Host& host, host::VmRecords& records, const hypervisor::Hypervisor& hypervisor,
           std::optional<std::pair<uid_t, gid_t>> guest_user)
      : host_(host), records_(records), hypervisor_(hypervisor), guest_user_(guest_user) {}

  const hypervisor::HypervisorFacts& facts() const override { return hypervisor_.facts(); }
  std::optional<std::pair<uid_t, gid_t>> guest_user() const override { return guest_user_; }
  Result<LocalVm> find(const std::string& name_or_id) override;
  Status hold(const ledger::VmId& vm, const ledger::MoveId& move) override;
  void release(const ledger::VmId& vm, const ledger::MoveId& move) override;
  bool records_settled(const ledger::VmId& vm) override;
  Result<std::shared_ptr<hypervisor::Machine>> start_held(const ledger::VmId& vm) override;
  Result<WallTime> quarantine(const ledger::VmId& vm, const ledger::MoveId& move,
                              const std::string& why) override;
  IncomingPlan check_incoming(const IncomingVm& vm) override;
  Result<IncomingPlace> make_incoming(const ledger::MoveId& move, const IncomingVm& vm) override;
  Result<IncomingPlace> incoming(const ledger::MoveId& move) override;
  std::vector<ledger::MoveId> incoming_moves() override;
  std::vector<EarlierDisk> earlier_disks(const ledger::VmId& vm) override;
  Result<std::shared_ptr<hypervisor::Machine>> launch_incoming(const ledger::MoveId& move) override;
  Result<std::shared_ptr<hypervisor::Machine>> incoming_machine(const ledger::MoveId& move) override;
  Status adopt_incoming(const ledger::MoveId& move) override;
  Status destroy_incoming(const ledger::MoveId& move) override;
  Status quarantine_incoming(const ledger::MoveId& move, const std::string& why) override;

 private:
  host::Host& host_;
  host::VmRecords& records_;
  const hypervisor::Hypervisor& hypervisor_;
  const std::optional<std::pair<uid_t, gid_t>> guest_user_;
};

}  // namespace sealift::migrate

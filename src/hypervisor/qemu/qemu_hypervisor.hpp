#pragma once

// The Hypervisor over QEMU processes. Private to qemu/.

#include "hypervisor/qemu/command_line.hpp"
#include "hypervisor/qemu/machine.hpp"
#include "hypervisor/qemu/qemu_machine.hpp"

namespace sealift::hypervisor::qemu {

class QemuHypervisor final : public Hypervisor {
 public:
  QemuHypervisor(QemuSettings settings, HypervisorFacts facts, GuestUser user)
      : settings_(std::move(settings)), facts_(std::move(facts)), user_(user) {}

  const HypervisorFacts& facts() const override { return facts_; }
  Result<std::unique_ptr<Machine>> start(const VmDefinition& definition, const Placement& placement,
                                         StartMode mode, Deadline deadline) override;
  Result<std::unique_ptr<Machine>> adopt(const VmDefinition& definition, const Placement& placement,
                                         const ProcessName& process, Deadline deadline) override;

 private:
  Status prepare_files(const VmDefinition& definition, const Placement& placement) const;

  const QemuSettings settings_;
  const HypervisorFacts facts_;
  const GuestUser user_;
};

// A QEMU without a machine, asked what it is. Its monitor is in settings.scratch_directory.
Result<HypervisorFacts> ask_facts(const QemuSettings& settings, Accelerator accelerator,
                                  const GuestUser& user, Deadline deadline, const Stop& stop);

// Runs a probe guest (SeaBIOS, a boot sector that counts, sleeps on the timer and ends the machine).
// True: it ended as it should within 10 s.
Result<bool> probe_guest_runs(const QemuSettings& settings, Accelerator accelerator, const GuestUser& user,
                              const Stop& stop);

// Forced, kept from earlier in this boot, or probed.
Result<Accelerator> choose_accelerator(const QemuSettings& settings, const GuestUser& user, const Stop& stop);

// Why the process ended, from its exit status and what it wrote to its log since `log_begin`.
std::string last_words(const ProcessName& process, const file::Path& log, std::uint64_t log_begin);

// /dev/kvm as a descriptor to inherit, where the user could not open it itself.
Result<UniqueFd> open_kvm();

}  // namespace sealift::hypervisor::qemu

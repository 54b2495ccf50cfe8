#pragma once

// Host: this host's VMs and their life, over journal.db. It owns the inventory, the VMs' directories and
// processes, the places of incoming VMs, and the quarantine. The daemon may end at any instant: processes go
// on, and open() finds them again by the journal, or by the lock that each one holds on its VM's directory.
//
// STATE/journal.db            inventory, processes, incoming, quarantine, unsent records
// STATE/vms/<id>[.<move>]/    lock, vars.fd, kernel, initrd, qemu.log, serial.log, <disk>.leaves
// POOL/<id>[.<move>]/         <disk>.<format>
// POOL/.quarantine/<entry>/   disks of VMs that left, read-only; STATE/quarantine/<entry>/ their directories
// STATE/run/<short id>/       sockets, 0700, QEMU's
//
// A copy that waits for its vm.recover is a place too: vms/<id>.recover, with recovery.json once it is whole.
//
// A place that comes in by a move has the move's name in it from the start: adopting it is one transaction of
// the journal, and no path changes under an open QEMU. Calls are thread-safe; those on one VM exclude each
// other (kConflict: what goes on there). A VM that a move holds is the mover's alone.

#include <memory>
#include <string>
#include <vector>

#include "host/config.hpp"
#include "host/records.hpp"
#include "host/views.hpp"
#include "hypervisor/definition_file.hpp"
#include "hypervisor/hypervisor.hpp"

namespace sealift::host {

struct HostOptions {
  file::Path state_directory;  // exists, locked by the daemon; made passable (0710) for QEMU's user
  HostConfig config;
  hypervisor::Hypervisor* hypervisor = nullptr;  // nothing on a witness: every start is refused
  VmRecords* records = nullptr;                  // these outlive the host
  const Clock* clock = &system_clock();
  Random* random = &system_random();
};

class Host {
 public:
  // Opens the journal, finds the processes again. Nothing starts, ends or is watched before begin(): which
  // VMs a move holds is the mover's journal's word, and hold() has to come first.
  static Result<std::unique_ptr<Host>> open(HostOptions options);
  void begin();
  ~Host();  // leaves every process as it is

  const HostConfig& config() const;
  std::vector<VmView> list();
  Result<VmView> find(const std::string& name_or_id);  // kNotFound

  // Disks made or imported, side files copied, registered in the ledger; powered off afterwards. A failure
  // leaves nothing behind.
  Result<VmView> create(const hypervisor::ParsedDefinition& parsed, Deadline deadline, const Stop& stop);
  // The guest runs when this returns. The answer is a note for the operator, often empty.
  Result<std::string> start(const std::string& name_or_id, const StartOptions& options, Deadline deadline,
                            const Stop& stop);
  // Power button, then until the process has ended; kTimeout: the guest runs on.
  Status stop(const std::string& name_or_id, Deadline deadline, const Stop& stop);
  Status kill(const std::string& name_or_id, Deadline deadline);
  // Powered off only: retired in the ledger, disks into quarantine.
  Status remove(const std::string& name_or_id, Deadline deadline, const Stop& stop);
  // Those with autostart, in their order, those that are held excepted. A failure is noted and logged.
  void autostart(const Stop& stop);
  // Powers every guest off (config: shutdown), kills the rest; frozen ones and those named are left alone.
  void shut_down_guests(const std::vector<ledger::VmId>& leave, const Stop& stop);
  // This host is found not to own the VM: QMP stop (1 s), freeze, and a note that says why. Also when held.
  // What is not running stays so. Harmless when repeated; from then on remove() sets the copy aside without a
  // record.
  Status fence(const ledger::VmId& vm, const std::string& why);

  // For the mover. Each is durable when it returns and harmless when repeated (hold is in memory). Disks and
  // side files must be there before launch_incoming(), and are written in place after it, never renamed over:
  // QEMU has them open. (A live guest's UEFI variables come with its memory; QEMU writes vars.fd at cont().)
  Status hold(const ledger::VmId& vm, const std::string& move);  // kConflict: held by another, or busy
  void release(const ledger::VmId& vm, const std::string& move);
  Result<std::shared_ptr<hypervisor::Machine>> start_held(const ledger::VmId& vm, Deadline deadline);
  // Until when it is kept.
  Result<WallTime> quarantine(const ledger::VmId& vm, const std::string& move, const std::string& why);

  IncomingVerdict check_incoming(const IncomingRequest& request);
  Result<IncomingPlace> make_incoming(const std::string& move, const IncomingRequest& request);
  Result<IncomingPlace> incoming(const std::string& move);  // kNotFound
  std::vector<std::string> incoming_moves();  // of places not adopted: the mover ends those it lost
  Result<std::shared_ptr<hypervisor::Machine>> launch_incoming(const std::string& move, Deadline deadline);
  Result<std::shared_ptr<hypervisor::Machine>> incoming_machine(const std::string& move);
  Status adopt_incoming(const std::string& move);
  Status destroy_incoming(const std::string& move);
  Status quarantine_incoming(const std::string& move, const std::string& why);

  // vm.recover: a VM that comes back under its old id, from a copy (recovery.cpp).
  // from: a quarantine entry's id or its first digits; a definition file; or a directory with vm.toml or
  // definition.json and the disks beside it, named <disk>.<format>. kNotFound says what is missing.
  Result<CopySource> find_copy(const std::string& from);
  // Copies it into a place under the VM's id and hashes it; what was prepared before is erased. Nothing of it
  // is startable, and it is gone after a restart, until promise_recovery(). A failure leaves nothing behind.
  Result<crypto::Digest> prepare_recovery(const ledger::VmId& vm, const CopySource& copy, Deadline deadline,
                                          const Stop& stop);
  Status promise_recovery(const PreparedCopy& copy);  // durable: it waits for the ledger from now on
  std::vector<PreparedCopy> prepared_recoveries();    // those promised
  Status adopt_recovery(const ledger::VmId& vm);      // one transaction: it is this host's VM, powered off
  Status drop_recovery(const ledger::VmId& vm);       // erased; missing is fine

  std::vector<QuarantineEntry> quarantine_list();
  // Disks of the VM's newest entry that is whole; empty: there is none. They may be purged at any time.
  std::vector<KeptDisk> newest_copy(const ledger::VmId& vm);
  Status purge(const std::string& entry_id);  // kNotFound
  std::size_t purge_expired();                // by the clock; how many

  struct Impl;  // impl.hpp, for this module's files alone

 private:
  explicit Host(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace sealift::host

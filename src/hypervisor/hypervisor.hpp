#pragma once

// The seam to the hypervisor: Hypervisor starts and finds machines, Machine is one VM's process, running,
// paused or incoming. Small verbs without policy: custody (migrate) and life (host) decide. Every call may be
// made from any thread; each is bounded by its deadline. A Machine object ends without touching its process:
// the VM goes on, and adopt() finds it again, frozen or not.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/process.hpp"
#include "hypervisor/definition.hpp"
#include "hypervisor/facts.hpp"
#include "hypervisor/placement.hpp"
#include "hypervisor/status.hpp"

namespace sealift::hypervisor {

enum class MigrationSide { kSource, kDestination };

class Machine {
 public:
  virtual ~Machine() = default;

  virtual ProcessName process() const = 0;
  virtual ProcessState process_state() const = 0;
  virtual file::Path run_directory() const = 0;
  virtual file::Path console_socket() const = 0;

  // Life. kUnavailable: the monitor does not answer or cannot be connected (process frozen or gone). One that
  // was lost is connected anew by the next call; readers of events then find kLost among them.
  virtual Result<MachineStatus> status(Deadline deadline) = 0;
  virtual Status stop(Deadline deadline) = 0;       // QMP stop: stays stopped whatever happens to the process
  virtual Status cont(Deadline deadline) = 0;       // a lock still held elsewhere: kConflict, may be repeated
  virtual Status quit(Deadline deadline) = 0;       // the process ends in good order, images closed
  virtual Status powerdown(Deadline deadline) = 0;  // ACPI button; the guest may ignore it
  virtual Status announce(Deadline deadline) = 0;   // tells switches where the MACs are now
  virtual Status kill(Deadline deadline) = 0;       // SIGKILL and wait, frozen or not; gone already is fine
  virtual Result<std::optional<ExitStatus>> wait_gone(Deadline deadline, const Stop& stop) = 0;

  // SIGSTOP; returns when every thread is stopped and every event that the process sent before is in the
  // event log. thaw() continues it and connects the monitor where that is missing.
  virtual Status freeze(Deadline deadline) = 0;
  virtual Status thaw(Deadline deadline) = 0;

  // Events are numbered from 1 and kept for every reader (the last 4,096). `position` is the last one read:
  // start with event_position(). kExhausted: this reader fell behind.
  virtual std::uint64_t event_position() const = 0;
  virtual Result<Event> next_event(std::uint64_t& position, Deadline deadline, const Stop& stop) = 0;

  // What the guest writes, over about `period` (50 ms at least): memory by samples, disks by their counters.
  virtual Result<WriteRates> measure_writes(Milliseconds period, Deadline deadline, const Stop& stop) = 0;

  // A guest that powers off leaves its process there, in state kShutdown, until quit(): for who wants to read
  // its bitmaps.
  virtual Status keep_at_shutdown(Deadline deadline) = 0;

  // Disks of a running machine, by the definition's name. Bitmaps have leaf granularity (262,144 bytes).
  virtual Status add_bitmap(const std::string& bitmap, Deadline deadline) = 0;  // on every disk at once
  // In one transaction on every disk: `next` begins to record, `current` stops.
  virtual Status rotate_bitmap(const std::string& current, const std::string& next, Deadline deadline) = 0;
  // On every disk: it records no more and may be exported. kNotFound: a disk lacks it.
  virtual Status stop_bitmap(const std::string& bitmap, Deadline deadline) = 0;
  virtual Status remove_bitmap(const std::string& bitmap, Deadline deadline) = 0;  // absent is fine
  // All whose names begin so: what an earlier daemon left.
  virtual Status remove_bitmaps(const std::string& prefix, Deadline deadline) = 0;
  // A read-only NBD export of the live disk, named as the disk, on the unix socket that is returned; with a
  // stopped bitmap, as meta context qemu:dirty-bitmap:NAME.
  virtual Result<file::Path> export_disk(const std::string& disk, const std::optional<std::string>& bitmap,
                                         Deadline deadline) = 0;
  virtual Status unexport_disk(const std::string& disk, Deadline deadline) = 0;  // waits; absent is fine
  virtual Status unexport_all(Deadline deadline) = 0;                            // and ends the NBD server

  // Migration, reference order: prepare on both sides, migrate_incoming there, migrate_to here. channels 0:
  // no multifd. prepare sets events, return-path, switchover-ack, multifd; at the source
  // pause-before-switchover, downtime-limit 1 ms and no bandwidth limit; at the destination
  // late-block-activate.
  virtual Status prepare_migration(MigrationSide side, std::uint32_t channels, Deadline deadline) = 0;
  virtual Status migrate_incoming(const file::Path& socket, Deadline deadline) = 0;  // the process listens
  virtual Status migrate_to(const file::Path& socket, Deadline deadline) = 0;  // the caller listens already
  virtual Result<MigrationStatus> migration_status(Deadline deadline) = 0;
  virtual Status continue_switchover(Deadline deadline) = 0;  // in phase pre-switchover only
  virtual Status cancel_migration(Deadline deadline) = 0;     // returns at once; cut the sockets, then wait
  // Waits for the outgoing migration's end: kCompleted, kFailed, kCancelled or kNone.
  virtual Result<MigrationPhase> wait_migration_end(Deadline deadline, const Stop& stop) = 0;
};

class Hypervisor {
 public:
  virtual ~Hypervisor() = default;
  virtual const HypervisorFacts& facts() const = 0;
  // Started, its monitor answers, paused. An early end of the process is an error with its last words.
  virtual Result<std::unique_ptr<Machine>> start(const VmDefinition& definition, const Placement& placement,
                                                 StartMode mode, Deadline deadline) = 0;
  // A machine that an earlier daemon started. A frozen one is left frozen and its monitor is not touched.
  // kNotFound: the process is gone.
  virtual Result<std::unique_ptr<Machine>> adopt(const VmDefinition& definition, const Placement& placement,
                                                 const ProcessName& process, Deadline deadline) = 0;
};

}  // namespace sealift::hypervisor

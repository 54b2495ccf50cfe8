#pragma once

// What a hypervisor says of a machine: run state, migration status, events. Values only; QEMU's words are
// turned into these at one place (qemu/answers.hpp) and unknown ones become kOther, never an error.

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/stop.hpp"

namespace sealift::hypervisor {

enum class RunState {
  kRunning,
  kPaused,         // stopped by us (QEMU: paused), or before the first cont (prelaunch)
  kIncoming,       // waits for a migration stream (inmigrate)
  kFinishMigrate,  // stopped, the last part of an outgoing migration runs
  kPostMigrate,    // stopped, an outgoing migration is complete
  kSuspended,      // S3: not running, and QEMU would switch over without asking
  kShutdown,
  kPanicked,
  kIoError,  // stopped at an I/O error of a disk
  kOther,
};

struct MachineStatus {
  RunState state = RunState::kOther;
  bool running = false;
  std::string word;  // QEMU's own
};

enum class MigrationPhase {
  kNone,
  kSetup,
  kActive,
  kPreSwitchover,
  kDevice,
  kPostcopy,
  kCompleted,
  kFailed,
  kCancelling,
  kCancelled,
  kOther,
};

std::string_view to_string(RunState state);
std::string_view to_string(MigrationPhase phase);

struct MigrationStatus {
  MigrationPhase phase = MigrationPhase::kNone;
  std::string error;  // error-desc, empty when there is none
  std::uint64_t total_bytes = 0;
  std::uint64_t transferred_bytes = 0;
  std::uint64_t remaining_bytes = 0;  // exact only right after a pass begins
  std::uint64_t passes = 0;           // dirty-sync-count
  std::uint64_t dirty_bytes_per_second = 0;
  std::uint64_t megabits_per_second = 0;
  std::uint64_t total_ms = 0;
  std::uint64_t downtime_ms = 0;
  std::uint64_t expected_downtime_ms = 0;
  std::vector<std::string> blocked;  // why the hypervisor would refuse to migrate it, in its words
};

// What a guest writes.
struct WriteRates {
  std::uint64_t memory_bytes_per_second = 0;
  std::uint64_t disk_bytes_per_second = 0;
};

enum class EventKind {
  kMigration,      // phase
  kMigrationPass,  // pass
  kStop,
  kResume,
  kShutdown,  // by_guest
  kPowerdown,
  kSuspend,
  kWakeup,
  kReset,  // by_guest
  kGuestPanicked,
  kDiskError,
  kOther,
  kLost,  // the connection to the hypervisor ended: look at the process. Always the last event.
};

struct Event {
  std::uint64_t sequence = 0;
  EventKind kind = EventKind::kOther;
  std::string word;  // QEMU's name of the event
  SteadyTime at{};   // when it was read
  MigrationPhase phase = MigrationPhase::kNone;
  std::uint64_t pass = 0;
  bool by_guest = false;
};

}  // namespace sealift::hypervisor

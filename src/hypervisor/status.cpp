#include "hypervisor/status.hpp"

namespace sealift::hypervisor {

std::string_view to_string(RunState state) {
  switch (state) {
    case RunState::kRunning: return "running";
    case RunState::kPaused: return "paused";
    case RunState::kIncoming: return "incoming";
    case RunState::kFinishMigrate: return "finish-migrate";
    case RunState::kPostMigrate: return "post-migrate";
    case RunState::kSuspended: return "suspended";
    case RunState::kShutdown: return "shutdown";
    case RunState::kPanicked: return "panicked";
    case RunState::kIoError: return "io-error";
    case RunState::kOther: return "other";
  }
  return "other";
}

std::string_view to_string(MigrationPhase phase) {
  switch (phase) {
    case MigrationPhase::kNone: return "none";
    case MigrationPhase::kSetup: return "setup";
    case MigrationPhase::kActive: return "active";
    case MigrationPhase::kPreSwitchover: return "pre-switchover";
    case MigrationPhase::kDevice: return "device";
    case MigrationPhase::kPostcopy: return "postcopy";
    case MigrationPhase::kCompleted: return "completed";
    case MigrationPhase::kFailed: return "failed";
    case MigrationPhase::kCancelling: return "cancelling";
    case MigrationPhase::kCancelled: return "cancelled";
    case MigrationPhase::kOther: return "other";
  }
  return "other";
}

}  // namespace sealift::hypervisor

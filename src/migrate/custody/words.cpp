#include "migrate/custody/destination_events.hpp"
#include "migrate/custody/source_events.hpp"

// The names of events and deeds, for logs and traces.

namespace sealift::migrate::custody {

namespace source {

std::string_view to_string(EventKind kind) {
  switch (kind) {
    case EventKind::kRestarted: return "restarted";
    case EventKind::kOperatorAbort: return "operator abort";
    case EventKind::kDeadline: return "deadline";
    case EventKind::kSessionLost: return "session lost";
    case EventKind::kPeerReady: return "peer ready";
    case EventKind::kPeerCancelled: return "peer cancelled";
    case EventKind::kAccepted: return "accepted";
    case EventKind::kCommitted: return "committed";
    case EventKind::kAborted: return "aborted";
    case EventKind::kStarted: return "started";
    case EventKind::kReturned: return "returned";
    case EventKind::kClosed: return "closed";
    case EventKind::kRecoveredToUs: return "recovered to us";
    case EventKind::kRecoveredToOther: return "recovered to other";
    case EventKind::kRefused: return "refused";
    case EventKind::kConverged: return "converged";
    case EventKind::kFailed: return "failed";
    case EventKind::kGuestStopped: return "guest stopped";
    case EventKind::kStopTooLate: return "stop too late";
    case EventKind::kLastRoundDurable: return "last round durable";
    case EventKind::kFrozen: return "frozen";
    case EventKind::kFreezeUnsafe: return "freeze unsafe";
    case EventKind::kResumeSeen: return "resume seen";
    case EventKind::kGuestEnded: return "guest ended";
    case EventKind::kQemuGone: return "qemu gone";
    case EventKind::kGuestRuns: return "guest runs";
    case EventKind::kStartFailed: return "start failed";
    case EventKind::kFenced: return "fenced";
  }
  return "?";
}

std::string_view to_string(Deed deed) {
  switch (deed) {
    case Deed::kBeginCopy: return "begin copy";
    case Deed::kStopGuest: return "stop guest";
    case Deed::kLastRound: return "last round";
    case Deed::kContinueSwitchover: return "continue switchover";
    case Deed::kFreeze: return "freeze";
    case Deed::kEnsureFrozen: return "ensure frozen";
    case Deed::kThaw: return "thaw";
    case Deed::kCancelMigration: return "cancel migration";
    case Deed::kCutSockets: return "cut sockets";
    case Deed::kCont: return "cont";
    case Deed::kStartFromDisks: return "start from disks";
    case Deed::kKill: return "kill";
    case Deed::kQuarantine: return "quarantine";
  }
  return "?";
}

}  // namespace source

namespace destination {

std::string_view to_string(EventKind kind) {
  switch (kind) {
    case EventKind::kRestarted: return "restarted";
    case EventKind::kOperatorAbort: return "operator abort";
    case EventKind::kDeadline: return "deadline";
    case EventKind::kSessionLost: return "session lost";
    case EventKind::kPeerCancelled: return "peer cancelled";
    case EventKind::kSealEqual: return "seal equal";
    case EventKind::kSealDiffers: return "seal differs";
    case EventKind::kAccepted: return "accepted";
    case EventKind::kCommitted: return "committed";
    case EventKind::kAborted: return "aborted";
    case EventKind::kStarted: return "started";
    case EventKind::kReturned: return "returned";
    case EventKind::kRecoveredToUs: return "recovered to us";
    case EventKind::kRecoveredToOther: return "recovered to other";
    case EventKind::kRefused: return "refused";
    case EventKind::kLoaded: return "loaded";
    case EventKind::kFailed: return "failed";
    case EventKind::kSynced: return "synced";
    case EventKind::kQemuGone: return "qemu gone";
    case EventKind::kGuestRuns: return "guest runs";
    case EventKind::kStartFailed: return "start failed";
    case EventKind::kErased: return "erased";
  }
  return "?";
}

std::string_view to_string(Deed deed) {
  switch (deed) {
    case Deed::kBeginReceive: return "begin receive";
    case Deed::kSync: return "sync";
    case Deed::kFindIncoming: return "find incoming";
    case Deed::kAdoptIncoming: return "adopt incoming";
    case Deed::kStartGuest: return "start guest";
    case Deed::kStartFromDisks: return "start from disks";
    case Deed::kKill: return "kill";
    case Deed::kEnsureFrozen: return "ensure frozen";
    case Deed::kDestroyIncoming: return "destroy incoming";
    case Deed::kQuarantine: return "quarantine";
  }
  return "?";
}

}  // namespace destination

}  // namespace sealift::migrate::custody

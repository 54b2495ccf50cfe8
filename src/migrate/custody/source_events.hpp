#pragma once

// The vocabulary of the source's machine: the events it is handed and the deeds it asks for. "X follows"
// names the events by which the driver reports a deed's result; a driver hands in exactly one of them, or
// none after a crash.

#include "migrate/custody/terms.hpp"

namespace sealift::migrate::custody::source {

enum class EventKind : std::uint8_t {
  kRestarted,         // crash recovery: the journaled state is all that is left
  kOperatorAbort,     //
  kDeadline,          // the offer's deadline has passed
  kSessionLost,       // the transport gave up for good, or could not be made
  kPeerReady,         // message kReady
  kPeerCancelled,     // message kCancelled
  kAccepted,          // ledger: move.accept is final
  kCommitted,         // ledger
  kAborted,           // ledger
  kStarted,           // ledger
  kReturned,          // ledger
  kClosed,            // ledger
  kRecoveredToUs,     // ledger: vm.recover names this host
  kRecoveredToOther,  // ledger: vm.recover names another host
  kRefused,           // ledger: event.record was refused
  kConverged,         // live: little enough remains
  kFailed,            // copy, relay or disk failed, event.reason
  kGuestStopped,      // QEMU confirmed our own stop
  kStopTooLate,       // it was stopped or suspended before ours came
  kLastRoundDurable,  // the last dirty leaves are durable at the destination
  kFrozen,  // frozen, drained, no RESUME, unfinished, sockets whole, quorum fresh; event.data = statement
  kFreezeUnsafe,  // one of these did not hold: event.reason
  kResumeSeen,    // QMP event RESUME that we did not order
  kGuestEnded,    // poweroff, reset, suspend or panic in the guest
  kQemuGone,      //
  kGuestRuns,     // result of kCont (released: it runs, or had ended by itself) or kStartFromDisks
  kStartFailed,   // kStartFromDisks failed for good
  kFenced,        // result of kQuarantine: killed, not startable, disk set aside
};
inline constexpr std::size_t kEventKinds = 28;
std::string_view to_string(EventKind kind);

struct Event {
  EventKind kind;
  RecordKind record = RecordKind::kOffer;  // kRefused
  Bytes data = {};                         // kFrozen
  std::string reason = {};
};

enum class Deed : std::uint8_t {
  kBeginCopy,  // start or resume the bulk transfer; live: kConverged, cold: the peer's kReady, or kFailed
               // follows
  kStopGuest,  // QMP stop; kGuestStopped, kStopTooLate or kQemuGone follow
  kLastRound,  // the last disk round; kLastRoundDurable or kFailed follows
  kContinueSwitchover,  // migrate-continue; the peer's kReady follows
  kFreeze,  // SIGSTOP and every check before the seal (cold: off and held); kFrozen or kFreezeUnsafe follows
  kEnsureFrozen,     // stop (1 s), SIGSTOP anyway; nothing follows
  kThaw,             // SIGCONT
  kCancelMigration,  // migrate_cancel
  kCutSockets,       // every local migration socket
  kCont,             // wait for cancelled or failed, cont; kGuestRuns or kQemuGone follows
  kStartFromDisks,   // as after a power cut, unless it runs already; kGuestRuns or kStartFailed follows
  kKill,             // SIGKILL, while frozen
  kQuarantine,       // definition not startable, disks set aside; kFenced follows
};
std::string_view to_string(Deed deed);

}  // namespace sealift::migrate::custody::source

#pragma once

// The vocabulary of the destination's machine: the events it is handed and the deeds it asks for. "X follows"
// names the events by which the driver reports a deed's result; a driver hands in exactly one of them, or
// none after a crash.

#include "migrate/custody/terms.hpp"

namespace sealift::migrate::custody::destination {

enum class EventKind : std::uint8_t {
  kRestarted,         // crash recovery: the journaled state is all that is left
  kOperatorAbort,     //
  kDeadline,          // the offer's deadline has passed
  kSessionLost,       // the transport gave up for good
  kPeerCancelled,     // message kCancelled
  kSealEqual,         // a seal whose signature, terms and roots are right; event.data = its exact bytes
  kSealDiffers,       // a seal that is anything else, event.reason
  kAccepted,          // ledger: move.accept is final
  kCommitted,         // ledger
  kAborted,           // ledger
  kStarted,           // ledger
  kReturned,          // ledger
  kRecoveredToUs,     // ledger: vm.recover names this host
  kRecoveredToOther,  // ledger: vm.recover names another host
  kRefused,           // ledger: event.record was refused
  kLoaded,            // live: RAM and devices loaded, paused; cold: every leaf received
  kFailed,            // receiving, loading or syncing failed, event.reason
  kSynced,            // disks, definition, firmware variables and their directories are fsynced
  kQemuGone,          //
  kGuestRuns,         // result of kStartGuest or kStartFromDisks (cold: it is in the inventory, off)
  kStartFailed,       // kStartGuest: refused, and it certainly never ran; kStartFromDisks: failed for good
  kErased,            // nothing of what was received is left
};
inline constexpr std::size_t kEventKinds = 22;
std::string_view to_string(EventKind kind);

struct Event {
  EventKind kind;
  RecordKind record = RecordKind::kAccept;  // kRefused
  bool source_is_member = true;             // in the final state, when this event was made
  Bytes data = {};                          // kSealEqual
  std::string reason = {};
};

enum class Deed : std::uint8_t {
  kBeginReceive,   // disks, incoming QEMU, session; cold resumes. kLoaded or kFailed follows
  kSync,           // kSynced or kFailed follows
  kFindIncoming,   // after a restart: the paused QEMU of this move; kQemuGone follows when it is not there
  kAdoptIncoming,  // the VM enters the inventory; nothing follows. Where it fails it is repeated, and a start
                   // that was asked for after it waits until it has succeeded
  kStartGuest,     // live: cont; cold: leave it off. kGuestRuns, kStartFailed or kQemuGone follows
  kStartFromDisks,   // kill what is left of its QEMU, start as after a power cut (cold: leave it off).
                     // kGuestRuns or kStartFailed follows
  kKill,             // SIGKILL and wait
  kEnsureFrozen,     // stop (1 s), SIGSTOP anyway; nothing follows
  kDestroyIncoming,  // kill, erase everything received; repeated where it fails, in the end kErased follows
  kQuarantine,       // kill, keep the disks aside; nothing follows
};
std::string_view to_string(Deed deed);

}  // namespace sealift::migrate::custody::destination

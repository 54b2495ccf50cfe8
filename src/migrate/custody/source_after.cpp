#include "migrate/custody/source_steps.hpp"

namespace sealift::migrate::custody::source::detail {

namespace {

Step stay(State state) {
  return {std::move(state), {}};
}

Step say(State state, Loudness loudness, std::string text) {
  return {std::move(state), {Report{loudness, std::move(text)}}};
}

// Only the ledger decides after the seal; asking it to abort is always allowed.
Step ask_abort(const Sealed& state) {
  return {state, {Submit{RecordKind::kAbort}}};
}

Step undo(const MoveTerms& terms, Outcome outcome) {
  if (terms.mode == MoveMode::kCold) return {Ended{outcome, {}}, {Journal{}}};
  return {Undoing{outcome}, {Journal{}, Deed::kThaw, Deed::kCancelMigration, Deed::kCutSockets, Deed::kCont}};
}

Step fence(const MoveTerms& terms) {
  if (terms.mode == MoveMode::kCold) return {Fencing{}, {Journal{}, Deed::kQuarantine}};
  return {Fencing{}, {Journal{}, Deed::kKill, Deed::kQuarantine}};
}

// Somebody woke or drove the frozen process. Our own stop keeps the guest stopped; freeze again.
Step freeze_again(const MoveTerms& terms, State state, const Event& event) {
  if (terms.mode == MoveMode::kCold) return stay(std::move(state));
  return {std::move(state),
          {Deed::kEnsureFrozen,
           Report{Loudness::kAlarm, "the frozen source was disturbed (" + reason_of(event) +
                                        "): frozen again; find out who uses its process or its monitor"}}};
}

}  // namespace

Step on(const MoveTerms& terms, const Sealed& state, const Event& event) {
  switch (event.kind) {
    case EventKind::kRestarted: {
      Step step = ask_abort(state);
      if (terms.mode == MoveMode::kLive) step.actions.insert(step.actions.begin(), Deed::kEnsureFrozen);
      return step;
    }
    case EventKind::kOperatorAbort:
    case EventKind::kDeadline:
    case EventKind::kSessionLost:
    case EventKind::kPeerCancelled: return ask_abort(state);
    case EventKind::kPeerReady: return {state, {Send{Message::kSeal, {}}}};  // the same seal again
    case EventKind::kCommitted: return {Gave{}, {Journal{}}};
    case EventKind::kAborted: return undo(terms, Outcome::kAborted);
    case EventKind::kReturned:
    case EventKind::kRecoveredToUs: return undo(terms, Outcome::kReturned);
    case EventKind::kStarted:
    case EventKind::kClosed:
    case EventKind::kRecoveredToOther: return fence(terms);
    case EventKind::kResumeSeen:
    case EventKind::kGuestEnded: return freeze_again(terms, state, event);
    case EventKind::kQemuGone:
      return say(state, Loudness::kAlarm,
                 "the sealed source's QEMU is gone; after an abort the VM starts from its disks");
    case EventKind::kAccepted:
    case EventKind::kRefused:
    case EventKind::kConverged:
    case EventKind::kFailed:
    case EventKind::kGuestStopped:
    case EventKind::kStopTooLate:
    case EventKind::kLastRoundDurable:
    case EventKind::kFrozen:
    case EventKind::kFreezeUnsafe:
    case EventKind::kGuestRuns:
    case EventKind::kStartFailed:
    case EventKind::kFenced: return stay(state);
  }
  return stay(state);
}

Step on(const MoveTerms& terms, const Gave& state, const Event& event) {
  switch (event.kind) {
    case EventKind::kRestarted:
      if (terms.mode == MoveMode::kCold) return stay(state);
      return {state, {Deed::kEnsureFrozen}};
    case EventKind::kStarted:
    case EventKind::kClosed:
    case EventKind::kRecoveredToOther: return fence(terms);
    case EventKind::kReturned:
    case EventKind::kRecoveredToUs: return undo(terms, Outcome::kReturned);
    case EventKind::kAborted:
      return say(state, Loudness::kAlarm,
                 "the ledger shows an abort after the commit: keeping the frozen copy; verify the ledger");
    case EventKind::kOperatorAbort:
      return say(state, Loudness::kNote, "too late: the move is committed, the destination owns the VM");
    case EventKind::kResumeSeen:
    case EventKind::kGuestEnded: return freeze_again(terms, state, event);
    case EventKind::kQemuGone:
      return say(state, Loudness::kAlarm,
                 "the frozen source's QEMU is gone; if the VM is returned it starts from its disks");
    case EventKind::kDeadline:
    case EventKind::kSessionLost:
    case EventKind::kPeerReady:
    case EventKind::kPeerCancelled:
    case EventKind::kAccepted:
    case EventKind::kCommitted:
    case EventKind::kRefused:
    case EventKind::kConverged:
    case EventKind::kFailed:
    case EventKind::kGuestStopped:
    case EventKind::kStopTooLate:
    case EventKind::kLastRoundDurable:
    case EventKind::kFrozen:
    case EventKind::kFreezeUnsafe:
    case EventKind::kGuestRuns:
    case EventKind::kStartFailed:
    case EventKind::kFenced: return stay(state);
  }
  return stay(state);
}

Step on(const MoveTerms& terms, const Fencing& state, const Event& event) {
  switch (event.kind) {
    case EventKind::kRestarted: {
      Step again = fence(terms);
      again.actions.erase(again.actions.begin());  // it is in the journal
      return again;
    }
    case EventKind::kFenced: return {state, {Submit{RecordKind::kClosed}}};
    case EventKind::kClosed: return {Ended{Outcome::kMoved, {}}, {Journal{}}};
    case EventKind::kRefused:
      // The ledger needs no closing any more (the VM was recovered meanwhile); the copy is fenced all the
      // same.
      if (event.record != RecordKind::kClosed) return stay(state);
      return {Ended{Outcome::kMoved, reason_of(event)}, {Journal{}}};
    case EventKind::kFailed:
      return say(state, Loudness::kAlarm, "the old copy is not set aside yet: " + event.reason);
    case EventKind::kOperatorAbort:
      return say(state, Loudness::kNote, "too late: the VM runs at the destination");
    case EventKind::kDeadline:
    case EventKind::kSessionLost:
    case EventKind::kPeerReady:
    case EventKind::kPeerCancelled:
    case EventKind::kAccepted:
    case EventKind::kCommitted:
    case EventKind::kAborted:
    case EventKind::kStarted:
    case EventKind::kReturned:
    case EventKind::kRecoveredToUs:
    case EventKind::kRecoveredToOther:
    case EventKind::kConverged:
    case EventKind::kGuestStopped:
    case EventKind::kStopTooLate:
    case EventKind::kLastRoundDurable:
    case EventKind::kFrozen:
    case EventKind::kFreezeUnsafe:
    case EventKind::kResumeSeen:
    case EventKind::kGuestEnded:
    case EventKind::kQemuGone:
    case EventKind::kGuestRuns:
    case EventKind::kStartFailed: return stay(state);
  }
  return stay(state);
}

Step on(const MoveTerms& terms, const Undoing& state, const Event& event) {
  switch (event.kind) {
    case EventKind::kRestarted: {
      Step again = undo(terms, state.outcome);
      if (terms.mode == MoveMode::kLive) again.actions.erase(again.actions.begin());  // it is in the journal
      return again;
    }
    case EventKind::kGuestRuns: return {Ended{state.outcome, {}}, {Journal{}}};
    case EventKind::kQemuGone: return {state, {Deed::kStartFromDisks}};
    case EventKind::kStartFailed:
      return {
          Ended{state.outcome, event.reason},
          {Journal{}, Report{Loudness::kAlarm, "the VM is this host's again, powered off: " + event.reason}}};
    case EventKind::kRecoveredToOther: return lost(terms, reason_of(event));
    case EventKind::kOperatorAbort:
    case EventKind::kDeadline:
    case EventKind::kSessionLost:
    case EventKind::kPeerReady:
    case EventKind::kPeerCancelled:
    case EventKind::kAccepted:
    case EventKind::kCommitted:
    case EventKind::kAborted:
    case EventKind::kStarted:
    case EventKind::kReturned:
    case EventKind::kClosed:
    case EventKind::kRecoveredToUs:
    case EventKind::kRefused:
    case EventKind::kConverged:
    case EventKind::kFailed:
    case EventKind::kGuestStopped:
    case EventKind::kStopTooLate:
    case EventKind::kLastRoundDurable:
    case EventKind::kFrozen:
    case EventKind::kFreezeUnsafe:
    case EventKind::kResumeSeen:
    case EventKind::kGuestEnded:
    case EventKind::kFenced: return stay(state);
  }
  return stay(state);
}

// The end is the end: whatever is still on its way concerns nobody any more.
Step on(const MoveTerms&, const Ended& state, const Event&) {
  return stay(state);
}

}  // namespace sealift::migrate::custody::source::detail

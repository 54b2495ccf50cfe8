#include "migrate/custody/source_steps.hpp"

namespace sealift::migrate::custody::source::detail {

namespace {

using Actions = std::vector<Action<Deed>>;

// The same QEMU can migrate again afterwards. Also right when nothing was stopped or sent yet.
void release_guest(const MoveTerms& terms, Actions& actions) {
  if (terms.mode == MoveMode::kCold) return;
  actions.insert(actions.end(), {Deed::kThaw, Deed::kCancelMigration, Deed::kCutSockets, Deed::kCont});
}

enum class AbortRecord { kSubmit, kIsFinal };

Step cancel(const MoveTerms& terms, std::string reason, AbortRecord record = AbortRecord::kSubmit) {
  const bool final = record == AbortRecord::kIsFinal;
  if (final && terms.mode == MoveMode::kCold)
    return {Ended{Outcome::kAborted, std::move(reason)}, {Journal{}}};
  Actions actions{Journal{}};
  release_guest(terms, actions);
  if (!final) actions.push_back(Submit{RecordKind::kAbort});
  actions.push_back(Send{Message::kCancelled, reason});
  const bool guest_safe = terms.mode == MoveMode::kCold;
  return {Cancelling{std::move(reason), guest_safe, final}, std::move(actions)};
}

Step stay(State state) {
  return {std::move(state), {}};
}

Step end_if_done(Cancelling state) {
  if (!state.guest_safe || !state.record_done) return stay(std::move(state));
  return {Ended{Outcome::kAborted, std::move(state.reason)}, {Journal{}}};
}

}  // namespace

Step on(const MoveTerms& terms, const Offering& state, const Event& event) {
  switch (event.kind) {
    case EventKind::kRestarted: {
      // The offer may not be in the outbox yet. A live move's session ended with the daemon, and the
      // destination takes no other one for it: as from copying on, it is off.
      if (terms.mode == MoveMode::kCold) return {state, {Submit{RecordKind::kOffer}}};
      Step step = cancel(terms, reason_of(event));
      step.actions.insert(step.actions.begin(), Submit{RecordKind::kOffer});
      return step;
    }
    case EventKind::kAccepted: return {Copying{}, {Journal{}, Deed::kBeginCopy}};
    case EventKind::kRefused:
      if (event.record != RecordKind::kOffer) return stay(state);
      return {Ended{Outcome::kAborted, reason_of(event)}, {Journal{}}};
    case EventKind::kAborted:
    case EventKind::kRecoveredToUs: return {Ended{Outcome::kAborted, reason_of(event)}, {Journal{}}};
    case EventKind::kOperatorAbort:
    case EventKind::kDeadline:
    case EventKind::kSessionLost:
    case EventKind::kPeerCancelled:
    case EventKind::kFailed:
    case EventKind::kGuestEnded:
    case EventKind::kQemuGone: return cancel(terms, reason_of(event));
    case EventKind::kCommitted:
    case EventKind::kStarted:
    case EventKind::kReturned:
    case EventKind::kClosed:
    case EventKind::kRecoveredToOther: return lost(terms, reason_of(event));
    case EventKind::kPeerReady:
    case EventKind::kConverged:
    case EventKind::kGuestStopped:
    case EventKind::kStopTooLate:
    case EventKind::kLastRoundDurable:
    case EventKind::kFrozen:
    case EventKind::kFreezeUnsafe:
    case EventKind::kResumeSeen:
    case EventKind::kGuestRuns:
    case EventKind::kStartFailed:
    case EventKind::kFenced: return stay(state);
  }
  return stay(state);
}

Step on(const MoveTerms& terms, const Copying& state, const Event& event) {
  const bool live = terms.mode == MoveMode::kLive;
  switch (event.kind) {
    case EventKind::kRestarted:
      // A live move's RAM stream ended with the daemon; a cold one goes on where it was.
      if (live) return cancel(terms, reason_of(event));
      return {state, {Deed::kBeginCopy}};
    case EventKind::kConverged:
      if (!live) return stay(state);
      return {Switching{Switching::Part::kStopping}, {Deed::kStopGuest}};
    case EventKind::kPeerReady:
      // No stop of our own, no seal: a live destination cannot be ready yet.
      if (live) return cancel(terms, "the destination says that it is ready before the switchover");
      return {Freezing{}, {Deed::kFreeze}};
    case EventKind::kAborted:
    case EventKind::kRecoveredToUs: return cancel(terms, reason_of(event), AbortRecord::kIsFinal);
    case EventKind::kOperatorAbort:
    case EventKind::kDeadline:
    case EventKind::kSessionLost:
    case EventKind::kPeerCancelled:
    case EventKind::kFailed:
    case EventKind::kGuestEnded:
    case EventKind::kQemuGone: return cancel(terms, reason_of(event));
    case EventKind::kCommitted:
    case EventKind::kStarted:
    case EventKind::kReturned:
    case EventKind::kClosed:
    case EventKind::kRecoveredToOther: return lost(terms, reason_of(event));
    case EventKind::kAccepted:
    case EventKind::kRefused:
    case EventKind::kGuestStopped:
    case EventKind::kStopTooLate:
    case EventKind::kLastRoundDurable:
    case EventKind::kFrozen:
    case EventKind::kFreezeUnsafe:
    case EventKind::kResumeSeen:
    case EventKind::kGuestRuns:
    case EventKind::kStartFailed:
    case EventKind::kFenced: return stay(state);
  }
  return stay(state);
}

Step on(const MoveTerms& terms, const Switching& state, const Event& event) {
  using Part = Switching::Part;
  switch (event.kind) {
    case EventKind::kGuestStopped:
      if (state.part != Part::kStopping) return stay(state);
      return {Switching{Part::kLastRound}, {Deed::kLastRound}};
    case EventKind::kLastRoundDurable:
      if (state.part != Part::kLastRound) return stay(state);
      return {Switching{Part::kCompleting}, {Deed::kContinueSwitchover}};
    case EventKind::kPeerReady:
      if (state.part != Part::kCompleting)
        return cancel(terms, "the destination says that it is ready before everything was sent");
      return {Freezing{}, {Deed::kFreeze}};
    case EventKind::kAborted:
    case EventKind::kRecoveredToUs: return cancel(terms, reason_of(event), AbortRecord::kIsFinal);
    case EventKind::kRestarted:
    case EventKind::kOperatorAbort:
    case EventKind::kDeadline:
    case EventKind::kSessionLost:
    case EventKind::kPeerCancelled:
    case EventKind::kFailed:
    case EventKind::kStopTooLate:
    case EventKind::kResumeSeen:
    case EventKind::kGuestEnded:
    case EventKind::kQemuGone: return cancel(terms, reason_of(event));
    case EventKind::kCommitted:
    case EventKind::kStarted:
    case EventKind::kReturned:
    case EventKind::kClosed:
    case EventKind::kRecoveredToOther: return lost(terms, reason_of(event));
    case EventKind::kAccepted:
    case EventKind::kRefused:
    case EventKind::kConverged:
    case EventKind::kFrozen:
    case EventKind::kFreezeUnsafe:
    case EventKind::kGuestRuns:
    case EventKind::kStartFailed:
    case EventKind::kFenced: return stay(state);
  }
  return stay(state);
}

Step on(const MoveTerms& terms, const Freezing& state, const Event& event) {
  switch (event.kind) {
    case EventKind::kFrozen: return {Sealed{event.data}, {Journal{}, Send{Message::kSeal, {}}}};
    case EventKind::kAborted:
    case EventKind::kRecoveredToUs: return cancel(terms, reason_of(event), AbortRecord::kIsFinal);
    case EventKind::kRestarted:
    case EventKind::kOperatorAbort:
    case EventKind::kDeadline:
    case EventKind::kSessionLost:
    case EventKind::kPeerCancelled:
    case EventKind::kFailed:
    case EventKind::kFreezeUnsafe:
    case EventKind::kResumeSeen:
    case EventKind::kGuestEnded:
    case EventKind::kQemuGone: return cancel(terms, reason_of(event));
    case EventKind::kCommitted:
    case EventKind::kStarted:
    case EventKind::kReturned:
    case EventKind::kClosed:
    case EventKind::kRecoveredToOther: return lost(terms, reason_of(event));
    case EventKind::kPeerReady:
    case EventKind::kAccepted:
    case EventKind::kRefused:
    case EventKind::kConverged:
    case EventKind::kGuestStopped:
    case EventKind::kStopTooLate:
    case EventKind::kLastRoundDurable:
    case EventKind::kGuestRuns:
    case EventKind::kStartFailed:
    case EventKind::kFenced: return stay(state);
  }
  return stay(state);
}

Step on(const MoveTerms& terms, const Cancelling& state, const Event& event) {
  Cancelling next = state;
  switch (event.kind) {
    case EventKind::kRestarted: {
      Step again = cancel(terms, state.reason);
      again.actions.erase(again.actions.begin());  // it is in the journal
      return again;
    }
    case EventKind::kGuestRuns:
    case EventKind::kQemuGone: next.guest_safe = true; return end_if_done(std::move(next));
    case EventKind::kAborted:
    case EventKind::kRecoveredToUs: next.record_done = true; return end_if_done(std::move(next));
    case EventKind::kRefused:
      // Refused: the offer never counted, or the move is off already.
      if (event.record == RecordKind::kOffer || event.record == RecordKind::kAbort) next.record_done = true;
      return end_if_done(std::move(next));
    case EventKind::kCommitted:
    case EventKind::kStarted:
    case EventKind::kReturned:
    case EventKind::kClosed:
    case EventKind::kRecoveredToOther: return lost(terms, reason_of(event));
    case EventKind::kOperatorAbort:
    case EventKind::kDeadline:
    case EventKind::kSessionLost:
    case EventKind::kPeerReady:
    case EventKind::kPeerCancelled:
    case EventKind::kAccepted:
    case EventKind::kConverged:
    case EventKind::kFailed:
    case EventKind::kGuestStopped:
    case EventKind::kStopTooLate:
    case EventKind::kLastRoundDurable:
    case EventKind::kFrozen:
    case EventKind::kFreezeUnsafe:
    case EventKind::kResumeSeen:
    case EventKind::kGuestEnded:
    case EventKind::kStartFailed:
    case EventKind::kFenced: return stay(state);
  }
  return stay(state);
}

}  // namespace sealift::migrate::custody::source::detail

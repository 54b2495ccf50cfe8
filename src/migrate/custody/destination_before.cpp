#include "migrate/custody/destination_steps.hpp"

namespace sealift::migrate::custody::destination::detail {

namespace {

Step stay(State state) {
  return {std::move(state), {}};
}

// Nothing was committed and, from here, nothing will be: what was received may go.
Step destroy(std::string reason) {
  return {Destroying{reason},
          {Journal{}, Deed::kDestroyIncoming, Submit{RecordKind::kAbort}, Send{Message::kCancelled, reason}}};
}

Step end_aborted(std::string reason) {
  return erase(Outcome::kAborted, std::move(reason));
}

}  // namespace

Step on(const MoveTerms&, const Accepting& state, const Event& event) {
  switch (event.kind) {
    case EventKind::kRestarted: return {state, {Submit{RecordKind::kAccept}}};
    case EventKind::kAccepted: return {Receiving{}, {Journal{}, Deed::kBeginReceive}};
    case EventKind::kRefused:
      if (event.record != RecordKind::kAccept) return stay(state);
      return end_aborted(reason_of(event));
    case EventKind::kAborted:
    case EventKind::kRecoveredToUs:
    case EventKind::kRecoveredToOther: return end_aborted(reason_of(event));
    case EventKind::kOperatorAbort:
    case EventKind::kDeadline:
    case EventKind::kSessionLost:
    case EventKind::kPeerCancelled:
    case EventKind::kSealEqual:
    case EventKind::kSealDiffers:
    case EventKind::kFailed: return destroy(reason_of(event));
    case EventKind::kCommitted:
    case EventKind::kStarted:
    case EventKind::kReturned: return impossible(state, event);
    case EventKind::kLoaded:
    case EventKind::kSynced:
    case EventKind::kQemuGone:
    case EventKind::kGuestRuns:
    case EventKind::kStartFailed:
    case EventKind::kErased: return stay(state);
  }
  return stay(state);
}

Step on(const MoveTerms& terms, const Receiving& state, const Event& event) {
  switch (event.kind) {
    case EventKind::kRestarted:
      if (terms.mode == MoveMode::kLive) return destroy(reason_of(event));
      return {state, {Deed::kBeginReceive}};
    case EventKind::kLoaded: return {Loaded{}, {Send{Message::kReady, {}}}};
    case EventKind::kAborted:
    case EventKind::kRecoveredToUs:
    case EventKind::kRecoveredToOther: return end_aborted(reason_of(event));
    case EventKind::kSealEqual: return destroy("a seal came before everything was received");
    case EventKind::kOperatorAbort:
    case EventKind::kDeadline:
    case EventKind::kSessionLost:
    case EventKind::kPeerCancelled:
    case EventKind::kSealDiffers:
    case EventKind::kFailed:
    case EventKind::kQemuGone: return destroy(reason_of(event));
    case EventKind::kCommitted:
    case EventKind::kStarted:
    case EventKind::kReturned: return impossible(state, event);
    case EventKind::kAccepted:
    case EventKind::kRefused:
    case EventKind::kSynced:
    case EventKind::kGuestRuns:
    case EventKind::kStartFailed:
    case EventKind::kErased: return stay(state);
  }
  return stay(state);
}

Step on(const MoveTerms&, const Loaded& state, const Event& event) {
  switch (event.kind) {
    case EventKind::kSealEqual: return {Syncing{event.data}, {Deed::kSync}};
    case EventKind::kAborted:
    case EventKind::kRecoveredToUs:
    case EventKind::kRecoveredToOther: return end_aborted(reason_of(event));
    case EventKind::kRestarted:
    case EventKind::kOperatorAbort:
    case EventKind::kDeadline:
    case EventKind::kSessionLost:
    case EventKind::kPeerCancelled:
    case EventKind::kSealDiffers:
    case EventKind::kFailed:
    case EventKind::kQemuGone: return destroy(reason_of(event));
    case EventKind::kCommitted:
    case EventKind::kStarted:
    case EventKind::kReturned: return impossible(state, event);
    case EventKind::kAccepted:
    case EventKind::kRefused:
    case EventKind::kLoaded:
    case EventKind::kSynced:
    case EventKind::kGuestRuns:
    case EventKind::kStartFailed:
    case EventKind::kErased: return stay(state);
  }
  return stay(state);
}

Step on(const MoveTerms&, const Syncing& state, const Event& event) {
  switch (event.kind) {
    case EventKind::kSynced:
      if (state.recovered) return take_over();
      return {Committing{state.seal}, {Journal{}, Submit{RecordKind::kCommit}}};
    case EventKind::kAborted: return end_aborted(reason_of(event));
    case EventKind::kRecoveredToUs: return {Syncing{state.seal, true}, {}};
    case EventKind::kRecoveredToOther: return lost(event, Deed::kQuarantine);
    case EventKind::kRestarted:
    case EventKind::kOperatorAbort:
    case EventKind::kDeadline:
    case EventKind::kPeerCancelled:
    case EventKind::kSealDiffers:
    case EventKind::kFailed:
    case EventKind::kQemuGone: return destroy(reason_of(event));
    case EventKind::kCommitted:
    case EventKind::kStarted:
    case EventKind::kReturned: return impossible(state, event);
    // The seal is here; the session is not needed any more.
    case EventKind::kSessionLost:
    case EventKind::kSealEqual:
    case EventKind::kAccepted:
    case EventKind::kRefused:
    case EventKind::kLoaded:
    case EventKind::kGuestRuns:
    case EventKind::kStartFailed:
    case EventKind::kErased: return stay(state);
  }
  return stay(state);
}

Step on(const MoveTerms&, const Destroying& state, const Event& event) {
  switch (event.kind) {
    case EventKind::kRestarted: return {state, {Deed::kDestroyIncoming, Submit{RecordKind::kAbort}}};
    case EventKind::kAborted:
    case EventKind::kRecoveredToUs:
    case EventKind::kRecoveredToOther: return end_aborted(state.reason);
    case EventKind::kRefused:
      // Refused: it was off already, or never counted.
      if (event.record != RecordKind::kAbort) return stay(state);
      return end_aborted(state.reason);
    case EventKind::kCommitted:
    case EventKind::kStarted:
    case EventKind::kReturned: return impossible(state, event);
    case EventKind::kOperatorAbort:
    case EventKind::kDeadline:
    case EventKind::kSessionLost:
    case EventKind::kPeerCancelled:
    case EventKind::kSealEqual:
    case EventKind::kSealDiffers:
    case EventKind::kAccepted:
    case EventKind::kLoaded:
    case EventKind::kFailed:
    case EventKind::kSynced:
    case EventKind::kQemuGone:
    case EventKind::kGuestRuns:
    case EventKind::kStartFailed:
    case EventKind::kErased: return stay(state);
  }
  return stay(state);
}

}  // namespace sealift::migrate::custody::destination::detail

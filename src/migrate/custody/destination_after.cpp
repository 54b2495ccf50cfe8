#include "migrate/custody/destination_steps.hpp"

namespace sealift::migrate::custody::destination::detail {

namespace {

using From = Starting::From;

Step stay(State state) {
  return {std::move(state), {}};
}

Step say(State state, Loudness loudness, std::string text) {
  return {std::move(state), {Report{loudness, std::move(text)}}};
}

Step too_late(State state) {
  return say(std::move(state), Loudness::kNote, "too late: the move is committed, the VM is this host's");
}

// The RAM that was received is not used (any more): as after a power cut.
Step start_from_disks() {
  return {Starting{From::kDisks}, {Journal{}, Deed::kAdoptIncoming, Deed::kStartFromDisks}};
}

Step give_back() {
  return {Returning{}, {Journal{}, Deed::kKill, Submit{RecordKind::kReturn}}};
}

Step end_returned() {
  return erase(Outcome::kReturned, {});
}

}  // namespace

Step on(const MoveTerms& terms, const Committing& state, const Event& event) {
  const bool live = terms.mode == MoveMode::kLive;
  switch (event.kind) {
    case EventKind::kRestarted:
      if (!live) return {state, {Submit{RecordKind::kCommit}}};
      return {state, {Deed::kFindIncoming, Submit{RecordKind::kCommit}}};
    case EventKind::kCommitted:
      if (state.qemu_gone && live) return event.source_is_member ? give_back() : start_from_disks();
      return {Starting{From::kIncoming}, {Journal{}, Deed::kAdoptIncoming, Deed::kStartGuest}};
    case EventKind::kAborted: return erase(Outcome::kAborted, event.reason);
    case EventKind::kRefused:
      // Too late for the deadline, as a rule. The abort, not the refusal, says that what is here may go.
      if (event.record != RecordKind::kCommit) return stay(state);
      return {state, {Submit{RecordKind::kAbort}}};
    case EventKind::kQemuGone: return {Committing{state.seal, true}, {}};
    case EventKind::kOperatorAbort:
      return {state,
              {Submit{RecordKind::kAbort},
               Report{Loudness::kNote, "the commit is on its way: the ledger's order of the two decides"}}};
    case EventKind::kRecoveredToUs: return take_over();
    case EventKind::kRecoveredToOther: return lost(event, Deed::kQuarantine);
    case EventKind::kStarted:
    case EventKind::kReturned: return impossible(state, event);
    case EventKind::kDeadline:
    case EventKind::kSessionLost:
    case EventKind::kPeerCancelled:
    case EventKind::kSealEqual:
    case EventKind::kSealDiffers:
    case EventKind::kAccepted:
    case EventKind::kLoaded:
    case EventKind::kFailed:
    case EventKind::kSynced:
    case EventKind::kGuestRuns:
    case EventKind::kStartFailed:
    case EventKind::kErased: return stay(state);
  }
  return stay(state);
}

Step on(const MoveTerms&, const Starting& state, const Event& event) {
  const bool incoming = state.from == From::kIncoming;
  switch (event.kind) {
    case EventKind::kRestarted:
      return {Starting{state.from, true},
              {Deed::kAdoptIncoming, incoming ? Deed::kStartGuest : Deed::kStartFromDisks}};
    case EventKind::kGuestRuns: return {Started{}, {Journal{}, Submit{RecordKind::kStarted}}};
    case EventKind::kQemuGone:
      if (!incoming) return stay(state);
      return start_from_disks();
    case EventKind::kStartFailed:
      if (!incoming)
        return {Started{},
                {Deed::kKill, Journal{}, Submit{RecordKind::kStarted},
                 Report{Loudness::kAlarm, "the VM is this host's, powered off: " + event.reason}}};
      if (state.restarted || !event.source_is_member) return start_from_disks();
      return give_back();
    case EventKind::kOperatorAbort: return too_late(state);
    case EventKind::kRecoveredToOther: return lost(event, Deed::kEnsureFrozen);
    case EventKind::kAborted:
    case EventKind::kReturned: return impossible(state, event);
    case EventKind::kRecoveredToUs:
    case EventKind::kCommitted:
    case EventKind::kStarted:
    case EventKind::kRefused:
    case EventKind::kDeadline:
    case EventKind::kSessionLost:
    case EventKind::kPeerCancelled:
    case EventKind::kSealEqual:
    case EventKind::kSealDiffers:
    case EventKind::kAccepted:
    case EventKind::kLoaded:
    case EventKind::kFailed:
    case EventKind::kSynced:
    case EventKind::kErased: return stay(state);
  }
  return stay(state);
}

Step on(const MoveTerms&, const Started& state, const Event& event) {
  switch (event.kind) {
    case EventKind::kRestarted: return {state, {Submit{RecordKind::kStarted}}};
    case EventKind::kStarted:
    case EventKind::kRecoveredToUs: return {Ended{Outcome::kMoved, {}}, {Journal{}}};
    case EventKind::kRecoveredToOther: return lost(event, Deed::kEnsureFrozen);
    case EventKind::kOperatorAbort: return too_late(state);
    case EventKind::kRefused:
      if (event.record != RecordKind::kStarted) return stay(state);
      return say(state, Loudness::kAlarm, "move.started was refused: " + event.reason);
    case EventKind::kAborted:
    case EventKind::kReturned: return impossible(state, event);
    case EventKind::kCommitted:
    case EventKind::kDeadline:
    case EventKind::kSessionLost:
    case EventKind::kPeerCancelled:
    case EventKind::kSealEqual:
    case EventKind::kSealDiffers:
    case EventKind::kAccepted:
    case EventKind::kLoaded:
    case EventKind::kFailed:
    case EventKind::kSynced:
    case EventKind::kQemuGone:  // an ordinary end of a VM that is this host's
    case EventKind::kGuestRuns:
    case EventKind::kStartFailed:
    case EventKind::kErased: return stay(state);
  }
  return stay(state);
}

Step on(const MoveTerms&, const Returning& state, const Event& event) {
  switch (event.kind) {
    case EventKind::kRestarted: return {state, {Deed::kKill, Submit{RecordKind::kReturn}}};
    case EventKind::kReturned: return end_returned();
    case EventKind::kRefused:
      if (event.record != RecordKind::kReturn) return stay(state);
      return {Claiming{}, {Journal{}, Submit{RecordKind::kStarted}}};
    case EventKind::kRecoveredToUs: return start_from_disks();
    case EventKind::kRecoveredToOther: return lost(event, Deed::kQuarantine);
    case EventKind::kOperatorAbort: return say(state, Loudness::kNote, "the VM is being given back");
    case EventKind::kAborted:
    case EventKind::kStarted: return impossible(state, event);
    case EventKind::kCommitted:
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

Step on(const MoveTerms&, const Claiming& state, const Event& event) {
  switch (event.kind) {
    case EventKind::kRestarted: return {Claiming{}, {Submit{RecordKind::kStarted}}};
    case EventKind::kStarted:
    case EventKind::kRecoveredToUs:
      if (state.ordered) return stay(state);
      return {Claiming{true}, {Deed::kAdoptIncoming, Deed::kStartFromDisks}};
    case EventKind::kGuestRuns:
      if (!state.ordered) return stay(state);
      return {Ended{Outcome::kMoved, {}}, {Journal{}}};
    case EventKind::kStartFailed:
      if (!state.ordered) return stay(state);
      return {Ended{Outcome::kMoved, event.reason},
              {Deed::kKill, Journal{},
               Report{Loudness::kAlarm, "the VM is this host's, powered off: " + event.reason}}};
    case EventKind::kReturned: return end_returned();  // the old return came first after all
    case EventKind::kRecoveredToOther: return lost(event, Deed::kEnsureFrozen);
    case EventKind::kOperatorAbort: return too_late(state);
    case EventKind::kRefused:
      if (event.record != RecordKind::kStarted) return stay(state);
      return say(state, Loudness::kAlarm, "move.started was refused: " + event.reason);
    case EventKind::kAborted: return impossible(state, event);
    case EventKind::kCommitted:
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
    case EventKind::kErased: return stay(state);
  }
  return stay(state);
}

Step on(const MoveTerms&, const Erasing& state, const Event& event) {
  if (event.kind == EventKind::kErased) return {Ended{state.outcome, state.reason}, {Journal{}}};
  if (event.kind == EventKind::kRestarted) return {state, {Deed::kDestroyIncoming}};
  return stay(state);  // the ledger has had its last word
}

// The end is the end: whatever is still on its way concerns nobody any more.
Step on(const MoveTerms&, const Ended& state, const Event&) {
  return stay(state);
}

}  // namespace sealift::migrate::custody::destination::detail

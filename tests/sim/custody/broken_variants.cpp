#include "broken_variants.hpp"

#include <algorithm>

namespace sealift::sim {

namespace {

using custody::MoveTerms;
namespace s = source;
namespace d = destination;

// Source.

s::Step thaws_at_deadline(const MoveTerms& terms, const s::State& state, const s::Event& event) {
  if (std::holds_alternative<s::Sealed>(state) && event.kind == s::EventKind::kDeadline)
    return s::step(terms, state, {s::EventKind::kAborted});
  return s::step(terms, state, event);
}

s::Step obeys_operator_after_seal(const MoveTerms& terms, const s::State& state, const s::Event& event) {
  if (std::holds_alternative<s::Sealed>(state) && event.kind == s::EventKind::kOperatorAbort)
    return s::step(terms, state, {s::EventKind::kAborted});
  return s::step(terms, state, event);
}

s::Step cancels_after_restart(const MoveTerms& terms, const s::State& state, const s::Event& event) {
  if (std::holds_alternative<s::Sealed>(state) && event.kind == s::EventKind::kRestarted)
    return s::step(terms, s::Copying{}, event);
  return s::step(terms, state, event);
}

s::Step seals_without_own_stop(const MoveTerms& terms, const s::State& state, const s::Event& event) {
  if (std::holds_alternative<s::Copying>(state) && event.kind == s::EventKind::kConverged)
    return {s::Switching{s::Switching::Part::kCompleting},
            {s::Deed::kLastRound, s::Deed::kContinueSwitchover}};
  return s::step(terms, state, event);
}

s::Step signs_before_durable(const MoveTerms& terms, const s::State& state, const s::Event& event) {
  s::Step step = s::step(terms, state, event);
  if (std::holds_alternative<s::Freezing>(state) && std::holds_alternative<s::Sealed>(step.state))
    std::reverse(step.actions.begin(), step.actions.end());
  return step;
}

s::Step does_not_freeze(const MoveTerms& terms, const s::State& state, const s::Event& event) {
  s::Step step = s::step(terms, state, event);
  if (std::holds_alternative<s::Freezing>(state) && std::holds_alternative<s::Sealed>(step.state))
    step.actions.insert(step.actions.begin(), s::Deed::kThaw);
  return step;
}

s::Step fences_at_commit(const MoveTerms& terms, const s::State& state, const s::Event& event) {
  if (std::holds_alternative<s::Sealed>(state) && event.kind == s::EventKind::kCommitted)
    return s::step(terms, state, {s::EventKind::kStarted});
  return s::step(terms, state, event);
}

s::Step thaws_to_quit(const MoveTerms& terms, const s::State& state, const s::Event& event) {
  s::Step step = s::step(terms, state, event);
  if (std::holds_alternative<s::Fencing>(step.state))
    for (auto& action : step.actions)
      if (std::holds_alternative<s::Deed>(action) && std::get<s::Deed>(action) == s::Deed::kKill)
        action = s::Deed::kCont;
  return step;
}

s::Step forgets_to_abort(const MoveTerms& terms, const s::State& state, const s::Event& event) {
  s::Step step = s::step(terms, state, event);
  std::erase_if(step.actions, [](const auto& action) {
    const auto* submit = std::get_if<custody::Submit>(&action);
    return submit != nullptr && submit->record == RecordKind::kAbort;
  });
  return step;
}

s::Step gives_up_when_qemu_is_gone(const MoveTerms& terms, const s::State& state, const s::Event& event) {
  if (std::holds_alternative<s::Undoing>(state) && event.kind == s::EventKind::kQemuGone) return {state, {}};
  return s::step(terms, state, event);
}

// Destination.

d::Step starts_before_commit_is_final(const MoveTerms& terms, const d::State& state, const d::Event& event) {
  d::Step step = d::step(terms, state, event);
  if (std::holds_alternative<d::Syncing>(state) && std::holds_alternative<d::Committing>(step.state))
    step.actions.insert(step.actions.end(), {d::Deed::kAdoptIncoming, d::Deed::kStartGuest});
  return step;
}

d::Step destroys_while_committing(const MoveTerms& terms, const d::State& state, const d::Event& event) {
  if (std::holds_alternative<d::Committing>(state) &&
      (event.kind == d::EventKind::kSessionLost || event.kind == d::EventKind::kDeadline))
    return d::step(terms, d::Loaded{}, {d::EventKind::kSessionLost});
  return d::step(terms, state, event);
}

d::Step commits_before_sync(const MoveTerms& terms, const d::State& state, const d::Event& event) {
  d::Step step = d::step(terms, state, event);
  if (std::holds_alternative<d::Syncing>(step.state) && std::holds_alternative<d::Loaded>(state))
    return d::step(terms, step.state, {d::EventKind::kSynced});
  return step;
}

d::Step ignores_difference(const MoveTerms& terms, const d::State& state, const d::Event& event) {
  if (event.kind != d::EventKind::kSealDiffers) return d::step(terms, state, event);
  d::Event equal = event;
  equal.kind = d::EventKind::kSealEqual;
  return d::step(terms, state, equal);
}

d::Step starts_before_durable(const MoveTerms& terms, const d::State& state, const d::Event& event) {
  d::Step step = d::step(terms, state, event);
  if (std::holds_alternative<d::Starting>(step.state) && std::holds_alternative<d::Committing>(state))
    step.actions = {d::Deed::kAdoptIncoming, d::Deed::kStartGuest, custody::Journal{}};
  return step;
}

d::Step returns_what_may_have_run(const MoveTerms& terms, const d::State& state, const d::Event& event) {
  if (std::holds_alternative<d::Starting>(state) && event.kind == d::EventKind::kQemuGone)
    return {d::Returning{}, {custody::Journal{}, d::Deed::kKill, custody::Submit{RecordKind::kReturn}}};
  return d::step(terms, state, event);
}

d::Step trusts_failure_after_restart(const MoveTerms& terms, const d::State& state, const d::Event& event) {
  if (const auto* starting = std::get_if<d::Starting>(&state); starting != nullptr)
    return d::step(terms, d::Starting{starting->from, false}, event);
  return d::step(terms, state, event);
}

d::Step starts_when_return_is_refused(const MoveTerms& terms, const d::State& state, const d::Event& event) {
  if (std::holds_alternative<d::Returning>(state) && event.kind == d::EventKind::kRefused)
    return {d::Starting{d::Starting::From::kDisks},
            {custody::Journal{}, d::Deed::kAdoptIncoming, d::Deed::kStartFromDisks}};
  return d::step(terms, state, event);
}

d::Step forgets_started(const MoveTerms& terms, const d::State& state, const d::Event& event) {
  if (std::holds_alternative<d::Starting>(state) && event.kind == d::EventKind::kGuestRuns)
    return {d::Ended{custody::Outcome::kMoved, {}}, {custody::Journal{}}};
  return d::step(terms, state, event);
}

d::Step erases_what_was_recovered(const MoveTerms& terms, const d::State& state, const d::Event& event) {
  if (event.kind == d::EventKind::kRecoveredToUs) return d::step(terms, state, {d::EventKind::kAborted});
  return d::step(terms, state, event);
}

}  // namespace

std::vector<BrokenVariant> broken_variants() {
  return {
      {"SourceThawsAtDeadline", {thaws_at_deadline, d::step}},
      {"SourceObeysOperatorAfterSeal", {obeys_operator_after_seal, d::step}},
      {"SourceCancelsAfterRestart", {cancels_after_restart, d::step}},
      {"SourceSealsWithoutOwnStop", {seals_without_own_stop, d::step}},
      {"SourceSignsBeforeDurable", {signs_before_durable, d::step}},
      {"SourceDoesNotFreeze", {does_not_freeze, d::step}},
      {"SourceFencesAtCommit", {fences_at_commit, d::step}},
      {"SourceThawsToQuit", {thaws_to_quit, d::step}},
      {"SourceForgetsToAbort", {forgets_to_abort, d::step}},
      {"SourceGivesUpWhenQemuIsGone", {gives_up_when_qemu_is_gone, d::step}},
      {"DestinationStartsBeforeCommitIsFinal", {s::step, starts_before_commit_is_final}},
      {"DestinationDestroysWhileCommitting", {s::step, destroys_while_committing}},
      {"DestinationCommitsBeforeSync", {s::step, commits_before_sync}},
      {"DestinationIgnoresDifference", {s::step, ignores_difference}},
      {"DestinationStartsBeforeDurable", {s::step, starts_before_durable}},
      {"DestinationReturnsWhatMayHaveRun", {s::step, returns_what_may_have_run}},
      {"DestinationTrustsFailureAfterRestart", {s::step, trusts_failure_after_restart}},
      {"DestinationStartsWhenReturnIsRefused", {s::step, starts_when_return_is_refused}},
      {"DestinationForgetsStarted", {s::step, forgets_started}},
      {"DestinationErasesWhatWasRecovered", {s::step, erases_what_was_recovered}},
  };
}

}  // namespace sealift::sim

#include "migrate/facts.hpp"

namespace sealift::migrate {

namespace {

using S = custody::source::EventKind;
using D = custody::destination::EventKind;

// Who owns the VM, where that is not whom the move's own status says: a vm.recover came in between.
enum class Recovered { kNo, kToUs, kToOther };
Recovered recovered(const ledger::State& state, const ledger::Move& move, const ledger::HostName& us,
                    const ledger::HostName& by_status) {
  const auto vm = state.vm(move.vm);
  ledger::HostName owner = vm ? vm->owner : by_status;
  if (move.recovered_to)
    owner = *move.recovered_to;
  else if (owner == by_status)
    return Recovered::kNo;
  return owner == us ? Recovered::kToUs : Recovered::kToOther;
}

ledger::HostName owner_by_status(const ledger::Move& move) {
  const bool moved =
      move.status == ledger::MoveStatus::kCommitted || move.status == ledger::MoveStatus::kStarted;
  return moved ? move.to : move.from;
}

}  // namespace

std::optional<S> source_fact(const ledger::State& state, const ledger::MoveId& id) {
  const auto move = state.move(id);
  if (!move) return std::nullopt;
  switch (recovered(state, *move, move->from, owner_by_status(*move))) {
    case Recovered::kToUs: return S::kRecoveredToUs;
    case Recovered::kToOther: return S::kRecoveredToOther;
    case Recovered::kNo: break;
  }
  switch (move->status) {
    case ledger::MoveStatus::kOffered:
    case ledger::MoveStatus::kRecovered: return std::nullopt;
    case ledger::MoveStatus::kAccepted: return S::kAccepted;
    case ledger::MoveStatus::kCommitted: return S::kCommitted;
    case ledger::MoveStatus::kStarted: return move->closed ? S::kClosed : S::kStarted;
    case ledger::MoveStatus::kReturned: return S::kReturned;
    case ledger::MoveStatus::kAborted: return S::kAborted;
  }
  return std::nullopt;
}

std::optional<D> destination_fact(const ledger::State& state, const ledger::MoveId& id) {
  const auto move = state.move(id);
  if (!move) return std::nullopt;
  // An abort or a return ends the matter for a destination, whoever owns the VM afterwards; but not an abort
  // by vm.recover: what was sealed and received may be the only whole copy.
  if (move->status == ledger::MoveStatus::kAborted && !move->recovered_to) return D::kAborted;
  if (move->status == ledger::MoveStatus::kReturned) return D::kReturned;
  switch (recovered(state, *move, move->to, owner_by_status(*move))) {
    case Recovered::kToUs: return D::kRecoveredToUs;
    case Recovered::kToOther: return D::kRecoveredToOther;
    case Recovered::kNo: break;
  }
  switch (move->status) {
    case ledger::MoveStatus::kOffered:
    case ledger::MoveStatus::kReturned:
    case ledger::MoveStatus::kAborted:
    case ledger::MoveStatus::kRecovered: return std::nullopt;
    case ledger::MoveStatus::kAccepted: return D::kAccepted;
    case ledger::MoveStatus::kCommitted: return D::kCommitted;
    case ledger::MoveStatus::kStarted: return D::kStarted;
  }
  return std::nullopt;
}

}  // namespace sealift::migrate

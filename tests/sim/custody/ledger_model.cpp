#include "ledger_model.hpp"

namespace sealift::sim {

std::optional<std::string> LedgerModel::apply(const Record& record, std::uint64_t now) {
  if (applied_.contains(record.id)) return std::nullopt;
  if (!member(record.signer)) return "its signer is no member";
  if (record.number <= last_number_[record.signer]) return "an old number";
  if (record.kind == RecordKind::kOffer) {
    if (record.signer != owner_) return "not the owner";
    for (const auto& [id, move] : moves_)
      if (move.status <= MoveStatus::kCommitted) return "another move is open";
    moves_[record.move] = {record.signer, 1 - record.signer, now + kDeadlineSteps, MoveStatus::kOffered,
                           false};
  } else {
    const auto found = moves_.find(record.move);
    if (found == moves_.end()) return "no such move";
    if (auto refusal = apply_to(found->second, record, now)) return refusal;
  }
  applied_.insert(record.id);
  last_number_[record.signer] = record.number;
  return std::nullopt;
}

std::optional<std::string> LedgerModel::apply_to(LedgerMove& move, const Record& record, std::uint64_t now) {
  const bool destination = record.signer == move.to;
  switch (record.kind) {
    case RecordKind::kOffer: return "an offer twice";
    case RecordKind::kAccept:
      if (!destination || move.status != MoveStatus::kOffered) return "not to accept";
      move.status = MoveStatus::kAccepted;
      return std::nullopt;
    case RecordKind::kCommit:
      if (!destination || move.status != MoveStatus::kAccepted) return "not to commit";
      if (now > move.deadline) return "after the deadline";
      move.status = MoveStatus::kCommitted;
      owner_ = move.to;
      return std::nullopt;
    case RecordKind::kAbort:
      if (move.status > MoveStatus::kAccepted) return "not open";
      move.status = MoveStatus::kAborted;
      return std::nullopt;
    case RecordKind::kStarted:
      if (!destination || move.status != MoveStatus::kCommitted) return "not to start";
      move.status = MoveStatus::kStarted;
      return std::nullopt;
    case RecordKind::kReturn:
      if (!destination || move.status != MoveStatus::kCommitted) return "not to return";
      if (!member(move.from)) return "the source is no member";
      move.status = MoveStatus::kReturned;
      owner_ = move.from;
      return std::nullopt;
    case RecordKind::kClosed:
      if (destination || move.status != MoveStatus::kStarted) return "not to close";
      move.closed = true;
      return std::nullopt;
  }
  return "?";
}

void LedgerModel::recover(int move) {
  LedgerMove& aborted = moves_.at(move);
  aborted.status = MoveStatus::kAborted;
  aborted.recovered = true;
  owner_ = aborted.to;
  expel(aborted.from);
}

const LedgerMove* LedgerModel::find(int move) const {
  const auto found = moves_.find(move);
  return found == moves_.end() ? nullptr : &found->second;
}

std::optional<int> LedgerModel::open_move() const {
  for (const auto& [id, move] : moves_)
    if (move.status <= MoveStatus::kAccepted) return id;
  return std::nullopt;
}

}  // namespace sealift::sim

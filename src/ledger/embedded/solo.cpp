#include "ledger/embedded/solo.hpp"

namespace sealift::ledger {

Result<RecordId> SoloLedger::submit(ByteView envelope, Deadline, const Stop&) {
  if (chain_.members_for_next().members.size() > 1)
    return fail(Code::kRefused, "this host is not alone in its domain any more");
  auto record = parse_record(envelope);
  if (!record) return std::unexpected(record.error());
  const auto appended = SEALIFT_TRY(chain_.append({Bytes(envelope.begin(), envelope.end())}, clock_.wall()));
  const Chain::Outcome& outcome = appended.outcomes.front();
  if (outcome.kind == Chain::Outcome::Kind::kRefused) return fail(Code::kRefused, "{}", outcome.reason);
  return outcome.id;
}

Result<RecordStatus> SoloLedger::status(const RecordId& id) {
  return chain_.status(id);
}
Result<RecordStatus> SoloLedger::wait(const RecordId& id, Deadline deadline, const Stop& stop) {
  return chain_.wait(id, deadline, stop);
}
std::shared_ptr<const State> SoloLedger::final_state() {
  return chain_.final_state();
}
std::uint64_t SoloLedger::final_height() {
  return chain_.final_height();
}
Result<std::uint64_t> SoloLedger::wait_beyond(std::uint64_t height, Deadline deadline, const Stop& stop) {
  return chain_.wait_beyond(height, deadline, stop);
}

// A majority of one is this host itself.
Result<QuorumAnswer> SoloLedger::ask_quorum(ByteView, Deadline, const Stop&) {
  if (chain_.members_for_next().members.size() > 1)
    return fail(Code::kUnavailable, "this host is not alone in its domain any more");
  return QuorumAnswer{chain_.final_height(), chain_.final_state()->serving().term, {chain_.self()}};
}

Result<Bytes> SoloLedger::receipt(const MoveId& move) {
  return chain_.receipt(move);
}
Result<std::vector<LogEntry>> SoloLedger::log(std::uint64_t from_height, std::size_t count_max) {
  return chain_.log(from_height, count_max);
}

}  // namespace sealift::ledger

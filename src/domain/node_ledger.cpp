// Node as a ledger::Ledger.
#include <algorithm>

#include "domain/node_impl.hpp"

namespace sealift::domain {
namespace {

constexpr Milliseconds kSlice{300};       // how soon a replaced core lets a waiter go
constexpr Milliseconds kCallMargin{500};  // for the way back from the server
constexpr Milliseconds kLongest{static_cast<std::int64_t>(kWaitMsMax)};

// Waits for as long as the core lives; the chain wakes us by itself, the slices only notice its end.
template <class T, class Wait>
Result<T> wait_in_slices(Core& core, Deadline deadline, Wait wait) {
  for (;;) {
    Result<T> result = wait(deadline.within(kSlice));
    if (result || result.error().code != Code::kTimeout) return result;
    if (core.stopped())
      return fail(Code::kUnavailable, "the ledger was closed here while waiting; nothing is known");
    SEALIFT_TRY_STATUS(core.check_active());
    if (deadline.passed()) {
      const std::string reason = core.waiting_for();
      return fail(Code::kTimeout, "not final in time, the outcome is unknown{}{}", reason.empty() ? "" : ": ",
                  reason);
    }
  }
}

// After a refusal the caller reads the final state: it must be as new here as where the rules said no.
void reach_server(Core& core, Deadline deadline, const Stop& stop) {
  const auto answer = core.follow().call("ledger.head", to_json(HeadExchange{}), deadline, stop);
  const auto head = answer ? parse_head_exchange(*answer) : fail(Code::kUnavailable, "no answer");
  if (!head) return;
  const auto signed_head = ledger::parse_signed_head(as_bytes(head->note));
  if (!signed_head || signed_head->head.size <= core.chain().final_height()) return;
  static_cast<void>(core.chain().wait_beyond(signed_head->head.size - 1, deadline.within(kLongest), stop));
}

}  // namespace

Result<ledger::RecordId> Node::submit(ByteView envelope, Deadline deadline, const Stop& stop) {
  const auto core = SEALIFT_TRY(impl_->core());
  SEALIFT_TRY_STATUS(core->check_active());
  const ledger::Record record = SEALIFT_TRY(ledger::parse_record(envelope));
  const auto known = SEALIFT_TRY(core->chain().status(record.id));
  if (known.kind == ledger::RecordStatus::Kind::kFinal) return record.id;
  if (core->serving()) {
    SEALIFT_TRY(core->server().submit(envelope, deadline, stop));
    return record.id;
  }
  const Milliseconds wait = deadline.left(kLongest);
  // The server answers before we stop listening: what it waits for is worth knowing.
  const Milliseconds there = std::max(wait / 2, wait - kCallMargin);
  const SubmitRequest request{{envelope.begin(), envelope.end()}, static_cast<std::uint64_t>(there.count())};
  const auto answer = core->follow().call("ledger.submit", to_json(request), Deadline::in(wait), stop);
  if (answer) return record.id;
  if (answer.error().code == Code::kRefused) reach_server(*core, deadline, stop);
  return std::unexpected(answer.error());
}

Result<ledger::RecordStatus> Node::status(const ledger::RecordId& id) {
  const auto core = SEALIFT_TRY(impl_->core());
  ledger::RecordStatus status = SEALIFT_TRY(core->chain().status(id));
  const bool unknown = status.kind == ledger::RecordStatus::Kind::kUnknown;
  if (unknown && core->serving() && core->server().queued(id))
    status.kind = ledger::RecordStatus::Kind::kPending;
  return status;
}

Result<ledger::RecordStatus> Node::wait(const ledger::RecordId& id, Deadline deadline, const Stop& stop) {
  const auto core = SEALIFT_TRY(impl_->core());
  return wait_in_slices<ledger::RecordStatus>(
      *core, deadline, [&](Deadline end) { return core->chain().wait(id, end, stop); });
}

std::shared_ptr<const ledger::State> Node::final_state() {
  if (const auto core = impl_->core()) return (*core)->chain().final_state();
  return impl_->slot.lock()->last_state;
}

std::uint64_t Node::final_height() {
  if (const auto core = impl_->core()) return (*core)->chain().final_height();
  return impl_->slot.lock()->last_height;
}

Result<std::uint64_t> Node::wait_beyond(std::uint64_t height, Deadline deadline, const Stop& stop) {
  const auto core = SEALIFT_TRY(impl_->core());
  return wait_in_slices<std::uint64_t>(
      *core, deadline, [&](Deadline end) { return core->chain().wait_beyond(height, end, stop); });
}

Result<Bytes> Node::receipt(const ledger::MoveId& move) {
  return SEALIFT_TRY(impl_->core())->chain().receipt(move);
}

Result<std::vector<ledger::LogEntry>> Node::log(std::uint64_t from_height, std::size_t count_max) {
  return SEALIFT_TRY(impl_->core())->chain().log(from_height, count_max);
}

}  // namespace sealift::domain

#include <algorithm>

#include "base/log.hpp"
#include "migrate/move_manager_impl.hpp"

// What the ledger and this host hold of moves that nobody works on any more, and what becomes of moves when
// the host shuts down.

namespace sealift::migrate {

namespace {

constexpr Milliseconds kLookAgain{20};

bool one_of(std::string_view phase, std::initializer_list<std::string_view> phases) {
  return std::ranges::find(phases, phase) != phases.end();
}

// Before the seal at the source, before the commit is asked for at the destination: a cancel is always safe.
// "ended" is nearly over: its VM is released in a moment.
bool unsealed(const MoveProgress& move) {
  if (move.role == MoveRole::kSource)
    return one_of(move.phase, {"offering", "copying", "switching", "freezing", "cancelling", "ended"});
  return one_of(move.phase,
                {"accepting", "receiving", "loaded", "syncing", "destroying", "erasing", "ended"});
}

// At the destination the guest runs and is its own: a VM as any other.
bool settled(const MoveProgress& move) {
  return move.ended || (move.role == MoveRole::kDestination && move.phase == "started");
}

}  // namespace

// An open move of ours that the journal does not know (its offer got through although it was answered with a
// refusal, or the journal was lost), or that has ended here, is aborted before anything else happens with the
// VM.
void MoveManager::Impl::look_for_leftovers() {
  const auto state = options.ledger->final_state();
  // An open move is its VM's last one; the ledger has all that ever were.
  for (const ledger::Vm& vm : state->vms())
    if (const auto last = state->last_move(vm.id)) abort_unknown(*state, *last);
  for (const ledger::MoveId& id : options.host->incoming_moves()) end_leftover(*state, id);
}

void MoveManager::Impl::abort_unknown(const ledger::State& state, const ledger::Move& move) {
  if (move.status != ledger::MoveStatus::kOffered && move.status != ledger::MoveStatus::kAccepted) return;
  if (move.from != options.self && move.to != options.self) return;
  const auto row = journal->find(move.id);
  if (!row || (*row && !(*row)->ended) || (!*row && move.from != options.self)) return;
  Agreed agreed;
  agreed.domain = state.domain();
  agreed.request.vm.id = move.vm;
  agreed.epoch = move.epoch;
  const Status submitted =
      outbox->submit(move.id, move.vm, custody::RecordKind::kAbort, [&](std::uint64_t number) {
        return make_move_record(agreed, move.id, custody::RecordKind::kAbort, number, {},
                                "the move is not in this host's journal", *options.identity);
      });
  log_warning("move.unknown",
              {{"move", move.id.hex()}, {"aborting", submitted ? "yes" : submitted.error().message}});
}

// The place of a move that is over, or that the journal does not know: erased when the ledger says that the
// VM did not come here, set aside when it did and went elsewhere. What the ledger does not decide is kept.
void MoveManager::Impl::end_leftover(const ledger::State& state, const ledger::MoveId& id) {
  const auto row = journal->find(id);
  if (!row || (*row && !(*row)->ended)) return;
  const auto move = state.move(id);
  if (!move)
    return log_warning("move.leftover", {{"move", id.hex()}, {"kept", "the ledger does not know it"}});
  const bool back = move->status == ledger::MoveStatus::kReturned ||
                    (move->status == ledger::MoveStatus::kAborted && !move->recovered_to);
  const auto vm = state.vm(move->vm);
  const bool elsewhere = vm && vm->owner != options.self;
  if (!back && !elsewhere)
    return log_warning("move.leftover", {{"move", id.hex()}, {"kept", "the VM is ours"}});
  const Status ended = back ? options.host->destroy_incoming(id)
                            : options.host->quarantine_incoming(id, "recovered elsewhere");
  log_warning("move.leftover", {{"move", id.hex()},
                                {"is", to_string(move->status)},
                                {"done", ended ? (back ? "erased" : "set aside") : ended.error().message}});
}

std::vector<ledger::VmId> MoveManager::Impl::cancel_unsealed(Deadline deadline) {
  for (const MoveProgress& move : moves()) {
    if (move.ended || !unsealed(move)) continue;
    const auto at_work = driver(move.id);
    if (at_work && !at_work->done()) (void)at_work->abort();
  }
  const auto waits = [&] {
    return std::ranges::any_of(moves(),
                               [](const MoveProgress& move) { return !move.ended && unsealed(move); });
  };
  while (waits() && !deadline.passed())
    if (stopping.token().sleep(kLookAgain)) break;
  std::vector<ledger::VmId> left;
  for (const MoveProgress& move : moves())
    if (!settled(move) && !unsealed(move)) left.push_back(move.vm);
  return left;
}

}  // namespace sealift::migrate

// Rules of moves. Which record is allowed in which status stands in transitions(); here is what else must
// hold.
#include <algorithm>

#include "ledger/ruling.hpp"

namespace sealift::ledger {

namespace {

struct Step {
  Move move;
  Vm vm;
};

std::string_view name_of(MoveRecord record) {
  switch (record) {
    case MoveRecord::kAccept: return "move.accept";
    case MoveRecord::kCommit: return "move.commit";
    case MoveRecord::kAbort: return "move.abort";
    case MoveRecord::kStarted: return "move.started";
    case MoveRecord::kReturn: return "move.return";
    case MoveRecord::kClosed: return "move.closed";
  }
  return "?";
}

Status check_party(const Ruling& ruling, const Move& move, const HostName& signer, Party party) {
  const bool source = signer == move.from;
  const bool destination = signer == move.to;
  const bool late = ruling.block.time_ms > move.deadline_ms;
  switch (party) {
    case Party::kSource:
      if (source) return {};
      return fail(Code::kUnauthorized, "only its source {} may say so, not {}", move.from.text(),
                  signer.text());
    case Party::kDestination:
      if (destination) return {};
      return fail(Code::kUnauthorized, "only its destination {} may say so, not {}", move.to.text(),
                  signer.text());
    case Party::kEither:
      if (source || destination || late) return {};
      return fail(Code::kUnauthorized, "{} is no party to the move, and its deadline has not passed",
                  signer.text());
  }
  return fail(Code::kInternal, "no such party");
}

// The common part of every record after the offer: who, which move, which status; status and number are set.
Result<Step> step(const Ruling& ruling, const MoveStamp& stamp, MoveRecord record) {
  const Member signer = SEALIFT_TRY(ruling.signer());
  auto move = ruling.state.move(stamp.move);
  if (!move) return fail(Code::kRefused, "there is no move {}", stamp.move.hex());
  if (move->vm != stamp.vm) return fail(Code::kRefused, "move {} is of another VM", stamp.move.hex());
  Vm vm = SEALIFT_TRY(ruling.numbered_vm(stamp.vm, stamp.number, signer.info.name));
  const std::uint64_t epoch = move->epoch.value + (record == MoveRecord::kReturn ? 1 : 0);
  if (stamp.epoch.value != epoch)
    return fail(Code::kRefused, "it names epoch {}, the move's is {}", stamp.epoch.value, epoch);
  const auto allowed = std::ranges::find_if(
      transitions(), [&](const Transition& t) { return t.record == record && t.from == move->status; });
  if (allowed == transitions().end() || (record == MoveRecord::kClosed && !move->unclosed())) {
    return fail(Code::kRefused, "{} is not allowed: move {} is {}{}", name_of(record), move->id.hex(),
                to_string(move->status), move->closed ? " and closed" : "");
  }
  SEALIFT_TRY_STATUS(check_party(ruling, *move, signer.info.name, allowed->by));
  move->status = allowed->to;
  return Step{std::move(*move), std::move(vm)};
}

Result<State> finish(Ruling& ruling, const Step& step) {
  ruling.put(step.move);
  ruling.put(step.vm);
  return ruling.done();
}

void decide(const Ruling& ruling, Move& move) {
  move.decided_height = ruling.block.height;
  move.decided_ms = ruling.block.time_ms;
}

// The seal is the source's, names this move and holds what was offered.
Result<Seal> check_seal(const Ruling& ruling, const MoveCommit& commit, const Move& move, const Vm& vm) {
  const auto source = ruling.state.member(move.from);
  if (!source) return fail(Code::kRefused, "the source {} is no member any more", move.from.text());
  const UnverifiedSeal unverified = SEALIFT_TRY(parse_seal(commit.seal));
  Seal seal = SEALIFT_TRY(unverified.verify(source->info.key));
  const bool same = seal.domain == ruling.state.domain() && seal.move == move.id && seal.vm == move.vm &&
                    seal.from == move.from && seal.to == move.to && seal.epoch == move.epoch;
  if (!same) return fail(Code::kRefused, "the seal is for another move, destination or epoch");
  std::size_t disks = 0;
  std::size_t memory = 0;
  for (const SealPart& part : seal.parts) {
    disks += part.name.starts_with("disk/") ? 1 : 0;
    memory += part.name.starts_with("memory/") ? 1 : 0;
  }
  const bool offered =
      disks == move.disks.size() && std::ranges::all_of(move.disks, [&](const OfferedDisk& disk) {
        const SealPart* part = seal.find("disk/" + disk.name);
        return part != nullptr && part->bytes == disk.bytes;
      });
  if (!offered) return fail(Code::kRefused, "the seal's disks are not the offered ones");
  if ((memory > 0) != (move.mode == MoveMode::kLive))
    return fail(Code::kRefused, "a live move's seal holds memory streams, a cold one's none");
  if (move.mode == MoveMode::kCold && vm.rest_root && disks_root(seal.parts) != *vm.rest_root) {
    return fail(Code::kRefused, "the disks are {}, but the VM is at rest with {}: altered or rolled back",
                disks_root(seal.parts).hex(), vm.rest_root->hex());
  }
  return seal;
}

}  // namespace

Result<State> rule(Ruling ruling, const MoveOffer& offer) {
  SEALIFT_TRY_STATUS(ruling.signed_by_host(offer.from));
  Vm vm = SEALIFT_TRY(ruling.numbered_vm(offer.vm, offer.number, offer.from));
  if (vm.status == VmStatus::kRetired) return fail(Code::kRefused, "VM {} is retired", offer.vm.text());
  if (vm.owner != offer.from) {
    return fail(Code::kUnauthorized, "{} offers VM {}, which {} owns", offer.from.text(), offer.vm.text(),
                vm.owner.text());
  }
  if (vm.last_move) {
    const auto last = ruling.state.move(*vm.last_move);
    if (last && last->open())
      return fail(Code::kRefused, "its move {} is {}: one at a time", last->id.hex(),
                  to_string(last->status));
  }
  if (offer.epoch.value != vm.epoch_used.value + 1) {
    return fail(Code::kRefused, "it offers epoch {}, the next one is {}", offer.epoch.value,
                vm.epoch_used.value + 1);
  }
  if (offer.to == offer.from) return fail(Code::kRefused, "source and destination are the same host");
  SEALIFT_TRY_STATUS(ruling.may_hold_vms(offer.to));
  if (offer.deadline_ms <= ruling.block.time_ms)
    return fail(Code::kRefused, "its deadline has passed already");
  if (offer.mode == MoveMode::kLive && vm.rest_root)
    return fail(Code::kRefused, "VM {} is at rest: start it first, or move it cold", offer.vm.text());
  Move move;
  move.id = move_id(ruling.id());
  move.vm = offer.vm;
  move.epoch = offer.epoch;
  move.from = offer.from;
  move.to = offer.to;
  move.mode = offer.mode;
  move.disks = offer.disks;
  move.deadline_ms = offer.deadline_ms;
  move.offered_height = ruling.block.height;
  vm.epoch_used = offer.epoch;
  vm.last_move = move.id;
  return finish(ruling, Step{std::move(move), std::move(vm)});
}

Result<State> rule(Ruling ruling, const MoveAccept& accept) {
  Step next = SEALIFT_TRY(step(ruling, accept, MoveRecord::kAccept));
  if (ruling.block.time_ms > next.move.deadline_ms)
    return fail(Code::kRefused, "the move's deadline has passed");
  next.move.accept = ruling.id();
  return finish(ruling, next);
}

Result<State> rule(Ruling ruling, const MoveCommit& commit) {
  Step next = SEALIFT_TRY(step(ruling, commit, MoveRecord::kCommit));
  if (ruling.block.time_ms > next.move.deadline_ms)
    return fail(Code::kRefused, "the move's deadline has passed");
  next.move.seal = SEALIFT_TRY(check_seal(ruling, commit, next.move, next.vm));
  next.move.commit = ruling.id();
  decide(ruling, next.move);
  next.vm.owner = next.move.to;
  next.vm.epoch = next.move.epoch;
  next.vm.definition = next.move.seal->find("definition")->digest;
  if (next.move.mode == MoveMode::kLive) next.vm.rest_root.reset();
  return finish(ruling, next);
}

Result<State> rule(Ruling ruling, const MoveAbort& abort) {
  Step next = SEALIFT_TRY(step(ruling, abort, MoveRecord::kAbort));
  next.move.abort = ruling.id();
  decide(ruling, next.move);
  return finish(ruling, next);
}

Result<State> rule(Ruling ruling, const MoveStarted& started) {
  Step next = SEALIFT_TRY(step(ruling, started, MoveRecord::kStarted));
  next.move.started = ruling.id();
  return finish(ruling, next);
}

Result<State> rule(Ruling ruling, const MoveReturn& back) {
  Step next = SEALIFT_TRY(step(ruling, back, MoveRecord::kReturn));
  if (!ruling.state.member(next.move.from)) {
    return fail(Code::kRefused, "the source {} is no member any more: start the VM here from its disks",
                next.move.from.text());
  }
  if (back.epoch.value != next.vm.epoch_used.value + 1)
    return fail(Code::kRefused, "it names epoch {}, the next one is {}", back.epoch.value,
                next.vm.epoch_used.value + 1);
  next.move.returned = ruling.id();
  next.move.return_epoch = back.epoch;
  next.vm.owner = next.move.from;
  next.vm.epoch = next.vm.epoch_used = back.epoch;
  return finish(ruling, next);
}

Result<State> rule(Ruling ruling, const MoveClosed& closed) {
  Step next = SEALIFT_TRY(step(ruling, closed, MoveRecord::kClosed));
  next.move.closed = true;
  next.move.close = ruling.id();
  return finish(ruling, next);
}

}  // namespace sealift::ledger

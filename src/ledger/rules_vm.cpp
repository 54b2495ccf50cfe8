// Rules of VMs outside moves: register, retire, rest, start, recover.
#include "ledger/ruling.hpp"

namespace sealift::ledger {

namespace {

// The VM, its owner being the signer, in the owner's epoch.
Result<Vm> owned(const Ruling& ruling, const VmId& id, Epoch epoch, std::uint64_t number) {
  const Member signer = SEALIFT_TRY(ruling.signer());
  Vm vm = SEALIFT_TRY(ruling.numbered_vm(id, number, signer.info.name));
  if (vm.status == VmStatus::kRetired) return fail(Code::kRefused, "VM {} is retired", id.text());
  if (vm.owner != signer.info.name) {
    return fail(Code::kUnauthorized, "{} signed it, but {} owns VM {} (epoch {})", signer.info.name.text(),
                vm.owner.text(), id.text(), vm.epoch.value);
  }
  if (vm.epoch != epoch) {
    return fail(Code::kRefused, "it speaks of epoch {} of VM {}, which is in epoch {}: a stale copy",
                epoch.value, id.text(), vm.epoch.value);
  }
  return vm;
}

std::optional<Move> last_of(const Ruling& ruling, const Vm& vm) {
  return vm.last_move ? ruling.state.move(*vm.last_move) : std::nullopt;
}

Status refuse_while_committed(const Ruling& ruling, const Vm& vm) {
  const auto move = last_of(ruling, vm);
  if (move && move->status == MoveStatus::kCommitted) {
    return fail(Code::kRefused,
                "move {} is committed and neither started nor returned: move.started comes first",
                move->id.hex());
  }
  return {};
}

}  // namespace

Result<State> rule(Ruling ruling, const VmRegister& entry) {
  SEALIFT_TRY_STATUS(ruling.signed_by_host(entry.owner));
  SEALIFT_TRY_STATUS(ruling.may_hold_vms(entry.owner));
  if (ruling.state.vm(entry.vm))
    return fail(Code::kRefused, "VM id {} was used before: ids are never used again", entry.vm.text());
  if (entry.epoch != Epoch{0})
    return fail(Code::kRefused, "a VM enters with epoch 0, not {}", entry.epoch.value);
  if (entry.number == 0) return fail(Code::kRefused, "numbers start at 1");
  Vm vm;
  vm.id = entry.vm;
  vm.owner = entry.owner;
  vm.definition = entry.definition;
  vm.numbers[entry.owner] = entry.number;
  ruling.put(vm);
  return ruling.done();
}

Result<State> rule(Ruling ruling, const VmRetire& retire) {
  Vm vm = SEALIFT_TRY(owned(ruling, retire.vm, retire.epoch, retire.number));
  if (const auto move = last_of(ruling, vm); move && move->open())
    return fail(Code::kRefused, "move {} of it is {}: abort it first", move->id.hex(),
                to_string(move->status));
  vm.status = VmStatus::kRetired;
  ruling.put(vm);
  return ruling.done();
}

Result<State> rule(Ruling ruling, const VmRest& rest) {
  Vm vm = SEALIFT_TRY(owned(ruling, rest.vm, rest.epoch, rest.number));
  SEALIFT_TRY_STATUS(refuse_while_committed(ruling, vm));
  vm.rest_root = rest.root;
  ruling.put(vm);
  return ruling.done();
}

Result<State> rule(Ruling ruling, const VmStart& start) {
  Vm vm = SEALIFT_TRY(owned(ruling, start.vm, start.epoch, start.number));
  SEALIFT_TRY_STATUS(refuse_while_committed(ruling, vm));
  if (const auto move = last_of(ruling, vm); move && move->open() && move->mode == MoveMode::kCold)
    return fail(Code::kRefused, "cold move {} of it is open: abort it first", move->id.hex());
  if (vm.rest_root && start.checked != vm.rest_root) {
    return fail(
        Code::kRefused,
        "VM {} is at rest with disks {}, the start names {}: its disks were altered, rolled back or not "
        "checked; accept changes on purpose with a new vm.rest",
        start.vm.text(), vm.rest_root->hex(), start.checked ? start.checked->hex() : "none");
  }
  if (!vm.rest_root && start.checked)
    return fail(Code::kRefused, "VM {} has no rest root to be checked against", start.vm.text());
  vm.rest_root.reset();
  vm.verified_start = start.checked.has_value();
  ruling.put(vm);
  return ruling.done();
}

Result<State> rule(Ruling ruling, const VmRecover& recover) {
  SEALIFT_TRY_STATUS(ruling.next_number(recover.number));
  auto vm = ruling.state.vm(recover.vm);
  if (!vm || vm->status == VmStatus::kRetired)
    return fail(Code::kRefused, "VM {} is not registered, or retired", recover.vm.text());
  if (vm->owner != recover.lost)
    return fail(Code::kRefused, "VM {} belongs to {}, not to {}", recover.vm.text(), vm->owner.text(),
                recover.lost.text());
  if (recover.owner == recover.lost) return fail(Code::kRefused, "the new owner is the lost one");
  SEALIFT_TRY_STATUS(ruling.may_hold_vms(recover.owner));
  if (recover.epoch.value != vm->epoch_used.value + 1) {
    return fail(Code::kRefused, "it names epoch {}, the next one is {}", recover.epoch.value,
                vm->epoch_used.value + 1);
  }
  if (recover.fence.empty())
    return fail(Code::kRefused, "it does not say how {} is fenced (powered off, or its QEMU seen dead)",
                recover.lost.text());
  const bool lost_is_member = ruling.state.member(recover.lost).has_value();
  SEALIFT_TRY_STATUS(ruling.approved(lost_is_member ? recover.lost : HostName()));
  if (auto move = last_of(ruling, *vm); move && move->open()) {
    const bool committed = move->status == MoveStatus::kCommitted;
    move->status = committed ? MoveStatus::kRecovered : MoveStatus::kAborted;
    // Also of an aborted one: its destination may hold the newest copy, which the new owner needs.
    move->recovered_to = recover.owner;
    if (!committed) {
      move->abort = ruling.id();
      move->decided_height = ruling.block.height;
      move->decided_ms = ruling.block.time_ms;
    }
    ruling.put(*move);
  }
  vm->owner = recover.owner;
  vm->epoch = vm->epoch_used = recover.epoch;
  vm->rest_root = recover.root;
  vm->verified_start = recover.root.has_value();
  if (lost_is_member) ruling.remove_member(recover.lost, vm->last_move);
  ruling.put(*vm);
  ruling.count_change();
  return ruling.done();
}

}  // namespace sealift::ledger

#pragma once

// What every rule needs: the state, the record, its block, and the questions all rules ask (internal to the
// module). A Ruling collects changes; done() makes the next state of them.

#include "ledger/rules.hpp"
#include "ledger/view_fields.hpp"

namespace sealift::ledger {

struct Ruling {
  const State& state;
  const VerifiedRecord& verified;
  const BlockContext& block;

  std::vector<State::Change> changes{};
  std::vector<std::string> removals{};

  RecordId id() const { return verified.record().id; }
  bool signed_by(const crypto::PublicKey& key) const;
  // The member who signed a record that one host signs alone.
  Result<Member> signer() const;
  Status signed_by_host(const HostName& host) const;
  // At least as many members as it needs, `concerned` not counted.
  Status approved(const HostName& concerned) const;
  Status next_number(std::uint64_t number) const;  // of the domain: exactly changes() + 1

  // The VM, active, with the signer's number checked and noted.
  Result<Vm> numbered_vm(const VmId& vm, std::uint64_t number, const HostName& signer) const;
  Status may_hold_vms(const HostName& host) const;  // member, no witness, in an allowed region

  void put(const Member& member) { changes.push_back({member_key(member.info.name), value_of(member)}); }
  void put(const Vm& vm) { changes.push_back({vm_key(vm.id), value_of(vm)}); }
  void put(const Move& move) { changes.push_back({move_key(move.id), value_of(move)}); }
  void count_change() { changes.push_back({kChangesKey, std::to_string(state.changes() + 1)}); }
  // Takes a member out: its open moves before the commit are aborted, the copies that it never closed
  // abandoned. `except` is treated by the caller.
  void remove_member(const HostName& host, const std::optional<MoveId>& except);
  Result<State> done() { return state.with(std::move(changes), removals); }
};

// The rules by subject, each in its own file.
Result<State> rule(Ruling ruling, const HostJoin& join);
Result<State> rule(Ruling ruling, const HostLeave& leave);
Result<State> rule(Ruling ruling, const HostExpel& expel);
Result<State> rule(Ruling ruling, const HostUpdate& update);
Result<State> rule(Ruling ruling, const RulesActivate& activate);
Result<State> rule(Ruling ruling, const DomainServe& serve);
Result<State> rule(Ruling ruling, const VmRegister& entry);
Result<State> rule(Ruling ruling, const VmRetire& retire);
Result<State> rule(Ruling ruling, const VmRest& rest);
Result<State> rule(Ruling ruling, const VmStart& start);
Result<State> rule(Ruling ruling, const VmRecover& recover);
Result<State> rule(Ruling ruling, const MoveOffer& offer);
Result<State> rule(Ruling ruling, const MoveAccept& accept);
Result<State> rule(Ruling ruling, const MoveCommit& commit);
Result<State> rule(Ruling ruling, const MoveAbort& abort);
Result<State> rule(Ruling ruling, const MoveStarted& started);
Result<State> rule(Ruling ruling, const MoveReturn& back);
Result<State> rule(Ruling ruling, const MoveClosed& closed);

}  // namespace sealift::ledger

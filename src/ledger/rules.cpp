#include "ledger/rules.hpp"

#include <algorithm>
#include <array>

#include "ledger/ruling.hpp"
#include "ledger/statement.hpp"

namespace sealift::ledger {

namespace {

// What is not in this table is refused. move.abort by a third member counts after the deadline only.
constexpr std::array kTransitions = {
    Transition{MoveRecord::kAccept, MoveStatus::kOffered, MoveStatus::kAccepted, Party::kDestination},
    Transition{MoveRecord::kAbort, MoveStatus::kOffered, MoveStatus::kAborted, Party::kEither},
    Transition{MoveRecord::kAbort, MoveStatus::kAccepted, MoveStatus::kAborted, Party::kEither},
    Transition{MoveRecord::kCommit, MoveStatus::kAccepted, MoveStatus::kCommitted, Party::kDestination},
    Transition{MoveRecord::kStarted, MoveStatus::kCommitted, MoveStatus::kStarted, Party::kDestination},
    Transition{MoveRecord::kReturn, MoveStatus::kCommitted, MoveStatus::kReturned, Party::kDestination},
    Transition{MoveRecord::kClosed, MoveStatus::kStarted, MoveStatus::kStarted, Party::kSource},
    Transition{MoveRecord::kClosed, MoveStatus::kRecovered, MoveStatus::kRecovered, Party::kSource},
};

}  // namespace

std::span<const Transition> transitions() {
  return kTransitions;
}

Result<VerifiedRecord> verify_record(Record record, const State& state) {
  std::vector<crypto::PublicKey> trusted;
  for (const Member& member : state.members()) trusted.push_back(member.info.key);
  if (const auto* update = std::get_if<HostUpdate>(&record.body); update != nullptr && update->next_key)
    trusted.push_back(*update->next_key);
  auto payload = crypto::verify(record.envelope, kPayloadType, trusted);
  if (!payload)
    return because(payload.error(), fmt::format("{} {}", kind_name(record.body), record.id.hex()));
  return VerifiedRecord(std::move(record), std::move(payload->signers));
}

Result<State> apply(const State& state, const VerifiedRecord& record, const BlockContext& context) {
  const std::uint32_t version = state.rules().at(context.height);
  if (version > kRulesVersionMax) {
    return fail(Code::kUnsupported,
                "from block {} on, rules version {} counts; this sealift knows version {}: upgrade it, "
                "nothing is lost",
                context.height, version, kRulesVersionMax);
  }
  if (record.record().domain != state.domain()) {
    return fail(Code::kRefused, "the record belongs to another domain ({}, this one is {})",
                record.record().domain.hex(), state.domain().hex());
  }
  return std::visit([&](const auto& body) { return rule(Ruling{state, record, context}, body); },
                    record.record().body);
}

bool changes_members(const State& before, const State& after) {
  return before.changes() != after.changes();
}

std::size_t approvals_needed(const State& state, const HostName& concerned) {
  const auto members = state.members();
  const std::size_t others = members.size() - (state.member(concerned) ? 1 : 0);
  const std::size_t majority = others / 2 + 1;
  const std::size_t policy = state.policy().approvals;
  return policy == 0 ? majority : std::min(policy, others);
}

bool Ruling::signed_by(const crypto::PublicKey& key) const {
  return std::ranges::find(verified.signers(), key) != verified.signers().end();
}

Result<Member> Ruling::signer() const {
  for (const crypto::PublicKey& key : verified.signers()) {
    if (const auto holder = state.key_holder(key)) return *state.member(*holder);
  }
  return fail(Code::kUnauthorized, "no member of this domain signed it");
}

Status Ruling::signed_by_host(const HostName& host) const {
  const auto member = state.member(host);
  if (!member) return fail(Code::kUnauthorized, "{} is not a member of this domain", host.text());
  if (!signed_by(member->info.key))
    return fail(Code::kUnauthorized, "{} must sign it and did not", host.text());
  return {};
}

Status Ruling::approved(const HostName& concerned) const {
  std::size_t count = 0;
  for (const Member& member : state.members())
    count += member.info.name != concerned && signed_by(member.info.key) ? 1 : 0;
  const std::size_t needed = approvals_needed(state, concerned);
  if (count >= needed && count > 0) return {};
  return fail(Code::kUnauthorized, "{} of {} approvals are there: more members must sign it (domain approve)",
              count, needed);
}

Status Ruling::next_number(std::uint64_t number) const {
  const std::uint64_t expected = state.changes() + 1;
  if (number == expected) return {};
  return fail(
      Code::kRefused,
      "it is number {} of the domain's changes, the next one is {}: it is a replay, or another change came "
      "first; make it anew",
      number, expected);
}

Result<Vm> Ruling::numbered_vm(const VmId& id_of_vm, std::uint64_t number, const HostName& host) const {
  auto vm = state.vm(id_of_vm);
  if (!vm) return fail(Code::kRefused, "VM {} is not registered", id_of_vm.text());
  std::uint64_t& last = vm->numbers[host];
  if (number <= last) {
    return fail(Code::kRefused, "its number {} is not above {}'s last one for this VM, {}: a replayed record",
                number, host.text(), last);
  }
  last = number;
  return std::move(*vm);
}

Status Ruling::may_hold_vms(const HostName& host) const {
  const auto member = state.member(host);
  if (!member) return fail(Code::kRefused, "{} is not a member of this domain", host.text());
  if (member->info.witness_only)
    return fail(Code::kRefused, "{} is a witness only and holds no VM", host.text());
  const auto regions = state.policy().regions;
  if (!regions.empty() && std::ranges::find(regions, member->info.region) == regions.end()) {
    return fail(Code::kRefused, "{} is in region '{}', which the domain's policy does not allow", host.text(),
                member->info.region);
  }
  return {};
}

}  // namespace sealift::ledger

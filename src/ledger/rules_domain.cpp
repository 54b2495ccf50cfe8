// Rules of membership, of the rules themselves, and of who serves.
#include <algorithm>

#include "ledger/ruling.hpp"

namespace sealift::ledger {

namespace {

// A name that still owns a VM or is party to an unclosed move belongs to the host that had it.
Status check_name_free(const State& state, const HostName& name) {
  if (state.member(name)) return fail(Code::kRefused, "{} is a member already", name.text());
  for (const Vm& vm : state.vms()) {
    if (vm.status == VmStatus::kActive && vm.owner == name) {
      return fail(Code::kRefused,
                  "a former host {} still owns VM {}: recover it first, or join under another name",
                  name.text(), vm.id.text());
    }
  }
  for (const Move& move : state.moves()) {
    if (move.unclosed() && (move.from == name || move.to == name)) {
      return fail(Code::kRefused, "a former host {} is party to move {}: join under another name",
                  name.text(), move.id.hex());
    }
  }
  return {};
}

Status check_new_key(const State& state, const crypto::PublicKey& key) {
  if (state.key_known(key))
    return fail(
        Code::kRefused,
        "the key {} was a member's before: keys are never used again. A host that left or was expelled comes "
        "back with a new one: sealift --state NEW-DIRECTORY host init, then domain join with that",
        key.hex());
  return {};
}

Status check_not_last(const State& state, const HostName& host) {
  if (!state.member(host)) return fail(Code::kRefused, "{} is not a member", host.text());
  if (state.members().size() < 2)
    return fail(Code::kRefused, "{} is the last member: a domain is never empty", host.text());
  return {};
}

}  // namespace

void Ruling::remove_member(const HostName& host, const std::optional<MoveId>& except) {
  auto moves = state.moves();
  for (Move& move : moves) {
    if (!move.unclosed() || (move.from != host && move.to != host) || move.id == except) continue;
    if (move.status == MoveStatus::kOffered || move.status == MoveStatus::kAccepted) {
      move.status = MoveStatus::kAborted;
      move.abort = id();
      move.decided_height = block.height;
      move.decided_ms = block.time_ms;
    } else if (move.from == host) {
      move.abandoned = true;
    } else {
      continue;  // a committed move whose destination is gone waits for vm.recover
    }
    put(move);
  }
  removals.push_back(member_key(host));
}

Result<State> rule(Ruling ruling, const HostJoin& join) {
  SEALIFT_TRY_STATUS(ruling.next_number(join.number));
  SEALIFT_TRY_STATUS(check_name_free(ruling.state, join.host.name));
  SEALIFT_TRY_STATUS(check_new_key(ruling.state, join.host.key));
  if (ruling.state.members().size() >= kMembersMax)
    return fail(Code::kRefused, "the domain has {} members already, the most there can be", kMembersMax);
  const auto regions = ruling.state.policy().regions;
  const bool allowed = regions.empty() || join.host.witness_only ||
                       std::ranges::find(regions, join.host.region) != regions.end();
  if (!allowed)
    return fail(Code::kRefused, "region '{}' is not allowed by the domain's policy", join.host.region);
  SEALIFT_TRY_STATUS(ruling.approved({}));
  ruling.put(Member{join.host, ruling.block.height, false, 0});
  ruling.changes.push_back({key_key(join.host.key), join.host.name.text()});
  ruling.count_change();
  return ruling.done();
}

Result<State> rule(Ruling ruling, const HostLeave& leave) {
  SEALIFT_TRY_STATUS(ruling.next_number(leave.number));
  SEALIFT_TRY_STATUS(check_not_last(ruling.state, leave.host));
  SEALIFT_TRY_STATUS(ruling.signed_by_host(leave.host));
  if (ruling.state.serving().server == leave.host)
    return fail(Code::kRefused, "{} serves the ledger: another member must serve first (domain serve)",
                leave.host.text());
  for (const Vm& vm : ruling.state.vms()) {
    if (vm.status == VmStatus::kActive && vm.owner == leave.host) {
      return fail(Code::kRefused, "{} owns VM {}: move or remove it first", leave.host.text(), vm.id.text());
    }
  }
  for (const Move& move : ruling.state.moves()) {
    if (move.unclosed() && (move.from == leave.host || move.to == leave.host)) {
      return fail(Code::kRefused, "{} is party to move {} ({}), which is not closed", leave.host.text(),
                  move.id.hex(), to_string(move.status));
    }
  }
  // Last: nobody is asked to approve what is refused anyway.
  SEALIFT_TRY_STATUS(ruling.approved(leave.host));
  ruling.remove_member(leave.host, {});
  ruling.count_change();
  return ruling.done();
}

Result<State> rule(Ruling ruling, const HostExpel& expel) {
  SEALIFT_TRY_STATUS(ruling.next_number(expel.number));
  SEALIFT_TRY_STATUS(check_not_last(ruling.state, expel.host));
  SEALIFT_TRY_STATUS(ruling.approved(expel.host));
  ruling.remove_member(expel.host, {});
  ruling.count_change();
  return ruling.done();
}

Result<State> rule(Ruling ruling, const HostUpdate& update) {
  SEALIFT_TRY_STATUS(ruling.signed_by_host(update.host));
  Member member = *ruling.state.member(update.host);
  if (update.number <= member.updates) {
    return fail(Code::kRefused, "its number {} is not above {}'s last update, {}: a replayed record",
                update.number, update.host.text(), member.updates);
  }
  member.updates = update.number;
  member.info.endpoints = update.endpoints;
  if (update.next_key) {
    SEALIFT_TRY_STATUS(check_new_key(ruling.state, *update.next_key));
    if (!ruling.signed_by(*update.next_key))
      return fail(Code::kUnauthorized, "the next key must sign too: it shows that {} has it",
                  update.host.text());
    member.info.key = *update.next_key;
    ruling.changes.push_back({key_key(*update.next_key), update.host.text()});
    ruling.count_change();
  }
  ruling.put(member);
  return ruling.done();
}

Result<State> rule(Ruling ruling, const RulesActivate& activate) {
  SEALIFT_TRY_STATUS(ruling.next_number(activate.number));
  SEALIFT_TRY_STATUS(ruling.approved({}));
  RulesVersion rules = ruling.state.rules();
  rules.version = rules.at(ruling.block.height);
  if (activate.version <= rules.version)
    return fail(Code::kRefused, "rules version {} is not above version {}, which counts", activate.version,
                rules.version);
  if (activate.from_height <= ruling.block.height) {
    return fail(Code::kRefused, "block {} is not after this one, {}", activate.from_height,
                ruling.block.height);
  }
  rules.next = activate.version;
  rules.next_from = activate.from_height;
  ruling.changes.push_back({kRulesKey, value_of(rules)});
  ruling.count_change();
  return ruling.done();
}

Result<State> rule(Ruling ruling, const DomainServe& serve) {
  const Serving before = ruling.state.serving();
  if (serve.term <= before.term)
    return fail(Code::kRefused, "term {} is not above term {}, which counts", serve.term, before.term);
  if (serve.term != ruling.block.term)
    return fail(Code::kRefused, "it opens term {} inside a block of term {}", serve.term, ruling.block.term);
  const auto set = ruling.state.member_set();
  if (set.find(serve.server.text()) == nullptr)
    return fail(Code::kRefused, "{} is not a member and cannot serve", serve.server.text());
  const auto promised = static_cast<std::size_t>(
      std::ranges::count_if(set.members, [&](const auto& member) { return ruling.signed_by(member.key); }));
  if (promised < set.quorum())
    return fail(Code::kUnauthorized, "{} of {} promises are there", promised, set.quorum());
  ruling.changes.push_back({kServeKey, value_of(Serving{serve.term, serve.server})});
  return ruling.done();
}

}  // namespace sealift::ledger

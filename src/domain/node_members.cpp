// Records that need several members, and leaving.
#include <algorithm>

#include "base/log.hpp"
#include "domain/node_impl.hpp"

namespace sealift::domain {
namespace {

constexpr std::size_t kPrefixLeast = 8;

// The host whose own voice does not count as an approval.
ledger::HostName concerned(const ledger::Body& body) {
  if (const auto* leave = std::get_if<ledger::HostLeave>(&body)) return leave->host;
  if (const auto* expel = std::get_if<ledger::HostExpel>(&body)) return expel->host;
  if (const auto* recover = std::get_if<ledger::VmRecover>(&body)) return recover->lost;
  return {};
}

std::string subject_of(const ledger::Body& body) {
  if (const auto* join = std::get_if<ledger::HostJoin>(&body)) return join->host.name.text();
  if (const auto* recover = std::get_if<ledger::VmRecover>(&body)) return recover->vm.text();
  if (const ledger::HostName host = concerned(body); !host.empty()) return host.text();
  return "domain";
}

// Fills in the number that the record must carry now. kInvalid: no record that members sign together.
Status fill_number(ledger::Body& body, const ledger::State& state) {
  const auto fill = [&]<class T>(T& record) -> Status {
    if constexpr (std::is_same_v<T, ledger::HostJoin> || std::is_same_v<T, ledger::HostLeave> ||
                  std::is_same_v<T, ledger::HostExpel> || std::is_same_v<T, ledger::RulesActivate> ||
                  std::is_same_v<T, ledger::VmRecover>) {
      record.number = state.changes() + 1;
      return {};
    } else {
      return fail(Code::kInvalid, "{} is not a record that members approve together",
                  ledger::kind_name(record));
    }
  };
  return std::visit(fill, body);
}

ledger::RecordId id_of(const ProposalEntry& entry) {
  return ledger::record_id(entry.envelope);
}

}  // namespace

Result<Proposal> show_proposal(const ProposalEntry& entry, const ledger::State& state) {
  ledger::Record record = SEALIFT_TRY(ledger::parse_record(entry.envelope));
  Proposal proposal;
  proposal.id = crypto::sha256(record.envelope.unverified_payload()).hex();
  proposal.kind = ledger::kind_name(record.body);
  proposal.subject = subject_of(record.body);
  proposal.text = ledger::describe(record.body);
  proposal.envelope = entry.envelope;
  proposal.submitted = entry.submitted;
  proposal.needed = ledger::approvals_needed(state, concerned(record.body));
  if (std::holds_alternative<ledger::HostLeave>(record.body)) ++proposal.needed;  // its own word
  const auto verified = ledger::verify_record(std::move(record), state);
  if (!verified) return proposal;  // signed by members of then: none of them counts now
  for (const crypto::PublicKey& key : verified->signers()) {
    if (auto name = state.key_holder(key)) proposal.signed_by.push_back(std::move(*name));
  }
  return proposal;
}

Result<ProposalEntry> Node::Impl::propose_envelope(Core& core, ByteView envelope, Deadline deadline,
                                                   const Stop& stop) {
  if (core.serving()) return core.server().propose(envelope, deadline, stop);
  const ProposeRequest request{{envelope.begin(), envelope.end()}};
  const Json result = SEALIFT_TRY(core.follow().call("ledger.propose", to_json(request), deadline, stop));
  auto entries = SEALIFT_TRY(parse_proposals(result));
  if (entries.size() != 1)
    return fail(Code::kInvalid, "the server answered with {} proposals", entries.size());
  return std::move(entries.front());
}

Result<std::vector<ProposalEntry>> Node::Impl::open_proposals(Core& core, Deadline deadline,
                                                              const Stop& stop) {
  if (core.serving()) return core.server().proposals();
  return parse_proposals(SEALIFT_TRY(core.follow().call("ledger.proposals", Json::object(), deadline, stop)));
}

Result<std::vector<Proposal>> Node::proposals(Deadline deadline, const Stop& stop) {
  const auto core = SEALIFT_TRY(impl_->core());
  SEALIFT_TRY_STATUS(core->check_active());
  const auto state = core->chain().final_state();
  std::vector<Proposal> shown;
  for (const ProposalEntry& entry : SEALIFT_TRY(impl_->open_proposals(*core, deadline, stop))) {
    shown.push_back(SEALIFT_TRY(show_proposal(entry, *state)));
  }
  return shown;
}

Result<Proposal> Node::approve(std::string_view which, Deadline deadline, const Stop& stop) {
  const auto core = SEALIFT_TRY(impl_->core());
  std::vector<Proposal> matching;
  for (Proposal& proposal : SEALIFT_TRY(proposals(deadline, stop))) {
    const bool by_id = which.size() >= kPrefixLeast && proposal.id.starts_with(which);
    if (by_id || proposal.subject == which) matching.push_back(std::move(proposal));
  }
  if (matching.empty())
    return fail(Code::kNotFound, "nothing waits for approval under '{}' (domain members)", which);
  if (matching.size() > 1) {
    return fail(Code::kConflict, "{} proposals match '{}': name one by its id", matching.size(), which);
  }
  const Bytes envelope = SEALIFT_TRY(ledger::approve(matching.front().envelope, impl_->identity));
  const ProposalEntry entry = SEALIFT_TRY(impl_->propose_envelope(*core, envelope, deadline, stop));
  if (entry.submitted) SEALIFT_TRY(wait(id_of(entry), deadline, stop));
  return show_proposal(entry, *core->chain().final_state());
}

Result<Proposal> Node::propose(ledger::Body body, Deadline deadline, const Stop& stop) {
  const auto core = SEALIFT_TRY(impl_->core());
  SEALIFT_TRY_STATUS(core->check_active());
  const auto state = core->chain().final_state();
  SEALIFT_TRY_STATUS(fill_number(body, *state));
  const Bytes envelope = ledger::make_record(core->replica().domain(), body, impl_->identity);
  const ProposalEntry entry = SEALIFT_TRY(impl_->propose_envelope(*core, envelope, deadline, stop));
  if (entry.submitted) SEALIFT_TRY(wait(id_of(entry), deadline, stop));
  return show_proposal(entry, *state);
}

Status Node::leave(Deadline deadline, const Stop& stop) {
  std::unique_lock one(impl_->replacing, std::try_to_lock);
  if (!one) return fail(Code::kConflict, "another join or leave is under way on this host");
  auto core = SEALIFT_TRY(impl_->core());
  SEALIFT_TRY_STATUS(core->replica().check_halted());
  if (core->replica().alone())
    return fail(Code::kConflict, "this host is alone in its domain: there is nothing to leave");
  constexpr Milliseconds kLook{1'000};
  while (!core->replica().removed()) {
    const std::uint64_t height = core->chain().final_height();
    const auto proposal = propose(ledger::HostLeave{0, impl_->options.self.name}, deadline, stop);
    const auto beyond = core->chain().wait_beyond(height, deadline.within(kLook), stop);
    if (core->replica().removed()) break;
    // It may have been refused because the server has let us go already: then the wait has shown it.
    if (!proposal && !beyond) return std::unexpected(proposal.error());
    if (!beyond && beyond.error().code != Code::kTimeout) return std::unexpected(beyond.error());
    if (proposal && deadline.passed()) {
      return fail(Code::kTimeout,
                  "{} of {} have signed: on another member, `domain approve {}`; then leave again",
                  proposal->signed_by.size(), proposal->needed, impl_->options.self.name.text());
    }
  }
  log_info("domain.left", {{"domain", core->replica().domain().hex()}});
  core.reset();
  SEALIFT_TRY_STATUS(impl_->replace({impl_->own_genesis().bytes, {}, {}}));
  if (impl_->options.on_joined) impl_->options.on_joined();
  return {};
}

Result<ledger::RecordId> Node::update_endpoints(std::vector<net::Endpoint> endpoints, Deadline deadline,
                                                const Stop& stop) {
  const auto core = SEALIFT_TRY(impl_->core());
  SEALIFT_TRY_STATUS(core->check_active());
  const auto member = core->chain().final_state()->member(impl_->options.self.name);
  if (!member) return fail(Code::kRefused, "{} is no member yet", impl_->options.self.name.text());
  ledger::HostUpdate update;
  update.number = member->updates + 1;
  update.host = member->info.name;
  for (const net::Endpoint& endpoint : endpoints) update.endpoints.push_back(endpoint.text());
  const Bytes envelope = ledger::make_record(core->replica().domain(), update, impl_->identity);
  return submit(envelope, deadline, stop);
}

Status Node::compare_with(const ledger::HostName& member, Deadline deadline, const Stop& stop) {
  return SEALIFT_TRY(impl_->core())->compare_with(member, deadline, stop);
}

}  // namespace sealift::domain

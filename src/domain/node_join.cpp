// Invitations: the member that invites, and the host that joins.
#include <algorithm>

#include "base/log.hpp"
#include "domain/node_impl.hpp"

namespace sealift::domain {
namespace {

constexpr Milliseconds kJoinHold{5'000};  // longest that an inviting member holds a request
constexpr Milliseconds kJoinMargin{10'000};
constexpr std::size_t kIdBytes = 8;

// The joiner's old log, as host.join names it.
std::string old_log_of(const ledger::Chain& chain) {
  const auto note = chain.checkpoint();
  if (!note || note->size() > ledger::kTextBytesMax) return {};
  return *note;
}

Status check_ticket(const Desk::Ticket& ticket, const JoinRequest& request, const ledger::DomainId& domain,
                    const crypto::PublicKey& peer, WallTime now) {
  if (ticket.expires < now) {
    return fail(Code::kRefused, "the invitation expired at {}: ask for a new one",
                to_iso8601(ticket.expires));
  }
  if (request.host.key != peer)
    return fail(Code::kUnauthorized, "the request names another key than the connection's");
  const crypto::Digest proof =
      join_proof(ticket.secret, domain, request.invitation, request.host, request.old_log);
  if (!equal_constant_time(proof.view(), request.proof.view())) {
    return fail(Code::kUnauthorized, "the invitation's secret is wrong: copy the whole line");
  }
  if (ticket.used_by && *ticket.used_by != peer) {
    return fail(Code::kRefused, "the invitation was used by another host: ask for a new one");
  }
  return {};
}

}  // namespace

Result<std::string> Node::invite(const InviteOptions& options) {
  const auto core = SEALIFT_TRY(impl_->core());
  SEALIFT_TRY_STATUS(core->check_active());
  Invitation invitation;
  invitation.endpoints = options.endpoints;
  if (invitation.endpoints.empty()) {
    for (const std::string& text : impl_->options.self.endpoints) {
      invitation.endpoints.push_back(SEALIFT_TRY(net::Endpoint::parse(text)));
    }
  }
  if (invitation.endpoints.empty()) {
    return fail(
        Code::kInvalid,
        "this host takes no connections, so that nobody could use its invitation: invite from a member that "
        "has an address, or give this one an address (`advertise` in sealift.toml)");
  }
  // A founder may have had no address yet; from now on others must find it.
  const auto member = core->chain().final_state()->member(impl_->options.self.name);
  if (member && member->info.endpoints.empty()) {
    SEALIFT_TRY(update_endpoints(invitation.endpoints, Deadline::in(kJoinMargin), {}));
  }
  const WallTime now = impl_->options.clock->wall();
  invitation.domain = core->replica().domain();
  invitation.inviter = {impl_->options.self.name.text(), impl_->identity.public_key()};
  std::array<std::uint8_t, kIdBytes> id{};
  impl_->options.random->fill(id);
  invitation.id = hex(id);
  invitation.secret = crypto::Secret::random(kInvitationSecretBytes, *impl_->options.random);
  invitation.expires = WallTime{std::chrono::floor<std::chrono::seconds>(now + options.valid_for)};
  SEALIFT_TRY_STATUS(core->desk().add_ticket(
      {invitation.id, invitation.secret.clone(), invitation.expires, std::nullopt}, now));
  return invitation.line();
}

Result<Json> Node::Impl::join_request(const crypto::PublicKey& peer, const Json& params, const Stop& stop) {
  const auto held = SEALIFT_TRY(core());
  SEALIFT_TRY_STATUS(held->check_active());
  const JoinRequest request = SEALIFT_TRY(parse_join_request(params));
  const auto ticket = SEALIFT_TRY(held->desk().ticket(request.invitation));
  if (!ticket) return fail(Code::kUnauthorized, "no such invitation is outstanding here: ask for a new one");
  SEALIFT_TRY_STATUS(
      check_ticket(*ticket, request, held->replica().domain(), peer, held->replica().clock().wall()));
  SEALIFT_TRY_STATUS(held->desk().use_ticket(request.invitation, peer));

  const Deadline end = Deadline::in(kJoinHold);
  for (;;) {
    const std::uint64_t height = held->chain().final_height();  // before the state: ledger.hpp says why
    const auto state = held->chain().final_state();
    if (const auto member = state->member(request.host.name); member && member->info.key == peer) {
      JoinAnswer answer;
      answer.member = true;
      const auto server_member = state->member(state->serving().server);
      if (server_member) {
        answer.server_key = server_member->info.key.verifier_key(server_member->info.name.text());
        answer.server_endpoints = server_member->info.endpoints;
      }
      return to_json(answer);
    }
    ledger::HostJoin join{state->changes() + 1, request.host, request.old_log};
    const Bytes envelope = ledger::make_record(held->replica().domain(), join, identity);
    const ProposalEntry entry = SEALIFT_TRY(propose_envelope(*held, envelope, Deadline::in(kJoinHold), stop));
    if (!entry.submitted) {
      const Proposal proposal = SEALIFT_TRY(show_proposal(entry, *state));
      if (end.passed() || stop.stopped()) {
        JoinAnswer answer;
        answer.text = fmt::format("{} of {} approvals are there: on another member, `domain approve {}`",
                                  proposal.signed_by.size(), proposal.needed, request.host.name.text());
        return to_json(answer);
      }
    }
    // Another change, or this one, will be final: then look again.
    const auto beyond = held->chain().wait_beyond(height, end, stop);
    if (!beyond && beyond.error().code != Code::kTimeout) return std::unexpected(beyond.error());
    if (!beyond && entry.submitted) {
      JoinAnswer answer;
      answer.text = "approved; " + held->waiting_for();
      return to_json(answer);
    }
  }
}

Status Node::join(std::string_view line, Deadline deadline, const Stop& stop) {
  std::unique_lock one(impl_->replacing, std::try_to_lock);
  if (!one) return fail(Code::kConflict, "another join or leave is under way on this host");
  const Invitation invitation = SEALIFT_TRY(parse_invitation(line));
  if (invitation.kind != InvitationKind::kHost)
    return fail(Code::kInvalid,
                "that line enrols a load balancer, it makes no member: sealift balance enrol");
  auto core = SEALIFT_TRY(impl_->core());
  const NodeOptions& options = impl_->options;
  const bool there = core->replica().domain() == invitation.domain;
  if (!there) {
    if (!core->serving() || !core->replica().alone()) {
      return fail(Code::kConflict,
                  "this host is in domain {} with other members: it must leave that first (domain leave)",
                  core->replica().domain().hex());
    }
    if (invitation.expires < options.clock->wall()) {
      return fail(Code::kRefused, "the invitation expired at {}: ask for a new one",
                  to_iso8601(invitation.expires));
    }
    net::DialOptions dial;
    dial.endpoints = invitation.endpoints;
    dial.expected = invitation.inviter.key;
    dial.hello = {{net::kWireVersion}, "join", options.self.name.text(), invitation.domain.hex()};
    net::RpcClient client(dial, impl_->identity, 1);
    const Deadline step = Deadline::in(kJoinHold + kJoinMargin);
    const Json genesis =
        SEALIFT_TRY(client.call("join.genesis", {{"invitation", invitation.id}}, step, stop));
    if (!genesis.is_object()) return fail(Code::kInvalid, "the inviting host's answer is not a JSON object");
    Replacement replacement;
    const std::string bytes = SEALIFT_TRY(json::text(genesis, "genesis"));
    replacement.genesis = SEALIFT_TRY(unbase64(bytes));
    if (ledger::DomainId{crypto::sha256(replacement.genesis)} != invitation.domain) {
      return fail(Code::kCorrupt,
                  "the host at {} serves another genesis than the invitation names: nothing was changed. "
                  "Ask whoever sent the line",
                  invitation.endpoints.front().text());
    }
    SEALIFT_TRY(ledger::parse_genesis(replacement.genesis));
    JoinRequest request{invitation.id, {}, options.self, old_log_of(core->chain())};
    request.proof =
        join_proof(invitation.secret, invitation.domain, invitation.id, request.host, request.old_log);
    JoinAnswer answer;
    while (!answer.member) {
      const Deadline round = Deadline::in(kJoinHold + kJoinMargin);
      const Json said = SEALIFT_TRY(client.call("join.request", to_json(request), round, stop));
      answer = SEALIFT_TRY(parse_join_answer(said));
      if (answer.member) break;
      if (stop.stopped()) return fail(Code::kCancelled, "stopped; the same line goes on where this ended");
      if (deadline.passed()) {
        return fail(Code::kTimeout, "not a member yet: {}. The same line goes on from here", answer.text);
      }
    }
    replacement.server_key = answer.server_key;
    replacement.server_endpoints = answer.server_endpoints;
    const bool from_server = answer.server_key == invitation.inviter.verifier_key();
    for (const net::Endpoint& endpoint : invitation.endpoints) {
      const std::string text = endpoint.text();
      const bool known =
          std::ranges::find(replacement.server_endpoints, text) != replacement.server_endpoints.end();
      if (from_server && !known) replacement.server_endpoints.push_back(text);
    }
    core.reset();
    SEALIFT_TRY_STATUS(impl_->replace(replacement));
    log_info("domain.joined", {{"domain", invitation.domain.hex()}, {"invited_by", invitation.inviter.name}});
    core = SEALIFT_TRY(impl_->core());
  }
  for (;;) {
    const std::uint64_t height = core->chain().final_height();  // before the state: ledger.hpp says why
    if (core->chain().final_state()->member(options.self.name)) break;
    const auto beyond = wait_beyond(height, deadline, stop);
    if (!beyond) return because(beyond.error(), "a member now; catching up with the domain's ledger");
  }
  if (options.on_joined) options.on_joined();
  return {};
}

}  // namespace sealift::domain

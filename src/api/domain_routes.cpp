#include <algorithm>

#include "api/services.hpp"

namespace sealift::api {

namespace {

std::string role_of(const ledger::Member& member, const ledger::HostName& server) {
  std::string role = member.info.name == server ? "server" : "member";
  if (member.info.witness_only) role += ", witness only";
  return role;
}

Json member_json(const ledger::Member& member, const domain::NodeStatus& status) {
  const auto peer = std::find_if(status.peers.begin(), status.peers.end(),
                                 [&](const domain::PeerStatus& p) { return p.name == member.info.name; });
  std::string seen = member.info.name == status.self ? "this host" : "-";
  if (peer != status.peers.end()) seen = peer->connected ? "connected" : "unreachable";
  return {{"name", member.info.name.text()},
          {"endpoint", member.info.endpoints.empty() ? "calls out only" : member.info.endpoints.front()},
          {"endpoints", member.info.endpoints},
          {"region", member.info.region},
          {"role", role_of(member, status.server)},
          {"seen", seen},
          {"key", member.info.key.verifier_key(member.info.name.text())}};
}

Json proposal_json(const domain::Proposal& proposal) {
  Json signers = Json::array();
  for (const auto& name : proposal.signed_by) signers.push_back(name.text());
  return {{"id", proposal.id},
          {"kind", proposal.kind},
          {"name", proposal.subject},
          {"text", proposal.text},
          {"signed_by", signers},
          {"needed", proposal.needed},
          {"submitted", proposal.submitted}};
}

Json proposal_answer(const domain::Proposal& proposal) {
  Json answer = proposal_json(proposal);
  answer["message"] =
      proposal.submitted
          ? fmt::format("{}: recorded in the ledger", proposal.text)
          : fmt::format("{}: signed by {} of {}; other members agree with: sealift domain approve {}",
                        proposal.text, proposal.signed_by.size(), proposal.needed, proposal.subject);
  return answer;
}

Result<Json> show(domain::Node& node, const Stop& stop) {
  const domain::NodeStatus status = node.status();
  const auto state = node.final_state();
  Json members = Json::array();
  for (const ledger::Member& member : state->members()) members.push_back(member_json(member, status));
  Json pending = Json::array();
  const auto proposals = node.proposals(Deadline::in(Milliseconds(2000)), stop);
  if (proposals) {
    for (const domain::Proposal& proposal : *proposals) pending.push_back(proposal_json(proposal));
  }
  std::uint64_t reachable = 1;
  for (const domain::PeerStatus& peer : status.peers) reachable += peer.connected ? 1 : 0;
  return Json{{"id", status.domain.hex()},
              {"self", status.self.text()},
              {"role", domain::to_string(status.role)},
              {"server", status.server.text()},
              {"term", status.term},
              {"height", status.height},
              {"final_height", status.final_height},
              {"waiting_for", status.waiting_for},
              {"size", members.size()},
              {"reachable", reachable},
              {"quorum", state->member_set().quorum()},
              {"members", members},
              {"pending", pending}};
}

Result<Json> invite(domain::Node& node, const Request& request) {
  const std::uint64_t minutes = SEALIFT_TRY(json::number(request.body, "minutes"));
  if (minutes < 1 || minutes > 10'080) return fail(Code::kInvalid, "an invitation lasts 1 to 10080 minutes");
  const std::string line =
      SEALIFT_TRY(node.invite({.endpoints = {}, .valid_for = std::chrono::minutes(minutes)}));
  return Json{{"line", line}, {"minutes", minutes}};
}

Result<Json> invite_balancer(traffic::Service& traffic, const Request& request) {
  const std::uint64_t minutes = SEALIFT_TRY(json::number(request.body, "minutes"));
  const std::uint64_t days = SEALIFT_TRY(json::number(request.body, "days"));
  if (minutes < 1 || minutes > 10'080) return fail(Code::kInvalid, "an invitation lasts 1 to 10080 minutes");
  if (days < 1 || days > 3650) return fail(Code::kInvalid, "a balancer's right lasts 1 to 3650 days");
  const std::string line = SEALIFT_TRY(
      traffic.invite({.line_valid = std::chrono::minutes(minutes), .right_valid = std::chrono::days(days)}));
  return Json{{"line", line}, {"minutes", minutes}, {"days", days}};
}

Result<Json> join(domain::Node& node, const Request& request, const Stop& stop) {
  const std::string line = SEALIFT_TRY(json::text(request.body, "line"));
  SEALIFT_TRY_STATUS(node.join(line, Deadline::in(kLedgerWait), stop));
  const domain::NodeStatus status = node.status();
  return Json{{"domain", status.domain.hex()},
              {"message", fmt::format("{} joined domain {}; see it: sealift domain members",
                                      status.self.text(), status.domain.hex().substr(0, 12))}};
}

Result<Json> expel(domain::Node& node, const Request& request, const Stop& stop) {
  const std::string name = SEALIFT_TRY(json::text(request.body, "host"));
  const auto host = SEALIFT_TRY(ledger::HostName::parse(name));
  if (!node.final_state()->member(host)) {
    return fail(Code::kNotFound, "{} is no member of this domain; 'sealift domain members' lists them",
                host.text());
  }
  if (host == node.status().self)
    return fail(Code::kRefused, "a host does not expel itself: sealift domain leave");
  const std::string reason = SEALIFT_TRY(json::text(request.body, "reason"));
  return proposal_answer(SEALIFT_TRY(node.propose(
      ledger::HostExpel{.number = 0, .host = host, .reason = reason}, Deadline::in(kLedgerWait), stop)));
}

Result<Json> activate(domain::Node& node, const Request& request, const Stop& stop) {
  const std::uint64_t rules = SEALIFT_TRY(json::number(request.body, "rules"));
  const auto version = static_cast<std::uint32_t>(std::min<std::uint64_t>(rules, 1'000'000));
  const std::uint64_t height = SEALIFT_TRY(json::number(request.body, "height"));
  return proposal_answer(
      SEALIFT_TRY(node.propose(ledger::RulesActivate{.number = 0, .version = version, .from_height = height},
                               Deadline::in(kLedgerWait), stop)));
}

}  // namespace

void add_domain_routes(HttpServer& server, domain::Node& node, traffic::Service& traffic, const Stop& stop) {
  server.get("/v1/domain", [&node, stop](const Request&) { return show(node, stop); });
  server.post("/v1/domain/invite", [&node](const Request& request) { return invite(node, request); });
  server.post("/v1/domain/invite-balancer",
              [&traffic](const Request& request) { return invite_balancer(traffic, request); });
  server.post("/v1/domain/join", [&node, stop](const Request& request) { return join(node, request, stop); });
  server.post("/v1/domain/approve", [&node, stop](const Request& request) -> Result<Json> {
    const std::string host = SEALIFT_TRY(json::text(request.body, "host"));
    return proposal_answer(SEALIFT_TRY(node.approve(host, Deadline::in(kLedgerWait), stop)));
  });
  server.post("/v1/domain/leave", [&node, stop](const Request&) -> Result<Json> {
    SEALIFT_TRY_STATUS(node.leave(Deadline::in(kLedgerWait), stop));
    return Json{{"message", "left; this host is alone in a domain of its own again"}};
  });
  server.post("/v1/domain/expel",
              [&node, stop](const Request& request) { return expel(node, request, stop); });
  server.post("/v1/domain/activate",
              [&node, stop](const Request& request) { return activate(node, request, stop); });
}

}  // namespace sealift::api

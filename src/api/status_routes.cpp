#include <fmt/format.h>

#include "api/services.hpp"
#include "host/host.hpp"
#include "ledger/block.hpp"
#include "ledger/record.hpp"
#include "migrate/move_manager.hpp"

namespace sealift::api {

namespace {

std::map<std::string, std::uint64_t> count_states(host::Host& host) {
  std::map<std::string, std::uint64_t> counts;
  for (const host::VmView& vm : host.list()) ++counts[std::string(host::to_string(vm.state))];
  return counts;
}

// What an expelled host was told last: the block that removed it, its words, and who vouches for it.
Json expulsion(const domain::ExpulsionProof& proof, const ledger::HostName& self) {
  std::string text = fmt::format("{} was removed", self.text());
  if (const auto block = ledger::parse_block(proof.block)) {
    for (const Bytes& envelope : block->records) {
      const auto record = ledger::parse_record(envelope);
      const auto* expel = record ? std::get_if<ledger::HostExpel>(&record->body) : nullptr;
      if (expel != nullptr && expel->host == self) text = ledger::describe(record->body);
    }
  }
  return {{"block", proof.height}, {"text", text}, {"checkpoint", proof.checkpoint}};
}

Result<Json> status(const StatusServices& services) {
  const domain::NodeStatus node = services.vms.node.status();
  const auto state = services.vms.node.final_state();
  std::uint64_t open_moves = 0;
  for (const migrate::MoveProgress& move : services.moves.moves()) open_moves += move.ended ? 0 : 1;
  const auto proof = services.vms.node.expelled();
  return Json{{"host", node.self.text()},
              {"version", SEALIFT_VERSION},
              {"listen", services.listen},
              {"state_directory", services.state_directory},
              {"accelerator", services.vms.accelerator},
              {"hypervisor", services.hypervisor},
              {"vms", count_states(services.vms.host)},
              {"open_moves", open_moves},
              {"domain",
               {{"id", node.domain.hex()},
                {"role", domain::to_string(node.role)},
                {"server", node.server.text()},
                {"members", state->members().size()},
                {"height", node.height},
                {"final_height", node.final_height},
                {"expelled", proof ? expulsion(*proof, node.self) : Json()},
                {"waiting_for", node.waiting_for}}}};
}

// OpenMetrics 1.0 text.
std::string metrics(const StatusServices& services) {
  const domain::NodeStatus node = services.vms.node.status();
  std::string out;
  const auto gauge = [&](std::string_view name, std::string_view help, std::uint64_t value) {
    out += fmt::format("# TYPE {0} gauge\n# HELP {0} {1}\n{0} {2}\n", name, help, value);
  };
  gauge("sealift_ledger_height", "Last durable block on this host.", node.height);
  gauge("sealift_ledger_final_height", "Last final block.", node.final_height);
  gauge("sealift_ledger_waiting", "1 while the ledger waits for somebody.", node.waiting_for.empty() ? 0 : 1);
  gauge("sealift_domain_members", "Members of the domain.",
        services.vms.node.final_state()->members().size());
  out += "# TYPE sealift_vms gauge\n# HELP sealift_vms VMs of this host by state.\n";
  for (const auto& [state, count] : count_states(services.vms.host))
    out += fmt::format("sealift_vms{{state=\"{}\"}} {}\n", state, count);
  std::map<std::string, std::uint64_t> moves;
  std::uint64_t unanswered = 0;
  for (const migrate::MoveProgress& move : services.moves.moves()) {
    ++moves[migrate::to_json(move).value("state", "")];
    if (move.unanswered_since) ++unanswered;
  }
  gauge("sealift_moves_unanswered", "Moves whose guest waits too long for the ledger or the other host.",
        unanswered);
  out += "# TYPE sealift_moves gauge\n# HELP sealift_moves Moves in this host's journal by state.\n";
  for (const auto& [state, count] : moves)
    out += fmt::format("sealift_moves{{state=\"{}\"}} {}\n", state, count);
  return out + "# EOF\n";
}

// Always answered with 200: the daemon lives, its guests run, and starting it again would mend nothing.
std::string health(const domain::NodeStatus& node) {
  if (node.role == domain::Role::kExpelled) return "degraded: this host was expelled from its domain\n";
  if (node.waiting_for.empty()) return "ok\n";
  return fmt::format("degraded: the ledger waits: {}\n", node.waiting_for);
}

}  // namespace

void add_health_routes(HttpServer& server, const StatusServices& services) {
  server.get_text("/healthz", "text/plain; charset=utf-8",
                  [services]() -> Result<std::string> { return health(services.vms.node.status()); });
  server.get_text("/metrics", "application/openmetrics-text; version=1.0.0; charset=utf-8",
                  [services]() -> Result<std::string> { return metrics(services); });
}

void add_status_routes(HttpServer& server, const StatusServices& services, const Stop& stop) {
  add_health_routes(server, services);
  server.get("/v1/status", [services](const Request&) { return status(services); });
  server.post("/v1/host/update", [services, stop](const Request& request) -> Result<Json> {
    std::vector<net::Endpoint> endpoints;
    const Json list = SEALIFT_TRY(json::array(request.body, "endpoints"));
    for (const Json& text : list) {
      if (!text.is_string()) return fail(Code::kInvalid, "an address is not text");
      endpoints.push_back(SEALIFT_TRY(net::Endpoint::parse(text.get<std::string>())));
    }
    const auto record =
        SEALIFT_TRY(services.vms.node.update_endpoints(endpoints, Deadline::in(kLedgerWait), stop));
    return Json{
        {"record", record.hex()},
        {"message", endpoints.empty()
                        ? "recorded in the ledger; this host dials the other members from now on"
                        : "recorded in the ledger; the other members dial the new address from now on"}};
  });
}

}  // namespace sealift::api

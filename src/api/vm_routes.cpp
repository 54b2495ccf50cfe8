#include <sys/stat.h>

#include "api/services.hpp"
#include "host/host.hpp"

namespace sealift::api {

namespace {

// Importing an image may take as long as copying it does.
constexpr Milliseconds kCreateWithin{24 * 3'600'000};
constexpr Milliseconds kStartWithin{24 * 3'600'000};  // a sealed disk is read whole first
constexpr Milliseconds kKillWithin{10'000};
constexpr Milliseconds kRemoveWithin{60'000};

std::uint64_t disk_bytes(const hypervisor::VmDefinition& definition) {
  std::uint64_t bytes = 0;
  for (const auto& disk : definition.disks) bytes += disk.size_bytes;
  return bytes;
}

std::string state_text(const host::VmView& vm) {
  std::string text(host::to_string(vm.state));
  if (vm.state == host::VmState::kHashing) text += fmt::format(" {} %", vm.progress_percent);
  return text;
}

Json summary(const host::VmView& vm, const ledger::State& state) {
  Json out = {{"name", vm.definition.name},
              {"id", vm.id.text()},
              {"state", state_text(vm)},
              {"memory_bytes", vm.definition.memory_bytes},
              {"disk_bytes", disk_bytes(vm.definition)},
              {"vcpus", vm.definition.vcpus},
              {"note", vm.note.empty() ? Json() : Json(vm.note)},
              {"move", vm.held_by ? Json(*vm.held_by) : Json()}};
  if (const auto known = state.vm(vm.id)) {
    out["owner"] = known->owner.text();
    out["epoch"] = known->epoch.value;
  }
  return out;
}

Json disks_json(const host::VmView& vm) {
  Json disks = Json::array();
  for (std::size_t i = 0; i < vm.definition.disks.size(); ++i) {
    const hypervisor::DiskDefinition& disk = vm.definition.disks[i];
    disks.push_back({{"name", disk.name},
                     {"pool", disk.pool},
                     {"format", hypervisor::to_string(disk.format)},
                     {"bytes", disk.size_bytes},
                     {"path", i < vm.placement.disks.size() ? vm.placement.disks[i].string() : ""}});
  }
  return disks;
}

Json networks_json(const host::VmView& vm) {
  Json networks = Json::array();
  for (std::size_t i = 0; i < vm.definition.networks.size(); ++i) {
    const hypervisor::NetworkDefinition& network = vm.definition.networks[i];
    const std::string on = i < vm.placement.networks.size() ? host::describe(vm.placement.networks[i]) : "-";
    networks.push_back({{"name", network.name}, {"mac", network.mac}, {"on", on}});
  }
  return networks;
}

Json details(const host::VmView& vm, const ledger::State& state, const std::string& accelerator) {
  Json out = summary(vm, state);
  const hypervisor::VmDefinition& definition = vm.definition;
  out["machine"] = definition.machine;
  out["cpu"] = definition.cpu;
  out["firmware"] = hypervisor::to_string(definition.firmware);
  out["at_rest"] = hypervisor::to_string(definition.at_rest);
  out["autostart"] =
      definition.autostart ? Json(fmt::format("order {}", definition.autostart_order)) : Json("no");
  out["accelerator"] = accelerator;
  out["directory"] = vm.directory.string();
  out["disks"] = disks_json(vm);
  out["networks"] = networks_json(vm);
  out["definition"] = hypervisor::to_json(definition);
  if (vm.machine) {
    out["pid"] = vm.machine->process().pid;
    out["console"] = vm.machine->console_socket().string();
  }
  if (const auto known = state.vm(vm.id)) {
    out["rest_root"] = known->rest_root ? Json(known->rest_root->hex()) : Json();
    out["last_start_verified"] = known->verified_start;
  }
  return out;
}

Result<Json> create(const VmServices& services, const Request& request, const Stop& stop) {
  const std::string toml = SEALIFT_TRY(json::text(request.body, "definition"));
  const file::Path name = json::text(request.body, "file").value_or("vm.toml");
  const auto parsed = SEALIFT_TRY(hypervisor::parse_definition(toml, name, system_random()));
  const host::VmView vm = SEALIFT_TRY(services.host.create(parsed, Deadline::in(kCreateWithin), stop));
  return details(vm, *services.node.final_state(), services.accelerator);
}

Result<Json> start(const VmServices& services, const Request& request, const Stop& stop) {
  const host::StartOptions options = {
      .accept_changes = json::text(request.body, "accept_changes").value_or(""),
      .offline = json::text(request.body, "offline").value_or("")};
  const std::string note =
      SEALIFT_TRY(services.host.start(request.captures[0], options, Deadline::in(kStartWithin), stop));
  return Json{{"note", note.empty() ? Json() : Json(note)}};
}

void add_quarantine_routes(HttpServer& server, host::Host& host) {
  server.get("/v1/quarantine", [&host](const Request&) -> Result<Json> {
    Json entries = Json::array();
    for (const host::QuarantineEntry& entry : host.quarantine_list()) {
      entries.push_back({{"id", entry.id},
                         {"vm", entry.name},
                         {"vm_id", entry.vm.text()},
                         {"why", entry.why},
                         {"bytes", entry.bytes},
                         {"since", to_iso8601(entry.since)},
                         {"until", to_iso8601(entry.until)}});
    }
    return Json{{"entries", entries}};
  });
  server.post("/v1/quarantine/purge", [&host](const Request& request) -> Result<Json> {
    const std::string wanted = json::text(request.body, "entry").value_or("");
    if (wanted.empty())
      return Json{{"message", fmt::format("{} expired entries erased", host.purge_expired())}};
    std::vector<std::string> found;
    for (const host::QuarantineEntry& entry : host.quarantine_list()) {
      if (entry.id.starts_with(wanted) || entry.name == wanted) found.push_back(entry.id);
    }
    if (found.empty())
      return fail(Code::kNotFound, "no quarantine entry {}; 'sealift quarantine list' shows them", wanted);
    if (found.size() > 1)
      return fail(Code::kConflict, "{} names {} entries; give more of the id", wanted, found.size());
    SEALIFT_TRY_STATUS(host.purge(found.front()));
    return Json{{"message", fmt::format("erased {}", found.front())}};
  });
}

}  // namespace

void add_vm_routes(HttpServer& server, const VmServices& services, const Stop& stop) {
  server.get("/v1/vms", [services](const Request&) -> Result<Json> {
    const auto state = services.node.final_state();
    Json vms = Json::array();
    for (const host::VmView& vm : services.host.list()) vms.push_back(summary(vm, *state));
    return Json{{"vms", vms}};
  });
  server.get("/v1/vms/{}", [services](const Request& request) -> Result<Json> {
    return details(SEALIFT_TRY(services.host.find(request.captures[0])), *services.node.final_state(),
                   services.accelerator);
  });
  server.post("/v1/vms",
              [services, stop](const Request& request) { return create(services, request, stop); });
  server.post("/v1/vms/{}/start",
              [services, stop](const Request& request) { return start(services, request, stop); });
  server.post("/v1/vms/{}/stop", [services, stop](const Request& request) -> Result<Json> {
    const std::uint64_t seconds =
        std::min<std::uint64_t>(json::number(request.body, "deadline_seconds").value_or(60), 86'400);
    SEALIFT_TRY_STATUS(
        services.host.stop(request.captures[0], Deadline::in(std::chrono::seconds(seconds)), stop));
    return Json::object();
  });
  server.post("/v1/vms/{}/kill", [services](const Request& request) -> Result<Json> {
    SEALIFT_TRY_STATUS(services.host.kill(request.captures[0], Deadline::in(kKillWithin)));
    return Json::object();
  });
  server.post("/v1/vms/{}/remove", [services, stop](const Request& request) -> Result<Json> {
    SEALIFT_TRY_STATUS(services.host.remove(request.captures[0], Deadline::in(kRemoveWithin), stop));
    return Json::object();
  });
  server.post("/v1/vms/{}/recover", [services, stop](const Request& request) {
    return services.recover(request.captures[0], request.body, stop);
  });
  add_quarantine_routes(server, services.host);
}

}  // namespace sealift::api

// Registry: what commands have set, for the process that comes after this one.
#include <limits>

#include "balance/registry.hpp"
#include "base/log.hpp"

namespace sealift::balance {

Json Registry::commands() const {
  Json out = Json::array();
  for (const auto& [pool_name, pool] : pools_) {
    for (const auto& [name, server] : pool.servers) {
      Json entry = {{"pool", pool_name}, {"server", name}};
      if (!server.from_file) {
        entry["add"] = {{"address", server.spec.address.text()},
                        {"weight", server.spec.weight},
                        {"connections_max", server.spec.connections_max},
                        {"agent_port", server.spec.agent_port},
                        {"backup", server.spec.backup}};
      }
      if (server.commanded_admin) entry["drain"] = true;
      if (server.commanded_weight) entry["weight"] = *server.commanded_weight;
      if (server.commanded_address) entry["address"] = server.commanded_address->text();
      if (entry.size() > 2) out.push_back(std::move(entry));
    }
  }
  return {{"commands", std::move(out)}};
}

namespace {

template <class Number>
Result<Number> bounded(const Json& object, std::string_view name) {
  const std::uint64_t value = SEALIFT_TRY(json::number(object, name));
  if (value > std::numeric_limits<Number>::max())
    return fail(Code::kInvalid, "field '{}' is too large", name);
  return static_cast<Number>(value);
}

}  // namespace

Result<ServerSpec> server_from_json(const std::string& name, const Json& body) {
  ServerSpec spec;
  spec.name = name;
  const std::string address = SEALIFT_TRY(json::text(body, "address"));
  spec.address = SEALIFT_TRY(Address::parse(address));
  if (json::has(body, "weight")) spec.weight = SEALIFT_TRY(bounded<std::uint32_t>(body, "weight"));
  if (json::has(body, "connections_max"))
    spec.connections_max = SEALIFT_TRY(bounded<std::uint32_t>(body, "connections_max"));
  if (json::has(body, "agent_port"))
    spec.agent_port = SEALIFT_TRY(bounded<std::uint16_t>(body, "agent_port"));
  if (json::has(body, "backup")) spec.backup = SEALIFT_TRY(json::boolean(body, "backup"));
  return spec;
}

Status Registry::apply_command(const Json& entry, SteadyTime now) {
  const ServerName name{SEALIFT_TRY(json::text(entry, "pool")), SEALIFT_TRY(json::text(entry, "server"))};
  if (json::has(entry, "add") && !find(name)) {
    ServerSpec spec = SEALIFT_TRY(server_from_json(name.server, SEALIFT_TRY(json::object(entry, "add"))));
    SEALIFT_TRY_STATUS(add(name.pool, std::move(spec), now));
  }
  if (json::has(entry, "drain")) SEALIFT_TRY_STATUS(set_admin(name, Admin::kDrain, now));
  if (json::has(entry, "weight"))
    SEALIFT_TRY_STATUS(set_weight(name, SEALIFT_TRY(bounded<std::uint32_t>(entry, "weight"))));
  if (json::has(entry, "address")) {
    const std::string address = SEALIFT_TRY(json::text(entry, "address"));
    SEALIFT_TRY_STATUS(set_address(name, SEALIFT_TRY(Address::parse(address))));
  }
  return {};
}

void Registry::apply_commands(const Json& state, SteadyTime now) {
  if (!state.is_object() || !state.contains("commands") || !state["commands"].is_array()) return;
  for (const Json& entry : state["commands"])
    if (const Status done = apply_command(entry, now); !done)
      log_warning("balance.command_not_kept", {{"why", done.error().message}});
}

}  // namespace sealift::balance

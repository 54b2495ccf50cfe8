// Balancer: what it tells, as JSON and as OpenMetrics text (prometheus.io, "OpenMetrics").
#include "balance/balancer.hpp"

namespace sealift::balance {

namespace {

std::string follow_metrics(const Json& follow) {
  std::string out = fmt::format(
      "# TYPE sealift_balance_moves_followed counter\n# HELP sealift_balance_moves_followed Moves of "
      "servers' VMs.\nsealift_balance_moves_followed_total {}\n"
      "# TYPE sealift_balance_moves_failed_open counter\n# HELP sealift_balance_moves_failed_open "
      "Moves whose end was not heard.\nsealift_balance_moves_failed_open_total {}\n",
      follow["followed"].get<std::uint64_t>(), follow["failed_open"].get<std::uint64_t>());
  out +=
      "# TYPE sealift_balance_stream_connected gauge\n# HELP sealift_balance_stream_connected 1: that host's "
      "moves are heard.\n";
  for (const Json& host : follow["hosts"])
    out += fmt::format("sealift_balance_stream_connected{{host=\"{}\"}} {}\n",
                       host["name"].get<std::string>(), host["connected"].get<bool>() ? 1 : 0);
  return out;
}

}  // namespace

Json Balancer::status() {
  auto core = core_.lock();
  Json status = core->registry.status(std::chrono::steady_clock::now());
  status["follow"] = core->follower.status();
  for (const Json& move : status["follow"]["moves"])
    for (Json& pool : status["pools"])
      for (Json& server : pool["servers"])
        if (server["vm"] == move["vm"] || server["vm"] == move["name"]) server["move"] = move["phase"];
  std::uint64_t accepted = 0, open = 0, pauses = 0, bad_headers = 0, bulk = 0;
  for (const auto& loop : loops_) {
    accepted += loop->counters().accepted.load();
    pauses += loop->counters().accept_pauses.load();
    bad_headers += loop->counters().bad_headers.load();
    bulk += loop->counters().bulk_streams.load();
    open += loop->open();
  }
  Json listeners = Json::array();
  for (const auto& [name, listening] : core->listening)
    listeners.push_back({{"name", name}, {"address", listening.address.text()}});
  status["listeners"] = std::move(listeners);
  status["threads"] = threads_;
  status["accepted"] = accepted;
  status["open"] = open;
  status["accept_pauses"] = pauses;
  status["bad_proxy_headers"] = bad_headers;
  status["bulk_streams"] = bulk;
  return status;
}

std::string Balancer::metrics() {
  const Json status = this->status();
  std::string out;
  const auto family = [&](std::string_view name, std::string_view type, std::string_view help) {
    out += fmt::format("# TYPE sealift_balance_{0} {1}\n# HELP sealift_balance_{0} {2}\n", name, type, help);
  };
  const auto whole = [&](std::string_view name, std::string_view type, std::string_view help,
                         const char* key) {
    family(name, type, help);
    const bool counter = type == "counter";
    out += fmt::format("sealift_balance_{}{} {}\n", name, counter ? "_total" : "",
                       status[key].get<std::uint64_t>());
  };
  whole("accepted", "counter", "Connections accepted.", "accepted");
  whole("open", "gauge", "Client connections that are open.", "open");
  whole("accept_pauses", "counter", "Times that accepting paused: connections or descriptors ran out.",
        "accept_pauses");
  whole("holds_expired", "counter", "Holds that ended by their limit.", "holds_expired");
  whole("bad_proxy_headers", "counter", "Connections closed for their PROXY header.", "bad_proxy_headers");
  struct Field {
    const char *name, *type, *help, *key;
  };
  for (const Field& field :
       {Field{"pool_waiting", "gauge", "Connections that wait for a server.", "waiting"},
        Field{"pool_waited", "counter", "Connections that had to wait.", "waited"},
        Field{"pool_wait_timeouts", "counter", "Waits that ended without a server.", "wait_timeouts"},
        Field{"pool_refused", "counter", "Connections closed for lack of a server.", "refused"}}) {
    family(field.name, field.type, field.help);
    const bool counter = std::string_view(field.type) == "counter";
    for (const Json& pool : status["pools"])
      out += fmt::format("sealift_balance_{}{}{{pool=\"{}\"}} {}\n", field.name, counter ? "_total" : "",
                         pool["name"].get<std::string>(), pool[field.key].get<std::uint64_t>());
  }
  const auto of_servers = [&](const Field& field, auto value) {
    family(field.name, field.type, field.help);
    const bool counter = std::string_view(field.type) == "counter";
    for (const Json& pool : status["pools"])
      for (const Json& server : pool["servers"])
        out += fmt::format("sealift_balance_{}{}{{pool=\"{}\",server=\"{}\"}} {}\n", field.name,
                           counter ? "_total" : "", pool["name"].get<std::string>(),
                           server["name"].get<std::string>(), value(server));
  };
  for (const Field& field :
       {Field{"server_active", "gauge", "Connections to the server.", "active"},
        Field{"server_held", "gauge", "Connections that wait for this server.", "waiting"},
        Field{"server_connections", "counter", "Connections made.", "connections"},
        Field{"server_connects_failed", "counter", "Connects that failed.", "connects_failed"},
        Field{"server_bytes_in", "counter", "Bytes from clients, of closed connections.", "bytes_in"},
        Field{"server_bytes_out", "counter", "Bytes to clients, of closed connections.", "bytes_out"}})
    of_servers(field, [&](const Json& server) { return server[field.key].get<std::uint64_t>(); });
  of_servers({"server_up", "gauge", "1: new connections may go to it.", "state"}, [](const Json& server) {
    const auto state = server["state"].get<std::string>();
    return state == "up" || state == "releasing" ? 1 : 0;
  });
  return out + follow_metrics(status["follow"]) + "# EOF\n";
}

}  // namespace sealift::balance

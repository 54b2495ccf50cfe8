// Registry: what checks, agents and time do to a server, and the snapshots that follow.
#include <algorithm>

#include "balance/registry.hpp"
#include "base/log.hpp"

namespace sealift::balance {

std::vector<CheckTarget> Registry::targets() const {
  std::vector<CheckTarget> out;
  for (const auto& [pool_name, pool] : pools_)
    for (const auto& [name, server] : pool.servers)
      out.push_back(
          {server.id, server.address(), pool.spec.health, server.spec.agent_port, pool.spec.agent_interval});
  return out;
}

void Registry::set_up(const std::string& pool, Server& server, bool up, const std::string& fault,
                      SteadyTime now) {
  server.up = up;
  server.streak = 0;
  server.fault = fault;
  if (up) server.up_since = now;
  changed_ = true;
  log_info(up ? "balance.server_up" : "balance.server_down",
           {{"pool", pool}, {"server", server.spec.name}, {"why", up ? "checks succeed" : fault}});
}

void Registry::health_result(std::uint64_t id, const std::optional<std::string>& fault, SteadyTime now) {
  for (auto& [pool_name, pool] : pools_) {
    for (auto& [name, server] : pool.servers) {
      if (server.id != id) continue;
      if (server.checks_suspended) return;
      if (fault.has_value() != server.up) {  // as it is already
        server.streak = 0;
      } else if (++server.streak >= (server.up ? pool.spec.health.fall : pool.spec.health.rise)) {
        set_up(pool_name, server, !server.up, fault.value_or(""), now);
      }
      return;
    }
  }
}

void Registry::agent_result(std::uint64_t id, const Result<AgentReport>& report, SteadyTime now) {
  Server* server = find(id);
  if (server == nullptr || !report) return;  // an agent that doesn't answer changes nothing (as with HAProxy)
  AgentReport merged = server->agent;
  if (report->percent) merged.percent = report->percent;
  if (report->state != AgentReport::State::kUnsaid) merged.state = report->state;
  if (report->admin != AgentReport::Admin::kUnsaid) merged.admin = report->admin;
  if (merged == server->agent) return;
  const bool was_off = server->drained() || server->agent.state == AgentReport::State::kDown;
  server->agent = merged;
  if (was_off && !server->drained() && merged.state != AgentReport::State::kDown) server->up_since = now;
  changed_ = true;
}

void Registry::tick_server(Pool& pool, Server& server, SteadyTime now) {
  const HealthSpec& health = pool.spec.health;
  if (server.ejected_until != SteadyTime{} && now >= server.ejected_until) {
    server.ejected_until = {};
    server.up_since = now;
    changed_ = true;
  }
  const bool failing =
      health.passive_failures != 0 &&
      server.live->failures_in_row.load(std::memory_order_relaxed) >= health.passive_failures;
  if (failing) {
    server.live->failures_in_row.store(0, std::memory_order_relaxed);
    if (!server.checks_suspended && !server.down(now)) {
      if (health.kind != CheckKind::kNone) {
        set_up(pool.spec.name, server, false, "connections to it fail", now);
      } else {
        server.ejected_until = now + health.passive;
        changed_ = true;
        log_info("balance.server_ejected", {{"pool", pool.spec.name}, {"server", server.spec.name}});
      }
    }
  }
  if (server.gate == Gate::kHeld && now >= server.gate_until) {
    log_warning(
        "balance.hold_expired",
        {{"pool", pool.spec.name}, {"server", server.spec.name}, {"now", "new connections go to it again"}});
    ++holds_expired_;
    open_gate(pool, server, now);
  }
  if (server.gate == Gate::kReleasing) {
    const bool nobody_waits = server.live->held.load() == 0 && pool.live->waiting.load() == 0;
    if (nobody_waits || now >= server.gate_until) server.gate = Gate::kOpen, changed_ = true;
  }
  if (server.up_since != SteadyTime{}) {  // its weight grows; the whole of it is the last step
    if (now - server.up_since >= pool.spec.slow_start) server.up_since = {};
    changed_ = true;
  }
}

void Registry::forget_left(Pool& pool, std::uint64_t settled) {
  std::erase_if(pool.leaving, [&](const Leaving& left) {
    const bool gone = settled >= left.generation && pool.live->active[left.live->slot].load() == 0;
    if (gone) pool.free_slots.push_back(left.live->slot);
    return gone;
  });
}

void Registry::tick(SteadyTime now, std::uint64_t settled) {
  for (auto& [pool_name, pool] : pools_) {
    for (auto& [name, server] : pool.servers) tick_server(pool, server, now);
    forget_left(pool, settled);
  }
  for (Pool& pool : retired_) forget_left(pool, settled);
  std::erase_if(retired_,
                [](const Pool& pool) { return pool.leaving.empty() && pool.live->waiting.load() == 0; });
}

// In hundredths of the configured weight. Who sticks to a server doesn't leave it because it is busy or
// young.
std::uint32_t Registry::weight_now(const Pool& pool, const Server& server, SteadyTime now) const {
  if (server.drained() || server.down(now)) return 0;
  const std::uint32_t weight = server.commanded_weight.value_or(server.spec.weight);
  const std::uint32_t percent = server.agent.percent.value_or(100);
  if (pool.spec.algorithm == Algorithm::kIpHash) return percent == 0 ? 0 : weight;
  std::uint64_t hundredths = std::uint64_t{weight} * percent;
  const auto age = now - server.up_since;
  if (server.up_since != SteadyTime{} && age < pool.spec.slow_start && hundredths != 0) {
    const auto part = static_cast<std::uint64_t>(age.count()) / 1000;
    const auto whole =
        static_cast<std::uint64_t>(std::chrono::nanoseconds(pool.spec.slow_start).count()) / 1000;
    hundredths = std::max<std::uint64_t>(1, hundredths * part / whole);
  }
  return static_cast<std::uint32_t>(hundredths);
}

std::unique_ptr<const PoolView> Registry::view(Pool& pool, SteadyTime now) const {
  auto view = std::make_unique<PoolView>();
  view->spec = pool.spec;
  view->live = pool.live;
  for (const auto& [name, server] : pool.servers) {
    ServerView& out = view->servers.emplace_back();
    out.spec = server.spec;
    out.spec.address = server.address();
    out.live = server.live;
    out.gate = server.gate;
    out.weight = weight_now(pool, server, now);
  }
  view->index(pool.table);
  pool.table = view->table;
  return view;
}

std::shared_ptr<const Snapshot> Registry::snapshot(SteadyTime now) {
  if (!changed_ && newest_) return newest_;
  auto snapshot = std::make_shared<Snapshot>();
  snapshot->generation = ++generation_;
  snapshot->pools.resize(next_pool_);
  for (auto& [name, pool] : pools_) snapshot->pools[pool.id] = view(pool, now);
  for (const ListenerSpec& spec : listeners_) {
    ListenerView& listener = snapshot->listeners.emplace_back();
    listener.spec = spec;
    listener.pool = spec.pool.empty() ? kNoPool : pools_.at(spec.pool).id;
    for (const RouteSpec& route : spec.routes) listener.routes.add(route.network, pools_.at(route.pool).id);
    listener.routes.seal();
  }
  changed_ = false;
  newest_ = std::move(snapshot);
  return newest_;
}

Json Registry::status(SteadyTime now) const {
  Json pools = Json::array();
  for (const auto& [pool_name, pool] : pools_) {
    Json servers = Json::array();
    for (const auto& [name, server] : pool.servers) {
      Json by_command = Json::array();
      if (server.commanded_admin) by_command.push_back("state");
      if (server.commanded_weight) by_command.push_back("weight");
      if (server.commanded_address) by_command.push_back("address");
      const char* state = server.down(now)                  ? "down"
                          : server.drained()                ? "draining"
                          : server.gate == Gate::kHeld      ? "held"
                          : server.gate == Gate::kReleasing ? "releasing"
                                                            : "up";
      servers.push_back({{"name", name},
                         {"address", server.address().text()},
                         {"state", state},
                         {"why", server.up ? "" : server.fault},
                         {"weight", server.commanded_weight.value_or(server.spec.weight)},
                         {"agent_percent", server.agent.percent ? Json(*server.agent.percent) : Json()},
                         {"backup", server.spec.backup},
                         {"vm", server.spec.vm},
                         {"set_by", server.from_file ? "file" : "command"},
                         {"changed_by_command", std::move(by_command)},
                         {"checks", server.checks_suspended ? "suspended" : "counted"},
                         {"active", pool.live->active[server.live->slot].load()},
                         {"waiting", server.live->held.load()},
                         {"connections", server.live->connections.load()},
                         {"connects_failed", server.live->connects_failed.load()},
                         {"bytes_in", server.live->bytes_in.load()},
                         {"bytes_out", server.live->bytes_out.load()}});
    }
    pools.push_back({{"name", pool_name},
                     {"algorithm", to_string(pool.spec.algorithm)},
                     {"waiting", pool.live->waiting.load()},
                     {"waited", pool.live->waited.load()},
                     {"wait_timeouts", pool.live->wait_timeouts.load()},
                     {"refused", pool.live->refused.load()},
                     {"leaving", pool.leaving.size()},
                     {"servers", std::move(servers)}});
  }
  return {{"generation", generation_}, {"holds_expired", holds_expired_}, {"pools", std::move(pools)}};
}

}  // namespace sealift::balance

#include "balance/registry.hpp"

#include <algorithm>
#include <set>

#include "base/log.hpp"

namespace sealift::balance {

bool Registry::Server::drained() const {
  return commanded_admin.value_or(Admin::kReady) == Admin::kDrain ||
         agent.admin == AgentReport::Admin::kDrain || agent.admin == AgentReport::Admin::kMaint;
}

bool Registry::Server::down(SteadyTime now) const {
  return !up || agent.state == AgentReport::State::kDown || now < ejected_until;
}

void Registry::insert(Pool& pool, ServerSpec spec, bool from_file, SteadyTime now) {
  Server server;
  server.id = next_server_++;
  server.spec = std::move(spec);
  server.from_file = from_file;
  // The highest free slot is taken last: active counters of a small pool share few cache lines.
  server.live = std::make_shared<ServerLive>(pool.free_slots.back());
  pool.free_slots.pop_back();
  if (newest_) server.up_since = now;  // one that comes into a running pool starts slowly too
  std::string name = server.spec.name;
  pool.servers.insert_or_assign(std::move(name), std::move(server));
  changed_ = true;
}

void Registry::take_out(Pool& pool, std::map<std::string, Server>::iterator at) {
  pool.leaving.push_back({at->second.live, generation_ + 1});
  pool.servers.erase(at);
  changed_ = true;
}

void Registry::apply(const Config& config, SteadyTime now) {
  listeners_ = config.listeners;
  for (auto pool = pools_.begin(); pool != pools_.end();) {
    const auto next = std::next(pool);
    if (std::ranges::find(config.pools, pool->first, &PoolSpec::name) == config.pools.end()) {
      while (!pool->second.servers.empty()) take_out(pool->second, pool->second.servers.begin());
      retired_.push_back(std::move(pool->second));
      pools_.erase(pool);
    }
    pool = next;
  }
  for (const PoolSpec& spec : config.pools) {
    auto [at, fresh] = pools_.try_emplace(spec.name);
    Pool& pool = at->second;
    if (fresh) {
      pool.id = next_pool_++;
      pool.live = std::make_shared<PoolLive>();
      for (std::size_t slot = kServersMax; slot-- > 0;)
        pool.free_slots.push_back(static_cast<std::uint16_t>(slot));
    }
    pool.spec = spec;
    pool.spec.servers.clear();
    for (auto server = pool.servers.begin(); server != pool.servers.end();) {
      const auto next = std::next(server);
      const bool listed =
          std::ranges::find(spec.servers, server->first, &ServerSpec::name) != spec.servers.end();
      if (!listed && server->second.from_file) take_out(pool, server);
      server = next;
    }
    for (const ServerSpec& wanted : spec.servers) {
      const auto known = pool.servers.find(wanted.name);
      if (known != pool.servers.end()) {
        known->second.spec = wanted;
        known->second.from_file = true;
      } else if (!pool.free_slots.empty()) {
        insert(pool, wanted, true, now);
      } else {
        log_error("balance.server_left_out",
                  {{"pool", spec.name},
                   {"server", wanted.name},
                   {"why", "removed servers still have connections: reload again later"}});
      }
    }
  }
  changed_ = true;
}

Result<Registry::Server*> Registry::find(const ServerName& name) {
  const auto pool = pools_.find(name.pool);
  if (pool == pools_.end()) return fail(Code::kNotFound, "there is no pool '{}'", name.pool);
  const auto server = pool->second.servers.find(name.server);
  if (server == pool->second.servers.end())
    return fail(Code::kNotFound, "pool '{}' has no server '{}'", name.pool, name.server);
  return &server->second;
}

Registry::Server* Registry::find(std::uint64_t id) {
  for (auto& [pool_name, pool] : pools_)
    for (auto& [name, server] : pool.servers)
      if (server.id == id) return &server;
  return nullptr;
}

std::vector<ServerName> Registry::servers_of(std::string_view vm_id, std::string_view vm_name) const {
  std::vector<ServerName> list;
  for (const auto& [pool_name, pool] : pools_)
    for (const auto& [name, server] : pool.servers)
      if (!server.spec.vm.empty() && (server.spec.vm == vm_id || server.spec.vm == vm_name))
        list.push_back({pool_name, name});
  return list;
}

Status Registry::add(const std::string& pool_name, ServerSpec spec, SteadyTime now) {
  const auto pool = pools_.find(pool_name);
  if (pool == pools_.end()) return fail(Code::kNotFound, "there is no pool '{}'", pool_name);
  if (!good_name(spec.name) || spec.weight > kWeightMax)
    return fail(Code::kInvalid,
                "a server's name is 1 to 63 of letters, digits, '.', '_', '-', its weight at most {}",
                kWeightMax);
  if (pool->second.servers.contains(spec.name))
    return fail(Code::kConflict, "pool '{}' has a server '{}' already", pool_name, spec.name);
  if (pool->second.free_slots.empty())
    return fail(Code::kExhausted, "pool '{}' has {} servers, or removed ones that still have connections",
                pool_name, kServersMax);
  insert(pool->second, std::move(spec), false, now);
  return {};
}

Status Registry::remove(const ServerName& name) {
  SEALIFT_TRY(find(name));
  Pool& pool = pools_.find(name.pool)->second;
  take_out(pool, pool.servers.find(name.server));
  return {};
}

Status Registry::set_admin(const ServerName& name, Admin admin, SteadyTime now) {
  Server& server = *SEALIFT_TRY(find(name));
  const bool was_drained = server.drained();
  if (admin == Admin::kReady) {
    server.commanded_admin.reset();
  } else {
    server.commanded_admin = admin;
  }
  if (was_drained && !server.drained()) server.up_since = now;
  changed_ = true;
  return {};
}

Status Registry::set_weight(const ServerName& name, std::optional<std::uint32_t> weight) {
  Server& server = *SEALIFT_TRY(find(name));
  if (weight && *weight > kWeightMax) return fail(Code::kInvalid, "a weight is at most {}", kWeightMax);
  server.commanded_weight = weight;
  changed_ = true;
  return {};
}

Status Registry::set_address(const ServerName& name, const Address& address) {
  Server& server = *SEALIFT_TRY(find(name));
  server.commanded_address = address;
  if (address == server.spec.address) server.commanded_address.reset();
  changed_ = true;
  return {};
}

Status Registry::hold(const ServerName& name, std::optional<Milliseconds> longest, SteadyTime now) {
  Server& server = *SEALIFT_TRY(find(name));
  const Milliseconds most = pools_.find(name.pool)->second.spec.hold_max;
  server.gate = Gate::kHeld;
  server.gate_until = now + std::min(longest.value_or(most), most);
  changed_ = true;
  return {};
}

Status Registry::release(const ServerName& name, SteadyTime now) {
  Server& server = *SEALIFT_TRY(find(name));
  if (server.gate == Gate::kHeld) open_gate(pools_.find(name.pool)->second, server, now);
  return {};
}

Status Registry::suspend_checks(const ServerName& name, bool suspended) {
  Server& server = *SEALIFT_TRY(find(name));
  server.checks_suspended = suspended;
  server.streak = 0;
  return {};
}

void Registry::open_gate(Pool& pool, Server& server, SteadyTime now) {
  constexpr Milliseconds kReleaseMax{10'000};
  const bool someone_waits = server.live->held.load() != 0 || pool.live->waiting.load() != 0;
  server.gate = someone_waits ? Gate::kReleasing : Gate::kOpen;
  server.gate_until = now + kReleaseMax;
  changed_ = true;
}

}  // namespace sealift::balance

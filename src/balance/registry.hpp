#pragma once

// The control side's truth about pools and servers: what the file says, what commands changed, what checks
// and agents found, which servers are held. Pure: time comes in, snapshots go out; one thread at a time.
//
// File and command: a command's word counts until `enable` or a new command takes it back, also over a
// reload; the status names what was set by command. A server that a command added stays over a reload; when
// the file names it too, it is the file's from then on.

#include <map>
#include <optional>

#include "balance/pool.hpp"
#include "balance/probe.hpp"
#include "base/json.hpp"
#include "base/stop.hpp"

namespace sealift::balance {

enum class Admin : std::uint8_t { kReady, kDrain };

struct ServerName {
  std::string pool;
  std::string server;
};

// What the checker has to ask.
struct CheckTarget {
  std::uint64_t id = 0;
  Address address;
  HealthSpec health;
  std::uint16_t agent_port = 0;
  Milliseconds agent_interval{0};
  bool operator==(const CheckTarget&) const = default;
};

// {"address": text, "weight": n, "connections_max": n, "agent_port": n, "backup": bool}; all but the first
// may be missing.
Result<ServerSpec> server_from_json(const std::string& name, const Json& body);

class Registry {
 public:
  // A validated file; what is in neither the file nor added by command leaves.
  void apply(const Config& config, SteadyTime now);

  Status add(const std::string& pool, ServerSpec spec, SteadyTime now);
  Status remove(const ServerName& name);  // open connections go on to their end
  Status set_admin(const ServerName& name, Admin admin, SteadyTime now);
  Status set_weight(const ServerName& name,
                    std::optional<std::uint32_t> weight);              // nothing: the file's again
  Status set_address(const ServerName& name, const Address& address);  // it moved
  // New connections wait, at most for `longest` and for the pool's hold_max. Again: the time starts anew.
  Status hold(const ServerName& name, std::optional<Milliseconds> longest, SteadyTime now);
  Status release(const ServerName& name, SteadyTime now);
  Status suspend_checks(const ServerName& name, bool suspended);
  // Every server that names a VM by this id or name.
  std::vector<ServerName> servers_of(std::string_view vm_id, std::string_view vm_name) const;

  std::vector<CheckTarget> targets() const;
  void health_result(std::uint64_t id, const std::optional<std::string>& fault, SteadyTime now);
  void agent_result(std::uint64_t id, const Result<AgentReport>& report, SteadyTime now);

  // Passive ejection, slow start, holds that end. settled: the generation that every loop has taken.
  void tick(SteadyTime now, std::uint64_t settled);
  // The newest, made when something changed since the last one.
  std::shared_ptr<const Snapshot> snapshot(SteadyTime now);

  Json status(SteadyTime now) const;
  // What commands have set, for the process that takes over; what no longer fits its file is logged and left
  // out.
  Json commands() const;
  void apply_commands(const Json& state, SteadyTime now);

 private:
  struct Server {
    std::uint64_t id = 0;
    ServerSpec spec;
    bool from_file = false;
    std::optional<Admin> commanded_admin;
    std::optional<std::uint32_t> commanded_weight;
    std::optional<Address> commanded_address;
    std::shared_ptr<ServerLive> live;
    bool up = true;
    std::uint32_t streak = 0;  // checks in a row that say otherwise
    std::string fault;         // why it is down
    bool checks_suspended = false;
    SteadyTime ejected_until{}, up_since{};  // up_since: the epoch for one that was never down
    AgentReport agent;
    Gate gate = Gate::kOpen;
    SteadyTime gate_until{};

    const Address& address() const { return commanded_address ? *commanded_address : spec.address; }
    bool drained() const;
    bool down(SteadyTime now) const;
  };
  struct Leaving {
    std::shared_ptr<ServerLive> live;
    std::uint64_t generation;
  };
  struct Pool {
    std::uint32_t id = 0;
    PoolSpec spec;  // servers are in the map
    std::shared_ptr<PoolLive> live;
    std::map<std::string, Server> servers;
    std::vector<std::uint16_t> free_slots;
    std::vector<Leaving> leaving;
    std::shared_ptr<const RendezvousTable> table;
  };

  Status apply_command(const Json& entry, SteadyTime now);
  Result<Server*> find(const ServerName& name);
  Server* find(std::uint64_t id);
  void insert(Pool& pool, ServerSpec spec, bool from_file, SteadyTime now);
  void take_out(Pool& pool, std::map<std::string, Server>::iterator at);
  void set_up(const std::string& pool, Server& server, bool up, const std::string& fault, SteadyTime now);
  void tick_server(Pool& pool, Server& server, SteadyTime now);
  void forget_left(Pool& pool, std::uint64_t settled);
  void open_gate(Pool& pool, Server& server, SteadyTime now);
  std::uint32_t weight_now(const Pool& pool, const Server& server, SteadyTime now) const;
  std::unique_ptr<const PoolView> view(Pool& pool, SteadyTime now) const;

  std::map<std::string, Pool> pools_;
  std::vector<Pool> retired_;  // removed ones that still have connections
  std::vector<ListenerSpec> listeners_;
  std::uint32_t next_pool_ = 0;
  std::uint64_t next_server_ = 1;
  std::uint64_t generation_ = 0;
  std::uint64_t holds_expired_ = 0;
  bool changed_ = true;
  std::shared_ptr<const Snapshot> newest_;
};

}  // namespace sealift::balance

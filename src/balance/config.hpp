#pragma once

// What `sealift balance run FILE` reads: listeners, pools, servers. TOML, validated whole: every problem with
// file, line and key. Durations are keys that end in _ms. docs/OPERATING.md has an example and all the keys.
//
// Bounds: 1 MiB of file, 64 listeners, 256 pools, kServersMax servers a pool, 4,096 routes a listener.

#include <string>
#include <vector>

#include "balance/address.hpp"
#include "base/file.hpp"
#include "base/stop.hpp"

namespace sealift::balance {

constexpr std::size_t kServersMax = 4096;
constexpr std::uint32_t kWeightMax = 256;

enum class Algorithm : std::uint8_t { kRoundRobin, kLeastConnections, kPowerOfTwo, kLeastLoad, kIpHash };
enum class ProxyVersion : std::uint8_t { kNone, kV1, kV2 };
enum class CheckKind : std::uint8_t { kNone, kTcp, kHttp, kTls };

struct HealthSpec {
  CheckKind kind = CheckKind::kTcp;
  Milliseconds interval{2000};
  Milliseconds timeout{2000};
  std::uint32_t rise = 2;
  std::uint32_t fall = 3;
  std::string path = "/";          // HTTP: what is asked for, of whom, and which answers are good
  std::string host = "localhost";  // also the TLS server name
  std::uint16_t status_min = 200;
  std::uint16_t status_max = 399;
  std::uint32_t passive_failures = 5;  // connects in a row that fail until a server is ejected; 0: never
  Milliseconds passive{10'000};        // for how long, where no active check brings it back
  bool operator==(const HealthSpec&) const = default;
};

struct ServerSpec {
  std::string name;
  Address address;
  std::uint32_t weight = 1;           // 0: no new connections
  std::uint32_t connections_max = 0;  // 0: no limit
  std::uint16_t agent_port = 0;       // 0: no agent
  bool backup = false;
  std::string vm;  // the sealift VM that it is, for following its moves
  bool operator==(const ServerSpec&) const = default;
};

struct PoolSpec {
  std::string name;
  Algorithm algorithm = Algorithm::kRoundRobin;
  unsigned hash_bits_v4 = 32;  // IP hash: clients of the same prefix are one client
  unsigned hash_bits_v6 = 64;
  std::uint32_t bounded_load = 0;  // IP hash: per cent of the mean that a server takes at most; 0: no bound
  ProxyVersion send_proxy = ProxyVersion::kNone;
  Milliseconds connect_timeout{3000};
  Milliseconds idle_timeout{300'000};
  std::uint32_t retries = 3;       // further servers to try when a connect fails
  std::uint32_t queue_max = 1024;  // connections that wait for a server: limits, holds, all down
  Milliseconds queue_timeout{5000};
  bool wait_when_down = false;  // all down: hold new connections for queue_timeout, or close at once
  Milliseconds slow_start{0};
  Milliseconds hold_max{10'000};     // a hold ends by itself after that: plain behaviour
  std::uint32_t release_rate = 500;  // held connections let go per second
  Milliseconds agent_interval{2000};
  HealthSpec health;
  std::vector<ServerSpec> servers;
  bool operator==(const PoolSpec&) const = default;
};

struct RouteSpec {
  Network network;
  std::string pool;
  bool operator==(const RouteSpec&) const = default;
};

struct ListenerSpec {
  std::string name;
  Address address;
  std::string pool;  // for clients of no route; empty: they are closed
  bool accept_proxy = false;
  std::vector<RouteSpec> routes;
  bool operator==(const ListenerSpec&) const = default;
};

struct Config {
  std::uint32_t threads = 1;
  std::string control;                // unix socket for commands; empty: none
  std::string metrics;                // host:port for /metrics; empty: none
  std::string access_log;             // file; empty: none
  std::uint32_t connections_max = 0;  // 0: what the descriptor limit allows
  std::string follow;                 // directory of the enrolment; empty: no moves are followed
  Milliseconds drain{30'000};         // after handing over or a stop: how long old connections may go on
  std::vector<ListenerSpec> listeners;
  std::vector<PoolSpec> pools;
};

constexpr std::size_t kConfigBytesMax = 1024 * 1024;
// kInvalid: all problems, one a line, "file:line: key 'x': …".
Result<Config> parse_config(std::string_view toml, std::string_view file_name);
Result<Config> load_config(const file::Path& file);

std::string_view to_string(Algorithm algorithm);

// Names of listeners, pools and servers: 1 to 63 of [A-Za-z0-9._-].
bool good_name(std::string_view name);

}  // namespace sealift::balance

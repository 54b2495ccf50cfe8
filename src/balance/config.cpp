#include "balance/config.hpp"

#include <algorithm>
#include <set>

#include "base/toml.hpp"

namespace sealift::balance {

namespace {

constexpr std::uint64_t kMsMax = 24ULL * 3600 * 1000;

void read_ms(TomlTable& table, std::string_view key, Milliseconds* out, std::uint64_t least = 1) {
  if (const auto value = table.number(key, least, kMsMax))
    *out = Milliseconds{static_cast<std::int64_t>(*value)};
}

template <class Number>
void read_number(TomlTable& table, std::string_view key, std::uint64_t least, std::uint64_t most,
                 Number* out) {
  if (const auto value = table.number(key, least, most)) *out = static_cast<Number>(*value);
}

void read_name(TomlTable& table, std::string_view key, std::string* out) {
  table.require(key);
  if (const auto value = table.text(key)) *out = *value;
  if (table.has(key) && !good_name(*out))
    table.problem(key, "must be 1 to 63 of letters, digits, '.', '_', '-'");
}

void read_address(TomlTable& table, std::string_view key, Address* out) {
  table.require(key);
  const auto value = table.text(key);
  if (!value) return;
  const auto address = Address::parse(*value);
  if (!address) return table.problem(key, address.error().message);
  *out = *address;
}

// What goes into a request that we write: nothing that could end a line.
bool printable(std::string_view text, std::size_t most) {
  return !text.empty() && text.size() <= most &&
         std::ranges::all_of(text, [](char c) { return c > ' ' && c < 0x7f; });
}

void read_health(TomlTable table, HealthSpec* out) {
  if (const auto kind = table.choice("check", {"none", "tcp", "http", "tls"}))
    out->kind = static_cast<CheckKind>(*kind);
  read_ms(table, "interval_ms", &out->interval, 10);
  read_ms(table, "timeout_ms", &out->timeout, 10);
  read_number(table, "rise", 1, 100, &out->rise);
  read_number(table, "fall", 1, 100, &out->fall);
  if (const auto path = table.text("path")) out->path = *path;
  if (!printable(out->path, 1024) || out->path.front() != '/')
    table.problem("path", "must start with '/', without spaces");
  if (const auto host = table.text("host")) out->host = *host;
  if (!printable(out->host, 253)) table.problem("host", "must be a host name");
  read_number(table, "status_min", 100, 599, &out->status_min);
  read_number(table, "status_max", 100, 599, &out->status_max);
  if (out->status_min > out->status_max) table.problem("status_max", "is less than status_min");
  read_number(table, "passive_failures", 0, 1000, &out->passive_failures);
  read_ms(table, "passive_ms", &out->passive);
}

void read_server(TomlTable table, ServerSpec* out) {
  read_name(table, "name", &out->name);
  read_address(table, "address", &out->address);
  read_number(table, "weight", 0, kWeightMax, &out->weight);
  read_number(table, "connections_max", 1, 1'000'000, &out->connections_max);
  read_number(table, "agent_port", 1, 65535, &out->agent_port);
  if (const auto backup = table.boolean("backup")) out->backup = *backup;
  if (const auto vm = table.text("vm")) out->vm = *vm;
}

void read_servers(TomlTable& table, PoolSpec* out) {
  std::set<std::string> names;
  for (TomlTable server : table.tables("server")) {
    ServerSpec spec;
    read_server(server, &spec);
    if (!spec.name.empty() && !names.insert(spec.name).second)
      server.problem("name", "is used twice in this pool");
    if (out->algorithm == Algorithm::kLeastLoad && spec.agent_port == 0)
      server.problem("agent_port", "is missing: least-load goes by what each server's agent reports");
    out->servers.push_back(std::move(spec));
  }
  if (out->servers.size() > kServersMax)
    table.problem("server", fmt::format("more than {} servers", kServersMax));
}

void read_pool(TomlTable table, PoolSpec* out) {
  if (const auto algorithm = table.choice(
          "algorithm", {"round-robin", "least-connections", "power-of-two", "least-load", "ip-hash"}))
    out->algorithm = static_cast<Algorithm>(*algorithm);
  read_number(table, "hash_bits_v4", 1, 32, &out->hash_bits_v4);
  read_number(table, "hash_bits_v6", 1, 128, &out->hash_bits_v6);
  read_number(table, "bounded_load", 101, 1000, &out->bounded_load);
  if (const auto version = table.choice("send_proxy", {"none", "v1", "v2"}))
    out->send_proxy = static_cast<ProxyVersion>(*version);
  read_ms(table, "connect_timeout_ms", &out->connect_timeout, 10);
  read_ms(table, "idle_timeout_ms", &out->idle_timeout, 10);
  read_number(table, "retries", 0, 16, &out->retries);
  read_number(table, "queue_max", 0, 100'000, &out->queue_max);
  read_ms(table, "queue_timeout_ms", &out->queue_timeout);
  if (const auto answer = table.choice("all_down", {"close", "hold"})) out->wait_when_down = *answer == 1;
  read_ms(table, "slow_start_ms", &out->slow_start, 0);
  read_ms(table, "hold_max_ms", &out->hold_max);
  read_number(table, "release_rate", 1, 1'000'000, &out->release_rate);
  read_ms(table, "agent_interval_ms", &out->agent_interval, 10);
  if (auto health = table.table("health")) read_health(*health, &out->health);
  read_servers(table, out);
}

void read_listener(TomlTable table, ListenerSpec* out) {
  read_name(table, "name", &out->name);
  read_address(table, "address", &out->address);
  if (const auto pool = table.text("pool")) out->pool = *pool;
  if (const auto proxy = table.boolean("accept_proxy")) out->accept_proxy = *proxy;
  std::set<Network> seen;
  for (TomlTable route : table.tables("route")) {
    std::string pool;
    read_name(route, "pool", &pool);
    route.require("networks");
    const auto networks = route.texts("networks").value_or(std::vector<std::string>{});
    for (const std::string& text : networks) {
      const auto network = Network::parse(text);
      if (!network) {
        route.problem("networks", network.error().message);
      } else if (!seen.insert(*network).second) {
        route.problem("networks", fmt::format("{} is routed twice", text));
      } else {
        out->routes.push_back({*network, pool});
      }
    }
  }
  if (out->routes.size() > 4096) table.problem("route", "more than 4096 networks");
  if (out->pool.empty() && out->routes.empty()) table.problem("pool", "is missing");
}

void check_references(TomlTable& root, const Config& config) {
  std::set<std::string> pools;
  for (const PoolSpec& pool : config.pools) pools.insert(pool.name);
  std::set<std::string> names;
  std::set<Address> addresses;
  auto tables = root.tables("listener");
  for (std::size_t i = 0; i < config.listeners.size(); ++i) {
    const ListenerSpec& listener = config.listeners[i];
    if (!listener.pool.empty() && !pools.contains(listener.pool))
      tables[i].problem("pool", fmt::format("there is no [pool.{}]", listener.pool));
    for (const RouteSpec& route : listener.routes)
      if (!pools.contains(route.pool))
        tables[i].problem("route", fmt::format("there is no [pool.{}]", route.pool));
    if (!names.insert(listener.name).second) tables[i].problem("name", "is used twice");
    if (!addresses.insert(listener.address).second) tables[i].problem("address", "is used twice");
  }
}

}  // namespace

bool good_name(std::string_view name) {
  return !name.empty() && name.size() <= 63 && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
  });
}

std::string_view to_string(Algorithm algorithm) {
  switch (algorithm) {
    case Algorithm::kRoundRobin: return "round-robin";
    case Algorithm::kLeastConnections: return "least-connections";
    case Algorithm::kPowerOfTwo: return "power-of-two";
    case Algorithm::kLeastLoad: return "least-load";
    case Algorithm::kIpHash: return "ip-hash";
  }
  return "?";
}

Result<Config> parse_config(std::string_view toml, std::string_view file_name) {
  if (toml.size() > kConfigBytesMax)
    return fail(Code::kInvalid, "{}: larger than {} bytes", file_name, kConfigBytesMax);
  TomlFile file = SEALIFT_TRY(TomlFile::parse(toml, file_name));
  TomlTable root = file.root();
  Config config;
  if (auto table = root.table("balance")) {
    read_number(*table, "threads", 1, 64, &config.threads);
    if (const auto path = table->text("control")) config.control = *path;
    if (const auto address = table->text("metrics")) config.metrics = *address;
    if (!config.metrics.empty()) {
      const auto address = Address::parse(config.metrics);
      if (!address) table->problem("metrics", address.error().message);
    }
    if (const auto path = table->text("access_log")) config.access_log = *path;
    read_number(*table, "connections_max", 1, 10'000'000, &config.connections_max);
    read_ms(*table, "drain_ms", &config.drain, 0);
  }
  if (auto table = root.table("follow")) {
    table->require("directory");
    if (const auto path = table->text("directory")) config.follow = *path;
    if (config.follow.empty() || config.follow.front() != '/')
      table->problem("directory", "must be an absolute path: where `sealift balance enrol` keeps its files");
  }
  for (TomlTable table : root.tables("listener")) read_listener(table, &config.listeners.emplace_back());
  if (auto pools = root.table("pool")) {
    for (auto& [name, table] : pools->named_tables()) {
      config.pools.emplace_back().name = name;
      if (!good_name(name)) table.problem("name", fmt::format("'{}' is no good name for a pool", name));
      read_pool(table, &config.pools.back());
    }
  }
  check_references(root, config);
  if (config.listeners.empty()) root.problem("listener", "is missing: at least one [[listener]]");
  if (config.listeners.size() > 64) root.problem("listener", "more than 64 of them");
  if (config.pools.size() > 256) root.problem("pool", "more than 256 of them");
  SEALIFT_TRY_STATUS(file.finish());
  return config;
}

Result<Config> load_config(const file::Path& file) {
  return parse_config(SEALIFT_TRY(file::read_text(file, kConfigBytesMax)), file.string());
}

}  // namespace sealift::balance

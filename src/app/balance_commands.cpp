// `sealift balance …`: the load balancer and what may be told it while it runs.
#include "app/balance_daemon.hpp"
#include "app/cli.hpp"
#include "app/host_file.hpp"
#include "balance/config.hpp"
#include "traffic/enrolment.hpp"

namespace sealift::app {

namespace {

struct Options {
  std::string file;
  std::string control = "/run/sealift/balance.sock";
  bool takeover = false;
  std::string pool, server, address;
  std::uint32_t weight = 1, connections_max = 0, agent_port = 0;
  std::uint64_t longest_ms = 0;
  bool backup = false;
  std::string line, directory = "/var/lib/sealift-balance", name;
};

Result<int> check(const Cli& cli, const Options& options) {
  const balance::Config config = SEALIFT_TRY(balance::load_config(options.file));
  std::size_t servers = 0;
  for (const balance::PoolSpec& pool : config.pools) servers += pool.servers.size();
  const Json answer = {{"file", options.file},
                       {"listeners", config.listeners.size()},
                       {"pools", config.pools.size()},
                       {"servers", servers}};
  if (!cli.printed_json(answer))
    fmt::print("{}: good: {} listeners, {} pools, {} servers\n", options.file, config.listeners.size(),
               config.pools.size(), servers);
  return kExitOk;
}

Result<int> enrol(const Cli& cli, const Options& options) {
  const auto name = ledger::HostName::parse(options.name.empty() ? machine_name() : options.name);
  if (!name) return because(name.error(), "--name");
  const traffic::Enrolment enrolment = SEALIFT_TRY(
      traffic::enrol(options.directory, options.line, *name, Deadline::in(Milliseconds{30'000}), {}));
  const auto said = SEALIFT_TRY(traffic::parse_certificate(as_bytes(enrolment.certificate))).said;
  Json hosts = Json::array();
  std::string names;
  for (const traffic::MemberAddress& member : enrolment.members.members) {
    hosts.push_back(member.name.text());
    names += (names.empty() ? "" : ", ") + member.name.text();
  }
  const Json answer = {{"name", name->text()},
                       {"domain", enrolment.domain.hex()},
                       {"until", to_iso8601(said.until)},
                       {"hosts", std::move(hosts)},
                       {"directory", options.directory}};
  if (cli.printed_json(answer)) return kExitOk;
  fmt::print(
      "{} may follow the moves of {} until {}; in the balancer's file:\n[follow]\ndirectory = \"{}\"\n",
      name->text(), names, to_iso8601(said.until), options.directory);
  return kExitOk;
}

Result<int> list(const Cli& cli, const Options& options) {
  const Json answer = SEALIFT_TRY(api::Client(options.control).get("/v1/balance"));
  if (cli.printed_json(answer)) return kExitOk;
  std::vector<std::vector<std::string>> rows;
  for (const Json& pool : answer.value("pools", Json::array())) {
    for (const Json& server : pool.value("servers", Json::array())) {
      std::string by = field(server, "set_by");
      for (const Json& what : server.value("changed_by_command", Json::array()))
        by += fmt::format("{}{}", by.find(';') == std::string::npos ? "; command: " : ", ",
                          what.get<std::string>());
      rows.push_back(
          {field(pool, "name"), field(server, "name"), field(server, "address"), field(server, "state"),
           field(server, "weight"), field(server, "active"), field(server, "waiting"),
           field(server, "connections"), by,
           json::has(server, "move") ? "its VM is " + field(server, "move") : field(server, "why")});
    }
  }
  print_table({"POOL", "SERVER", "ADDRESS", "STATE", "WEIGHT", "ACTIVE", "WAITING", "TOTAL", "SET BY", "WHY"},
              rows);
  for (const Json& host : answer.value("follow", Json::object()).value("hosts", Json::array()))
    fmt::print("moves of {}: {}\n", field(host, "name"),
               host.value("connected", false) ? "followed" : "NOT followed: " + field(host, "why"));
  return kExitOk;
}

Result<int> post(const Cli& cli, const Options& options, const std::string& what, const Json& body) {
  const std::string path =
      fmt::format("/v1/balance/pools/{}/servers/{}/{}", api::encode_segment(options.pool),
                  api::encode_segment(options.server), what);
  const Json answer = SEALIFT_TRY(api::Client(options.control).post(path, body));
  if (!cli.printed_json(answer)) fmt::print("{} {}: {}\n", options.pool, options.server, what);
  return kExitOk;
}

void add_server_commands(CLI::App& parent, Cli& cli, Options& options) {
  CLI::App& server = *parent.add_subcommand("server", "Servers of a running balancer");
  server.require_subcommand(1);
  add_command(server, cli, "list", "Servers, their state and load, and who set what",
              [&] { return list(cli, options); });
  const auto command = [&](const std::string& name, const std::string& help,
                           std::function<Json()> body) -> CLI::App& {
    CLI::App& made = add_command(server, cli, name, help, [&cli, &options, name, body = std::move(body)] {
      return post(cli, options, name, body());
    });
    made.add_option("pool", options.pool)->required();
    made.add_option("server", options.server)->required();
    return made;
  };
  const auto nothing = [] { return Json::object(); };
  CLI::App& add = command("add", "Add a server to a pool", [&options] {
    return Json{{"address", options.address},
                {"weight", options.weight},
                {"connections_max", options.connections_max},
                {"agent_port", options.agent_port},
                {"backup", options.backup}};
  });
  add.add_option("address", options.address, "192.0.2.7:80 or [2001:db8::1]:80")->required();
  add.add_option("--weight", options.weight)->capture_default_str();
  add.add_option("--connections-max", options.connections_max, "0: no limit");
  add.add_option("--agent-port", options.agent_port);
  add.add_flag("--backup", options.backup);
  command("drain", "No new connections; open ones go on", nothing);
  command("remove", "Take it out of the pool; open connections go on to their end", nothing);
  command("enable", "Back to what the file says", nothing);
  CLI::App& weight = command("weight", "Another weight, until enable",
                             [&options] { return Json{{"weight", options.weight}}; });
  weight.add_option("weight", options.weight, "0 to 256")->required();
  CLI::App& hold = command("hold", "New connections wait, for maintenance of a moment", [&options] {
    return options.longest_ms == 0 ? Json::object() : Json{{"longest_ms", options.longest_ms}};
  });
  hold.add_option("--longest-ms", options.longest_ms, "at most that long (default and bound: hold_max_ms)");
  command("release", "Let those go that wait, at the pool's pace", nothing);
}

}  // namespace

void add_balance_commands(CLI::App& root, Cli& cli) {
  CLI::App& balance =
      *root.add_subcommand("balance", "TCP load balancer; needs no host, no ledger, no domain");
  balance.require_subcommand(1);
  balance.fallthrough();
  static Options options;
  balance.add_option("--control", options.control, "control socket of the running balancer")
      ->capture_default_str();
  CLI::App& run = add_command(
      balance, cli, "run", "Balance as the file says, in the foreground; SIGHUP reloads it",
      [] { return run_balancer(options.file, options.takeover ? Takeover::kYes : Takeover::kNo); });
  run.add_option("file", options.file)->required();
  run.add_flag("--takeover", options.takeover,
               "replace the running balancer: no client is refused meanwhile");
  CLI::App& good =
      add_command(balance, cli, "check", "Is this file good?", [&cli] { return check(cli, options); });
  good.add_option("file", options.file)->required();
  add_command(balance, cli, "reload", "Take the edited file; a bad one is refused as a whole",
              [&cli]() -> Result<int> {
                const Json answer =
                    SEALIFT_TRY(api::Client(options.control).post("/v1/balance/reload", Json::object()));
                if (!cli.printed_json(answer)) fmt::print("{}\n", field(answer, "message"));
                return kExitOk;
              });
  CLI::App& enrolled =
      add_command(balance, cli, "enrol",
                  "Get the right to follow a domain's moves, with a line of 'domain invite --balancer'",
                  [&cli] { return enrol(cli, options); });
  enrolled.add_option("line", options.line, "the invitation")->required();
  enrolled.add_option("--directory", options.directory, "where key and certificate are kept")
      ->capture_default_str();
  enrolled.add_option("--name", options.name, "the balancer's name (default: this machine's)");
  add_server_commands(balance, cli, options);
}

}  // namespace sealift::app

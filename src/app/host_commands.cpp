#include <filesystem>

#include "app/cli.hpp"
#include "app/daemon.hpp"
#include "app/host_init.hpp"
#include "host/config.hpp"

namespace sealift::app {

namespace {

Result<int> init(const Cli& cli, const InitOptions& options) {
  const std::string key = SEALIFT_TRY(init_host(cli.state(), options));
  const Json answer = {{"state_directory", cli.state_directory}, {"key", key}};
  if (!cli.printed_json(answer)) {
    fmt::print("host key    {}\nstate       {}\nnext        sealift host run\n", key, cli.state_directory);
  }
  return kExitOk;
}

std::string counts(const Json& states) {
  std::string text;
  for (const auto& [state, count] : states.items())
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", count.dump(), state);
  return text.empty() ? "none" : text;
}

Result<int> status(const Cli& cli) {
  const Json answer = SEALIFT_TRY(cli.client().get("/v1/status"));
  if (cli.printed_json(answer)) return kExitOk;
  const Json domain = answer.value("domain", Json::object());
  std::vector<std::pair<std::string, std::string>> pairs = {
      {"host", fmt::format("{}, sealift {}", field(answer, "host"), field(answer, "version"))},
      {"listens on", field(answer, "listen")},
      {"state", field(answer, "state_directory")},
      {"hypervisor", fmt::format("{}, {}", field(answer, "hypervisor"), field(answer, "accelerator"))},
      {"VMs", counts(answer.value("vms", Json::object()))},
      {"open moves", field(answer, "open_moves")},
      {"domain", fmt::format("{}, {} members, this host is {}", field(domain, "id").substr(0, 12),
                             field(domain, "members"), field(domain, "role"))},
      {"ledger",
       fmt::format("block {}, final up to {}", field(domain, "height"), field(domain, "final_height"))}};
  if (const Json expelled = domain.value("expelled", Json()); expelled.is_object())
    pairs.emplace_back("expelled",
                       fmt::format("in block {}, confirmed by a quorum of the others: {}. It takes part "
                                   "in nothing more; its guests run on, unless they were recovered "
                                   "elsewhere",
                                   field(expelled, "block"), field(expelled, "text")));
  if (const std::string waiting = field(domain, "waiting_for"); !waiting.empty() && waiting != "-")
    pairs.emplace_back("waiting for", waiting);
  print_pairs(pairs);
  return kExitOk;
}

}  // namespace

void add_host_commands(CLI::App& root, Cli& cli) {
  CLI::App& host = *root.add_subcommand("host", "This host: identity, daemon, status");
  host.require_subcommand(1);
  static InitOptions options;
  CLI::App& initialise =
      add_command(host, cli, "init", "Make this host's identity and state directory, and a domain of one",
                  [&cli] { return init(cli, options); });
  initialise.add_option("--name", options.name,
                        "the host's name in the domain, [a-z0-9-] (default: this machine's)");
  initialise.add_option("--listen", options.listen,
                        "address and port for everything between hosts (default: [::]:7420)");
  initialise.add_option("--advertise", options.advertise,
                        "how the other hosts reach it, host:port; none: they cannot, it dials them");
  initialise.add_option("--region", options.region, "compared with the domain's policy of allowed regions");
  initialise.add_flag("--witness", options.witness_only,
                      "this host only keeps and signs the ledger: no VMs, no QEMU");

  static std::string config;
  CLI::App& run = add_command(
      host, cli, "run", "The daemon, in the foreground; VMs go on when it ends", [&cli]() -> Result<int> {
        return run_daemon(cli.state(), config.empty() ? std::nullopt : std::optional<file::Path>(config));
      });
  run.add_option("--config", config, "configuration file (default: sealift.toml in the state directory)");

  add_command(host, cli, "status", "What the daemon does, and for what it waits",
              [&cli] { return status(cli); });

  static std::vector<std::string> endpoints;
  CLI::App& update = add_command(
      host, cli, "update", "Tell the domain under which addresses this host is reached, or 'none'",
      [&cli]() -> Result<int> {
        const bool none = endpoints == std::vector<std::string>{std::string(host::kNoAddress)};
        const Json answer = SEALIFT_TRY(
            cli.client().post("/v1/host/update", {{"endpoints", none ? Json::array() : Json(endpoints)}}));
        if (!cli.printed_json(answer)) fmt::print("{}\n", field(answer, "message"));
        return kExitOk;
      });
  update
      .add_option("endpoints", endpoints,
                  "host:port, one or several; none: it takes no connections and dials the others")
      ->required();
}

}  // namespace sealift::app

// sealift: one binary. `sealift host run` is the daemon, everything else the command line.

#include <csignal>
#include <cstdlib>

#include "app/cli.hpp"

namespace sealift::app {

bool Cli::printed_json(const Json& answer) const {
  if (json) fmt::print("{}\n", json::dump(answer));
  return json;
}

CLI::App& add_command(CLI::App& parent, Cli& cli, const std::string& name, const std::string& help,
                      std::function<Result<int>()> action) {
  CLI::App& command = *parent.add_subcommand(name, help);
  command.callback([&cli, action = std::move(action)] { cli.run = action; });
  return command;
}

namespace {

std::string default_state_directory() {
  if (const char* named = std::getenv("SEALIFT_STATE"); named != nullptr && *named != '\0') return named;
  return "/var/lib/sealift";
}

int run(int argc, char** argv) {
  Cli cli;
  CLI::App root(
      "sealift moves virtual machines between hosts that need not trust each other: sealed in transit, "
      "verified before they\n"
      "run, owned by exactly one host, provable afterwards.\n\n"
      "First steps:  sealift host init && sealift host run     then   sealift vm create vm.toml\n"
      "Exit codes:   0 done, 1 failed, 2 usage, 3 refused (nothing was changed), 4 unavailable (try again)",
      "sealift");
  root.set_version_flag("--version", std::string("sealift ") + SEALIFT_VERSION);
  root.require_subcommand(1);
  root.fallthrough();
  cli.state_directory = default_state_directory();
  root.add_option("--state", cli.state_directory, "this host's state directory ($SEALIFT_STATE)")
      ->capture_default_str();
  root.add_flag("--json", cli.json, "print results as JSON");
  add_host_commands(root, cli);
  add_vm_commands(root, cli);
  add_move_commands(root, cli);
  add_domain_commands(root, cli);
  add_ledger_commands(root, cli);
  add_balance_commands(root, cli);
  try {
    root.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const int code = root.exit(error);
    return code == 0 ? kExitOk : kExitUsage;
  }
  const auto code = cli.run();
  return code ? *code : print_error(code.error(), cli.json);
}

}  // namespace
}  // namespace sealift::app

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);
  return sealift::app::run(argc, argv);
}
